SELECT * FROM battles WHERE created_position < $1 AND phase = $3 ORDER BY created_position DESC LIMIT $2
