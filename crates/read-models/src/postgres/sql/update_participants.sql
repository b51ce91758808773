UPDATE battle_participants AS p SET
    points = coalesce(new.points, p.points),
    shields = coalesce(new.shields, p.shields),
    arrows = coalesce(new.arrows, p.arrows),
    reached_revision = coalesce(new.reached_revision, p.reached_revision),
    session_id = coalesce(new.session_id::text, p.session_id),
    is_active = coalesce(new.is_active, p.is_active),
    has_left = p.has_left OR new.has_left,
    removed = p.removed OR new.removed,
    last_activity_at = coalesce(new.last_activity_at, p.last_activity_at),
    updated_at = new.updated_at,
    username = coalesce(new.username, p.username)
FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::uuid[], $7::boolean[], $8::boolean[],
    $9::boolean[], $10::timestamptz[], $11::timestamptz[],
    $12::text[]
) AS new (id, points, shields, arrows, reached_revision, session_id, is_active, has_left, removed, last_activity_at, updated_at, username)
WHERE p.id = new.id
