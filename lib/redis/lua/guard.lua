-- Fails each command on a key that its call did not declare, also where Redis itself would let it pass. For tests.
local allowed = {}

local function check(command, key)
  if command ~= 'TIME' and not allowed[key] then
    error('UNDECLARED ' .. command .. ' ' .. tostring(key), 0)
  end
end

local function guarded_call(...)
  check(...)
  return redis.call(...)
end

local function guarded_pcall(...)
  check(...)
  return redis.pcall(...)
end

-- Only what a library needs while it is loaded is there by then.
local redis = { call = guarded_call, pcall = guarded_pcall, register_function = redis.register_function }

local function guard(keys)
  allowed = {}
  for _, key in ipairs(keys) do
    allowed[key] = true
  end
end
