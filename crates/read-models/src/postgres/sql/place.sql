-- How many are ahead of somebody. No row when that one is not on the board.
SELECT (
    SELECT count(*)
    FROM battle_participants AS other
    WHERE other.battle_id = me.battle_id
      AND NOT other.removed
      AND other.points >= me.points
      AND (other.points > me.points
           OR (other.reached_revision, other.participant_id) < (me.reached_revision, me.participant_id))
) AS place
FROM battle_participants AS me
WHERE me.battle_id = $1 AND me.participant_id = $2 AND NOT me.removed
