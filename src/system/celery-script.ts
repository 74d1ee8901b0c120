import { redisGlobsOverlap } from "../config/redis-glob.ts";

/*
 * What Celery still needs of its results (celery/backends/base.py, redis.py), in Lua, for the page script, which
 * brings `json_of`. A result counts as final in a ready state only. A chord that waits for its parts has the keys
 * `…taskset-meta-<group>.j`, `.t`, `.s`, or a `chord-unlock-<group>`; a saved group has `…taskset-meta-<group>`.
 *
 * All parts of a saved group are looked at in one call, or some could change meanwhile. A group of which that takes
 * too long is kept: `has_time_left` of the page script tells.
 */
export const CELERY_RESULTS = `
local READY = { SUCCESS = true, FAILURE = true, REVOKED = true }
local OF_GROUP = { 'celery-taskset-meta-%s', 'celery-taskset-meta-%s.j', 'celery-taskset-meta-%s.t',
  'celery-taskset-meta-%s.s', 'chord-unlock-%s' }

-- In a Cluster the keys of a group may lie elsewhere: what cannot be asked counts as there.
local function is_there(key)
  return redis.pcall('EXISTS', key) ~= 0
end
local function is_group_kept(prefix, group)
  for _, pattern in ipairs(OF_GROUP) do
    if is_there(prefix .. pattern:format(group)) then return true end
  end
  return false
end

-- The reason to keep a key of Celery's, whatever its age; nil: nobody needs it.
local function needed_by_celery(key)
  if key:find('chord-unlock-', 1, true) then return 'group' end
  local prefix, group = key:match('^(.-)celery%-taskset%-meta%-(.+)$')
  if group then
    if group:match('%.[jts]$') or is_there(key .. '.j') or is_there(key .. '.t') then return 'group' end
    local saved = json_of(key)
    local parts = saved and type(saved.result) == 'table' and saved.result[2]
    if type(parts) ~= 'table' then return 'group' end
    for _, part in ipairs(parts) do
      if not has_time_left() then return 'large' end
      local id = type(part) == 'table' and type(part[1]) == 'table' and part[1][1]
      local result = type(id) == 'string' and json_of(prefix .. 'celery-task-meta-' .. id)
      if not result or not READY[result.status] then return 'group' end
    end
    return nil
  end
  prefix = key:match('^(.-)celery%-task%-meta%-')
  if not prefix then return nil end
  local result = json_of(key)
  if not result then return nil end
  if not READY[result.status] then return 'unready' end
  if type(result.group_id) == 'string' and is_group_kept(prefix, result.group_id) then return 'group' end
end
`;

/** Whether a rule's glob may mean results of Celery: by what it says, also behind a prefix, or by what it leads to. */
export function mayMeanResults(glob: string): boolean {
  return /celery|chord/.test(glob) || OF_CELERY.some((keys) => redisGlobsOverlap(glob, keys));
}

const OF_CELERY = ["celery-task*", "chord-unlock-*"];
