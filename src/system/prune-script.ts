import { AGE_LADDER } from "./age-script.ts";
import { CELERY_RESULTS } from "./celery-script.ts";

/*
 * The page script: scans, decides and unlinks in one call, so that no key can change between the decision and
 * its removal. It is bounded by time, not by count, so that nobody else on Redis notices (measured: 2 ms a call
 * costs another client's p99 about 3 ms). Keys that were scanned and not looked at in
 * time go back to the caller, who gives them to the next call.
 *
 * A key's age comes from the first rung of the ladder that can prove it; where none can, the key is kept or is
 * given a TTL.
 *
 * ARGV: cursor, rule, how many may be removed, how many bytes, then keys to be looked at before the scan goes on.
 * Returns [cursor, counts, reasons and how often, keys left, microseconds], counts being keys matched, removed, their
 * bytes, those given a TTL, and those of Celery without a TTL. The cursor is "done" at the end.
 */
export const PRUNE_PAGE = `
-- Looked up once: what is done for each of a million keys counts.
local call, byte, sub, find = redis.call, string.byte, string.sub, string.find
local function time()
  local t = call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local now = math.floor(time() / 1000)
-- From Redis 7.2 on, and in Valkey, TIME stands still while a script runs, but there is os.clock(): the processor time
-- of the whole server. What others of its threads use ends a call sooner, never later.
local has_os, os_clock = pcall(function() return os.clock end)
local clock = has_os and function() return os_clock() * 1000000 end or time
local started = clock()
local cursor, rule, room, room_bytes = ARGV[1], cjson.decode(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local oldest, has_type, is_celery, one_by_one = rule.olderThanMs, rule.type, rule.isCelery, rule.oneByOne
local function has_time_left() return clock() - started < rule.longestMicros end

-- Only what the rule's glob could match is in the lists; most rules have few.
local guard = rule.protected
local parts = guard.parts
local last_bytes = {}
for _, suffix in ipairs(guard.suffixes) do last_bytes[suffix:byte(-1)] = true end
local function is_protected(key)
  for i = 1, #guard.prefixes do
    local prefix = guard.prefixes[i]
    if sub(key, 1, #prefix) == prefix then return true end
  end
  if last_bytes[byte(key, -1)] then
    for i = 1, #guard.suffixes do
      local suffix = guard.suffixes[i]
      if sub(key, -#suffix) == suffix then return true end
    end
  end
  for i = 1, #parts do
    if find(key, parts[i], 1, true) then return true end
  end
  for i = 1, #guard.exact do
    if key == guard.exact[i] then return true end
  end
  return false
end

local known_key, known_kind
local function kind_of(key)
  if rule.type then return rule.type end -- SCAN gave no other
  if known_key ~= key then known_key, known_kind = key, call('TYPE', key).ok end
  return known_kind
end
${AGE_LADDER}${CELERY_RESULTS}
-- A key that was given a TTL by an earlier run has no known initial TTL: it may live out what it was given. Its
-- expiry bears a mark in its milliseconds. Where the expiry cannot be asked for (Redis before 7.0), each such key may.
local MARK = 719
local longest_given = oldest + 1000
local function given_expiry() return math.floor((now + oldest) / 1000) * 1000 + MARK end
local function was_given(key)
  local expiry = redis.pcall('PEXPIRETIME', key)
  return type(expiry) ~= 'number' or expiry % 1000 == MARK
end

local matched, removed, bytes, given, endless, reasons = 0, 0, 0, 0, 0, {}
local function keep(reason) reasons[reason] = (reasons[reason] or 0) + 1 end

-- The memory of the first thousand keys is measured, then that of one in sixteen, which stands for all: asking for
-- each would cost a quarter of the time. A limit on bytes has each measured.
local removed_before = rule.removedBefore
local function bytes_of(key)
  local nth = removed_before + removed
  local stands_for = (room_bytes or nth < 1000) and 1 or nth % 16 == 0 and 16
  return stands_for and stands_for * (call('MEMORY', 'USAGE', key) or 0) or 0
end

local doomed = {}
local function unlink_doomed()
  if #doomed > 0 and rule.mode == 'apply' then
    local twice = #doomed - redis.call('UNLINK', unpack(doomed)) -- SCAN may tell a key twice
    matched, removed = matched - twice, removed - twice
  end
  doomed = {}
end

local ladder, proofs, gives = rule.age, {}, rule.withoutTtl == 'expire'
for i, rung in ipairs(ladder) do proofs[i] = rungs[rung.kind] end
local function consider(key)
  if is_protected(key) then return keep('protected') end
  local ttl = call('PTTL', key)
  if ttl == -2 then return end
  matched = matched + 1
  if is_celery and ttl == -1 and find(key, 'celery-task', 1, true) then endless = endless + 1 end
  if gives and ttl > 0 and ttl <= longest_given and was_given(key) then return keep('given') end
  local age, is_least
  for i = 1, #ladder do
    age, is_least = proofs[i](key, ladder[i], ttl)
    if age then break end
  end
  if not has_type and (not age or age >= oldest or is_least) then
    local kind = kind_of(key)
    if kind == 'list' or kind == 'stream' then return keep('queue') end
  end
  if age and age >= oldest then
    local need = is_celery and needed_by_celery(key)
    if need then return keep(need) end
    if removed >= room then return keep('limit') end
    local size = bytes_of(key)
    if room_bytes and bytes + size > room_bytes then return keep('limit') end
    bytes = bytes + size
    removed = removed + 1
    doomed[#doomed + 1] = key
    if one_by_one or #doomed >= 100 then unlink_doomed() end
  elseif age and not is_least then
    keep('young')
  elseif ttl == -1 and gives then
    given = given + 1
    if rule.mode == 'apply' then redis.call('PEXPIREAT', key, given_expiry()) end
  elseif age then
    keep('used')
  else
    keep('unproved')
  end
end

-- A Cluster's node that takes over a slot holds keys that it may not touch yet.
local MOVING = { 'non local', 'MOVED', 'ASK', 'TRYAGAIN' }
local function consider_if_here(key)
  local ok, problem = pcall(consider, key)
  if ok then return end
  local text = type(problem) == 'table' and problem.err or tostring(problem)
  for _, word in ipairs(MOVING) do
    if text:find(word, 1, true) then return keep('moving') end
  end
  error(problem)
end

local visit = one_by_one and consider_if_here or consider

-- The clock is asked after every few keys; where a value is read, after each.
local stride = rule.readsValues and 1 or 25
local scans = 0
local function is_over() return reasons.limit or clock() - started >= rule.budgetMicros end
local function look_at(keys, from)
  for i = from, #keys do
    visit(keys[i])
    if i % stride == 0 and is_over() then return { unpack(keys, i + 1) } end
  end
  return {}
end

local function scan(from, count)
  local arguments = { 'SCAN', from, 'MATCH', rule.keys, 'COUNT', count }
  if rule.type then arguments[7], arguments[8] = 'TYPE', rule.type end
  return unpack(call(unpack(arguments)))
end
local function is_half_done(at) return at == '0' or byte(at, -1) % 2 == 1 end
-- A scan passes the keys with an even hash first, then those with an odd one, at cursors that are even or odd
-- themselves, however the table grows or shrinks meanwhile (dictScan, in Redis's dict.c; a table has four buckets or
-- more). Whoever has the even half stops where the odd one begins: a step that went beyond is taken again in the
-- smallest ones, each of which has keys of one kind only.
local function scan_on()
  local at, keys = scan(cursor, 100)
  if rule.part ~= 'even' or not is_half_done(at) then return at == '0' and 'done' or at, keys end
  local even = {}
  at = cursor
  repeat
    at, keys = scan(at, 1)
    if at == '1' or not is_half_done(at) then
      for i = 1, #keys do even[#even + 1] = keys[i] end
    end
  until is_half_done(at)
  return 'done', even
end

local left = look_at(ARGV, 5)
local has_begun = #ARGV > 4 -- each call gets on, however little time there is
while #left == 0 and cursor ~= 'done' and scans < rule.maxScans and not (has_begun and is_over()) do
  has_begun = true
  scans = scans + 1
  local keys
  cursor, keys = scan_on()
  left = look_at(keys, 1)
end
unlink_doomed()

local pairs_of = {}
for reason, count in pairs(reasons) do
  pairs_of[#pairs_of + 1] = reason
  pairs_of[#pairs_of + 1] = count
end
return {cursor, {matched, removed, bytes, given, endless}, pairs_of, left, math.floor(clock() - started)}
`;
