-- Who has left is not told from who has lapsed by is_active, and may not listen any more.
ALTER TABLE battle_participants ADD COLUMN has_left BOOLEAN NOT NULL DEFAULT FALSE;

-- Of those before: leaving was the last thing that somebody did; lapsing is what comes of doing nothing.
UPDATE battle_participants SET has_left = TRUE
WHERE NOT is_active AND NOT removed AND updated_at = last_activity_at;
