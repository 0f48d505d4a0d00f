/** The script as a module: the compiled package has no other files. */
export const COMMIT = `-- All of a step of the commons, or nothing of it.
--
-- KEYS[1]  prefix of all keys, one hash tag: {prefix}. Below it:
--   :r:<key>    hash    v = version, d = value, m = names of its indexes, one a line
--   :k          zset    every key, all of score 0: scanned by name
--   :i:<index>  zset    key by mark
--   :l:<log>    stream  <offset>-0 -> v = version, d = value
--   :m          hash    version, <log>:last, <log>:bytes
--   :u          hash    <room>:n records, <room>:b bytes
--
-- ARGV  number of rooms with bounds, then per room: room, records, bytes;
--       number of logs, then per log: log, entries, bytes;
--       then per change one of
--         put     key expected bounded value n (index at){n}
--         delete  key expected
--         check   key expected
--         append  log value
--       expected: 'any', 'absent' or a version; bounded: '1' or '0'.
--
-- Returns  { 'ok', version, offset, offset, ... }  or { 'conflict', key }  or { 'full', room }.
--
-- Guarantee: atomic and linearizable on one Redis; versions grow by one per commit and are never used twice as long as
-- Redis keeps what it was told. Not to be run again without a look when no reply came. O(changes * log n).

local prefix = KEYS[1]
local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end
local function whole(number)
  return string.format('%.0f', number)
end
local function room_of(key)
  return string.match(key, '^[^/]*')
end

local rooms = {}
for _ = 1, tonumber(take()) do
  local room = take()
  rooms[room] = { n = tonumber(take()), b = tonumber(take()) }
end
local logs = {}
for _ = 1, tonumber(take()) do
  local log = take()
  logs[log] = { n = tonumber(take()), b = tonumber(take()) }
end

local changes = {}
while at < #ARGV do
  local change = { op = take() }
  if change.op == 'append' then
    change.log = take()
    change.value = take()
  else
    change.key = take()
    change.expected = take()
    if change.op == 'put' then
      change.bounded = take() == '1'
      change.value = take()
      change.marks = {}
      for n = 1, tonumber(take()) do
        change.marks[n] = { take(), take() }
      end
    end
  end
  changes[#changes + 1] = change
end

for _, change in ipairs(changes) do
  if change.key then
    local version = redis.call('HGET', prefix .. ':r:' .. change.key, 'v')
    local expected = change.expected
    if not (expected == 'any' or (expected == 'absent' and not version) or expected == version) then
      return { 'conflict', change.key }
    end
  end
end

for _, change in ipairs(changes) do
  if change.bounded then
    local room = room_of(change.key)
    local bounds = rooms[room]
    if bounds then
      local record = prefix .. ':r:' .. change.key
      local isThere = redis.call('EXISTS', record) == 1
      local more = #change.value + #change.key
      if isThere then more = #change.value - redis.call('HSTRLEN', record, 'd') end
      local n = tonumber(redis.call('HGET', prefix .. ':u', room .. ':n') or '0')
      local b = tonumber(redis.call('HGET', prefix .. ':u', room .. ':b') or '0')
      if (not isThere and n + 1 > bounds.n) or (more > 0 and b + more > bounds.b) then
        return { 'full', room }
      end
    end
  end
end

local version = whole(redis.call('HINCRBY', prefix .. ':m', 'version', 1))

local function clear(key)
  local record = prefix .. ':r:' .. key
  local names = redis.call('HGET', record, 'm')
  if not names then return end
  for index in string.gmatch(names, '[^\\n]+') do
    redis.call('ZREM', prefix .. ':i:' .. index, key)
  end
  local room = room_of(key)
  redis.call('HINCRBY', prefix .. ':u', room .. ':n', -1)
  redis.call('HINCRBY', prefix .. ':u', room .. ':b', -(#key + redis.call('HSTRLEN', record, 'd')))
  redis.call('DEL', record)
  redis.call('ZREM', prefix .. ':k', key)
end

local answer = { 'ok', version }
for _, change in ipairs(changes) do
  if change.op == 'put' then
    local key = change.key
    clear(key)
    local names = {}
    for n, mark in ipairs(change.marks) do
      names[n] = mark[1]
      redis.call('ZADD', prefix .. ':i:' .. mark[1], mark[2], key)
    end
    redis.call('HSET', prefix .. ':r:' .. key, 'v', version, 'd', change.value, 'm', table.concat(names, '\\n'))
    redis.call('ZADD', prefix .. ':k', 0, key)
    local room = room_of(key)
    redis.call('HINCRBY', prefix .. ':u', room .. ':n', 1)
    redis.call('HINCRBY', prefix .. ':u', room .. ':b', #key + #change.value)
  elseif change.op == 'delete' then
    clear(change.key)
  elseif change.op == 'append' then
    local stream = prefix .. ':l:' .. change.log
    local bounds = logs[change.log]
    local offset = whole(redis.call('HINCRBY', prefix .. ':m', change.log .. ':last', 1))
    redis.call('XADD', stream, offset .. '-0', 'v', version, 'd', change.value)
    local bytes = redis.call('HINCRBY', prefix .. ':m', change.log .. ':bytes', #change.value)
    while redis.call('XLEN', stream) > bounds.n or bytes > bounds.b do
      local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
      if not oldest then break end
      redis.call('XDEL', stream, oldest[1])
      bytes = redis.call('HINCRBY', prefix .. ':m', change.log .. ':bytes', -#oldest[2][4])
    end
    answer[#answer + 1] = offset
  end
end
return answer
`
