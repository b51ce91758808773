UPDATE battles AS b SET
    position = new.value ->> 1,
    phase = coalesce(new.value ->> 2, b.phase),
    started_at = coalesce(new.value ->> 3, b.started_at),
    ended_at = coalesce(new.value ->> 4, b.ended_at),
    participants = b.participants + (new.value ->> 5)
FROM jsonb_each(?1) AS new
WHERE b.id = new.value ->> 0
