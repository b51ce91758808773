-- Whoever writes a batch waits here until all others have written theirs. Tables that were put in the place of these have another id.
SELECT position, 'projection_checkpoints'::regclass::oid::bigint AS tables_id
FROM projection_checkpoints
WHERE name = $1
FOR UPDATE
