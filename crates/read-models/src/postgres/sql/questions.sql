SELECT q.* FROM questions AS q JOIN battles AS b ON b.id = q.battle_id WHERE b.uuid = $1 ORDER BY q.number
