INSERT INTO attacks
    (position, event_id, battle_id, attacker_id, target_id, blocked, points_deducted, attacked_at)
SELECT *
FROM unnest(
    $1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], $7::bigint[], $8::timestamptz[]
)
