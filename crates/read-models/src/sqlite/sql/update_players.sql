-- Somebody acted and has other points: the index of sessions is not touched.
UPDATE battle_participants AS p SET
    points = new.value ->> 1,
    shields = new.value ->> 2,
    arrows = new.value ->> 3,
    reached_revision = new.value ->> 4,
    last_activity_at = new.value ->> 5,
    updated_at = new.value ->> 6
FROM jsonb_each(?1) AS new
WHERE p.id = new.value ->> 0
