INSERT INTO questions
    (battle_id, number, kind, prompt, choices, reward_points, reward_shields, reward_arrows, attempts_max,
     opens_after_ms, answering_time_ms)
SELECT *
FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::jsonb[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bigint[]
)
