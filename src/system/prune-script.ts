/*
 * The page script: scans, decides and unlinks in one call, so that no key can change between the decision and
 * its removal. It is bounded by time, not by count, so that nobody else on Redis notices (measured: 2 ms a call
 * costs another client's p99 about 3 ms and the pruning itself 15 %).
 *
 * A key's age comes from the first rung of the ladder that can prove it; where none can, the key is kept or is
 * given a TTL. Only commands that leave the idle time alone are used, except GET for a rung that reads the value.
 *
 * Returns [cursor, looked at, matched, removed, bytes, given a TTL, then pairs of reason and count].
 */
export const PRUNE_PAGE = `
local cursor, rule, room, byte_room = ARGV[1], cjson.decode(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local function clock()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local started = clock()
local now = math.floor(started / 1000)

local function ends_with(text, tail) return text:sub(-#tail) == tail end

local function is_protected(key)
  for _, prefix in ipairs(rule.protected.prefixes) do
    if key:sub(1, #prefix) == prefix then return true end
  end
  for _, suffix in ipairs(rule.protected.suffixes) do
    if ends_with(key, suffix) then return true end
  end
  for _, suffix in ipairs(rule.protected.anywhere.suffixes) do
    if ends_with(key, suffix) then return true end
  end
  for _, part in ipairs(rule.protected.anywhere.parts) do
    if key:find(part, 1, true) then return true end
  end
  for _, exact in ipairs(rule.protected.exact) do
    if key == exact then return true end
  end
  return false
end

-- Days since 1970-01-01 of a date in the Gregorian calendar.
local function days_of(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local era = math.floor(year / 400)
  local of_era = year - era * 400
  local of_year = math.floor((153 * (month - 3) + 2) / 5) + day - 1
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year - 719468
end

local LONGEST = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
-- A date that is none proves nothing: what would overflow into the next month or year is refused.
local function is_date(year, month, day, hour, minute, second)
  if month < 1 or month > 12 or day < 1 or day > LONGEST[month] then return false end
  if month == 2 and day == 29 and (year % 4 ~= 0 or (year % 100 == 0 and year % 400 ~= 0)) then return false end
  return hour < 24 and minute < 60 and second < 61
end

-- Milliseconds of an ISO 8601 time; without a zone it is UTC, as Celery writes it.
local function time_of(text)
  if type(text) ~= 'string' then return nil end
  local year, month, day, hour, minute, second, rest =
    text:match('^(%d%d%d%d)%-(%d%d)%-(%d%d)[T ](%d%d):(%d%d):(%d%d)(.*)$')
  if not year then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if not is_date(year, month, day, hour, minute, second) then return nil end
  local fraction, zone = rest:match('^(%.%d+)(.*)$')
  if not zone then fraction, zone = '0', rest end
  local offset = 0
  if zone ~= '' and zone ~= 'Z' then
    local sign, hours, minutes = zone:match('^([+-])(%d%d):?(%d%d)$')
    if not sign then return nil end
    offset = (tonumber(hours) * 60 + tonumber(minutes)) * (sign == '+' and 1 or -1)
  end
  local days = days_of(year, month, day)
  local seconds = days * 86400 + hour * 3600 + (minute - offset) * 60 + second
  return (seconds + tonumber(fraction)) * 1000
end

-- Reading a value holds Redis for as long as it is long: a result of Celery's has a few hundred bytes.
local LARGEST = 256 * 1024

local rungs = {}
function rungs.ttl(key, rung, ttl)
  if ttl > 0 and ttl <= rung.initialMs then return rung.initialMs - ttl end
end
-- Idle time is a lower bound: it can prove that a key is old, not that it is young. It is no proof at all under an
-- LFU policy, for an object shared between keys, or when it is longer than the server is up (it was then restored,
-- or left over from another policy).
function rungs.idle(key)
  if not rule.trustIdle or redis.call('OBJECT', 'REFCOUNT', key) > 1 then return nil end
  local idle = redis.call('OBJECT', 'IDLETIME', key)
  if idle <= rule.uptimeSeconds then return idle * 1000, true end
end
function rungs.json(key, rung, _, kind)
  if kind ~= 'string' or (redis.call('MEMORY', 'USAGE', key) or 0) > LARGEST then return nil end
  local ok, value = pcall(cjson.decode, redis.call('GET', key))
  for _, name in ipairs(rung.path) do
    if not ok or type(value) ~= 'table' then return nil end
    value = value[name]
  end
  local at = time_of(value)
  if at then return now - at end
end

-- A key that was given a TTL by an earlier run has no known initial TTL: it may live out what it was given. Its
-- expiry bears a mark in its milliseconds.
local MARK = 719
local function given_expiry() return math.floor((now + rule.olderThanMs) / 1000) * 1000 + MARK end
local function was_given(key, ttl)
  if rule.withoutTtl ~= 'expire' or ttl <= 0 or ttl > rule.olderThanMs + 1000 then return false end
  local expiry = redis.pcall('PEXPIRETIME', key)
  if type(expiry) ~= 'number' then expiry = now + ttl end
  return expiry % 1000 == MARK
end

local looked, matched, removed, bytes, given, reasons = 0, 0, 0, 0, 0, {}
local function keep(reason) reasons[reason] = (reasons[reason] or 0) + 1 end

local function consider(key)
  looked = looked + 1
  if is_protected(key) then return keep('protected') end
  local kind = redis.call('TYPE', key).ok
  local ttl = redis.call('PTTL', key)
  if kind == 'none' or ttl == -2 then return end
  matched = matched + 1
  if kind == 'list' or kind == 'stream' then return keep('queue') end
  if was_given(key, ttl) then return keep('given') end
  local age, is_least
  for _, rung in ipairs(rule.age) do
    age, is_least = rungs[rung.kind](key, rung, ttl, kind)
    if age then break end
  end
  if age and age >= rule.olderThanMs then
    local size = redis.call('MEMORY', 'USAGE', key) or 0
    if removed >= room or bytes + size > byte_room then return keep('limit') end
    bytes = bytes + size
    removed = removed + 1
    if rule.mode == 'apply' then redis.call('UNLINK', key) end
  elseif age and not is_least then
    keep('young')
  elseif ttl == -1 and rule.withoutTtl == 'expire' then
    given = given + 1
    if rule.mode == 'apply' then redis.call('PEXPIREAT', key, given_expiry()) end
  elseif age then
    keep('used')
  else
    keep('unproved')
  end
end

for _ = 1, rule.maxScans do
  local page = redis.call('SCAN', cursor, 'MATCH', rule.keys, 'COUNT', 100)
  cursor = page[1]
  for _, key in ipairs(page[2]) do consider(key) end
  if cursor == '0' or reasons.limit or clock() - started >= rule.budgetMicros then break end
end

local answer = {cursor, looked, matched, removed, bytes, given}
for reason, count in pairs(reasons) do
  answer[#answer + 1] = reason
  answer[#answer + 1] = count
end
return answer
`;
