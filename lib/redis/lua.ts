/**
 * The session operations as they run inside Redis. Each is one call, so it is atomic, and all its keys carry the
 * same hash tag, so it runs in one slot of a cluster. `base` is everything in front of the key's own name:
 *
 * | key | type | content |
 * |---|---|---|
 * | `s:<session>` | hash | the record |
 * | `exp` | sorted set | sessions by expiry |
 * | `u:<user>`, `l:<login>`, `n:<node>` | sorted set | sessions by the time their hash goes at the latest |
 * | `c:<connection>` | string | the session it is attached to |
 * | `t:<login>` | string | the login was ended: no new sessions |
 * | `r:<session>` | string | the id that an attached session got by somebody else than its owner, for its old `ttl` |
 * | `rep` | sorted set | `new old` of a regenerate across partitions, by the time the sweep finishes it |
 *
 * Every key has a time to live of its own beyond the last expiry it serves: if no sweeper is left, Redis removes
 * everything by itself. That time, `net` in the record, is also the score of its index entries, and moves much more
 * rarely than the expiry: a touch that moves the expiry writes one hash and one sorted set, no index.
 * Time is Redis' own. Names are never empty, so an empty string stands for none.
 */
export const luaOperations = `
local GRACE = 3600000
local FIELDS = {'uid', 'lid', 'node', 'conn', 'gen', 'ver', 'born', 'la', 'exp', 'ends', 'ttl', 'attr', 'ext', 'net'}
local UID, LID, NODE, CONN, GEN, VER, BORN, LA, EXP, ENDS, TTL = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
local NET = 14
local ops = {}

local function str(number)
  return string.format('%.0f', number)
end

local function micros()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function now()
  return math.floor(micros() / 1000)
end

-- The named fields of a record as a list, or nil. What is not one of ours, as a key of another type or one that
-- lacks a field, is none: it fails no operation on the others.
local function fields(base, sid, ...)
  local values = redis.pcall('HMGET', base .. 's:' .. sid, ...)
  if values.err then return nil end
  for i = 1, select('#', ...) do
    if not values[i] then return nil end
  end
  return values
end

local function is_count(value)
  return string.find(value, '^%d+$')
end

-- The record as a list in the order of FIELDS, or nil; dead ones only where asked for.
local function load(base, sid, at, dead)
  local record = fields(base, sid, unpack(FIELDS))
  if not record then return nil end
  for i = GEN, EXP do
    if not is_count(record[i]) then return nil end
  end
  if not is_count(record[TTL]) or (not dead and tonumber(record[EXP]) <= at) then return nil end
  return record
end

local function reply(sid, record)
  return {sid, unpack(record)}
end

local function bounded(ends, time)
  if ends == '' then return time end
  return math.min(time, tonumber(ends))
end

local function outlive(key, net, at)
  local left = redis.call('PTTL', key)
  if left < 0 or at + left < net then redis.call('PEXPIREAT', key, str(net)) end
end

-- An index entry scores the moment its hash goes by itself; what is past that points at nothing.
local function index(key, sid, net, at)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', str(at))
  redis.call('ZADD', key, str(net), sid)
  outlive(key, net, at)
end

local function unindex(key, sid)
  redis.pcall('ZREM', key, sid)
end

-- The indexes and the safety net, for a while to come.
local function secure(base, sid, record, at)
  local net = tonumber(record[EXP]) + GRACE + math.max(GRACE, tonumber(record[TTL]))
  record[NET] = str(net)
  redis.call('HSET', base .. 's:' .. sid, 'net', record[NET])
  redis.call('PEXPIREAT', base .. 's:' .. sid, record[NET])
  outlive(base .. 'exp', net, at)
  if record[UID] ~= '' then index(base .. 'u:' .. record[UID], sid, net, at) end
  if record[LID] ~= '' then index(base .. 'l:' .. record[LID], sid, net, at) end
  if record[CONN] ~= '' then
    index(base .. 'n:' .. record[NODE], sid, net, at)
    redis.call('PEXPIREAT', base .. 'c:' .. record[CONN], record[NET])
  end
end

-- Sets the expiry wherever it is kept. The record has to be stored already.
local function expire(base, sid, record, time, at)
  record[EXP] = str(time)
  redis.call('HSET', base .. 's:' .. sid, 'exp', record[EXP])
  redis.call('ZADD', base .. 'exp', record[EXP], sid)
  if time + GRACE > tonumber(record[NET]) then secure(base, sid, record, at) end
end

local function unindex_owner(base, sid, record)
  if record[CONN] == '' then return end
  local key = base .. 'c:' .. record[CONN]
  if redis.pcall('GET', key) == sid then redis.call('DEL', key) end
  unindex(base .. 'n:' .. record[NODE], sid)
end

local function disown(base, sid, record)
  unindex_owner(base, sid, record)
  record[NODE], record[CONN] = '', ''
  redis.call('HSET', base .. 's:' .. sid, 'node', '', 'conn', '')
end

-- The connection leads to this session, and to no other. The caller secures it afterwards.
local function claim(base, sid, conn, at)
  local key = base .. 'c:' .. conn
  local other = redis.call('GET', key)
  if other and other ~= sid then
    local left = load(base, other, at, true)
    if left then disown(base, other, left) end
  end
  redis.call('SET', key, sid)
end

local function remove(base, sid, record)
  unindex_owner(base, sid, record)
  redis.call('DEL', base .. 's:' .. sid)
  unindex(base .. 'exp', sid)
  if record[UID] ~= '' then unindex(base .. 'u:' .. record[UID], sid) end
  if record[LID] ~= '' then unindex(base .. 'l:' .. record[LID], sid) end
  return reply(sid, record)
end

-- Leaves word for the owner of a session which somebody else gives another id.
local function bequeath(base, sid, record, heir)
  if record[CONN] ~= '' then redis.call('SET', base .. 'r:' .. sid, heir, 'PX', record[TTL]) end
end

local function fenced(record, gen, conn)
  return gen ~= '' and (record[GEN] ~= gen or record[CONN] ~= conn)
end

local function blocked(base, lid)
  return lid ~= '' and redis.call('EXISTS', base .. 't:' .. lid) == 1
end

-- Live sessions of an index, oldest first.
local function members(base, key, at, except)
  local list = {}
  for _, sid in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    local short = sid ~= except and fields(base, sid, 'born', 'exp')
    if short and is_count(short[1]) and is_count(short[2]) and tonumber(short[2]) > at then
      list[#list + 1] = {sid = sid, born = tonumber(short[1])}
    end
  end
  table.sort(list, function(a, b) return a.born < b.born or (a.born == b.born and a.sid < b.sid) end)
  return list
end

-- Refuses, or removes the oldest until one more fits. Returns what it removed, or nil and how many there are.
local function make_room(base, uid, max, excess, at, except)
  local evicted = {}
  if max == 0 or uid == '' then return evicted end
  local list = members(base, base .. 'u:' .. uid, at, except)
  if #list >= max and excess == 'reject' then return nil, #list end
  for i = 1, #list - max + 1 do
    local record = load(base, list[i].sid, at)
    if record then evicted[#evicted + 1] = remove(base, list[i].sid, record) end
  end
  return evicted
end

local function store(base, sid, record, at)
  local flat = {}
  record[NET] = '0'
  for i, field in ipairs(FIELDS) do
    flat[2 * i - 1], flat[2 * i] = field, record[i]
  end
  redis.call('HSET', base .. 's:' .. sid, unpack(flat))
  redis.call('ZADD', base .. 'exp', record[EXP], sid)
  if record[CONN] ~= '' then claim(base, sid, record[CONN], at) end
  secure(base, sid, record, at)
end

-- sid uid lid node conn ttl maxAge attr ext max excess | replaced heal gen ver born ends
function ops.create(base, sid, uid, lid, node, conn, ttl, age, attr, ext, max, excess, old, heal, gen, ver, born, ends)
  if redis.call('EXISTS', base .. 's:' .. sid) == 1 then return {'exists'} end
  if blocked(base, lid) then return {'ended'} end
  local time = micros()
  local at = math.floor(time / 1000)
  local evicted, count = make_room(base, uid, tonumber(max), excess, at)
  if not evicted then return {'limit', count} end
  local record = {uid, lid, node, conn, conn == '' and '0' or '1', '0', str(time), str(at), '', '', ttl, attr, ext}
  if age ~= '' then record[ENDS] = str(at + tonumber(age)) end
  if old then
    record[GEN], record[VER], record[BORN], record[ENDS] = gen, ver, born, ends
    redis.call('ZADD', base .. 'rep', str(at + tonumber(heal)), sid .. ' ' .. old)
    outlive(base .. 'rep', at + tonumber(heal) + GRACE, at)
  end
  record[EXP] = str(bounded(record[ENDS], at + tonumber(ttl)))
  store(base, sid, record, at)
  return {'created', reply(sid, record), evicted}
end

function ops.get(base, sid)
  local record = load(base, sid, now())
  return record and {reply(sid, record)} or {}
end

function ops.members(base, kind, name)
  local at = now()
  local records = {}
  for _, member in ipairs(members(base, base .. kind .. ':' .. name, at)) do
    local record = load(base, member.sid, at)
    if record then records[#records + 1] = reply(member.sid, record) end
  end
  return records
end

function ops.connection(base, conn)
  local sid = redis.call('GET', base .. 'c:' .. conn)
  local record = sid and load(base, sid, now())
  return record and {reply(sid, record)} or {}
end

function ops.attach(base, sid, node, conn, check, uid, lid)
  local at = now()
  local record = load(base, sid, at)
  if not record then return {'gone'} end
  if check == '1' and (record[UID] ~= uid or blocked(base, lid)) then return {'denied'} end
  local last_node, last_conn = record[NODE], record[CONN]
  if lid ~= '' and lid ~= record[LID] then
    if record[LID] ~= '' then unindex(base .. 'l:' .. record[LID], sid) end
    record[LID] = lid
  end
  disown(base, sid, record)
  claim(base, sid, conn, at)
  record[NODE], record[CONN] = node, conn
  record[GEN] = str(tonumber(record[GEN]) + 1)
  record[LA] = str(at)
  record[EXP] = str(bounded(record[ENDS], at + tonumber(record[TTL])))
  redis.call('HSET', base .. 's:' .. sid, 'gen', record[GEN], 'la', record[LA], 'lid', record[LID],
    'node', node, 'conn', conn, 'exp', record[EXP])
  redis.call('ZADD', base .. 'exp', record[EXP], sid)
  secure(base, sid, record, at)
  if last_conn == conn then last_node, last_conn = '', '' end
  return {'attached', reply(sid, record), last_node, last_conn}
end

local function release(base, sid, record, keep, at)
  disown(base, sid, record)
  expire(base, sid, record, bounded(record[ENDS], at + math.min(keep, tonumber(record[TTL]))), at)
end

function ops.detach(base, sid, gen, conn, keep)
  local at = now()
  local record = load(base, sid, at)
  if not record then return 'gone' end
  if fenced(record, gen, conn) then return 'fenced' end
  release(base, sid, record, tonumber(keep), at)
  return 'ok'
end

-- Any number of sid gen conn idle. Answers the expiry, 0 for gone or -1 for fenced.
function ops.touch(base, exact, ...)
  local at = now()
  local entries, results = {...}, {}
  for i = 1, #entries, 4 do
    local sid, gen, conn, idle = entries[i], entries[i + 1], entries[i + 2], tonumber(entries[i + 3])
    local key = base .. 's:' .. sid
    local known = fields(base, sid, 'gen', 'conn', 'ends', 'exp', 'la', 'ttl', 'net')
    local owner_gen, owner_conn, ends = unpack(known or {})
    local exp, last, ttl, net = 0, 0, 0, 0
    if known then
      exp, last, ttl, net = tonumber(known[4]), tonumber(known[5]), tonumber(known[6]), tonumber(known[7])
    end
    if not (exp and last and ttl and net) or exp <= at then
      exp = 0
    elseif gen ~= '' and (owner_gen ~= gen or owner_conn ~= conn) then
      exp = -1
    else
      local active = math.max(at - idle, last)
      local moved = exp
      if exact == '1' or exp - at < ttl / 2 then
        moved = math.max(exp, bounded(ends, at - idle + ttl))
      end
      redis.call('HSET', key, 'la', str(active), 'exp', str(moved))
      if moved > exp then
        redis.call('ZADD', base .. 'exp', str(moved), sid)
        exp = moved
        local record = exp + GRACE > net and load(base, sid, at)
        if record then secure(base, sid, record, at) end
      end
    end
    results[#results + 1] = exp
  end
  return results
end

function ops.set(base, sid, ver, gen, conn, has_attr, attr, has_ext, ext, ttl)
  local at = now()
  local record = load(base, sid, at)
  if not record then return {'gone'} end
  if fenced(record, gen, conn) then return {'fenced'} end
  if record[VER] ~= ver then return {'conflict'} end
  local key = base .. 's:' .. sid
  if has_attr == '1' then redis.call('HSET', key, 'attr', attr) end
  if has_ext == '1' then redis.call('HSET', key, 'ext', ext) end
  local version = redis.call('HINCRBY', key, 'ver', 1)
  if ttl ~= '' then
    redis.call('HSET', key, 'ttl', ttl)
    record[TTL] = ttl
    expire(base, sid, record, bounded(record[ENDS], at + tonumber(ttl)), at)
  end
  return {'set', version, tonumber(record[EXP])}
end

-- Regenerate within one partition, so the connection's key stays the same.
function ops.renew(base, old, sid, gen, conn, uid, lid, max, excess)
  local at = now()
  local record = load(base, old, at)
  if not record then return {'gone'} end
  if fenced(record, gen, conn) then return {'fenced'} end
  if blocked(base, lid) then return {'ended'} end
  local evicted, count = make_room(base, uid, tonumber(max), excess, at, old)
  if not evicted then return {'limit', count} end
  if gen == '' then bequeath(base, old, record, sid) end
  remove(base, old, record)
  record[UID], record[LID] = uid, lid
  record[GEN] = str(tonumber(record[GEN]) + 1)
  record[LA] = str(at)
  record[EXP] = str(bounded(record[ENDS], at + tonumber(record[TTL])))
  store(base, sid, record, at)
  return {'created', reply(sid, record), evicted}
end

-- Ends a regenerate across partitions: its entry goes, and where it failed the new session as well.
function ops.settle(base, sid, old, undo)
  redis.call('ZREM', base .. 'rep', sid .. ' ' .. old)
  local record = undo == '1' and load(base, sid, 0, true)
  if record then remove(base, sid, record) end
  return 'ok'
end

-- heir: the id that takes its place, or none
function ops.destroy(base, sid, gen, conn, heir)
  local record = load(base, sid, now())
  if not record then return {} end
  if fenced(record, gen, conn) then return {'fenced'} end
  if heir ~= '' and gen == '' then bequeath(base, sid, record, heir) end
  return {remove(base, sid, record)}
end

function ops.heir(base, sid)
  return redis.call('GET', base .. 'r:' .. sid) or ''
end

-- Expired ones are the sweep's; 'skip' says how many of them lie in front of what is left.
function ops.finish(base, kind, name, block, limit, skip)
  if tonumber(block) > 0 then redis.call('SET', base .. 't:' .. name, '1', 'PX', block) end
  local at = now()
  local from, most = tonumber(skip), tonumber(limit)
  local listed = redis.call('ZRANGE', base .. kind .. ':' .. name, from, from + most - 1)
  local records = {}
  for _, sid in ipairs(listed) do
    local record = load(base, sid, at)
    if record then records[#records + 1] = remove(base, sid, record) end
  end
  return {#listed >= most and 1 or 0, records, from + #listed - #records}
end

function ops.sweep(base, limit)
  local at = now()
  local due = redis.call('ZRANGEBYSCORE', base .. 'exp', '-inf', str(at), 'LIMIT', 0, limit)
  local records = {}
  for _, sid in ipairs(due) do
    local record = load(base, sid, at, true)
    if not record then
      unindex(base .. 'exp', sid)
    elseif tonumber(record[EXP]) <= at then
      records[#records + 1] = remove(base, sid, record)
    end
  end
  local unsettled = redis.call('ZRANGEBYSCORE', base .. 'rep', '-inf', str(at), 'LIMIT', 0, limit)
  return {#due >= tonumber(limit) and 1 or 0, records, unsettled}
end

function ops.orphans(base, node, keep, limit)
  local at = now()
  local key = base .. 'n:' .. node
  local owned = redis.call('ZRANGE', key, 0, tonumber(limit) - 1)
  local records = {}
  for _, sid in ipairs(owned) do
    local record = load(base, sid, at)
    if record and record[NODE] == node then
      release(base, sid, record, tonumber(keep), at)
      records[#records + 1] = reply(sid, record)
    else
      unindex(key, sid)
    end
  end
  return {#owned >= tonumber(limit) and 1 or 0, records}
end

function ops.list(base, cursor, limit)
  local at = now()
  local page = redis.call('ZSCAN', base .. 'exp', cursor, 'COUNT', limit)
  local records = {}
  for i = 1, #page[2], 2 do
    local record = load(base, page[2][i], at)
    if record then records[#records + 1] = reply(page[2][i], record) end
  end
  return {page[1], records}
end

function ops.count(base)
  return redis.call('ZCARD', base .. 'exp')
end

local function call(key, args)
  local base = string.sub(key, 1, -4)
  local operation = table.remove(args, 1)
  return ops[operation](base, unpack(args))
end
`;
