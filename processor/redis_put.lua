#!lua name=betrace_2

-- The one way in which the state of a partition is changed: whole or not at all.
--
-- KEYS  the partition's `meta` hash and that of its open traces; the hashes of the buckets to remove, to thin out, to write, to close
--       traces into; of a staged state also the hashes that hold what is to be written.
-- ARGV  mode, base offset, base hash, buckets as the caller found them, label offset, label hash, header, mark of this write,
--       how many buckets to remove, to thin out, to write, to close traces into;
--       the names of those to remove, then of each other one its name, a count, and so many arguments: ids, ids and states, ids and heads.
--
-- `meta` names each bucket with the number of its states, so that a hash which somebody else removed, by eviction say, is missed.

-- Lua's stack holds 8 000 values. Even, for ids and states come in pairs.
local ARGUMENTS_MAX = 4000
-- A state begins with the size of its head, as an unsigned number.
local HEAD_SIZE = 4

local function each(command, key, argv, bucket)
  local last = bucket.first + bucket.count - 1
  for from = bucket.first, last, ARGUMENTS_MAX do
    redis.call(command, key, unpack(argv, from, math.min(from + ARGUMENTS_MAX - 1, last)))
  end
end

local function counts_of(text)
  local counts = {}
  for name, count in string.gmatch(text, '([^,=]+)=(%d+)') do counts[name] = tonumber(count) end
  return counts
end

local function text_of(counts)
  local parts = {}
  for name, count in pairs(counts) do parts[#parts + 1] = name .. '=' .. count end
  table.sort(parts)
  return table.concat(parts, ',')
end

-- Read `count` buckets: which key, which name, where its arguments lie. Returns them, and the next key and argument.
local function buckets_at(keys, argv, count, key, at)
  local found = {}
  for i = 1, count do
    local size = tonumber(argv[at + 1])
    found[i] = {key = keys[key + i - 1], name = argv[at], first = at + 2, count = size}
    at = at + 2 + size
  end
  return found, key + count, at
end

local function is_as_counted(counts, buckets)
  for _, bucket in ipairs(buckets) do
    -- pcall: where the key holds something else the answer is no number.
    if redis.pcall('HLEN', bucket.key) ~= (counts[bucket.name] or 0) then return false end
  end
  return true
end

-- Read the traces that close into a bucket: `ids`, and `pairs`, ids and states, which are the new heads and what stands behind the old
-- ones. Returns whether all are there and have a head.
local function read_closing(open, argv, bucket)
  bucket.ids, bucket.pairs = {}, {}
  for at = bucket.first, bucket.first + bucket.count - 1, 2 do bucket.ids[#bucket.ids + 1] = argv[at] end
  for from = 1, #bucket.ids, ARGUMENTS_MAX do
    local states = redis.call('HMGET', open, unpack(bucket.ids, from, math.min(from + ARGUMENTS_MAX - 1, #bucket.ids)))
    for i, state in ipairs(states) do
      local size = state and #state >= HEAD_SIZE and struct.unpack('<I4', state)
      if not size or size > #state then return false end
      local place = 2 * (from + i - 1)
      bucket.pairs[place - 1] = bucket.ids[from + i - 1]
      bucket.pairs[place] = argv[bucket.first + place - 1] .. string.sub(state, size + 1)
    end
  end
  return true
end

local function all(argv)
  return {first = 1, count = #argv}
end

local function put(keys, argv)
  local meta, open, mode, removed = keys[1], keys[2], argv[1], tonumber(argv[9])
  local there = redis.call('HMGET', meta, 'label', 'hash', 'buckets')
  local known = there[3] or ''
  local counts = counts_of(known)
  local thinned, written, closing, key, at, staged
  thinned, key, at = buckets_at(keys, argv, tonumber(argv[10]), 3 + removed, 13 + removed)
  written, key, at = buckets_at(keys, argv, tonumber(argv[11]), key, at)
  closing, staged = buckets_at(keys, argv, tonumber(argv[12]), key, at)
  local touched = {{key = open, name = 'open'}}
  for _, buckets in ipairs({thinned, written, closing}) do
    for _, bucket in ipairs(buckets) do touched[#touched + 1] = bucket end
  end

  if there[1] and tonumber(there[1]) > tonumber(argv[5]) then return 'newer' end
  if mode == 'change' then
    if there[1] ~= argv[2] or there[2] ~= argv[3] then return 'stale' end
    if not is_as_counted(counts, touched) then return 'stale' end
    for _, bucket in ipairs(closing) do
      if not read_closing(open, argv, bucket) then return 'stale' end
    end
  elseif known ~= argv[4] then
    return 'buckets'
  end
  if mode == 'staged' and #written > 0 and redis.call('EXISTS', unpack(keys, staged)) ~= #written then return 'unstaged' end

  -- What an error leaves behind from here on has no label, so it is no state, and names all its buckets, so they are found again.
  for _, bucket in ipairs(touched) do counts[bucket.name] = counts[bucket.name] or 0 end
  redis.call('HDEL', meta, 'label')
  redis.call('HSET', meta, 'buckets', text_of(counts))

  for i = 1, removed do
    redis.call('UNLINK', keys[2 + i])
    counts[argv[12 + i]] = nil
  end
  for _, bucket in ipairs(thinned) do each('HDEL', bucket.key, argv, bucket) end
  for i, bucket in ipairs(written) do
    if mode == 'staged' then
      redis.call('RENAME', keys[staged + i - 1], bucket.key)
      redis.call('PERSIST', bucket.key)
    else
      each('HSET', bucket.key, argv, bucket)
    end
  end
  for _, bucket in ipairs(closing) do
    each('HDEL', open, bucket.ids, all(bucket.ids))
    each('HSET', bucket.key, bucket.pairs, all(bucket.pairs))
  end

  for _, bucket in ipairs(touched) do
    local count = redis.call('HLEN', bucket.key)
    counts[bucket.name] = count > 0 and count or nil
  end
  redis.call('HSET', meta, 'hash', argv[6], 'header', argv[7], 'buckets', text_of(counts), 'write', argv[8], 'label', argv[5])
  return 'done'
end

redis.register_function('betrace_put_2', put)
