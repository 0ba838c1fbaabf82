-- What one call does: the operations on the records and indexes of a partition. Arguments that are '' are none.
-- Above each: the keys that it always has, and its arguments where they do not speak for themselves.

-- exp s:sid, and of what the arguments name: u l g t n c, rep for what it replaces or evicts
-- sid uid lid node conn ttl maxAge attr ext group max excess heal, old gen ver born ends of what it replaces,
-- whether the user's oldest sessions follow, those
function ops.create(
  sid,
  uid,
  lid,
  node,
  conn,
  ttl,
  age,
  attr,
  ext,
  grp,
  max,
  excess,
  heal,
  old,
  gen,
  ver,
  born,
  ends,
  asked,
  ...
)
  if redis.call('EXISTS', base .. 's:' .. sid) == 1 then
    return { 'exists' }
  end
  if blocked(lid) then
    return { 'ended' }
  end
  local time = micros()
  local at = math.floor(time / 1000)
  local evicted, refusal = surplus(uid, tonumber(max), excess, at, nil, asked == '1' and { ... })
  if not evicted then
    return refusal
  end
  local lost = conn ~= '' and loser(sid, conn)
  if lacking then
    return needed
  end
  local generation = conn == '' and '0' or '1'
  local record =
    { uid, lid, node, conn, generation, '0', str(time), str(at), '', '', ttl, attr, ext, '0', grp }
  if age ~= '' then
    record[ENDS] = str(at + tonumber(age))
  end
  if old ~= '' then
    record[GEN], record[VER], record[BORN], record[ENDS] = gen, ver, born, ends
    redis.call('ZADD', base .. 'rep', str(at + tonumber(heal)), sid .. ' ' .. old)
    outlive(base .. 'rep', at + tonumber(heal) + GRACE, at)
  end
  record[EXP] = str(bounded(record[ENDS], at + tonumber(ttl)))
  evict(evicted, uid, at, tonumber(heal))
  store(sid, record, lost, at)
  return { 'created', reply(sid, record), evicted }
end

-- exp s:sid
function ops.get(sid)
  local record = live(sid, now())
  return record and { reply(sid, record) } or {}
end

