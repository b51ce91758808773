-- Changes no row when the position is not past the stored one.
INSERT INTO projection_checkpoints (name, position)
VALUES (?1, ?2)
ON CONFLICT (name) DO UPDATE SET position = excluded.position WHERE excluded.position > projection_checkpoints.position
