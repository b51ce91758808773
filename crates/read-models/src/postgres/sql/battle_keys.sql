SELECT uuid, id FROM battles WHERE uuid = ANY($1)
