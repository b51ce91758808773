INSERT INTO battles
    (id, uuid, join_code, title, rules, questions, phase, starts_at, ends_at, created_at, created_position, position)
SELECT
    id, uuid, join_code, title, rules, questions, 'created', starts_at, ends_at, created_at, created_position, created_position
FROM unnest(
    $1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::jsonb[], $6::bigint[], $7::timestamptz[], $8::timestamptz[],
    $9::timestamptz[], $10::bigint[]
) AS new (id, uuid, join_code, title, rules, questions, starts_at, ends_at, created_at, created_position)
