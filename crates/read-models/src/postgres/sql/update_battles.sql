UPDATE battles AS b SET
    position = new.position,
    phase = coalesce(new.phase, b.phase),
    started_at = coalesce(new.started_at, b.started_at),
    ended_at = coalesce(new.ended_at, b.ended_at),
    participants = b.participants + new.participants_delta
FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[]
) AS new (id, position, phase, started_at, ended_at, participants_delta)
WHERE b.id = new.id
