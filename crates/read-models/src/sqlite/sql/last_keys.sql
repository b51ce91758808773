SELECT coalesce((SELECT max(id) FROM battles), 0), coalesce((SELECT max(id) FROM battle_participants), 0)
