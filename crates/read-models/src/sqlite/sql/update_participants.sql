UPDATE battle_participants AS p SET
    points = coalesce(new.value ->> 1, p.points),
    shields = coalesce(new.value ->> 2, p.shields),
    arrows = coalesce(new.value ->> 3, p.arrows),
    reached_revision = coalesce(new.value ->> 4, p.reached_revision),
    session_id = coalesce(new.value ->> 5, p.session_id),
    is_active = coalesce(new.value ->> 6, p.is_active),
    has_left = p.has_left OR new.value ->> 7,
    removed = p.removed OR new.value ->> 8,
    last_activity_at = coalesce(new.value ->> 9, p.last_activity_at),
    updated_at = new.value ->> 10,
    username = coalesce(new.value ->> 11, p.username)
FROM jsonb_each(?1) AS new
WHERE p.id = new.value ->> 0
