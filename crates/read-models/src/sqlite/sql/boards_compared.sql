DELETE FROM projection_checkpoints WHERE name = ?1 AND position <= ?2
