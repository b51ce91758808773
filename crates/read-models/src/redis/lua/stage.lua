-- Lays some lines of a whole board ready beside the one in use. Repeating it changes nothing.
-- KEYS: the new board, its participants. ARGV: seconds to live; then for each line the id, the member and the score.
for i, kind in ipairs({'zset', 'hash'}) do
  local found = redis.call('TYPE', KEYS[i]).ok
  -- Something else that is in the way goes, and so does what it replaced; the sizes show that, and it all comes again.
  if found ~= kind and found ~= 'none' then redis.call('UNLINK', KEYS[i]) end
end
for i = 2, #ARGV, 3 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return 1
