-- Parked events that an operator looked at and wants to hear of no more.
ALTER TABLE parked_events ADD COLUMN discarded_at TIMESTAMP;
ALTER TABLE parked_events ADD COLUMN discard_reason TEXT;
