INSERT INTO parked_events (position, stream, revision, event_id, event_type, reason, parked_at)
SELECT *
FROM unnest(
    $1::bigint[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[]
)
