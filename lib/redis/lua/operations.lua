-- sid uid lid node conn ttl maxAge attr ext group max excess | replaced heal gen ver born ends
function ops.create(
  base,
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
  old,
  heal,
  gen,
  ver,
  born,
  ends
)
  if redis.call('EXISTS', base .. 's:' .. sid) == 1 then
    return { 'exists' }
  end
  if blocked(base, lid) then
    return { 'ended' }
  end
  local time = micros()
  local at = math.floor(time / 1000)
  local evicted, count = make_room(base, uid, tonumber(max), excess, at)
  if not evicted then
    return { 'limit', count }
  end
  local record = {
    uid,
    lid,
    node,
    conn,
    conn == '' and '0' or '1',
    '0',
    str(time),
    str(at),
    '',
    '',
    ttl,
    attr,
    ext,
    '0',
    grp,
  }
  if age ~= '' then
    record[ENDS] = str(at + tonumber(age))
  end
  if old then
    record[GEN], record[VER], record[BORN], record[ENDS] = gen, ver, born, ends
    redis.call('ZADD', base .. 'rep', str(at + tonumber(heal)), sid .. ' ' .. old)
    outlive(base .. 'rep', at + tonumber(heal) + GRACE, at)
  end
  record[EXP] = str(bounded(record[ENDS], at + tonumber(ttl)))
  store(base, sid, record, at)
  return { 'created', reply(sid, record), evicted }
end

function ops.get(base, sid)
  local record = load(base, sid, now())
  return record and { reply(sid, record) } or {}
end

