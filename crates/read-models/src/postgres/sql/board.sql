-- The order of the board, the same in every store.
SELECT participant_id, username, points, reached_revision
FROM battle_participants
WHERE battle_id = $1 AND NOT removed
ORDER BY points DESC, reached_revision, participant_id
LIMIT $2 OFFSET $3
