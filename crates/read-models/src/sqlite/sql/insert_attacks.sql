INSERT INTO attacks
    (position, event_id, battle_id, attacker_id, target_id, blocked, points_deducted, attacked_at)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
FROM jsonb_each(?1)
