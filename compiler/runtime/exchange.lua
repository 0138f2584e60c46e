-- The state of a trace as bytes, and back. Ids are listed, for where they lie in a table is each runtime's own secret; places in the pool of
-- texts are given together with the texts.
return function(E)
  local ffi, C, config = E.ffi, E.C, E.config
  local cast, copy, fstr = ffi.cast, ffi.copy, ffi.string
  local u8p, i32p, u64p = ffi.typeof("uint8_t *"), ffi.typeof("int32_t *"), ffi.typeof("const uint64_t *")
  local constu8p = ffi.typeof("const uint8_t *")
  local capturedp = ffi.typeof("captured_t *")
  local STATE = ffi.sizeof("state_t")
  ffi.cdef [[ typedef struct { int32_t ids, awaited, services, captured, tree, texts; } exported_t; ]]
  local HEAD = ffi.sizeof("exported_t")

  local function listed_awaited(block)
    local los, cap, found = cast(i32p, block.p), block.cap, ffi.new("int32_t[?]", 3 * block.n + 1)
    for i = 0, block.n - 1 do
      for c = 0, 2 do found[3 * i + c] = los[c * cap + i] end
    end
    return fstr(found, 12 * block.n)
  end

  local function texts(state)
    local marked, parts, count = {}, {}, 0
    marked[state.root_name], marked[state.root_service] = true, true
    local services = cast(i32p, state.services.p)
    for k = 0, state.services.n - 1 do marked[services[k]] = true end
    E.mark_captured(state, marked)
    marked[0] = nil
    local head = ffi.new("int32_t[2]")
    for id in pairs(marked) do
      head[0], head[1] = id, #E.pool[id]
      count = count + 1
      parts[count] = fstr(head, 8) .. E.pool[id]
    end
    return table.concat(parts), count
  end

  local function bytes(block, size) return block.p == nil and "" or fstr(block.p, block.n * size) end

  function E.export(s)
    local state = E.states()[s]
    local pooled, count = texts(state)
    local head = ffi.new("exported_t", state.ids.n, state.awaited.n, state.services.n, state.captured.n, state.tree.n, count)
    local plain = ffi.new("state_t[1]")
    copy(plain, state, STATE)
    for _, name in ipairs { "ids", "awaited", "services", "captured", "tree" } do plain[0][name].p = nil end
    return table.concat {
      fstr(head, HEAD), fstr(plain, STATE), E.ids_bytes(state.ids), listed_awaited(state.awaited), bytes(state.services, 4),
      bytes(state.captured, 1), bytes(state.tree, 16), pooled,
    }
  end

  local function refill(block, from, n, size)
    block.p, block.n, block.cap = nil, 0, 0
    if n > 0 then
      E.resize(block, n, size)
      copy(block.p, from, n * size)
      block.n = n
    end
    return from + n * size
  end

  local function take_texts(from, count)
    local places = { [0] = 0 }
    for _ = 1, count do
      local numbers = cast(i32p, from)
      places[numbers[0]] = E.pooled(from + 8, numbers[1])
      from = from + (8 + numbers[1])
    end
    return places
  end

  local function place_texts(state, places)
    state.root_name, state.root_service = places[state.root_name], places[state.root_service]
    local services = cast(i32p, state.services.p)
    for k = 0, state.services.n - 1 do services[k] = places[services[k]] end
    local begin, at = cast(u8p, state.captured.p), 0
    while at < state.captured.n do
      local head = cast(capturedp, begin + at)
      head.res = places[head.res]
      at = at + head.size
    end
  end

  -- Returns the trace's place, -1 where one of its id is there already.
  function E.load(partition, text)
    local from = cast(constu8p, text)
    local head = cast("const exported_t *", from)
    local given = cast("const state_t *", from + HEAD)
    if E.is_open(given.td, partition) then return -1 end
    local s = E.open_trace(given.td[0], given.td[1], given.td[2], given.td[3], partition)
    local state = E.states()[s]
    copy(state, given, STATE)
    state.partition, state.live, state.touch = partition, 1, 0
    local at = from + (HEAD + STATE)
    local ids = cast(u64p, at)
    state.ids.p, state.ids.n, state.ids.cap, state.awaited.p, state.awaited.n, state.awaited.cap = nil, 0, 0, nil, 0, 0
    for k = 0, head.ids - 1 do E.id_add(state.ids, ids[k], head.ids - k) end
    local awaited = cast(i32p, ids + head.ids)
    for k = 0, head.awaited - 1 do E.await(state.awaited, awaited[3 * k], awaited[3 * k + 1], awaited[3 * k + 2]) end
    at = refill(state.services, at + (8 * head.ids + 12 * head.awaited), head.services, 4)
    at = refill(state.captured, at, head.captured, 1)
    at = refill(state.tree, at, head.tree, 16)
    place_texts(state, take_texts(at, head.texts))
    return s
  end
end
