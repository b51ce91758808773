SELECT found.*, wanted.asked
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS wanted (participant_id, battle, asked)
CROSS JOIN LATERAL (
    SELECT p.*, b.position
    FROM battle_participants AS p
    JOIN battles AS b ON b.id = p.battle_id
    WHERE p.participant_id = wanted.participant_id AND b.uuid = wanted.battle
    LIMIT 1
) AS found
