-- Reads a part of a board, or only where it stands.
-- KEYS: the board, its participants. ARGV: 'held'; or 'top' and how many; or 'around', an id and how many on each side.
-- Answers nil when the board is not held whole; else the position, the number of lines, the place (from 0) of the first line that
-- follows, and the lines as members and scores.
local board, people = KEYS[1], KEYS[2]
local seal = redis.pcall('HGET', people, '#')
local mark = redis.pcall('ZSCORE', board, '#')
-- A key that holds something else is no board.
if type(seal) == 'table' then seal = false end
if type(mark) == 'table' then mark = false end
if not seal or not mark then return false end
local revision, position = string.match(seal, '^(%d+) (%d+) %d$')
local size = redis.call('ZCARD', board)
if not revision or tonumber(mark) ~= -tonumber(revision) - 1 or redis.call('HLEN', people) ~= size then return false end
local total = size - 1
local from, to = 0, -1
if ARGV[1] == 'top' then
  to = math.min(tonumber(ARGV[2]), total) - 1
elseif ARGV[1] == 'around' then
  local member = redis.call('HGET', people, ARGV[2])
  local place = member and redis.call('ZREVRANK', board, member)
  if member and not place then return false end
  if place then
    from = math.max(0, place - tonumber(ARGV[3]))
    to = math.min(total - 1, place + tonumber(ARGV[3]))
  end
end
if to < from then return {position, total, 0, {}} end
return {position, total, from, redis.call('ZREVRANGE', board, from, to, 'WITHSCORES')}
