SELECT * FROM battles WHERE created_position < $1 ORDER BY created_position DESC LIMIT $2
