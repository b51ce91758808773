-- Somebody spent or earned items and no points: only one index is touched.
UPDATE battle_participants AS p SET
    shields = new.value ->> 1,
    arrows = new.value ->> 2,
    last_activity_at = new.value ->> 3,
    updated_at = new.value ->> 4
FROM jsonb_each(?1) AS new
WHERE p.id = new.value ->> 0
