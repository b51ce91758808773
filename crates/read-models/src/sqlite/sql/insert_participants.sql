INSERT INTO battle_participants
    (id, battle_id, participant_id, username, session_id, points, shields, arrows, reached_revision,
     last_activity_at, created_at, updated_at)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 9, value ->> 9
FROM jsonb_each(?1)
