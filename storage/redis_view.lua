-- Runs over a list of words: each names what to write, its values follow.
local p, i = KEYS[1], 4

-- Moves a member from one group to another; a count goes with each.
local function move(kind, member, score, old, new)
  if old ~= new then
    if old then
      redis.call('ZREM', kind .. ':in:' .. old, member)
      redis.call('HINCRBY', kind .. ':groups', old, -1)
    end
    redis.call('HINCRBY', kind .. ':groups', new, 1)
  end
  redis.call('ZADD', kind .. ':in:' .. new, score, member)
end

local open_in = {pending = true, firing = true, acknowledged = true}

-- Counts what happened in an hour: a hash for each day, the latest of them.
local function tally(hour, what, a, b, by)
  local day = math.floor(tonumber(hour) / 24)
  local name = p .. ':hours:' .. string.format('%.0f', day)
  redis.call('HINCRBY', name, table.concat({hour, what, a, b}, '\n'), by)
  redis.call('DEL', p .. ':hours:' .. string.format('%.0f', day - tonumber(ARGV[3])))
end

local function stands(district, level, by)
  redis.call('HINCRBY', p .. ':alerts:at', district .. '\n' .. level, by)
end

local function district_of(code)
  local held = redis.call('HGET', p .. ':subjects', code)
  return held and cjson.decode(string.match(held, '^([^\n]*)\n'))[1] or ''
end

local function alert(id, subject, group, opened, body, hour)
  local kind = p .. ':alerts'
  local seq = string.format('%.0f', redis.call('INCR', p .. ':seq'))
  redis.call('XADD', p .. ':transitions', 'MAXLEN', '~', ARGV[1], seq .. '-0', '', body)
  local held = redis.call('HGET', kind, id)
  local score = seq
  if held and opened == '0' then
    score = redis.call('ZSCORE', kind .. ':opened', id)
  else
    redis.call('ZADD', kind .. ':opened', seq, id)
  end
  if not held then
    local ids = redis.call('HGET', kind .. ':of', subject)
    redis.call('HSET', kind .. ':of', subject, ids and (ids .. '\n' .. id) or id)
  end
  local before = held and string.match(held, '^%d+ ([^\n]*)\n') or nil
  local was, now = before and cjson.decode(before) or {}, cjson.decode(group)
  if open_in[was[3]] or open_in[now[3]] then
    local district = district_of(subject)
    if open_in[was[3]] then stands(district, was[2], -1) end
    if open_in[now[3]] then stands(district, now[2], 1) end
  end
  if open_in[was[3]] ~= open_in[now[3]] then
    tally(hour, open_in[now[3]] and 'opened' or 'ended', now[1], now[2], 1)
  end
  move(kind, id, score, before, group)
  redis.call('HSET', kind, id, seq .. ' ' .. group .. '\n' .. body)
end

local function subject(code, group, count, row, hour)
  local kind = p .. ':subjects'
  local held = redis.call('HGET', kind, code)
  if not held then
    redis.call('ZADD', kind .. ':all', 0, code)
  end
  local before = held and string.match(held, '^([^\n]*)\n') or nil
  if before ~= group and hour then
    local was, now = before and cjson.decode(before) or {}, cjson.decode(group)
    if was[2] ~= now[2] then
      if was[2] then tally(hour, 'grade', was[2], '', -1) end
      tally(hour, 'grade', now[2], '', 1)
    end
    local from = was[1] or ''
    if from ~= now[1] then
      -- It moved, and takes its open alerts along.
      for id in string.gmatch(redis.call('HGET', p .. ':alerts:of', code) or '', '[^\n]+') do
        local of = cjson.decode(string.match(redis.call('HGET', p .. ':alerts', id),
                                             '^%d+ ([^\n]*)\n'))
        if open_in[of[3]] then
          stands(from, of[2], -1)
          stands(now[1], of[2], 1)
        end
      end
    end
  end
  move(kind, code, 0, before, group)
  redis.call('HSET', kind, code, group .. '\n' .. count .. '\n' .. row)
end

local function open(code, count, group, row)
  local held = redis.call('HGET', p .. ':subjects', code)
  if held then
    local was, _, rest = string.match(held, '^([^\n]*)\n(%d+)\n(.*)$')
    redis.call('HSET', p .. ':subjects', code, was .. '\n' .. count .. '\n' .. rest)
  else
    subject(code, group, count, row)
  end
end

local function dead(id, body, hour)
  local kind = p .. ':rejects'
  if redis.call('SADD', kind .. ':ids', id) == 0 then return end
  redis.call('LPUSH', kind, id .. '\n' .. body)
  redis.call('INCR', kind .. ':count')
  tally(hour, 'dead', '', '', 1)
  while redis.call('LLEN', kind) > tonumber(ARGV[2]) do
    local old = redis.call('RPOP', kind)
    redis.call('SREM', kind .. ':ids', string.match(old, '^([^\n]*)\n'))
  end
end

-- What a source sent in the hour at which the partition stood; of each hour of the clock the latest.
local function taken(partition, hour, source, n)
  local kind = p .. ':feeds'
  local came = redis.call('HGET', kind, '\n' .. partition) or tostring(tonumber(hour) - 1)
  local field = source .. '\n' .. string.format('%.0f', tonumber(came) % 24)
  local held, sum = string.match(redis.call('HGET', kind, field) or '', '^(%d+) (%d+)$')
  if held and tonumber(held) > tonumber(came) then return end
  if held == came then n = string.format('%.0f', tonumber(n) + tonumber(sum)) end
  redis.call('HSET', kind, field, came .. ' ' .. n)
end

local function passed(partition, hour)
  redis.call('HSET', p .. ':feeds', '\n' .. partition, hour)
end

local function tally(name, n)
  if redis.call('HINCRBY', p .. ':tallies', name, n) == 0 then
    redis.call('HDEL', p .. ':tallies', name)
  end
end

local does = {tally = {tally, 2}, alert = {alert, 6}, subject = {subject, 5}, open = {open, 4}, dead = {dead, 3},
              taken = {taken, 4}, passed = {passed, 2}}
while i <= #ARGV do
  local what, values = unpack(does[ARGV[i]])
  what(unpack(ARGV, i + 1, i + values))
  i = i + 1 + values
end
