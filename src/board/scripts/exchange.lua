-- One replica gives its word on one topic, takes those of the others, and keeps, takes or gives up the stewardship.
--
-- KEYS[1]  hash     replica -> "<server ms>:<word>"
-- KEYS[2]  string   the steward's name, for as long as its lease lasts
-- KEYS[3]  string   the epoch, one more each time that the stewardship changes hands
-- All three carry the same hash tag, {topic}: one slot of a cluster.
--
-- ARGV[1]  replica              ARGV[2]  word            ARGV[3]  ms after which a silent replica's word is dropped
-- ARGV[4]  '1' = would be the steward, '0' = gives it up ARGV[5]  ms of the lease
-- ARGV[6]  the highest epoch that the replica has seen   ARGV[7]  ms for which the epoch is remembered
--
-- Returns  { steward or '', epoch, replica, word, replica, word, ... } without the caller's own word.
--
-- Guarantee: at most one steward at any instant by this server's clock, each with an epoch greater than all before it
-- that any caller has seen, also after this server lost its memory. Every key expires; the hash holds no word older than
-- ARGV[3]. Running it twice does what running it once does. O(replicas).

local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)

redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f:', ms) .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])

local steward = redis.call('GET', KEYS[2]) or ''
local epoch = tonumber(redis.call('GET', KEYS[3]) or '0')
local seen = tonumber(ARGV[6])
if seen > epoch then epoch = seen end

if steward == ARGV[1] and ARGV[4] == '0' then
  redis.call('DEL', KEYS[2])
  steward = ''
elseif steward == ARGV[1] then
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
elseif steward == '' and ARGV[4] == '1' then
  redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[5])
  steward = ARGV[1]
  epoch = epoch + 1
end
if ARGV[4] == '1' then
  redis.call('SET', KEYS[3], string.format('%.0f', epoch), 'PX', ARGV[7])
end

local answer = { steward, epoch }
local words = redis.call('HGETALL', KEYS[1])
for at = 1, #words, 2 do
  local colon = string.find(words[at + 1], ':', 1, true)
  local said = tonumber(string.sub(words[at + 1], 1, colon - 1))
  if ms - said > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], words[at])
  elseif words[at] ~= ARGV[1] then
    answer[#answer + 1] = words[at]
    answer[#answer + 1] = string.sub(words[at + 1], colon + 1)
  end
end
return answer
