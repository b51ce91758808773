INSERT INTO answers
    (position, battle_id, participant_id, question, attempt, verdict, points, shields, arrows, answer, submitted_at)
SELECT *
FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::text[], $11::timestamptz[]
)
