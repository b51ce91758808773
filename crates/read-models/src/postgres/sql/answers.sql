SELECT a.position, b.uuid, p.participant_id, a.question, a.attempt, a.verdict, a.points, a.shields, a.arrows, a.answer,
    a.submitted_at, a.judged_at
FROM answers AS a
JOIN battle_participants AS p ON p.id = a.participant_id
JOIN battles AS b ON b.id = a.battle_id
WHERE a.position > $1 AND a.position <= $4 AND ($3::uuid IS NULL OR a.battle_id = (SELECT id FROM battles WHERE uuid = $3))
ORDER BY a.position
LIMIT $2
