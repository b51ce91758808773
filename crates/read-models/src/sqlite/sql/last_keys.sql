SELECT
    coalesce((SELECT max(id) FROM battles), 0) AS battle,
    coalesce((SELECT max(id) FROM battle_participants), 0) AS participant
