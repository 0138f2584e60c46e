-- The states of traces as bytes, and back, many in one call. Nothing in a state is its runtime's own: ids are listed, for where they lie in a
-- table is each runtime's secret; texts go with the state, which calls them by their number among its own. Whatever is counted or remembered
-- of the spans goes as it stands.
--
-- One state: head, end of the state in memory, captured rows, ids (with their parents where the program keeps a tree), parents awaited, texts
-- each behind its length, and behind it all, up to a multiple of 8 bytes, at least 4 that are left to the host.
return function(E)
  local ffi, bit, config = E.ffi, E.bit, E.config
  local band, bxor, lshift = bit.band, bit.bxor, bit.lshift
  local cast, copy, fill = ffi.cast, ffi.copy, ffi.fill
  ffi.cdef [[
    typedef struct {
      union { struct { uint64_t tid0, tid1; }; int32_t td[4]; };
      int32_t captured, ids, awaited, services, texts, text_bytes, root_service, unused;
    } exported_t;
  ]]
  local u8p, i32p = ffi.typeof("uint8_t *"), ffi.typeof("int32_t *")
  local constu8p, exportedp, capturedp = ffi.typeof("const uint8_t *"), ffi.typeof("exported_t *"), ffi.typeof("captured_t *")
  local packed32p, packed64p = ffi.typeof("packed_i32 *"), ffi.typeof("const packed_u64 *")
  local HEAD, CHECK = ffi.sizeof("exported_t"), 4
  local KEPT = ffi.offsetof("state_t", "first_start")
  local KEPT_SIZE = ffi.sizeof("state_t") - KEPT
  local ID = config.tree and 16 or 8
  local BAD, KNOWN = 1, 2
  local pool, ones = E.pool, E.ones

  -- Where the texts of a state begin, and how large it is.
  local function texts_at(head) return HEAD + KEPT_SIZE + head.captured + ID * head.ids + 12 * head.awaited end
  local function size_of(head) return band(texts_at(head) + head.text_bytes + CHECK + 7, -8) end

  -- ---- texts ------------------------------------------------------------------------------------------------------------------------
  -- Of the state at hand: the place in the pool of each of its texts, from 1, and for each place of the pool the number of its text.
  local places, places_room, numbers, numbers_room = nil, 0, nil, 0

  local function reserve(count)
    if count >= places_room then
      places_room = 2 * count
      places = E.buffer("int32_t", places_room)
    end
    if E.pool_places() > numbers_room then
      numbers_room = 2 * E.pool_places()
      numbers = E.buffer("int32_t", numbers_room)
    end
  end

  -- Number the services that have one of the first places of the pool, those of a word of bits behind n others.
  local function number_bits(bits, first, n)
    while bits ~= 0 do
      local low = band(bits, -bits)
      local place = first + ones(low - 1)
      n = n + 1
      places[n], numbers[place] = place, n
      bits = bxor(bits, low)
    end
    return n
  end

  local function number_list(list, n)
    for k = 0, list.n - 1 do
      n = n + 1
      places[n], numbers[list.v[k]] = list.v[k], n
    end
    return n
  end

  -- Number the texts of a trace: its services, among which that of its root and those of its captured rows are, then its root's name.
  local function number_texts(state, head)
    local more = state.more_services
    reserve(66 + (more == nil and 0 or more.n))
    local n = number_bits(state.services[1], 32, number_bits(band(state.services[0], -2), 0, 0))
    if more ~= nil then n = number_list(more, n) end
    head.services, head.root_service = n, numbers[state.root_service]
    if state.roots > 0 then
      n = n + 1
      places[n] = state.root_name
    end
    local size = 0
    for k = 1, n do size = size + (4 + #pool[places[k]]) end
    head.texts, head.text_bytes = n, size
  end

  local function write_texts(n, into)
    local at = 0
    for k = 1, n do
      local text = pool[places[k]]
      local size = #text
      cast(packed32p, into + at).v = size
      copy(into + at + 4, text, size)
      at = at + (4 + size)
    end
  end

  -- ---- out --------------------------------------------------------------------------------------------------------------------------
  local function write_captured(block, into)
    local n, at = block.n, 0
    copy(into, block.p, n)
    while at < n do
      local row = cast(capturedp, into + at)
      row.res = numbers[row.res]
      at = at + row.size
    end
  end

  -- Write a state at a place with room for `room` bytes; returns how many it takes, and if these are more, has not been written.
  local function write(state, into, room)
    if room < HEAD then return HEAD end
    local head, awaited = cast(exportedp, into), state.awaited
    head.tid0, head.tid1, head.unused = state.tid0, state.tid1, 0
    head.captured, head.ids, head.awaited = state.captured.n, state.ids.n, awaited == nil and 0 or awaited.waiting
    number_texts(state, head)
    local size = size_of(head)
    if size > room then return size end
    -- Up to 11 bytes follow the last text; what stood there before is another trace's.
    fill(into + (size - 16), 16)
    copy(into + HEAD, cast(u8p, state) + KEPT, KEPT_SIZE)
    local at = HEAD + KEPT_SIZE
    if head.captured > 0 then write_captured(state.captured, into + at) end
    at = at + head.captured
    if not config.tree then E.write_ids(state.ids, into + at)
    elseif head.ids > 0 then copy(into + at, state.tree.v, ID * head.ids) end
    if head.awaited > 0 then E.write_awaited(awaited, into + (at + ID * head.ids)) end
    write_texts(head.texts, into + texts_at(head))
    return size
  end

  function E.export_many(handles, first, n, out, room, ends)
    local states, at = E.states(), 0
    for k = first, n - 1 do
      local size = write(states[tonumber(handles[k])], out + at, room - at)
      if at + size > room then return k end
      at = at + size
      ends[k] = at
    end
    return n
  end

  -- ---- in ---------------------------------------------------------------------------------------------------------------------------
  local function read_texts(state, head, from)
    reserve(head.texts)
    local at = 0
    for k = 1, head.texts do
      local size = cast(packed32p, from + at).v
      places[k] = E.pooled(from + (at + 4), size, k <= head.services)
      at = at + (4 + size)
    end
    for k = 1, head.services do E.note_service(state, places[k]) end
    state.root_service = places[head.root_service]
    if head.texts > head.services then state.root_name = places[head.texts] end
  end

  local function read_captured(block, from, n)
    E.resize(block, n, 1)
    copy(block.p, from, n)
    block.n = n
    local begin, at = cast(u8p, block.p), 0
    while at < n do
      local row = cast(capturedp, begin + at)
      row.res = places[row.res]
      at = at + row.size
    end
  end

  local function read_tree(state, from, n)
    state.tree = E.resize_list(nil, n, ID)
    copy(state.tree.v, from, ID * n)
    state.tree.n = n
  end

  local function read_awaited(state, from, n)
    local counts = cast(i32p, from)
    for k = 0, n - 1 do E.await(state, cast(packed64p, from + 12 * k).v, counts[3 * k + 2]) end
  end

  local function read(state, head, from)
    copy(cast(u8p, state) + KEPT, from + HEAD, KEPT_SIZE)
    local captured = from + (HEAD + KEPT_SIZE)
    local ids = captured + head.captured
    reserve(1)
    places[0] = 0
    read_texts(state, head, from + texts_at(head))
    if head.captured > 0 then read_captured(state.captured, captured, head.captured) end
    E.read_ids(state.ids, ids, head.ids, ID / 8)
    if config.tree and head.ids > 0 then read_tree(state, ids, head.ids) end
    read_awaited(state, ids + ID * head.ids, head.awaited)
  end

  -- Takes in states first .. last - 1; returns how many of all are taken in, and why there are no more of these.
  function E.load_some(partition, addresses, sizes, offset, first, last, handles)
    for k = first, last - 1 do
      local from = cast(u8p, addresses[k] + offset)
      local head = cast(exportedp, from)
      if sizes[k] < HEAD or size_of(head) ~= sizes[k] then return k, BAD end
      if E.is_open(head, partition) then return k, KNOWN end
      local s = E.open_trace(head, partition)
      read(E.states()[s], head, from)
      handles[k] = s
    end
    return last, 0
  end
end
