SELECT found.*, wanted.asked
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])
    WITH ORDINALITY AS wanted (target, battle, after, most, asked)
CROSS JOIN LATERAL (
    SELECT a.position, a.event_id, a.blocked, a.points_deducted, a.attacked_at, attacker.participant_id, attacker.username
    FROM attacks AS a
    JOIN battle_participants AS target ON target.id = a.target_id
    JOIN battle_participants AS attacker ON attacker.id = a.attacker_id
    JOIN battles AS b ON b.id = target.battle_id
    WHERE target.participant_id = wanted.target AND b.uuid = wanted.battle AND a.position > wanted.after
    ORDER BY a.position DESC
    LIMIT wanted.most
) AS found
ORDER BY wanted.asked, found.position DESC
