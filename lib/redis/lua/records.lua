-- The session operations as they run inside Redis. Each is one call, so it is atomic, and all its keys carry the
-- same hash tag, so it runs in one slot of a cluster. `base` is what is in front of the key's own name:
--
-- s:<session>     hash        the record
-- exp             sorted set  sessions by expiry
-- u:<user>, l:<login>, n:<node>, g:<group>
--                 sorted set  sessions by the time their hash goes at the latest
-- c:<connection>  string      the session it is attached to
-- t:<login>       string      the login was ended: no new sessions
-- r:<session>     string      the id that an attached session got by somebody else than its owner, for its `ttl`
-- rep             sorted set  `new old` of a regenerate across partitions, by when the sweep finishes it
--
-- Every key has a time to live of its own beyond the last expiry it serves: if no sweeper is left, Redis removes
-- everything by itself. That time, `net` in the record, is also the score of its index entries, and moves much
-- more rarely than the expiry: a touch that moves the expiry writes one hash and one sorted set, no index.
-- Time is Redis' own. Names are never empty, so an empty string stands for none.

local GRACE = 3600000
-- FIELDS comes from outside: the names of a record's fields, in order. No `ipairs` while a library is loaded.
local AT = {}
for position = 1, #FIELDS do
  AT[FIELDS[position]] = position
end
local UID, LID, NODE, CONN, GEN, VER = AT.uid, AT.lid, AT.node, AT.conn, AT.gen, AT.ver
local BORN, LA, EXP, ENDS, TTL, NET, GRP = AT.born, AT.la, AT.exp, AT.ends, AT.ttl, AT.net, AT.grp
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

-- The named fields of a record as a list, or nil. What is not one of ours, as a key of another type or one
-- that lacks a field, is none: it fails no operation on the others. Records of before there were groups have none.
local function fields(base, sid, ...)
  local values = redis.pcall('HMGET', base .. 's:' .. sid, ...)
  if values.err then
    return nil
  end
  for i = 1, select('#', ...) do
    if not values[i] then
      if select(i, ...) ~= 'grp' then
        return nil
      end
      values[i] = ''
    end
  end
  return values
end

local function is_count(value)
  return string.find(value, '^%d+$')
end

-- The record as a list in the order of FIELDS, or nil; dead ones only where asked for.
local function load(base, sid, at, dead)
  local record = fields(base, sid, unpack(FIELDS))
  if not record then
    return nil
  end
  for i = GEN, EXP do
    if not is_count(record[i]) then
      return nil
    end
  end
  if not is_count(record[TTL]) or (not dead and tonumber(record[EXP]) <= at) then
    return nil
  end
  return record
end

local function reply(sid, record)
  return { sid, unpack(record) }
end

local function bounded(ends, time)
  if ends == '' then
    return time
  end
  return math.min(time, tonumber(ends))
end

local function outlive(key, net, at)
  local left = redis.call('PTTL', key)
  if left < 0 or at + left < net then
    redis.call('PEXPIREAT', key, str(net))
  end
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
  if record[UID] ~= '' then
    index(base .. 'u:' .. record[UID], sid, net, at)
  end
  if record[LID] ~= '' then
    index(base .. 'l:' .. record[LID], sid, net, at)
  end
  if record[GRP] ~= '' then
    index(base .. 'g:' .. record[GRP], sid, net, at)
  end
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
  if time + GRACE > tonumber(record[NET]) then
    secure(base, sid, record, at)
  end
end

local function unindex_owner(base, sid, record)
  if record[CONN] == '' then
    return
  end
  local key = base .. 'c:' .. record[CONN]
  if redis.pcall('GET', key) == sid then
    redis.call('DEL', key)
  end
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
    if left then
      disown(base, other, left)
    end
  end
  redis.call('SET', key, sid)
end

local function remove(base, sid, record)
  unindex_owner(base, sid, record)
  redis.call('DEL', base .. 's:' .. sid)
  unindex(base .. 'exp', sid)
  if record[UID] ~= '' then
    unindex(base .. 'u:' .. record[UID], sid)
  end
  if record[LID] ~= '' then
    unindex(base .. 'l:' .. record[LID], sid)
  end
  if record[GRP] ~= '' then
    unindex(base .. 'g:' .. record[GRP], sid)
  end
  return reply(sid, record)
end

-- Leaves word for the owner of a session which somebody else gives another id.
local function bequeath(base, sid, record, heir)
  if record[CONN] ~= '' then
    redis.call('SET', base .. 'r:' .. sid, heir, 'PX', record[TTL])
  end
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
      list[#list + 1] = { sid = sid, born = tonumber(short[1]) }
    end
  end
  table.sort(list, function(a, b)
    return a.born < b.born or (a.born == b.born and a.sid < b.sid)
  end)
  return list
end

-- Refuses, or removes the oldest until one more fits. Returns what it removed, or nil and how many there are.
local function make_room(base, uid, max, excess, at, except)
  local evicted = {}
  if max == 0 or uid == '' then
    return evicted
  end
  local list = members(base, base .. 'u:' .. uid, at, except)
  if #list >= max and excess == 'reject' then
    return nil, #list
  end
  for i = 1, #list - max + 1 do
    local record = load(base, list[i].sid, at)
    if record then
      evicted[#evicted + 1] = remove(base, list[i].sid, record)
    end
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
  if record[CONN] ~= '' then
    claim(base, sid, record[CONN], at)
  end
  secure(base, sid, record, at)
end
