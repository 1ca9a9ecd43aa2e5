-- A seat for work in flight, when fewer than the limit are taken. A lease ends by itself.
--
-- KEYS[1]: the subject's seats, a sorted set by the moment (ms, this server's clock) each lease ends.
-- ARGV: the seat, the limit, the lease (ms). Answer: 1 taken, 0 none free.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
