SELECT json_group_array(json_array(position, event_id, uuid, attacker, target, blocked, points_deducted, attacked_at))
FROM (
    SELECT a.position, a.event_id, b.uuid, attacker.participant_id AS attacker, target.participant_id AS target, a.blocked,
        a.points_deducted, a.attacked_at
    FROM attacks AS a
    JOIN battle_participants AS attacker ON attacker.id = a.attacker_id
    JOIN battle_participants AS target ON target.id = a.target_id
    JOIN battles AS b ON b.id = a.battle_id
    WHERE a.position > ?1 AND a.position <= ?4 AND (?3 IS NULL OR a.battle_id = (SELECT id FROM battles WHERE uuid = ?3))
    ORDER BY a.position
    LIMIT ?2
)
