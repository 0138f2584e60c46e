-- Span ids: which were seen of a trace, which parents are still awaited by how many children, and where in a batch a span stands.
-- Counterpart: TraceView in compiler/trace.py.
--
-- An id is looked for in two int32 halves, so that none becomes an object on Lua's heap. A block lists ids as they come; the C library finds a
-- half without a loop that a tracing compiler would have to follow. The ids of a long trace are a hash table, 0: empty.
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, bxor, rshift, tobit = bit.band, bit.bxor, bit.rshift, bit.tobit
  local cast, fill = ffi.cast, ffi.fill
  local rows = E.rows
  ffi.cdef [[
    typedef struct { union { uint64_t id; int32_t half[2]; }; uint64_t *ids; int32_t at, mask; } sought_t;
    int32_t *wmemchr(const int32_t *, int32_t, size_t);
  ]]
  local i32p, u64p = ffi.typeof("int32_t *"), ffi.typeof("uint64_t *")
  -- Secret numbers: whoever sends ids cannot choose ones that fall on one place. Products stay exact in a double.
  local m0, m1, m2 = config.secret[1], config.secret[2], config.secret[3]
  local LISTED_MAX = 256
  local resize = E.resize

  -- ---- ids that were seen -----------------------------------------------------------------------------------------------------------
  -- What is looked for, and where, lies in memory: a compiled trace that holds so much at once finds no registers.
  local sought = ffi.new("sought_t")

  local function search_on()
    local at
    repeat
      at = band(sought.at + 1, sought.mask)
      sought.at = at
    until sought.ids[at] == sought.id or sought.ids[at] == 0
    return at
  end

  -- The place of an id in a table, whose mask is one less than its size.
  local function place(lo, hi, mask)
    local h = tobit(lo * m0 + hi * m1)
    return band(bxor(h, rshift(h, 16)), mask)
  end

  E.id_place = place

  -- Where the id sought is in a hash table, or could be put.
  local function hashed_at()
    local at = place(sought.half[0], sought.half[1], sought.mask)
    if sought.ids[at] == sought.id or sought.ids[at] == 0 then return at end
    sought.at = at
    return search_on()
  end

  local function put_all(from, n)
    for i = 0, n - 1 do
      if from[i] ~= 0 then
        sought.id = from[i]
        sought.ids[hashed_at()] = sought.id
      end
    end
  end

  local function is_hashed(block) return block.cap > LISTED_MAX end

  -- From a list to a hash table, or to a larger one.
  local function rehash(block, cap)
    local memory = E.take_zeros(8 * cap)
    local id = sought.id
    sought.ids, sought.mask = memory, cap - 1
    put_all(cast(u64p, block.p), is_hashed(block) and block.cap or block.n)
    sought.id = id
    if block.cap > 0 then E.give_back(block.p, 8 * block.cap) end
    block.p, block.cap = memory, cap
  end

  -- Whether a half `lo` in front of `hi` stands in a list, at or behind `from`. Halves of different ids may look like one.
  local function is_listed(halves, from, n, lo, hi)
    local found = C.wmemchr(halves + from, lo, n - from)
    if found == nil then return false end
    local at = found - halves
    if band(at, 1) == 0 and found[1] == hi then return true end
    return is_listed(halves, at + 1, n, lo, hi)
  end

  -- Whether a span id was seen.
  local function seen(block, lo, hi)
    if is_hashed(block) then
      sought.half[0], sought.half[1], sought.ids, sought.mask = lo, hi, cast(u64p, block.p), block.cap - 1
      return sought.ids[hashed_at()] ~= 0
    end
    return block.n > 0 and is_listed(cast(i32p, block.p), 0, 2 * block.n, lo, hi)
  end
  E.id_seen = seen

  -- Makes room for `more` ids: for those alone, but never so few that a trace that grows span by span is copied each time.
  local function reserve(block, more)
    local n = block.n + math.max(more, rshift(block.n, 3))
    if n <= LISTED_MAX then
      resize(block, n, 8)
    else
      local cap = 2 * LISTED_MAX
      while 3 * cap < 4 * n do cap = 2 * cap end
      rehash(block, cap)
    end
  end

  -- Remember a span id that was not seen before; `more` ids, this one among them, are about to come.
  function E.id_add(block, id, more)
    if block.n == block.cap or (is_hashed(block) and 4 * block.n >= 3 * block.cap) then reserve(block, more) end
    local ids = cast(u64p, block.p)
    if is_hashed(block) then
      sought.id, sought.ids, sought.mask = id, ids, block.cap - 1
      ids[hashed_at()] = id
    else
      ids[block.n] = id
    end
    block.n = block.n + 1
  end

  -- Writes all that were seen, 8 bytes each.
  function E.write_ids(block, into)
    if not is_hashed(block) then
      ffi.copy(into, block.p, 8 * block.n)
      return
    end
    local n, ids, found = 0, cast(u64p, block.p), cast(u64p, into)
    for i = 0, block.cap - 1 do
      found[n] = ids[i]
      if ids[i] ~= 0 then n = n + 1 end
    end
  end

  -- Remembers n ids that a block without any is given, of which every `stride`-th of a list is one.
  function E.read_ids(block, from, n, stride)
    local ids = cast(u64p, from)
    if n <= LISTED_MAX and n > 0 then
      resize(block, n, 8)
      local own = cast(u64p, block.p)
      for i = 0, n - 1 do own[i] = ids[i * stride] end
      block.n = n
    else
      for i = 0, n - 1 do E.id_add(block, ids[i * stride], n - i) end
    end
  end

  -- ---- ids of a batch ---------------------------------------------------------------------------------------------------------------
  -- Rows by trace and span id, 0: none, else 1 more than the row. Of a trace whose spans all came with this batch nothing else need be asked.
  local places_max = 4096
  while places_max < 4 * E.row_capacity do places_max = 2 * places_max end
  local batch, batch_mask = E.buffer("int32_t", places_max), 0

  -- Begin a batch of n rows.
  function E.clear_batch(n)
    local count = 1024
    while count < 4 * n do count = 2 * count end
    fill(batch, 4 * count)
    batch_mask = count - 1
  end

  local function batch_at_or_behind(h, trace, lo, hi)
    local i = batch[h]
    if i == 0 then return h end
    local r = rows[i - 1]
    if r.sd[0] == lo and r.sd[1] == hi and r.trace == trace then return h end
    return batch_at_or_behind(band(h + 1, batch_mask), trace, lo, hi)
  end

  -- The place of a span.
  function E.batch_place(trace, lo, hi)
    local h = tobit(lo * m0 + hi * m1 + trace * m2)
    return batch_at_or_behind(band(bxor(h, rshift(h, 16)), batch_mask), trace, lo, hi)
  end
  E.batch = batch

  -- ---- parents that are awaited -----------------------------------------------------------------------------------------------------
  local awaitedp, AWAITED = ffi.typeof("awaited_t *"), ffi.sizeof("awaited_t")

  local function counts_of(awaited) return cast(i32p, awaited.ids + awaited.cap) end

  function E.free_awaited(awaited)
    if awaited ~= nil then E.give_back(awaited, AWAITED + 12 * awaited.cap) end
    return nil
  end

  -- Where an id is among those awaited, or could be put.
  local function awaited_at(awaited, id)
    sought.id, sought.ids, sought.mask = id, awaited.ids, awaited.cap - 1
    return hashed_at()
  end

  local function move_waiting(from, to)
    local old_counts, counts = counts_of(from), counts_of(to)
    for i = 0, from.cap - 1 do
      if old_counts[i] ~= 0 then
        local at = awaited_at(to, from.ids[i])
        to.ids[at], counts[at] = from.ids[i], old_counts[i]
      end
    end
    to.used, to.waiting = from.waiting, from.waiting
  end

  -- A table with room for one more, without those that have come.
  local function with_room(awaited)
    local waiting, cap = awaited == nil and 0 or awaited.waiting, 4
    while cap < 2 * (waiting + 1) do cap = 2 * cap end
    local found = cast(awaitedp, E.take_zeros(AWAITED + 12 * cap))
    found.cap = cap
    if awaited ~= nil then move_waiting(awaited, found) end
    E.free_awaited(awaited)
    return found
  end

  -- Some more children wait for a parent.
  function E.await(state, id, count)
    local before = state.awaited
    if before == nil or 4 * before.used >= 3 * before.cap then state.awaited = with_room(before) end
    local awaited = state.awaited
    local at, counts = awaited_at(awaited, id), counts_of(awaited)
    if awaited.ids[at] == 0 then
      awaited.ids[at] = id
      awaited.used, awaited.waiting = awaited.used + 1, awaited.waiting + 1
    end
    counts[at] = counts[at] + count
  end

  -- The parent has come, and does so once: how many children waited.
  function E.arrived(state, id)
    local awaited = state.awaited
    local at, counts = awaited_at(awaited, id), counts_of(awaited)
    if awaited.ids[at] == 0 then return 0 end
    local count = counts[at]
    counts[at] = 0
    awaited.waiting = awaited.waiting - 1
    if awaited.waiting == 0 then state.awaited = E.free_awaited(awaited) end
    return count
  end

  -- Writes all that are awaited: each with how many children wait, in 12 bytes.
  function E.write_awaited(awaited, into)
    local found, n, halves, counts = cast(i32p, into), 0, cast(i32p, awaited.ids), counts_of(awaited)
    for i = 0, awaited.cap - 1 do
      if counts[i] ~= 0 then
        found[n], found[n + 1], found[n + 2] = halves[2 * i], halves[2 * i + 1], counts[i]
        n = n + 3
      end
    end
  end
end