-- exp <kind>:<name>
function ops.members(kind, name)
  local at = now()
  local list = living(redis.call('ZRANGE', base .. kind .. ':' .. name, 0, -1), at)
  for _, sid in ipairs(list) do
    need('s:' .. sid)
  end
  if lacking then
    return needed
  end
  local records = {}
  for _, sid in ipairs(list) do
    local record = load(sid)
    if record then
      records[#records + 1] = reply(sid, record)
    end
  end
  return records
end

-- exp <kind>:<name>
function ops.ids(kind, name)
  return living(redis.call('ZRANGE', base .. kind .. ':' .. name, 0, -1), now())
end

local place_of = { u = UID, l = LID, g = GRP }

-- exp s:.. of count sessions; only those that still have that name, where there is one
function ops.read(count, kind, name)
  local records = {}
  for _, sid in ipairs(living(sessions(tonumber(count)), now())) do
    local record = load(sid)
    if record and (kind == '' or record[place_of[kind]] == name) then
      records[#records + 1] = reply(sid, record)
    end
  end
  return records
end

-- exp s:.. of count sessions
function ops.born(count)
  local list = {}
  for i, sid in ipairs(sessions(tonumber(count))) do
    local short = fields(sid, 'born')
    list[i] = short and is_count(short[1]) and short[1] or ''
  end
  return list
end

-- c:conn
function ops.connection(conn)
  local sid = redis.call('GET', base .. 'c:' .. conn)
  if not sid then
    return {}
  end
  need('exp')
  need('s:' .. sid)
  if lacking then
    return needed
  end
  local record = live(sid, now())
  return record and record[CONN] == conn and { reply(sid, record) } or {}
end

-- exp s:sid n:node c:conn, and t:lid l:lid where there is one
-- leave: where others attach all the time, what leads to the last owner is left for clear() to remove
function ops.attach(sid, node, conn, check, uid, lid, leave)
  local at = now()
  local record = live(sid, at)
  if not record then
    return { 'gone' }
  end
  if check == '1' and (record[UID] ~= uid or blocked(lid)) then
    return { 'denied' }
  end
  need_indexes(record)
  if leave ~= '1' then
    need_owner(record)
  end
  local lost = loser(sid, conn)
  if lacking then
    return needed
  end
  local last_node, last_conn = record[NODE], record[CONN]
  if lid ~= '' and lid ~= record[LID] then
    if record[LID] ~= '' then
      unindex(base .. 'l:' .. record[LID], sid)
    end
    record[LID] = lid
  end
  if leave ~= '1' then
    unindex_owner(sid, record)
  end
  claim(sid, conn, lost)
  record[NODE], record[CONN] = node, conn
  record[GEN] = str(tonumber(record[GEN]) + 1)
  record[LA] = str(at)
  record[EXP] = str(bounded(record[ENDS], at + tonumber(record[TTL])))
  local moved = { 'gen', record[GEN], 'la', record[LA], 'exp', record[EXP] }
  redis.call('HSET', base .. 's:' .. sid, 'lid', record[LID], 'node', node, 'conn', conn, unpack(moved))
  redis.call('ZADD', base .. 'exp', record[EXP], sid)
  secure(sid, record, at)
  if last_conn == conn then
    last_node, last_conn = '', ''
  end
  return { 'attached', reply(sid, record), last_node, last_conn, leave == '1' and 1 or 0 }
end

-- What led to an owner that it no longer has.
-- s:sid n:node c:conn
function ops.clear(sid, node, conn)
  local record = load(sid)
  if not record or record[CONN] ~= conn then
    local key = base .. 'c:' .. conn
    if attempt('GET', key) == sid then
      redis.call('DEL', key)
    end
  end
  if not record or record[NODE] ~= node then
    unindex(base .. 'n:' .. node, sid)
  end
  return 'ok'
end

-- Until when a detached session lives; what release() needs for that.
local function need_release(record, keep, at)
  local time = bounded(record[ENDS], at + math.min(keep, tonumber(record[TTL])))
  need_owner(record)
  if outgrows(record, time) then
    need_indexes(record)
  end
  return time
end

local function release(sid, record, time, at)
  disown(sid, record)
  expire(sid, record, time, at)
end

-- exp s:sid
function ops.detach(sid, gen, conn, keep)
  local at = now()
  local record = live(sid, at)
  if not record then
    return 'gone'
  end
  if fenced(record, gen, conn) then
    return 'fenced'
  end
  local time = need_release(record, tonumber(keep), at)
  if lacking then
    return needed
  end
  release(sid, record, time, at)
  return 'ok'
end

-- The expiry, 0 for gone, -1 for fenced, or what it needs. `score`: its entry in `exp`, 0 for none. It costs Redis as
-- much as a command to write one out; an exact touch does without: nearly all of them move the entry, which tells
-- whether it is there.
local function touch(sid, key, score, gen, conn, idle, exact, at)
  local known = (exact or score > at)
    and attempt('HMGET', key, 'gen', 'conn', 'ends', 'la', 'ttl', 'net', 'exp')
  if not (known and known[1] and known[2] and known[3]) then
    return 0
  end
  local last, ttl, net = tonumber(known[4] or nil), tonumber(known[5] or nil), tonumber(known[6] or nil)
  local exp = score or tonumber(known[7] or nil)
  if not (last and ttl and net and exp and exp > at) then
    return 0
  end
  if gen ~= '' and (known[1] ~= gen or known[2] ~= conn) then
    return -1
  end
  local moved = exp
  if exact or exp - at < ttl / 2 then
    moved = math.max(exp, bounded(known[3], at - idle + ttl))
  end
  local active = str(math.max(at - idle, last))
  if moved == exp then
    if not score and not expiry(sid) then
      return 0
    end
    redis.call('HSET', key, 'la', active)
    return exp
  end
  local record = moved + GRACE > net and load(sid)
  if record then
    needed, lacking = { 'moved' }, false
    need_indexes(record)
    need_owner(record)
    if lacking then
      return needed
    end
  end
  local time = str(moved)
  if redis.call('ZADD', keys[1], 'XX', 'CH', time, sid) == 0 then
    return 0
  end
  redis.call('HSET', key, 'la', active, 'exp', time)
  if record then
    record[EXP] = time
    secure(sid, record, at)
  end
  return moved
end

-- exp s:.. of the sessions
-- exact, and gen conn idle of each; answers each on its own
function ops.touch(exact, ...)
  local at = now()
  local entries, results = { ... }, {}
  local ids = sessions(#entries / 3)
  local is_exact = exact == '1'
  local scores = not is_exact and expiries(ids, 1, #ids)
  for i, sid in ipairs(ids) do
    local gen, conn, idle = entries[3 * i - 2], entries[3 * i - 1], tonumber(entries[3 * i])
    local score = scores and tonumber(scores[i] or 0) or nil
    results[i] = touch(sid, keys[i + 1], score, gen, conn, idle, is_exact, at)
  end
  return results
end

-- exp s:sid, and g:group where it gets one
function ops.set(sid, ver, gen, conn, has_attr, attr, has_ext, ext, has_grp, grp, ttl)
  local at = now()
  local record = live(sid, at)
  if not record then
    return { 'gone' }
  end
  if fenced(record, gen, conn) then
    return { 'fenced' }
  end
  if record[VER] ~= ver then
    return { 'conflict' }
  end
  local time = tonumber(record[EXP])
  if ttl ~= '' then
    time = bounded(record[ENDS], at + tonumber(ttl))
    if outgrows(record, time) then
      need_indexes(record)
      need_owner(record)
    end
  end
  local regroups = has_grp == '1' and grp ~= record[GRP]
  if regroups and record[GRP] ~= '' then
    need('g:' .. record[GRP])
  end
  if lacking then
    return needed
  end
  local key = base .. 's:' .. sid
  if has_attr == '1' then
    redis.call('HSET', key, 'attr', attr)
  end
  if has_ext == '1' then
    redis.call('HSET', key, 'ext', ext)
  end
  if regroups then
    if record[GRP] ~= '' then
      unindex(base .. 'g:' .. record[GRP], sid)
    end
    record[GRP] = grp
    redis.call('HSET', key, 'grp', grp)
    if grp ~= '' then
      index(base .. 'g:' .. grp, sid, tonumber(record[NET]), at)
    end
  end
  local version = redis.call('HINCRBY', key, 'ver', 1)
  if ttl ~= '' then
    redis.call('HSET', key, 'ttl', ttl)
    record[TTL] = ttl
    expire(sid, record, time, at)
  end
  return { 'set', version, time }
end

-- Regenerate within one partition, so the connection's key stays the same.
-- exp s:old s:sid, and of what the arguments name: u l t, rep for what it evicts
-- old sid gen conn uid lid max excess heal, whether the user's oldest sessions follow, those
function ops.renew(old, sid, gen, conn, uid, lid, max, excess, heal, asked, ...)
  local at = now()
  local record = live(old, at)
  if not record then
    return { 'gone' }
  end
  if fenced(record, gen, conn) then
    return { 'fenced' }
  end
  if blocked(lid) then
    return { 'ended' }
  end
  local evicted, refusal = surplus(uid, tonumber(max), excess, at, old, asked == '1' and { ... })
  if not evicted then
    return refusal
  end
  need_removal(record)
  if inherits(record, gen, sid) then
    need('r:' .. old)
  end
  if lacking then
    return needed
  end
  if inherits(record, gen, sid) then
    bequeath(old, record, sid)
  end
  evict(evicted, uid, at, tonumber(heal))
  remove(old, record)
  record[UID], record[LID] = uid, lid
  record[GEN] = str(tonumber(record[GEN]) + 1)
  record[LA] = str(at)
  record[EXP] = str(bounded(record[ENDS], at + tonumber(record[TTL])))
  store(sid, record, nil, at)
  return { 'created', reply(sid, record), evicted }
end

-- Ends a regenerate across partitions: its entry goes, and where it failed the new session as well.
-- rep, and with undo exp s:sid
function ops.settle(sid, old, undo)
  local record = undo == '1' and load(sid)
  if record then
    need_removal(record)
    if lacking then
      return needed
    end
    remove(sid, record)
  end
  redis.call('ZREM', base .. 'rep', sid .. ' ' .. old)
  return 'ok'
end

-- exp s:sid
-- heir: the id that takes its place, or none
function ops.destroy(sid, gen, conn, heir)
  local record = live(sid, now())
  if not record then
    return {}
  end
  if fenced(record, gen, conn) then
    return { 'fenced' }
  end
  need_removal(record)
  if inherits(record, gen, heir) then
    need('r:' .. sid)
  end
  if lacking then
    return needed
  end
  if inherits(record, gen, heir) then
    bequeath(sid, record, heir)
  end
  return { remove(sid, record) }
end

-- r:sid
function ops.heir(sid)
  return redis.call('GET', base .. 'r:' .. sid) or ''
end

-- t:lid
function ops.block(lid, time)
  redis.call('SET', base .. 't:' .. lid, '1', 'PX', time)
  return 'ok'
end

-- Each of the following answers every session on its own: that it is gone, what became of it, or what it needs.
local function each(count, run)
  local results = {}
  for i, sid in ipairs(sessions(tonumber(count))) do
    needed, lacking = { 'moved' }, false
    results[i] = run(sid)
  end
  return results
end

local function taken(sid, record)
  if not record then
    return { 'gone' }
  end
  need_removal(record)
  if lacking then
    return needed
  end
  return { 'taken', remove(sid, record) }
end

-- Those that still have the name.
-- exp s:.. of count sessions
function ops.finish(count, kind, name)
  local at = now()
  return each(count, function(sid)
    local record = live(sid, at)
    return taken(sid, record and record[place_of[kind]] == name and record)
  end)
end

-- Those that have expired. An expiry whose session cannot be read goes.
-- exp s:.. of count sessions
function ops.sweep(count)
  local at = now()
  return each(count, function(sid)
    local time = expiry(sid)
    if not time or time > at then
      return { 'gone' }
    end
    local record = load(sid)
    if not record then
      unindex(base .. 'exp', sid)
    end
    return taken(sid, record)
  end)
end

-- Those that a limit evicted.
-- exp s:.. of count sessions, rep
function ops.bury(count)
  return each(count, function(sid)
    local result = taken(sid, not expiry(sid) and load(sid))
    if not lacking then
      redis.call('ZREM', base .. 'rep', sid .. ' ' .. sid)
    end
    return result
  end)
end

-- Those that the node owns are detached; others are none of its.
-- exp s:.. of count sessions, n:node
function ops.release(count, node, keep)
  local at = now()
  return each(count, function(sid)
    local record = live(sid, at)
    if not record or record[NODE] ~= node then
      unindex(base .. 'n:' .. node, sid)
      return { 'gone' }
    end
    local time = need_release(record, tonumber(keep), at)
    if lacking then
      return needed
    end
    release(sid, record, time, at)
    return { 'taken', reply(sid, record) }
  end)
end

-- exp rep
function ops.due(limit)
  local at = now()
  local expired = redis.call('ZRANGEBYSCORE', base .. 'exp', '-inf', str(at), 'LIMIT', 0, limit)
  return { expired, redis.call('ZRANGEBYSCORE', base .. 'rep', '-inf', str(at), 'LIMIT', 0, limit) }
end

-- n:node
function ops.owned(node, limit)
  return redis.call('ZRANGE', base .. 'n:' .. node, 0, tonumber(limit) - 1)
end

-- exp
function ops.page(cursor, limit)
  local page = redis.call('ZSCAN', base .. 'exp', cursor, 'COUNT', limit)
  local ids = {}
  for i = 1, #page[2], 2 do
    ids[#ids + 1] = page[2][i]
  end
  return { page[1], ids }
end

-- exp
function ops.count()
  return redis.call('ZCARD', base .. 'exp')
end

local function call(given, args)
  begin(given)
  local operation = table.remove(args, 1)
  return ops[operation](unpack(args))
end
