SELECT a.position, a.event_id, a.blocked, a.points_deducted, a.attacked_at, attacker.participant_id, attacker.username
FROM attacks AS a
JOIN battle_participants AS target ON target.id = a.target_id
JOIN battle_participants AS attacker ON attacker.id = a.attacker_id
JOIN battles AS b ON b.id = target.battle_id
WHERE target.participant_id = ?1 AND b.uuid = ?2 AND a.position > ?3
ORDER BY a.position DESC
LIMIT ?4
