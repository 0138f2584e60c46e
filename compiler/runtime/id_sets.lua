-- Span ids of one trace: which were seen, and which parents are still awaited by how many children. Counterpart: TraceView in compiler/trace.py.
--
-- An id is two int32 halves, lo and hi, so that none becomes an object on Lua's heap. A block lists all lo, then all hi; the C library finds a
-- lo without a loop that a tracing compiler would have to follow. The ids of a long trace are a hash table in the same shape, 0 0: empty.
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, bxor, rshift, tobit = bit.band, bit.bxor, bit.rshift, bit.tobit
  local cast, fill = ffi.cast, ffi.fill
  ffi.cdef [[
    int32_t *wmemchr(const int32_t *, int32_t, size_t);
    void *memmove(void *, const void *, size_t);
  ]]
  local i32p = ffi.typeof("int32_t *")
  -- Secret numbers: whoever sends ids cannot choose ones that fall on one place. Products stay exact in a double.
  local m0, m1 = config.secret[1], config.secret[2]
  local LISTED_MAX, HASHED_MIN = 256, 1024
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

  -- Makes room for `cap` ids of `columns` numbers each, a column after the other.
  local function widen(block, cap, columns)
    local memory = C.realloc(block.p, cap * columns * 4)
    if memory == nil then error("out of memory") end
    block.p = memory
    local from, size, los = block.cap, block.n * 4, cast(i32p, memory)
    if columns == 3 then C.memmove(los + 2 * cap, los + 2 * from, size) end
    C.memmove(los + cap, los + from, size)
    E.block_bytes = E.block_bytes + (cap - from) * columns * 4
    block.cap = cap
  end

  local function place(lo, hi, mask)
    local h = tobit(lo * m0 + hi * m1)
    return band(bxor(h, rshift(h, 16)), mask)
  end

  local function put(los, cap, lo, hi)
    local mask = cap - 1
    local h = place(lo, hi, mask)
    while los[h] ~= 0 or los[cap + h] ~= 0 do h = band(h + 1, mask) end
    los[h], los[cap + h] = lo, hi
  end

  -- From a list to a hash table, or to a larger one.
  local function rehash(block, count, cap)
    local old, old_cap = cast(i32p, block.p), block.cap
    local memory = C.calloc(cap, 8)
    if memory == nil then error("out of memory") end
    local los = cast(i32p, memory)
    for i = 0, count - 1 do
      if old[i] ~= 0 or old[old_cap + i] ~= 0 then put(los, cap, old[i], old[old_cap + i]) end
    end
    C.free(block.p)
    E.block_bytes = E.block_bytes + (cap - old_cap) * 8
    block.p, block.cap = memory, cap
  end

  local function hashed_has(block, lo, hi)
    local los, cap = cast(i32p, block.p), block.cap
    local mask = cap - 1
    local h = place(lo, hi, mask)
    while los[h] ~= 0 or los[cap + h] ~= 0 do
      if los[h] == lo and los[cap + h] == hi then return true end
      h = band(h + 1, mask)
    end
    return false
  end

  -- Where an id is listed at or behind `from`, or -1.
  local function listed_at(block, from, lo, hi)
    local los = cast(i32p, block.p)
    local found = C.wmemchr(los + from, lo, block.n - from)
    if found == nil then return -1 end
    local at = found - los
    if found[block.cap] == hi then return at end
    return listed_at(block, at + 1, lo, hi)
  end

  -- Whether a span id was seen.
  local function seen(block, lo, hi)
    if block.n > LISTED_MAX then return hashed_has(block, lo, hi) end
    return listed_at(block, 0, lo, hi) >= 0
  end
  E.id_seen = seen

  -- Remember a span id that was not seen before.
  function E.id_add(block, lo, hi)
    local n = block.n
    if n < LISTED_MAX then
      if n == block.cap then widen(block, n + 12, 2) end
      local los = cast(i32p, block.p)
      los[n], los[block.cap + n] = lo, hi
    else
      if n == LISTED_MAX then
        rehash(block, n, HASHED_MIN)
      elseif 4 * n > 3 * block.cap then
        rehash(block, block.cap, 2 * block.cap)
      end
      put(cast(i32p, block.p), block.cap, lo, hi)
    end
    block.n = n + 1
  end

  -- Some more children wait for a parent. The third column counts them.
  function E.await(block, lo, hi, count)
    local at = block.n > 0 and listed_at(block, 0, lo, hi) or -1
    if at < 0 then
      at = block.n
      if at == block.cap then widen(block, at < 4 and at + 2 or 2 * at, 3) end
      local los, cap = cast(i32p, block.p), block.cap
      los[at], los[cap + at], los[2 * cap + at] = lo, hi, 0
      block.n = at + 1
    end
    local counts = cast(i32p, block.p) + 2 * block.cap
    counts[at] = counts[at] + count
  end

  -- The parent has come: how many children waited. The last one takes its place.
  function E.arrived(block, lo, hi)
    local at = listed_at(block, 0, lo, hi)
    if at < 0 then return 0 end
    local los, cap, last = cast(i32p, block.p), block.cap, block.n - 1
    local count = los[2 * cap + at]
    los[at], los[cap + at], los[2 * cap + at] = los[last], los[cap + last], los[2 * cap + last]
    block.n = last
    if last == 0 then E.free_block(block, 12) end
    return count
  end
end
