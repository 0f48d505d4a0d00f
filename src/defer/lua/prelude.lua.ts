/**
 * In front of every script: time of the one clock that all replicas share, and the moves that several scripts make.
 * All keys begin with one hash tag, so that they live in one slot of a cluster; `KEYS[1]` is that beginning.
 *
 * P:call:<id> hash, P:ready:<upstream> zset by place, P:later zset by due time, P:leases zset by end of lease,
 * P:pending zset by expiry, P:ended zset by removal, P:agents hash of pending calls, P:totals hash.
 */
export const PRELUDE = `
local P = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function keyOf(id) return P .. ':call:' .. id end
local function count(field, by) redis.call('HINCRBY', P .. ':totals', field, by) end

-- The call waits, from now or from a later instant.
local function await(id, due)
  local key = keyOf(id)
  local at = redis.call('HMGET', key, 'upstream', 'place')
  redis.call('HSET', key, 'state', 'waiting', 'due', due)
  if due <= now then
    redis.call('ZADD', P .. ':ready:' .. at[1], at[2], id)
  else
    redis.call('ZADD', P .. ':later', due, id)
  end
  count('waiting', 1)
end

-- The call leaves the queue or the hands of its owner.
local function leave(id, state)
  if state == 'waiting' then
    redis.call('ZREM', P .. ':ready:' .. redis.call('HGET', keyOf(id), 'upstream'), id)
    redis.call('ZREM', P .. ':later', id)
    count('waiting', -1)
  else
    redis.call('ZREM', P .. ':leases', id)
    count('running', -1)
  end
end

local function finish(id, state, ending, why, status, keep, answer)
  local key = keyOf(id)
  leave(id, state)
  local was = redis.call('HMGET', key, 'agent', 'bytes')
  redis.call('HDEL', key, 'call')
  redis.call('HSET', key, 'state', ending, 'why', why, 'status', status, 'ended', now, 'bytes', #answer)
  if answer ~= '' then redis.call('HSET', key, 'answer', answer) end
  redis.call('PEXPIRE', key, keep + 3600000)
  redis.call('ZREM', P .. ':pending', id)
  redis.call('ZADD', P .. ':ended', now + keep, id)
  if redis.call('HINCRBY', P .. ':agents', was[1], -1) <= 0 then redis.call('HDEL', P .. ':agents', was[1]) end
  count('ended', 1)
  count('bytes', #answer - tonumber(was[2]))
  count(ending, 1)
end

-- The state, when this fence still holds the call.
local function held(id, fence)
  local is = redis.call('HMGET', keyOf(id), 'state', 'fence')
  if (is[1] == 'leased' or is[1] == 'started') and is[2] == fence then return is[1] end
  return false
end
`
