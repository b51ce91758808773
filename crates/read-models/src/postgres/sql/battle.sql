SELECT * FROM battles WHERE uuid = $1
