-- Captured rows: written to a trace's own block when a leaf selects them, laid out as rows and slots again when the trace is judged.
--
-- One row: head, membership words (class 0's, then those of its name), cells; a cell is the payload of a column's value. `own` tells a value
-- of the span from one of its resource. Two cells are no columns: the name of a span that no rule names, and the bytes of the whole span.
return function(E)
  local ffi, bit, config = E.ffi, E.bit, E.config
  local band, bnot, bor, rshift = bit.band, bit.bnot, bit.bor, bit.rshift
  local cast, copy, fill = ffi.cast, ffi.copy, ffi.fill
  ffi.cdef [[
    typedef struct {
      int32_t size, name;
      uint64_t sid, pid;
      int64_t t0, t1;
      int32_t res;
      uint8_t kind, status;
      uint16_t cells;
    } captured_t;
    typedef struct { uint16_t column; uint8_t tag, own; int32_t len; } cell_t;
  ]]
  local capturedp, cellp, u8p, i32p = ffi.typeof("captured_t *"), ffi.typeof("cell_t *"), ffi.typeof("uint8_t *"), ffi.typeof("int32_t *")
  local u64p = ffi.typeof("packed_u64 *")
  local HEAD, CELL, WORDS_MAX, K = 48, 8, config.membership_words, config.column_count
  local rows, slots, touches, membership, any_words = E.rows, E.slots, E.touches, E.membership, config.any_words
  local NAME_CELL, BYTES_CELL = 65534, 65535
  local class_words, NAME_COLUMN = config.class_words, config.name_column
  local UNTIMED, is_timed = E.UNTIMED, E.is_timed

  local function padded(n) return band(n + 7, -8) end

  -- Copies words of so many bytes. Up to eight are always eight, without a call of memcpy: behind the words of a row there is room for as many.
  local function copy_words(to, from, size)
    if size > 8 then
      copy(to, from, size)
    else
      cast(u64p, to).v = cast(u64p, from).v
    end
  end

  local function words_of(name) return any_words + (name > 0 and class_words[name] or 0) end

  -- Of each class the columns that its rows carry, those of class 0 before its own, and whether they carry the span's bytes.
  local class_columns, column_counts, carries_bytes = {}, {}, {}
  for class = 0, config.name_count do
    local columns, has = {}, {}
    for _, list in ipairs { config.class_columns[0], config.class_columns[class] } do
      for x = 1, #list do
        if not has[list[x]] then columns[#columns + 1], has[list[x]] = list[x], true end
      end
    end
    class_columns[class], column_counts[class] = ffi.new("int32_t[?]", #columns + 1, columns), #columns
    carries_bytes[class] = config.class_bytes[0] or config.class_bytes[class]
  end

  -- ---- a batch captured -------------------------------------------------------------------------------------------------------------
  -- Rows are written one behind the other on a stage and go to their traces many at a time: a trace's block grows once a batch, and no
  -- pointer outlives a turn of a loop. Of each row its touch and where it begins; of each touch how many bytes of it are there, and then
  -- where its trace has them.
  local STAGE_FULL = 1048576
  local staged_touches, begins = E.buffer("int32_t", E.row_capacity + 1), E.buffer("int32_t", E.row_capacity + 2)
  local sizes, ends = E.buffer("int32_t", E.row_capacity + 1), E.buffer("int32_t", E.row_capacity + 1)
  local addresses = E.buffer("uint64_t", E.row_capacity + 1)
  local stage, stage_size, staged, stage_end = E.buffer("uint8_t", 2 * STAGE_FULL), 2 * STAGE_FULL, 0, 0

  local function widen_stage(size)
    local wider = E.buffer("uint8_t", 2 * size)
    copy(wider, stage, stage_size)
    stage, stage_size = wider, 2 * size
  end

  -- Room for what the stage has of a touch; a trace may have several.
  local function make_room(states, touch_count)
    for k = 0, touch_count - 1 do
      local more = sizes[k]
      if more > 0 then
        local block = states[touches[k].trace].captured
        if block.n + more > block.cap then E.resize(block, block.n + more + rshift(block.n, 2), 1) end
        ends[k], block.n = block.n, block.n + more
      end
    end
  end

  -- Let the traces have what stands on the stage.
  function E.deliver(states)
    local touch_count = staged > 0 and E.touch_count or 0
    make_room(states, touch_count)
    for k = 0, touch_count - 1 do
      if sizes[k] > 0 then
        sizes[k] = 0
        addresses[k] = cast("uint64_t", cast(u8p, states[touches[k].trace].captured.p) + ends[k])
      end
    end
    begins[staged] = stage_end
    for k = 0, staged - 1 do
      local touch, begin = staged_touches[k], begins[k]
      local size = begins[k + 1] - begin
      copy(cast(u8p, addresses[touch]), stage + begin, size)
      addresses[touch] = addresses[touch] + size
    end
    staged, stage_end = 0, 0
  end

  local function stage_cell(at, column, tag, own, p, len)
    local after = at + (CELL + padded(len))
    if after > stage_size then widen_stage(after) end
    local cell = cast(cellp, stage + at)
    cell.column, cell.tag, cell.own, cell.len = column, tag, own, len
    copy(stage + at + CELL, p, len)
    return after
  end

  -- Write the values that row i has of some columns; returns where they end and how many they are.
  local function stage_values(at, i, columns, column_count)
    local cells = 0
    for x = 0, column_count - 1 do
      local column = columns[x]
      local slot = slots[i * K + column]
      if slot.tag ~= 0 then
        -- Whether it is of the span's own bytes: neither difference is negative. An empty value may lie behind the last of them.
        local from = slot.p - rows[i].p
        local own = tonumber(rshift(bnot(bor(from, rows[i].plen - from)), 63))
        at, cells = stage_cell(at, column, slot.tag, own, slot.p, slot.len), cells + 1
      end
    end
    return at, cells
  end

  -- Keep n rows of a class of the batch; `picked` has their numbers. Their traces get them at the end.
  function E.capture(states, class, picked, n)
    local columns, column_count, words = class_columns[class], column_counts[class], words_of(class)
    local front = HEAD + padded(4 * words)
    for k = 0, n - 1 do
      if stage_end > STAGE_FULL then E.deliver(states) end
      local i, begin = picked[k], stage_end
      if begin + front > stage_size then widen_stage(begin + front) end
      copy_words(stage + begin + HEAD, membership + i * WORDS_MAX, 4 * words)
      local at, cells = stage_values(begin + front, i, columns, column_count)
      local r = rows[i]
      if class == 0 then at, cells = stage_cell(at, NAME_CELL, 0x0a, 1, r.np, r.nlen), cells + 1 end
      if carries_bytes[class] then at, cells = stage_cell(at, BYTES_CELL, 0, 1, r.p, r.plen), cells + 1 end
      local head = cast(capturedp, stage + begin)
      head.size, head.name, head.sid, head.pid, head.t0, head.t1, head.res = at - begin, class, r.sid, r.pid, r.t0, r.t1, r.res
      head.kind, head.status, head.cells = r.kind, r.status, cells
      sizes[r.touch] = sizes[r.touch] + head.size
      staged_touches[staged], begins[staged] = r.touch, begin
      staged, stage_end = staged + 1, at
    end
  end

  function E.mark_captured(state, marked)
    local begin, at = cast(u8p, state.captured.p), 0
    while at < state.captured.n do
      local head = cast(capturedp, begin + at)
      marked[head.res] = true
      at = at + head.size
    end
  end

  -- ---- a trace laid out -------------------------------------------------------------------------------------------------------------
  local T = { capacity = 0, n = 0, stamp = 0 }
  E.T = T

  local function reserve(n)
    if n <= T.capacity then return end
    local cap = math.max(1024, 2 * n)
    T.rows = E.buffer("row_t", cap)
    T.slots = E.buffer("slot_t", cap * K)
    T.words = E.buffer("int32_t", cap * WORDS_MAX)
    T.offsets = E.buffer("int32_t", cap)
    T.order = E.buffer("int32_t", cap)
    T.spare = E.buffer("int32_t", cap)
    T.following = E.buffer("int32_t", cap)
    T.starts = E.buffer("uint64_t", cap)
    T.ids = E.buffer("uint64_t", cap)
    T.capacity = cap
  end

  local function find_rows(state)
    local begin, at, n, size = cast(u8p, state.captured.p), 0, 0, state.captured.n
    while at < size do
      n = n + 1
      at = at + cast(capturedp, begin + at).size
    end
    reserve(n)
    local offsets, order, starts, ids = T.offsets, T.order, T.starts, T.ids
    at = 0
    for i = 0, n - 1 do
      local head = cast(capturedp, begin + at)
      offsets[i], order[i] = at, i
      ids[i] = bit.bswap(head.sid)
      if is_timed(head) then starts[i] = head.t0 else starts[i] = UNTIMED end
      at = at + head.size
    end
    return n
  end

  local function after(starts, ids, a, b)
    return starts[a] > starts[b] or (starts[a] == starts[b] and ids[a] > ids[b])
  end

  local function merge(from, into, starts, ids, lo, mid, hi)
    local a, b = lo, mid
    for k = lo, hi - 1 do
      if a < mid and (b >= hi or not after(starts, ids, from[a], from[b])) then
        into[k] = from[a]
        a = a + 1
      else
        into[k] = from[b]
        b = b + 1
      end
    end
  end

  local FEW = 32

  -- By insertion, in one loop: two inside of each other would not be compiled for so few rows.
  local function insert_all(order, starts, ids, n)
    local k, at = 1, 1
    while k < n do
      if at > 0 and after(starts, ids, order[at - 1], order[at]) then
        order[at - 1], order[at] = order[at], order[at - 1]
        at = at - 1
      else
        k = k + 1
        at = k
      end
    end
  end

  -- Order of (start, id), those without times last: place in compiler/trace.py.
  local function sorted(n)
    if n <= FEW then
      insert_all(T.order, T.starts, T.ids, n)
      return T.order
    end
    local from, into, starts, ids = T.order, T.spare, T.starts, T.ids
    local width = 1
    while width < n do
      for lo = 0, n - 1, 2 * width do
        local mid, hi = math.min(lo + width, n), math.min(lo + 2 * width, n)
        merge(from, into, starts, ids, lo, mid, hi)
      end
      from, into = into, from
      width = 2 * width
    end
    return from
  end

  -- Point the slots of a row at `count` cells; returns where these end.
  local function place_values(base, at, count, laid, first)
    for _ = 1, count do
      local cell = cast(cellp, base + at)
      local slot, len = laid[first + cell.column], cell.len
      slot.p, slot.len, slot.tag = base + (at + CELL), len, cell.tag
      at = at + (CELL + padded(len))
    end
    return at
  end

  -- Row i, of what begins at base + at; all its bytes are 0 yet.
  local function lay_out(base, at, i)
    local head, r = cast(capturedp, base + at), T.rows[i]
    local class, cells = head.name, head.cells
    r.sid, r.pid, r.t0, r.t1, r.res = head.sid, head.pid, head.t0, head.t1, head.res
    r.name, r.kind, r.status = class, head.kind, head.status
    r.timed = is_timed(head) and 1 or 0
    local words = words_of(class)
    copy(T.words + i * WORDS_MAX, base + at + HEAD, 4 * words)
    local has_name, has_bytes = class == 0, carries_bytes[class]
    local values = cells - (has_name and 1 or 0) - (has_bytes and 1 or 0)
    at = place_values(base, at + HEAD + padded(4 * words), values, T.slots, i * K)
    if has_name then
      local len = cast(cellp, base + at).len
      at = at + CELL
      r.np, r.nlen = base + at, len
      if NAME_COLUMN > 0 then
        local slot = T.slots[i * K + NAME_COLUMN]
        slot.p, slot.len, slot.tag = base + at, len, 0x0a
      end
      at = at + padded(len)
    end
    if has_bytes then r.p, r.plen = base + (at + CELL), cast(cellp, base + at).len end
  end

  -- The rows of each class, as chains: the first in `heads`, the next of each in `following`, -1 at the end.
  T.heads = E.buffer("int32_t", config.name_count + 1)

  local function chain_classes(n)
    local r, heads, following = T.rows, T.heads, T.following
    fill(heads, 4 * (config.name_count + 1), 0xff)
    for i = n - 1, 0, -1 do
      local class = r[i].name
      following[i] = heads[class]
      heads[class] = i
    end
  end

  -- Lay out the captured rows of a trace, unless they lie there already.
  function E.lay_out(s)
    if T.trace == s then return T end
    local state = E.states()[s]
    local n = find_rows(state)
    local order = sorted(n)
    local base = cast(u8p, state.captured.p)
    fill(T.rows, n * ffi.sizeof("row_t"))
    fill(T.slots, n * 16 * K)
    for i = 0, n - 1 do lay_out(base, T.offsets[order[i]], i) end
    T.n, T.trace, T.stamp = n, s, T.stamp + 1
    T.has_tree = false
    E.W.tend_keys()
    chain_classes(n)
    return T
  end

  -- Forget what is laid out: traces have changed.
  function E.clear_layout() T.trace = nil end

  -- The rows that a leaf selects. Each leaf has a number and a list of its own, which the next trace takes over.
  local lists = {}

  function E.members(number, class, word, mask)
    local found, n = lists[number], 0
    if not found then
      found = { n = 0 }
      lists[number] = found
    end
    local words, following = T.words, T.following
    local i = class == 0 and 0 or T.heads[class]
    if class == 0 then
      for k = 0, T.n - 1 do
        if band(words[k * WORDS_MAX + word], mask) ~= 0 then
          n = n + 1
          found[n] = k
        end
      end
    else
      while i >= 0 do
        if band(words[i * WORDS_MAX + word], mask) ~= 0 then
          n = n + 1
          found[n] = i
        end
        i = following[i]
      end
    end
    found.n = n
    return found
  end
end
