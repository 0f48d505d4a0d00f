/** The moves of whoever has a claim; each names its fence, and one that is not the newest moves nothing. */

/** ARGV: id, fence, lease. */
export const START = `
if held(ARGV[1], ARGV[2]) ~= 'leased' then return 0 end
redis.call('HSET', keyOf(ARGV[1]), 'state', 'started')
redis.call('HINCRBY', keyOf(ARGV[1]), 'attempts', 1)
redis.call('ZADD', P .. ':leases', now + tonumber(ARGV[3]), ARGV[1])
return 1
`

/** ARGV: id, fence, lease. */
export const RENEW = `
if not held(ARGV[1], ARGV[2]) then return 0 end
redis.call('ZADD', P .. ':leases', now + tonumber(ARGV[3]), ARGV[1])
return 1
`

/** ARGV: id, fence, delay. */
export const POSTPONE = `
local state = held(ARGV[1], ARGV[2])
if not state then return 0 end
leave(ARGV[1], state)
await(ARGV[1], now + tonumber(ARGV[3]))
return 1
`

/** ARGV: id, fence, ending, why, status, keep, answer. */
export const FINISH = `
local is = redis.call('HMGET', keyOf(ARGV[1]), 'state', 'fence')
-- The same order again, after a receipt that was lost.
if is[1] == ARGV[3] and is[2] == ARGV[2] then return 1 end
local state = held(ARGV[1], ARGV[2])
if not state then return 0 end
finish(ARGV[1], state, ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7])
return 1
`
