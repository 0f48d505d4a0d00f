-- A replica says goodbye: an empty word in place of its last one, and the stewardship given up, if it has it.
--
-- KEYS[1]  hash of words      KEYS[2]  the steward's name      as in exchange.lua
-- ARGV[1]  replica            ARGV[2]  ms after which a silent replica's word is dropped
--
-- Returns  1.
-- Guarantee: another replica's stewardship is never touched; the key expires. Running it twice does what running it
-- once does. An empty word tells "left" from "the server lost its memory".

if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f:', ms))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
