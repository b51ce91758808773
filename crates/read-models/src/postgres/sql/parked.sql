SELECT position, stream, revision, event_id, event_type, reason, parked_at, discarded_at, discard_reason
FROM parked_events
WHERE position > $1
ORDER BY position
LIMIT $2
