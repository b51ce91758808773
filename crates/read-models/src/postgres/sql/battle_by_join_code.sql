SELECT * FROM battles WHERE lower(join_code) = lower($1) ORDER BY created_position DESC LIMIT 1
