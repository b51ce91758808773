INSERT INTO parked_events (position, stream, revision, event_id, event_type, reason, parked_at)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM jsonb_each(?1)
