UPDATE answers AS a SET
    verdict = new.verdict,
    points = new.points,
    shields = new.shields,
    arrows = new.arrows,
    judged_at = new.judged_at
FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::timestamptz[]
) AS new (participant_id, question, attempt, verdict, points, shields, arrows, judged_at)
WHERE a.participant_id = new.participant_id AND a.question = new.question AND a.attempt = new.attempt
