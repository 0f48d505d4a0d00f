/** ARGV: id, facts, upstream, agent, idempotent, rank, ttl, keep, calls, bytes, perAgent, classStep, agentStep, call. */
export const ACCEPT = `
local id = ARGV[1]
local key = keyOf(id)
-- Sent twice by a connection that broke: the first one counts.
if redis.call('EXISTS', key) == 1 then return 'accepted' end
-- Its sender has given it up.
if redis.call('EXISTS', P .. ':void:' .. id) == 1 then return 'closed' end
local pending = tonumber(redis.call('HGET', P .. ':agents', ARGV[4]) or 0)
local has = redis.call('HMGET', P .. ':totals', 'waiting', 'running', 'ended', 'bytes')
local calls = tonumber(has[1] or 0) + tonumber(has[2] or 0) + tonumber(has[3] or 0)
local size = #ARGV[14]
if calls >= tonumber(ARGV[9]) or tonumber(has[4] or 0) + size > tonumber(ARGV[10]) or pending >= tonumber(ARGV[11]) then
  return 'full'
end
local place = now + tonumber(ARGV[6]) * tonumber(ARGV[12]) + pending * tonumber(ARGV[13])
local expires = now + tonumber(ARGV[7])
redis.call('HSET', key, 'facts', ARGV[2], 'upstream', ARGV[3], 'agent', ARGV[4], 'idempotent', ARGV[5],
  'accepted', now, 'expires', expires, 'place', place, 'fence', 0, 'attempts', 0, 'bytes', size,
  'ended', 0, 'why', '', 'status', 0, 'call', ARGV[14])
-- Only for what nobody sweeps any more.
redis.call('PEXPIRE', key, tonumber(ARGV[7]) + tonumber(ARGV[8]) + 86400000)
redis.call('HINCRBY', P .. ':agents', ARGV[4], 1)
redis.call('ZADD', P .. ':pending', expires, id)
count('bytes', size)
await(id, now)
return 'accepted'
`

/** ARGV: id. Whether an order whose receipt was lost was carried out; if not, it never will be. */
export const SETTLE = `
if redis.call('EXISTS', keyOf(ARGV[1])) == 1 then return 'accepted' end
redis.call('SET', P .. ':void:' .. ARGV[1], '', 'PX', 600000)
return 'closed'
`
