/** What is asked from outside: cancel, and the numbers. */

/** ARGV: id, keep. */
export const CANCEL = `
local key = keyOf(ARGV[1])
local is = redis.call('HMGET', key, 'state', 'bytes')
if not is[1] then return 'none' end
if is[1] == 'waiting' then
  finish(ARGV[1], 'waiting', 'failed', 'cancelled', 0, tonumber(ARGV[2]), '')
  return 'cancelled'
end
if is[1] == 'leased' or is[1] == 'started' then return 'running' end
redis.call('DEL', key)
redis.call('ZREM', P .. ':ended', ARGV[1])
count('ended', -1)
count('bytes', 0 - tonumber(is[2]))
return 'removed'
`

/** Answers waiting, running, ended, bytes, done, failed, expired, unknown, and when the oldest was accepted. */
export const TOTALS = `
local is = redis.call('HMGET', P .. ':totals', 'waiting', 'running', 'ended', 'bytes', 'done', 'failed', 'expired', 'unknown')
local oldest = redis.call('ZRANGE', P .. ':pending', 0, 0)
local accepted = oldest[1] and redis.call('HGET', keyOf(oldest[1]), 'accepted') or false
local out = {}
for index = 1, 8 do out[index] = is[index] or '0' end
out[9] = accepted or '0'
return out
`
