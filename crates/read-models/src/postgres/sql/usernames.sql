SELECT p.participant_id, p.username
FROM battle_participants AS p
JOIN battles AS b ON b.id = p.battle_id
WHERE b.uuid = $1
