/** ARGV: most, keep, attempts. Answers expired, requeued, unknown, removed. */
export const SWEEP = `
local most, keep, attempts = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local expired, requeued, unknown, removed = 0, 0, 0, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':leases', '-inf', now, 'LIMIT', 0, most)) do
  local is = redis.call('HMGET', keyOf(id), 'state', 'idempotent', 'attempts')
  if is[1] == 'started' and not (is[2] == '1' and tonumber(is[3]) < attempts) then
    finish(id, 'started', 'unknown', 'owner-lost', 0, keep, '')
    unknown = unknown + 1
  elseif is[1] == 'leased' or is[1] == 'started' then
    leave(id, is[1])
    await(id, now)
    requeued = requeued + 1
  else
    redis.call('ZREM', P .. ':leases', id)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':pending', '-inf', now, 'LIMIT', 0, most)) do
  local state = redis.call('HGET', keyOf(id), 'state')
  if state == 'waiting' then
    finish(id, 'waiting', 'expired', '', 0, keep, '')
    expired = expired + 1
  elseif state == 'leased' or state == 'started' then
    -- It runs: if it comes back to the queue it is looked at again.
    redis.call('ZADD', P .. ':pending', now + 1000, id)
  else
    redis.call('ZREM', P .. ':pending', id)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':ended', '-inf', now, 'LIMIT', 0, most)) do
  local size = redis.call('HGET', keyOf(id), 'bytes')
  redis.call('DEL', keyOf(id))
  redis.call('ZREM', P .. ':ended', id)
  count('ended', -1)
  if size then count('bytes', 0 - tonumber(size)) end
  removed = removed + 1
end
return { expired, requeued, unknown, removed }
`
