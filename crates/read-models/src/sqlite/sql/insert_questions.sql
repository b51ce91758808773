INSERT INTO questions
    (battle_id, number, kind, prompt, choices, reward_points, reward_shields, reward_arrows, attempts_max,
     opens_after_ms, answering_time_ms)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10
FROM jsonb_each(?1)
