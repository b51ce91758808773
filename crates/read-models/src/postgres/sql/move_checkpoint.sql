-- Changes no row when the position is not past the stored one.
UPDATE projection_checkpoints SET position = $2 WHERE name = $1 AND coalesce(position < $2, TRUE)
