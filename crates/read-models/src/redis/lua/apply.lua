-- Applies a batch to a board, unless it was applied before or what was before it is missing.
-- KEYS: the board, its participants. ARGV: first revision, last revision, position, ended (0 or 1), seconds to live after the
-- end; then for each change the id, the member ('' for who is on the board already) and the score ('' for who goes, '=' for who has
-- another name and the same score).
-- Answers 1, or 0 when something is missing.
local board, people = KEYS[1], KEYS[2]
local first, last = tonumber(ARGV[1]), tonumber(ARGV[2])
local ended = ARGV[4]
local seal = redis.pcall('HGET', people, '#')
local mark = redis.pcall('ZSCORE', board, '#')
-- A key that holds something else is no board.
if type(seal) == 'table' then seal = false end
if type(mark) == 'table' then mark = false end
local held = -1
if seal and mark and redis.call('HLEN', people) == redis.call('ZCARD', board) then
  local revision, was_ended = string.match(seal, '^(%d+) %d+ (%d)$')
  if revision and tonumber(mark) == -tonumber(revision) - 1 then
    held = tonumber(revision)
    if was_ended == '1' then ended = '1' end
  end
end
if last <= held then return 1 end
if first > held + 1 then return 0 end
if held < 0 then redis.call('UNLINK', board, people) end
for i = 6, #ARGV, 3 do
  local id, member, score = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local known = redis.call('HGET', people, id)
  if score == '' then
    if known then
      redis.call('HDEL', people, id)
      redis.call('ZREM', board, known)
    end
  elseif score == '=' then
    local stays = known and redis.call('ZSCORE', board, known)
    if stays then
      redis.call('ZREM', board, known)
      redis.call('HSET', people, id, member)
      redis.call('ZADD', board, stays, member)
    end
  elseif member ~= '' then
    if known and known ~= member then redis.call('ZREM', board, known) end
    redis.call('HSET', people, id, member)
    redis.call('ZADD', board, score, member)
  elseif known then
    redis.call('ZADD', board, score, known)
  end
end
redis.call('HSET', people, '#', ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ended)
redis.call('ZADD', board, -last - 1, '#')
if ended == '1' then
  redis.call('EXPIRE', board, ARGV[5])
  redis.call('EXPIRE', people, ARGV[5])
end
return 1
