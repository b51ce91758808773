SELECT * FROM battles WHERE join_code = ?1 ORDER BY created_position DESC LIMIT 1
