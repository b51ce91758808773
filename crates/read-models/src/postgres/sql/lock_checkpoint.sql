-- Whoever writes a batch waits here until all others have written theirs.
SELECT position FROM projection_checkpoints WHERE name = $1 FOR UPDATE
