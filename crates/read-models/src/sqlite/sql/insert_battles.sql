INSERT INTO battles
    (id, uuid, join_code, title, rules, questions, phase, starts_at, ends_at, created_at, created_position, position)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, 'created',
    value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 9
FROM jsonb_each(?1)
