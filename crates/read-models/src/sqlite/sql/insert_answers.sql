INSERT INTO answers
    (position, battle_id, participant_id, question, attempt, verdict, points, shields, arrows, answer, submitted_at)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10
FROM jsonb_each(?1)
