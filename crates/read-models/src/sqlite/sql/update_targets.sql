-- Somebody was attacked and did nothing: only the board's index is touched.
UPDATE battle_participants AS p SET
    points = new.value ->> 1,
    shields = new.value ->> 2,
    arrows = new.value ->> 3,
    reached_revision = coalesce(new.value ->> 4, p.reached_revision),
    updated_at = new.value ->> 5
FROM jsonb_each(?1) AS new
WHERE p.id = new.value ->> 0
