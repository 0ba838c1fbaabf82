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
-- rep             sorted set  what the sweep finishes, by when: `new old` of a regenerate across partitions,
--                             `evicted evicted` of a session that a limit took out of the indexes
-- mov, m:<session>            what is on its way to or from another store: moving.lua
--
-- A session lives while its entry in `exp` says so. Every key has a time to live of its own beyond the last expiry
-- it serves: if no sweeper is left, Redis removes everything by itself. That time, `net` in the record, is also the
-- score of its index entries, and moves much more rarely than the expiry: a touch that moves the expiry writes one
-- hash and one sorted set, no index.
-- Time is Redis' own. Names are never empty, so an empty string stands for none.
--
-- A call touches no key that it was not given: while a slot moves between the nodes of a cluster, such a key is
-- missing on either side, and some servers refuse it. Which keys a session needs stands in its record, so a call
-- that lacks some changes nothing and answers `moved` with the names of all that it needs beside those which the
-- operation always has; the caller repeats it with them.

local GRACE = 3600000
-- Members that are looked up at once; what one command of a script may take is bounded.
local CHUNK = 1000
-- FIELDS comes from outside: the names of a record's fields, in order. No `ipairs` while a library is loaded.
local AT = {}
for position = 1, #FIELDS do
  AT[FIELDS[position]] = position
end
local UID, LID, NODE, CONN, GEN, VER = AT.uid, AT.lid, AT.node, AT.conn, AT.gen, AT.ver
local BORN, LA, EXP, ENDS, TTL, NET, GRP = AT.born, AT.la, AT.exp, AT.ends, AT.ttl, AT.net, AT.grp
local ops = {}

-- Of the call that runs: what is in front of its keys' names, its keys, as a list and as a set, what it needs
-- beside those that the operation always has, and whether it lacks some of that.
local base, keys, declared, needed, lacking

local function begin(given)
  base = string.sub(given[1], 1, string.find(given[1], '}:', 1, true) + 1)
  keys, declared, needed, lacking = given, nil, { 'moved' }, false
end

local function has(name)
  if not declared then
    declared = {}
    for i = 1, #keys do
      declared[keys[i]] = true
    end
  end
  return declared[base .. name]
end