function ops.members(base, kind, name)
  local at = now()
  local records = {}
  for _, member in ipairs(members(base, base .. kind .. ':' .. name, at)) do
    local record = load(base, member.sid, at)
    if record then
      records[#records + 1] = reply(member.sid, record)
    end
  end
  return records
end

function ops.connection(base, conn)
  local sid = redis.call('GET', base .. 'c:' .. conn)
  local record = sid and load(base, sid, now())
  return record and { reply(sid, record) } or {}
end

function ops.attach(base, sid, node, conn, check, uid, lid)
  local at = now()
  local record = load(base, sid, at)
  if not record then
    return { 'gone' }
  end
  if check == '1' and (record[UID] ~= uid or blocked(base, lid)) then
    return { 'denied' }
  end
  local last_node, last_conn = record[NODE], record[CONN]
  if lid ~= '' and lid ~= record[LID] then
    if record[LID] ~= '' then
      unindex(base .. 'l:' .. record[LID], sid)
    end
    record[LID] = lid
  end
  disown(base, sid, record)
  claim(base, sid, conn, at)
  record[NODE], record[CONN] = node, conn
  record[GEN] = str(tonumber(record[GEN]) + 1)
  record[LA] = str(at)
  record[EXP] = str(bounded(record[ENDS], at + tonumber(record[TTL])))
  redis.call(
    'HSET',
    base .. 's:' .. sid,
    'gen',
    record[GEN],
    'la',
    record[LA],
    'lid',
    record[LID],
    'node',
    node,
    'conn',
    conn,
    'exp',
    record[EXP]
  )
  redis.call('ZADD', base .. 'exp', record[EXP], sid)
  secure(base, sid, record, at)
  if last_conn == conn then
    last_node, last_conn = '', ''
  end
  return { 'attached', reply(sid, record), last_node, last_conn }
end

local function release(base, sid, record, keep, at)
  disown(base, sid, record)
  expire(base, sid, record, bounded(record[ENDS], at + math.min(keep, tonumber(record[TTL]))), at)
end

function ops.detach(base, sid, gen, conn, keep)
  local at = now()
  local record = load(base, sid, at)
  if not record then
    return 'gone'
  end
  if fenced(record, gen, conn) then
    return 'fenced'
  end
  release(base, sid, record, tonumber(keep), at)
  return 'ok'
end

-- Any number of sid gen conn idle. Answers the expiry, 0 for gone or -1 for fenced.
function ops.touch(base, exact, ...)
  local at = now()
  local entries, results = { ... }, {}
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
        if record then
          secure(base, sid, record, at)
        end
      end
    end
    results[#results + 1] = exp
  end
  return results
end

function ops.set(base, sid, ver, gen, conn, has_attr, attr, has_ext, ext, has_grp, grp, ttl)
  local at = now()
  local record = load(base, sid, at)
  if not record then
    return { 'gone' }
  end
  if fenced(record, gen, conn) then
    return { 'fenced' }
  end
  if record[VER] ~= ver then
    return { 'conflict' }
  end
  local key = base .. 's:' .. sid
  if has_attr == '1' then
    redis.call('HSET', key, 'attr', attr)
  end
  if has_ext == '1' then
    redis.call('HSET', key, 'ext', ext)
  end
  if has_grp == '1' and grp ~= record[GRP] then
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
    expire(base, sid, record, bounded(record[ENDS], at + tonumber(ttl)), at)
  end
  return { 'set', version, tonumber(record[EXP]) }
end

-- Regenerate within one partition, so the connection's key stays the same.
function ops.renew(base, old, sid, gen, conn, uid, lid, max, excess)
  local at = now()
  local record = load(base, old, at)
  if not record then
    return { 'gone' }
  end
  if fenced(record, gen, conn) then
    return { 'fenced' }
  end
  if blocked(base, lid) then
    return { 'ended' }
  end
  local evicted, count = make_room(base, uid, tonumber(max), excess, at, old)
  if not evicted then
    return { 'limit', count }
  end
  if gen == '' then
    bequeath(base, old, record, sid)
  end
  remove(base, old, record)
  record[UID], record[LID] = uid, lid
  record[GEN] = str(tonumber(record[GEN]) + 1)
  record[LA] = str(at)
  record[EXP] = str(bounded(record[ENDS], at + tonumber(record[TTL])))
  store(base, sid, record, at)
  return { 'created', reply(sid, record), evicted }
end

-- Ends a regenerate across partitions: its entry goes, and where it failed the new session as well.
function ops.settle(base, sid, old, undo)
  redis.call('ZREM', base .. 'rep', sid .. ' ' .. old)
  local record = undo == '1' and load(base, sid, 0, true)
  if record then
    remove(base, sid, record)
  end
  return 'ok'
end

-- heir: the id that takes its place, or none
function ops.destroy(base, sid, gen, conn, heir)
  local record = load(base, sid, now())
  if not record then
    return {}
  end
  if fenced(record, gen, conn) then
    return { 'fenced' }
  end
  if heir ~= '' and gen == '' then
    bequeath(base, sid, record, heir)
  end
  return { remove(base, sid, record) }
end

function ops.heir(base, sid)
  return redis.call('GET', base .. 'r:' .. sid) or ''
end

-- Expired ones are the sweep's; 'skip' says how many of them lie in front of what is left.
function ops.finish(base, kind, name, block, limit, skip)
  if tonumber(block) > 0 then
    redis.call('SET', base .. 't:' .. name, '1', 'PX', block)
  end
  local at = now()
  local from, most = tonumber(skip), tonumber(limit)
  local listed = redis.call('ZRANGE', base .. kind .. ':' .. name, from, from + most - 1)
  local records = {}
  for _, sid in ipairs(listed) do
    local record = load(base, sid, at)
    if record then
      records[#records + 1] = remove(base, sid, record)
    end
  end
  return { #listed >= most and 1 or 0, records, from + #listed - #records }
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
  return { #due >= tonumber(limit) and 1 or 0, records, unsettled }
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
  return { #owned >= tonumber(limit) and 1 or 0, records }
end

function ops.list(base, cursor, limit)
  local at = now()
  local page = redis.call('ZSCAN', base .. 'exp', cursor, 'COUNT', limit)
  local records = {}
  for i = 1, #page[2], 2 do
    local record = load(base, page[2][i], at)
    if record then
      records[#records + 1] = reply(page[2][i], record)
    end
  end
  return { page[1], records }
end

function ops.count(base)
  return redis.call('ZCARD', base .. 'exp')
end

local function call(key, args)
  local base = string.sub(key, 1, -4)
  local operation = table.remove(args, 1)
  return ops[operation](base, unpack(args))
end
