-- Lays some lines of a whole board ready beside the one in use. Repeating it changes nothing.
-- KEYS: the new board, its participants. ARGV: seconds to live; then for each line the id, the member and the score.
for i = 2, #ARGV, 3 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return 1
