COPY answers
    (position, battle_id, participant_id, question, attempt, verdict, points, shields, arrows, answer, submitted_at)
FROM STDIN (FORMAT binary)
