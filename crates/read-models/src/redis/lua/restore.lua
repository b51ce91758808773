-- Puts the board that was laid ready in the place of an older one.
-- KEYS: the board, its participants, the new board, its participants. ARGV: revision, position, ended (0 or 1), seconds to live
-- after the end, number of lines.
-- Answers 1, also when the one in use is as new and stays; 0 when the new one is no longer all there.
local seal = redis.pcall('HGET', KEYS[2], '#')
local mark = redis.pcall('ZSCORE', KEYS[1], '#')
-- A key that holds something else is no board.
if type(seal) == 'table' then seal = false end
if type(mark) == 'table' then mark = false end
if seal and mark and redis.call('HLEN', KEYS[2]) == redis.call('ZCARD', KEYS[1]) then
  local revision = string.match(seal, '^(%d+) %d+ %d$')
  if revision and tonumber(mark) == -tonumber(revision) - 1 and tonumber(revision) >= tonumber(ARGV[1]) then
    redis.call('UNLINK', KEYS[3], KEYS[4])
    return 1
  end
end
local lines = tonumber(ARGV[5])
if redis.call('ZCARD', KEYS[3]) ~= lines or redis.call('HLEN', KEYS[4]) ~= lines then
  redis.call('UNLINK', KEYS[3], KEYS[4])
  return 0
end
redis.call('UNLINK', KEYS[1], KEYS[2])
if lines > 0 then
  redis.call('RENAME', KEYS[3], KEYS[1])
  redis.call('RENAME', KEYS[4], KEYS[2])
end
redis.call('HSET', KEYS[2], '#', ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
redis.call('ZADD', KEYS[1], -tonumber(ARGV[1]) - 1, '#')
if ARGV[3] == '1' then
  redis.call('EXPIRE', KEYS[1], ARGV[4])
  redis.call('EXPIRE', KEYS[2], ARGV[4])
else
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
end
return 1
