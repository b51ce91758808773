UPDATE parked_events SET discarded_at = $2, discard_reason = $3 WHERE position = $1 AND discarded_at IS NULL
