INSERT INTO battle_participants
    (id, battle_id, participant_id, username, session_id, points, shields, arrows, reached_revision,
     last_activity_at, created_at, updated_at)
SELECT
    id, battle_id, participant_id, username, session_id, points, shields, arrows, reached_revision, joined_at, joined_at,
    joined_at
FROM unnest(
    $1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::uuid[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::timestamptz[]
) AS new (id, battle_id, participant_id, username, session_id, points, shields, arrows, reached_revision, joined_at)