local function need(name)
  needed[#needed + 1] = name
  if not has(name) then
    lacking = true
  end
end

-- The sessions of the call's keys from the second on.
local function sessions(count)
  local ids, start = {}, #base + 3
  for i = 1, count do
    ids[i] = string.sub(keys[i + 1], start)
  end
  return ids
end

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

-- A key of another type than ours counts as none. Any other error fails the call: what a key has is not known.
local function attempt(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    if not string.find(answer.err, 'WRONGTYPE', 1, true) then
      error(answer.err, 0)
    end
    return nil
  end
  return answer
end

-- The named fields of a record as a list, or nil. What is not one of ours, as a key of another type or one that
-- lacks a field, is none: it fails no operation on the others. Records of before there were groups have none.
local function fields(sid, ...)
  local values = attempt('HMGET', base .. 's:' .. sid, ...)
  if not values then
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

-- The record as a list in the order of FIELDS, or nil; whether it lives is another question.
local function load(sid)
  local record = fields(sid, unpack(FIELDS))
  if not record then
    return nil
  end
  for i = GEN, EXP do
    if not is_count(record[i]) then
      return nil
    end
  end
  if not is_count(record[TTL]) or not is_count(record[NET]) then
    return nil
  end
  return record
end

-- When a session expires, or nil for one that has ended.
local function expiry(sid)
  return tonumber(redis.call('ZSCORE', base .. 'exp', sid) or nil)
end

local function expiries(ids, from, to)
  return redis.call('ZMSCORE', base .. 'exp', unpack(ids, from, to))
end

local function live(sid, at)
  local time = expiry(sid)
  return time and time > at and load(sid) or nil
end

-- Those of a list that live, in its order.
local function living(ids, at)
  local list = {}
  for from = 1, #ids, CHUNK do
    for i, time in ipairs(expiries(ids, from, math.min(from + CHUNK - 1, #ids))) do
      if time and tonumber(time) > at then
        list[#list + 1] = ids[from + i - 1]
      end
    end
  end
  return list
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
  attempt('ZREM', key, sid)
end

local function need_indexes(record)
  if record[UID] ~= '' then
    need('u:' .. record[UID])
  end
  if record[LID] ~= '' then
    need('l:' .. record[LID])
  end
  if record[GRP] ~= '' then
    need('g:' .. record[GRP])
  end
end

local function need_owner(record)
  if record[CONN] ~= '' then
    need('n:' .. record[NODE])
    need('c:' .. record[CONN])
  end
end

-- The indexes and the safety net, for a while to come. Needs the indexes and the owner.
local function secure(sid, record, at)
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

local function outgrows(record, time)
  return time + GRACE > tonumber(record[NET])
end

-- Sets the expiry wherever it is kept. The record has to be stored already. Needs what secure() does where the
-- time outgrows the safety net.
local function expire(sid, record, time, at)
  record[EXP] = str(time)
  redis.call('HSET', base .. 's:' .. sid, 'exp', record[EXP])
  redis.call('ZADD', base .. 'exp', record[EXP], sid)
  if outgrows(record, time) then
    secure(sid, record, at)
  end
end

local function unindex_owner(sid, record)
  if record[CONN] == '' then
    return
  end
  local key = base .. 'c:' .. record[CONN]
  if attempt('GET', key) == sid then
    redis.call('DEL', key)
  end
  unindex(base .. 'n:' .. record[NODE], sid)
end

local function disown(sid, record)
  unindex_owner(sid, record)
  record[NODE], record[CONN] = '', ''
  redis.call('HSET', base .. 's:' .. sid, 'node', '', 'conn', '')
end

-- The other session that the connection has led to until now, which is to lose it.
local function loser(sid, conn)
  local other = redis.call('GET', base .. 'c:' .. conn)
  if not other or other == sid then
    return nil
  end
  need('s:' .. other)
  local record = has('s:' .. other) and load(other)
  if not record or record[CONN] ~= conn then
    return nil
  end
  need('n:' .. record[NODE])
  return { sid = other, record = record }
end

-- The connection leads to this session, and to no other. The caller secures it afterwards.
local function claim(sid, conn, lost)
  if lost then
    disown(lost.sid, lost.record)
  end
  redis.call('SET', base .. 'c:' .. conn, sid)
end

local function need_removal(record)
  need_indexes(record)
  need_owner(record)
end

-- Takes it out of everything that leads to it.
local function unlist(sid, record)
  unindex_owner(sid, record)
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
end

local function remove(sid, record)
  unlist(sid, record)
  redis.call('DEL', base .. 's:' .. sid)
  return reply(sid, record)
end

local function inherits(record, gen, heir)
  return heir ~= '' and gen == '' and record[CONN] ~= ''
end

-- Leaves word for the owner of a session which somebody else gives another id.
local function bequeath(sid, record, heir)
  redis.call('SET', base .. 'r:' .. sid, heir, 'PX', record[TTL])
end

local function fenced(record, gen, conn)
  return gen ~= '' and (record[GEN] ~= gen or record[CONN] ~= conn)
end

local function blocked(lid)
  return lid ~= '' and redis.call('EXISTS', base .. 't:' .. lid) == 1
end

-- What has to go so that one more fits, or nil and the answer. Who is oldest stands in records that the call does
-- not have: the caller looks them up and names `known` ones, oldest first. What came meanwhile is younger.
local function surplus(uid, max, excess, at, except, known)
  if max == 0 or uid == '' then
    return {}
  end
  local list = living(redis.call('ZRANGE', base .. 'u:' .. uid, 0, -1), at)
  local waiting, count = {}, 0
  for _, sid in ipairs(list) do
    if sid ~= except then
      waiting[sid] = true
      count = count + 1
    end
  end
  if count < max then
    return {}
  end
  if excess == 'reject' then
    return nil, { 'limit', count }
  end
  if not known then
    return nil, { 'crowd', list }
  end
  local chosen = {}
  for _, order in ipairs({ known, list }) do
    for _, sid in ipairs(order) do
      if waiting[sid] and #chosen <= count - max then
        waiting[sid] = nil
        chosen[#chosen + 1] = sid
      end
    end
  end
  return chosen
end

-- Ends sessions by their indexes alone. Their records are buried by a call that has the keys for it, or by the sweep.
local function evict(ids, uid, at, heal)
  for _, sid in ipairs(ids) do
    redis.call('ZREM', base .. 'exp', sid)
    unindex(base .. 'u:' .. uid, sid)
    redis.call('ZADD', base .. 'rep', str(at + heal), sid .. ' ' .. sid)
  end
  if #ids > 0 then
    outlive(base .. 'rep', at + heal + GRACE, at)
  end
end

-- Needs the indexes and the owner.
local function store(sid, record, lost, at)
  local flat = {}
  record[NET] = '0'
  for i, field in ipairs(FIELDS) do
    flat[2 * i - 1], flat[2 * i] = field, record[i]
  end
  redis.call('HSET', base .. 's:' .. sid, unpack(flat))
  redis.call('ZADD', base .. 'exp', record[EXP], sid)
  if record[CONN] ~= '' then
    claim(sid, record[CONN], lost)
  end
  secure(sid, record, at)
end
