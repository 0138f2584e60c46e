-- Span ids of one trace: which were seen, and which parents are still awaited by how many children. Counterpart: TraceView in compiler/trace.py.
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
  local cast, fill = ffi.cast, ffi.fill
  ffi.cdef [[ typedef struct { union { uint64_t id; int32_t d[2]; }; int32_t count, spare; } awaited_t; ]]
  local u64p, awaitedp = ffi.typeof("uint64_t *"), ffi.typeof("awaited_t *")
  local i32p = ffi.typeof("int32_t *")
  -- Secret odd numbers: whoever sends ids cannot choose ones that fall on one place.
  local M = ffi.new("uint64_t[1]", config.secret[1])
  local multiplier = M[0]
  local LISTED_MAX = 32
  E.listed_max = LISTED_MAX

  -- Makes room for `cap` items of `size` bytes; the old ones stay.
  local function resize(block, cap, size)
    local memory = C.realloc(block.p, cap * size)
    if memory == nil then error("out of memory") end
    E.block_bytes = E.block_bytes + (cap - block.cap) * size
    block.p, block.cap = memory, cap
  end
  E.resize = resize

  function E.free_block(block, size)
    if block.p ~= nil then
      C.free(block.p)
      E.block_bytes = E.block_bytes - block.cap * size
      block.p, block.n, block.cap = nil, 0, 0
    end
  end

  local function place(id, mask)
    return band(tonumber(rshift(id * multiplier, 33)), mask)
  end

  local function put(ids, id, mask)
    local h = place(id, mask)
    while ids[h] ~= 0 do h = band(h + 1, mask) end
    ids[h] = id
  end

  -- From a list to a hash table, or to a larger one. A zero is an empty place: no span has that id.
  local function rehash(block, listed, cap)
    local old, count = cast(u64p, block.p), listed and block.n or block.cap
    local memory = C.calloc(cap, 8)
    if memory == nil then error("out of memory") end
    local ids = cast(u64p, memory)
    for i = 0, count - 1 do
      if old[i] ~= 0 then put(ids, old[i], cap - 1) end
    end
    C.free(block.p)
    E.block_bytes = E.block_bytes + (cap - block.cap) * 8
    block.p, block.cap = memory, cap
  end

  local function listed_has(ids, n, lo, hi)
    local words = cast(i32p, ids)
    for i = 0, n - 1 do
      if words[2 * i] == lo and words[2 * i + 1] == hi then return true end
    end
    return false
  end

  local function hashed_has(block, id)
    local ids, mask = cast(u64p, block.p), block.cap - 1
    local h = place(id, mask)
    while ids[h] ~= 0 do
      if ids[h] == id then return true end
      h = band(h + 1, mask)
    end
    return false
  end

  -- Whether a span id was seen; `lo` and `hi` are its halves.
  local function has(state, id, lo, hi)
    local block = state.ids
    if block.n > LISTED_MAX then return hashed_has(block, id) end
    if band(state.bloom[band(rshift(lo, 5), 1)], lshift(1, band(lo, 31))) == 0 then return false end
    return listed_has(block.p, block.n, lo, hi)
  end
  E.id_seen = has

  -- Remember a span id that was not seen before.
  function E.id_add(state, id, lo)
    local block = state.ids
    local n = block.n
    if n < LISTED_MAX then
      if n == block.cap then resize(block, n + 8, 8) end
      cast(u64p, block.p)[n] = id
      local w = band(rshift(lo, 5), 1)
      state.bloom[w] = bor(state.bloom[w], lshift(1, band(lo, 31)))
    else
      if n == LISTED_MAX then
        rehash(block, true, 4 * LISTED_MAX)
      elseif 4 * n > 3 * block.cap then
        rehash(block, false, 2 * block.cap)
      end
      put(cast(u64p, block.p), id, block.cap - 1)
    end
    block.n = n + 1
  end

  local function awaited_at(block, id)
    local items, mask = cast(awaitedp, block.p), block.cap - 1
    local h = place(id, mask)
    while items[h].count > 0 and items[h].id ~= id do h = band(h + 1, mask) end
    return h
  end

  local function grow_awaited(block)
    local old, cap = cast(awaitedp, block.p), block.cap
    local memory = C.calloc(2 * cap, 16)
    if memory == nil then error("out of memory") end
    block.p, block.cap = memory, 2 * cap
    for i = 0, cap - 1 do
      if old[i].count > 0 then
        local item = cast(awaitedp, memory)[awaited_at(block, old[i].id)]
        item.id, item.count = old[i].id, old[i].count
      end
    end
    C.free(old)
    E.block_bytes = E.block_bytes + cap * 16
  end

  -- Some more children wait for a parent of this id.
  function E.await_many(block, id, count)
    if block.p == nil then
      resize(block, 4, 16)
      fill(block.p, 64)
    elseif 4 * (block.n + 1) > 3 * block.cap then
      grow_awaited(block)
    end
    local item = cast(awaitedp, block.p)[awaited_at(block, id)]
    if item.count == 0 then
      item.id = id
      block.n = block.n + 1
    end
    item.count = item.count + count
  end
  function E.await(block, id) E.await_many(block, id, 1) end

  -- The parent has come: how many children waited. What lies behind it moves up, so that no search ends too early.
  function E.arrived(block, id)
    local at = awaited_at(block, id)
    local items, mask = cast(awaitedp, block.p), block.cap - 1
    local count = items[at].count
    if count == 0 then return 0 end
    block.n = block.n - 1
    if block.n == 0 then
      E.free_block(block, 16)
      return count
    end
    local hole, i = at, at
    while true do
      i = band(i + 1, mask)
      if items[i].count == 0 then break end
      local home = place(items[i].id, mask)
      if band(i - home, mask) >= band(i - hole, mask) then
        items[hole].id, items[hole].count = items[i].id, items[i].count
        hole = i
      end
    end
    items[hole].count = 0
    return count
  end
end
