/** The scripts as a module: the compiled package has no other files. */

export const SCAN = `-- Records by key.
--
-- KEYS[1] prefix, as in commit.lua   ARGV[1] first, ARGV[2] last (both as of ZRANGEBYLEX)   ARGV[3] at most
-- Returns { key, version, value, ... }.  Reads only.
local answer = {}
for _, key in ipairs(redis.call('ZRANGEBYLEX', KEYS[1] .. ':k', ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])) do
  local record = redis.call('HMGET', KEYS[1] .. ':r:' .. key, 'v', 'd')
  answer[#answer + 1] = key
  answer[#answer + 1] = record[1]
  answer[#answer + 1] = record[2]
end
return answer
`

export const MARKED = `-- Records of one index, the least mark first.
--
-- KEYS[1] prefix, as in commit.lua   ARGV[1] index   ARGV[2] greatest mark   ARGV[3] at most
-- Returns { key, version, value, mark, ... }.  Reads only.
local answer = {}
local rows = redis.call('ZRANGEBYSCORE', KEYS[1] .. ':i:' .. ARGV[1], '-inf', ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for at = 1, #rows, 2 do
  local record = redis.call('HMGET', KEYS[1] .. ':r:' .. rows[at], 'v', 'd')
  answer[#answer + 1] = rows[at]
  answer[#answer + 1] = record[1]
  answer[#answer + 1] = record[2]
  answer[#answer + 1] = rows[at + 1]
end
return answer
`

export const READ = `-- Entries of a log.
--
-- KEYS[1] prefix, as in commit.lua   ARGV[1] log   ARGV[2] first offset wanted   ARGV[3] at most
-- Returns { first kept or '', last ever, offset, version, value, ... }.  Reads only.
local stream = KEYS[1] .. ':l:' .. ARGV[1]
local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
local answer = { oldest and oldest[1] or '', redis.call('HGET', KEYS[1] .. ':m', ARGV[1] .. ':last') or '0' }
for _, entry in ipairs(redis.call('XRANGE', stream, ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])) do
  answer[#answer + 1] = entry[1]
  answer[#answer + 1] = entry[2][2]
  answer[#answer + 1] = entry[2][4]
end
return answer
`
