COPY attacks
    (position, event_id, battle_id, attacker_id, target_id, blocked, points_deducted, attacked_at)
FROM STDIN (FORMAT binary)
