UPDATE answers AS a SET
    verdict = new.value ->> 3,
    points = new.value ->> 4,
    shields = new.value ->> 5,
    arrows = new.value ->> 6,
    judged_at = new.value ->> 7
FROM jsonb_each(?1) AS new
WHERE a.participant_id = new.value ->> 0 AND a.question = new.value ->> 1 AND a.attempt = new.value ->> 2
