-- These seats are still held: their leases begin anew. Seats that got lost are there again.
--
-- KEYS: for each seat its subject's set. ARGV: the lease (ms), then the seats in the same order.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for i = 1, #KEYS do
  redis.call('ZADD', KEYS[i], now + ARGV[1], ARGV[i + 1])
  redis.call('PEXPIRE', KEYS[i], ARGV[1])
end
return #KEYS
