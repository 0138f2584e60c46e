-- The state of a trace as bytes, and back. Ids are listed, for where they lie in a table is each runtime's own secret; places in the pool of
-- texts are given together with the texts.
return function(E)
  local ffi, C, config = E.ffi, E.C, E.config
  local cast, copy, fstr = ffi.cast, ffi.copy, ffi.string
  local u8p, i32p, u64p = ffi.typeof("uint8_t *"), ffi.typeof("int32_t *"), ffi.typeof("const uint64_t *")
  local constu8p = ffi.typeof("const uint8_t *")
  local packedp = ffi.typeof("const packed_u64 *")
  local capturedp = ffi.typeof("captured_t *")
  local STATE = ffi.sizeof("state_t")
  ffi.cdef [[ typedef struct { int32_t ids, awaited, services, captured, tree, texts; } exported_t; ]]
  local HEAD = ffi.sizeof("exported_t")

  local function texts(state, services)
    local marked, parts, count = {}, {}, 0
    marked[state.root_name], marked[state.root_service] = true, true
    for _, place in ipairs(services) do marked[place] = true end
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

  -- A state points nowhere outside of its runtime, and services have other places there.
  local function uproot(state)
    state.ids.p, state.ids.n, state.ids.cap, state.captured.p, state.captured.n, state.captured.cap = nil, 0, 0, nil, 0, 0
    state.awaited, state.more_services, state.tree = nil, nil, nil
    state.services[0], state.services[1] = 0, 0
  end

  function E.export(s)
    local state = E.states()[s]
    local services = E.service_places(state)
    local pooled, count = texts(state, services)
    local awaited, tree = state.awaited, state.tree
    local head = ffi.new("exported_t", state.ids.n, awaited == nil and 0 or awaited.waiting, #services, state.captured.n,
      tree == nil and 0 or tree.n, count)
    local plain = ffi.new("state_t[1]")
    copy(plain, state, STATE)
    uproot(plain[0])
    return table.concat {
      fstr(head, HEAD), fstr(plain, STATE), E.ids_bytes(state.ids), E.awaited_bytes(awaited),
      fstr(ffi.new("int32_t[?]", #services, services), 4 * #services), fstr(state.captured.p, state.captured.n),
      tree == nil and "" or fstr(tree.v, 16 * tree.n), pooled,
    }
  end

  local function take_texts(from, count, is_service)
    local places = { [0] = 0 }
    for _ = 1, count do
      local numbers = cast(i32p, from)
      places[numbers[0]] = E.pooled(from + 8, numbers[1], is_service[numbers[0]])
      from = from + (8 + numbers[1])
    end
    return places
  end

  local function place_texts(state, places)
    state.root_name, state.root_service = places[state.root_name], places[state.root_service]
    local begin, at = cast(u8p, state.captured.p), 0
    while at < state.captured.n do
      local head = cast(capturedp, begin + at)
      head.res = places[head.res]
      at = at + head.size
    end
  end

  local function take_ids(state, ids, n)
    for k = 0, n - 1 do E.id_add(state.ids, ids[k], n - k) end
  end

  local function take_awaited(state, awaited, n)
    for k = 0, n - 1 do E.await(state, cast(packedp, awaited + 3 * k).v, awaited[3 * k + 2]) end
  end

  local function take_captured(state, from, n)
    if n == 0 then return end
    E.resize(state.captured, n, 1)
    copy(state.captured.p, from, n)
    state.captured.n = n
  end

  local function take_tree(state, from, n)
    if n == 0 then return end
    state.tree = E.resize_list(nil, n, 16)
    copy(state.tree.v, from, 16 * n)
    state.tree.n = n
  end

  -- Returns the trace's place, -1 where one of its id is there already.
  function E.load(partition, text)
    local from = cast(constu8p, text)
    local head = cast("const exported_t *", from)
    local given = cast("const state_t *", from + HEAD)
    if E.is_open(given, partition) then return -1 end
    local s = E.open_trace(given, partition)
    local state = E.states()[s]
    copy(state, given, STATE)
    state.partition, state.live, state.touch = partition, 1, 0
    uproot(state)
    local ids = from + (HEAD + STATE)
    local awaited = ids + 8 * head.ids
    local services = awaited + 12 * head.awaited
    local captured = services + 4 * head.services
    local tree = captured + head.captured
    take_ids(state, cast(u64p, ids), head.ids)
    take_awaited(state, cast(i32p, awaited), head.awaited)
    take_captured(state, captured, head.captured)
    take_tree(state, tree, head.tree)
    local is_service, list = {}, cast(i32p, services)
    for k = 0, head.services - 1 do is_service[list[k]] = true end
    local places = take_texts(tree + 16 * head.tree, head.texts, is_service)
    for k = 0, head.services - 1 do E.note_service(state, places[list[k]]) end
    place_texts(state, places)
    return s
  end
end
