SELECT p.*, b.position
FROM battle_participants AS p
JOIN battles AS b ON b.id = p.battle_id
WHERE p.participant_id = $1 AND b.uuid = $2
