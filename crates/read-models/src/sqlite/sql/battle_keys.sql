SELECT b.uuid, b.id FROM json_each(?1) AS wanted JOIN battles AS b ON b.uuid = wanted.value
