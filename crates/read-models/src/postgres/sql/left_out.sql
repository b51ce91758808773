-- What a schema's tables can do without while rows are only added to them: indexes that refuse no row, and the keys that are positions
-- in the log, which come in their order and once.
SELECT
    format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname) AS take_out,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) AS put_in
FROM pg_constraint AS c
WHERE c.contype = 'p' AND c.conrelid IN (to_regclass('attacks'), to_regclass('answers'))
UNION ALL
SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
JOIN pg_class AS t ON t.oid = i.indrelid
WHERE NOT i.indisunique AND t.relnamespace = current_schema()::regnamespace
