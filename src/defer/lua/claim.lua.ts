/** ARGV: owner, lease, keep, upstream... Answers id, facts, fence, attempts, accepted, expires, call; or nothing. */
export const CLAIM = `
local due = redis.call('ZRANGEBYSCORE', P .. ':later', '-inf', now, 'LIMIT', 0, 128)
for _, id in ipairs(due) do
  redis.call('ZREM', P .. ':later', id)
  local at = redis.call('HMGET', keyOf(id), 'upstream', 'place', 'state')
  if at[3] == 'waiting' then redis.call('ZADD', P .. ':ready:' .. at[1], at[2], id) end
end
-- Bounded: what is left over comes next time.
for _ = 1, 64 do
  local best, from, place = false, false, false
  for index = 4, #ARGV do
    local ready = P .. ':ready:' .. ARGV[index]
    local first = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
    if first[1] and (not place or tonumber(first[2]) < place) then
      best, from, place = first[1], ready, tonumber(first[2])
    end
  end
  if not best then return false end
  redis.call('ZREM', from, best)
  local key = keyOf(best)
  local is = redis.call('HMGET', key, 'state', 'facts', 'attempts', 'accepted', 'expires', 'call')
  if is[1] == 'waiting' and tonumber(is[5]) <= now then
    finish(best, 'waiting', 'expired', '', 0, tonumber(ARGV[3]), '')
  elseif is[1] == 'waiting' and not is[6] then
    finish(best, 'waiting', 'failed', 'damaged', 0, tonumber(ARGV[3]), '')
  elseif is[1] == 'waiting' then
    local fence = redis.call('HINCRBY', key, 'fence', 1)
    redis.call('HSET', key, 'state', 'leased', 'owner', ARGV[1])
    redis.call('ZADD', P .. ':leases', now + tonumber(ARGV[2]), best)
    count('waiting', -1)
    count('running', 1)
    return { best, is[2], tostring(fence), is[3], is[4], is[5], is[6] }
  end
end
return false
`
