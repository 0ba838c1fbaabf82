-- Moving sessions to another store. One that is under way is found by nothing but this: its hash stays here, out of
-- all indexes, with the token of its departure as a further field, and its id in `mov`, until the other store has it.
-- mov              sorted set  sessions that are under way, by their expiry
-- m:<session>      string      the token by which a session arrived here: whoever brings it again brings nothing; behind
--                              an exclamation mark one that was refused, which lives on where it came from

-- Clocks of stores that differ by less are the same.
local SAME = 1000

local function token_of(sid)
  return redis.call('HGET', base .. 's:' .. sid, 'mov')
end

-- Those that live, and those that are under way already.
-- exp s:.. of count sessions, mov
function ops.depart(count, token)
  local at = now()
  return each(count, function(sid)
    local record = load(sid)
    if not record then
      return { 'gone' }
    end
    local known = token_of(sid)
    if known then
      return { 'aside', reply(sid, record), known, str(at) }
    end
    local time = expiry(sid)
    if not time or time <= at then
      return { 'gone' }
    end
    need_removal(record)
    if lacking then
      return needed
    end
    unlist(sid, record)
    redis.call('HSET', base .. 's:' .. sid, 'mov', token)
    redis.call('ZADD', base .. 'mov', record[EXP], sid)
    outlive(base .. 'mov', tonumber(record[NET]), at)
    return { 'aside', reply(sid, record), token, str(at) }
  end)
end

-- mov
function ops.aside(limit)
  return redis.call('ZRANGE', base .. 'mov', 0, tonumber(limit) - 1)
end

-- What arrived elsewhere. One that departed again meanwhile stays.
-- exp s:.. of count sessions, mov
-- the token of each
function ops.forget(count, ...)
  local tokens, place = { ... }, 0
  return each(count, function(sid)
    place = place + 1
    local known = token_of(sid)
    if known and known ~= tokens[place] then
      return { 'gone' }
    end
    if known then
      redis.call('DEL', base .. 's:' .. sid)
    end
    redis.call('ZREM', base .. 'mov', sid)
    return { 'forgotten' }
  end)
end

-- What the other store refused lives on here. A connection that got another session meanwhile keeps that.
-- exp s:.. of count sessions, mov
-- the token of each
function ops.restore(count, ...)
  local at, tokens, place = now(), { ... }, 0
  return each(count, function(sid)
    place = place + 1
    local record = token_of(sid) == tokens[place] and load(sid)
    if not record then
      return { 'gone' }
    end
    need_removal(record)
    if lacking then
      return needed
    end
    if record[CONN] ~= '' and redis.call('GET', base .. 'c:' .. record[CONN]) then
      record[NODE], record[CONN] = '', ''
    end
    redis.call('HDEL', base .. 's:' .. sid, 'mov')
    redis.call('ZREM', base .. 'mov', sid)
    store(sid, record, nil, at)
    return { 'restored' }
  end)
end

local function refusal_of(token)
  return '!' .. token
end

-- From now on the session does not arrive by this token any more, unless it has.
local function refuse(sid, token)
  if redis.call('GET', base .. 'm:' .. sid) == token then
    return { 'arrived' }
  end
  redis.call('SET', base .. 'm:' .. sid, refusal_of(token), 'PX', str(GRACE))
  return { 'refused' }
end

-- Those that there was no memory for.
-- exp s:.. of count sessions; of each m:sid
-- the token of each
function ops.refuse(count, ...)
  local tokens, place = { ... }, 0
  return each(count, function(sid)
    place = place + 1
    return refuse(sid, tokens[place])
  end)
end

-- Its times by the clock of this store, where that of the other one is wrong, or this.
local function translate(record, asof, at)
  local shift = at - asof
  if math.abs(shift) < SAME then
    return
  end
  record[BORN] = str(math.max(0, tonumber(record[BORN]) + shift * 1000))
  for _, place in ipairs({ LA, EXP, ENDS }) do
    if record[place] ~= '' then
      record[place] = str(math.max(0, tonumber(record[place]) + shift))
    end
  end
end

-- exp s:.. of count sessions; of each m:sid and what its record names: u l g n c t
-- of each its record, the token, and what time it is by the clock of the store that it comes from
function ops.arrive(count, ...)
  local at, given, width = now(), { ... }, #FIELDS + 2
  local place = -width
  return each(count, function(sid)
    place = place + width
    local token, asof = given[place + width - 1], tonumber(given[place + width])
    local record = { unpack(given, place + 1, place + #FIELDS) }
    local last = redis.call('GET', base .. 'm:' .. sid)
    if last == token then
      return { 'arrived' }
    end
    if last == refusal_of(token) or redis.call('EXISTS', base .. 's:' .. sid) == 1 then
      return refuse(sid, token)
    end
    if blocked(record[LID]) then
      return { 'ended' }
    end
    translate(record, asof, at)
    if record[CONN] ~= '' and redis.call('GET', base .. 'c:' .. record[CONN]) then
      record[NODE], record[CONN] = '', ''
    end
    store(sid, record, nil, at)
    local left = math.max(0, tonumber(record[EXP]) - at)
    redis.call('SET', base .. 'm:' .. sid, token, 'PX', str(left + GRACE))
    return { 'arrived' }
  end)
end
