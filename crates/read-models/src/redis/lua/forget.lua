-- Lets a board go, whatever it says.
-- KEYS: the board, its participants. Answers how many of the keys were there.
return redis.call('UNLINK', KEYS[1], KEYS[2])
