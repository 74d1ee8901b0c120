/*
 * The ladder: ways to prove a key's age, in Lua, for the page script (prune-script.ts), which brings `rule`, `now`
 * (the server's clock, in ms) and `kind_of`. Each rung answers the age in milliseconds; nothing: it proves none. A
 * second `true` says that the key is at least so old.
 *
 * Only commands that leave the idle time alone are used, except for the rungs that read a value.
 */
export const AGE_LADDER = `
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
local function is_date(year, month, day)
  if month < 1 or month > 12 or day < 1 or day > LONGEST[month] then return false end
  return month ~= 2 or day ~= 29 or (year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0))
end

-- Milliseconds of an ISO 8601 time; without a zone it is UTC, as Celery writes it.
local function iso(text)
  if type(text) ~= 'string' then return nil end
  local year, month, day, hour, minute, second, rest =
    text:match('^(%d%d%d%d)%-(%d%d)%-(%d%d)[T ](%d%d):(%d%d):(%d%d)(.*)$')
  if not year then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if not is_date(year, month, day) or hour > 23 or minute > 59 or second > 60 then return nil end
  local fraction, zone = rest:match('^(%.%d+)(.*)$')
  if not zone then fraction, zone = '0', rest end
  local offset = 0
  if zone ~= '' and zone ~= 'Z' then
    local sign, hours, minutes = zone:match('^([+-])(%d%d):?(%d%d)$')
    if not sign then return nil end
    offset = (tonumber(hours) * 60 + tonumber(minutes)) * (sign == '+' and 1 or -1)
  end
  local seconds = days_of(year, month, day) * 86400 + hour * 3600 + (minute - offset) * 60 + second
  return (seconds + tonumber(fraction)) * 1000
end

-- Milliseconds of a Unix time in seconds or milliseconds, which are told apart by their size. What lies before the
-- year 2000 is a number of something else.
local YEAR_2000 = 946684800
local function epoch(value)
  if type(value) == 'string' then value = value:match('^%d+%.?%d*$') and tonumber(value) end
  if type(value) ~= 'number' then return nil end
  if value >= YEAR_2000 and value < 1e11 then return value * 1000 end
  if value >= YEAR_2000 * 1000 and value < 1e14 then return value end
end

local function since(at) if at then return now - at end end
local formats = { epoch = epoch, iso = iso }
function formats.any(value) return epoch(value) or iso(value) end

-- Reading a value holds Redis for as long as it is long: a result of Celery's has a few hundred bytes.
local LARGEST = 256 * 1024
local function text_of(key)
  local text = redis.pcall('GETRANGE', key, 0, LARGEST)
  if type(text) == 'string' and #text <= LARGEST then return text end
end
local json_key, json_value
local function json_of(key)
  if json_key ~= key then
    local ok, value = pcall(cjson.decode, text_of(key) or '')
    json_key, json_value = key, ok and type(value) == 'table' and value or nil
  end
  return json_value
end

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
function rungs.json(key, rung)
  local value = json_of(key)
  for _, name in ipairs(rung.path) do
    if type(value) ~= 'table' then return nil end
    value = value[name]
  end
  return since(formats.any(value))
end
function rungs.value(key, rung) return since(formats[rung.format](text_of(key))) end
-- A part of a key's name, counted from 1: a Unix time, or a day, which is over at its end.
function rungs.keyPart(key, rung)
  local part, count = nil, 0
  for text in (key .. ':'):gmatch('([^:]*):') do
    count = count + 1
    if count == rung.index then part = text break end
  end
  local at = epoch(part)
  if at or not part then return since(at) end
  local year, month, day = part:match('^(%d%d%d%d)%-?(%d%d)%-?(%d%d)$')
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  if year and is_date(year, month, day) then return now - (days_of(year, month, day) + 1) * 86400000 end
end
function rungs.field(key, rung)
  if kind_of(key) ~= 'hash' or redis.call('HSTRLEN', key, rung.name) > LARGEST then return nil end
  return since(formats.any(redis.call('HGET', key, rung.name)))
end
function rungs.score(key)
  if kind_of(key) ~= 'zset' then return nil end
  return since(epoch(redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]))
end
function rungs.lastId(key)
  if kind_of(key) ~= 'stream' then return nil end
  local info = redis.call('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return since(epoch(info[i + 1]:match('^%d+'))) end
  end
end
`;
