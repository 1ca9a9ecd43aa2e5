-- Take one token from every bucket of a group, or from none; any number of groups in one call.
--
-- KEYS: the buckets of all groups, one after the other.
-- ARGV: for each group the number of its buckets, then capacity and interval (us) of each.
-- Answer, flat: for each group 1 or 0 (taken or not), then for each bucket in how many us it is full.
--
-- A key holds the moment (us, this server's clock) at which the bucket is full, and lives until then.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer, key, arg = {}, 0, 1
while arg <= #ARGV do
  local count = tonumber(ARGV[arg])
  local full_in, taken = {}, 1
  for i = 1, count do
    local capacity, every = tonumber(ARGV[arg + 2 * i - 1]), tonumber(ARGV[arg + 2 * i])
    full_in[i] = math.max(tonumber(redis.call('GET', KEYS[key + i]) or now) - now, 0)
    if full_in[i] + every > capacity * every then taken = 0 end
  end
  answer[#answer + 1] = taken
  for i = 1, count do
    if taken == 1 then
      full_in[i] = full_in[i] + tonumber(ARGV[arg + 2 * i])
      redis.call('SET', KEYS[key + i], string.format('%.0f', now + full_in[i]),
        'PX', math.ceil(full_in[i] / 1000))
    end
    answer[#answer + 1] = full_in[i]
  end
  key, arg = key + count, arg + 2 * count + 1
end
return answer
