-- What the host calls: records in, verdicts out. Every answer is a number or a string; no table of Lua and no pointer leaves.
return function(E)
  local ffi, bit, config = E.ffi, E.bit, E.config
  local cast = ffi.cast
  local u8p, i64p, u64p = ffi.typeof("uint8_t *"), ffi.typeof("int64_t *"), ffi.typeof("const uint64_t *")
  local fstr = ffi.string
  local API = {}
  -- Rows that are given to their traces while the cache still holds them.
  local BLOCK_ROWS = 512
  local SUM, FIRST_START = ffi.sizeof("sum_t"), ffi.offsetof("state_t", "first_start")

  -- Percents. What is in use comes and goes, with numbered keys and texts: a heap that was small for a moment must not grow tenfold.
  local PAUSE_MIN, PAUSE_MAX = 200, 400
  -- KiB, at the last look, and in use, more or less: of a heap that has shrunk, for it was swept, and of the first one.
  local heap_before, heap_used

  -- Lets so much garbage lie before it is collected again: percents of what is in use alone would go through a small heap all the time.
  local function tend_garbage(heap)
    if not heap_used or heap < heap_before then
      heap_used = heap
      local pause = 100 + math.floor(100 * config.garbage_kib / heap)
      if config.garbage_kib > 0 then collectgarbage("setpause", math.max(PAUSE_MIN, math.min(PAUSE_MAX, pause))) end
    end
    heap_before = heap
  end

  -- Fails in time: what runs out of memory inside of compiled code ends the process. What nobody holds any more does not count.
  local function tend_heap()
    local heap = collectgarbage("count")
    tend_garbage(heap)
    if heap <= config.heap_max_kib then return end
    collectgarbage()
    if collectgarbage("count") > config.heap_max_kib then error("not enough memory", 0) end
  end

  -- Takes in records first .. last - 1. `addresses`, `lengths`, `arrived`: arrays of 64-bit numbers; `keys`: of each record the id of a trace, 0:
  -- they do not matter. Returns the next record, why it stopped there (0: all done, 1: more to do, 2: an odd record, 3: one of too many spans),
  -- as bytes what was brought to each trace, by each record alone where `by_record` is 1, and the records whose key is not the id of the one
  -- trace they hold.
  function API.take(addresses, lengths, arrived, keys, first, last, partition, span_count_max, retention, by_record, offset)
    tend_heap()
    E.change(1)
    E.tend_pool()
    E.clear_layout()
    E.begin_batch()
    E.FEATURE.begin_batch()
    local n, next_record, why = 0, first, E.FULL
    E.touch_count, E.sum_count = 0, 0
    repeat
      local begin = n
      n, next_record, why = E.decode(cast(u64p, addresses), offset, cast(i64p, lengths), next_record, last, begin, begin + BLOCK_ROWS)
      E.commit(begin, n, partition, cast(i64p, arrived), span_count_max, retention, by_record == 1)
      E.evaluate_any(begin, n)
    until why ~= E.FULL or n >= E.batch_rows or n == begin
    local kept = E.sort(n)
    E.look_for_names(kept)
    E.evaluate()
    E.capture_all(kept)
    E.change(0)
    local apart = E.add_up(cast(i64p, arrived), keys ~= 0 and cast(u64p, keys) or nil)
    return next_record, why, fstr(E.sums, E.sum_count * SUM), fstr(E.apart, 4 * apart)
  end

  local out, out_size = nil, 0

  local function room(size)
    if size >= out_size then
      out_size = math.max(4096, 2 * size)
      out = cast(u8p, E.buffer("uint8_t", out_size))
    end
    return out
  end

  -- Judges traces: `asked` holds of each handle, closing and when it opened (negative: every exception is in force), as 64-bit numbers.
  -- Returns a code per rule and trace as bytes.
  function API.judge(asked, n)
    local rule_count = config.rule_count
    local codes = room(n * rule_count)
    E.judge(cast(i64p, asked), n, codes)
    return fstr(codes, n * rule_count)
  end

  function API.trace_id(s) return E.W.trace_id(E.states()[s]) end

  -- The bits of the selections seen.
  function API.seen(s)
    local state = E.states()[s]
    return fstr(state.w, 4 * config.word_count)
  end

  -- Ids and parents of all spans, in order of arrival, where a rule asks for them.
  function API.tree(s)
    local list = E.states()[s].tree
    return list == nil and "" or fstr(list.v, 16 * list.n)
  end

  function API.captured(s)
    local block = E.states()[s].captured
    return block.p == nil and "" or fstr(block.p, block.n)
  end

  local size = ffi.new("int32_t[1]")

  -- The texts of the pool that a trace holds as services, each behind its length in 4 bytes.
  local function services(state)
    local found = {}
    for k, place in ipairs(E.service_places(state)) do
      local text = E.pool[place]
      size[0] = #text
      found[k] = fstr(size, 4) .. text
    end
    return table.concat(found)
  end

  function API.facts(s)
    local state = E.states()[s]
    return fstr(state.td, 16), services(state), E.W.root_name(state) or false, E.W.root_service(state) or false, tonumber(state.ids.n),
      tonumber(state.orphans), tonumber(state.roots), fstr(cast("const uint8_t *", state) + FIRST_START, 16)
  end

  -- Writes the states of traces first, first + 1 .. of n, one behind the other, as long as there is room. `handles` and `ends` are arrays of
  -- 64-bit numbers; of each state that was written the latter says where it ends. Returns the first trace that was not written.
  function API.export_many(handles, first, n, out, room, ends)
    return E.export_many(cast(i64p, handles), first, n, cast(u8p, out), room, cast(i64p, ends))
  end

  -- Takes in the states of n traces that are none of the partition's, and writes their handles; returns 0. Where a state does not fit the program
  -- (1) or its trace is there already (2) none is taken in. Arrays of 64-bit numbers: addresses, which are `offset` before the states, and sizes.
  function API.load_many(partition, addresses, sizes, offset, n, handles)
    E.clear_layout()
    local found, loaded, why = cast(i64p, handles), 0, 0
    while loaded < n and why == 0 do
      tend_heap()
      E.change(1)
      E.tend_pool()
      loaded, why = E.load_some(partition, cast(u64p, addresses), cast(i64p, sizes), offset, loaded, math.min(n, loaded + BLOCK_ROWS), found)
      E.change(0)
    end
    if why ~= 0 then
      E.change(1)
      for k = loaded - 1, 0, -1 do E.drop(tonumber(found[k])) end
      E.change(0)
    end
    return why
  end

  -- Drops n traces: `handles` is an array of 64-bit numbers.
  function API.drop_many(handles, n)
    E.clear_layout()
    local list = cast(i64p, handles)
    E.change(1)
    for k = 0, n - 1 do
      E.ask_for_state(list[math.min(k + E.STATES_AHEAD, n - 1)])
      E.drop(tonumber(list[k]))
    end
    E.change(0)
  end

  -- Look for a name from now on (occurring.lua).
  API.watch = E.watch

  -- Of each name that is looked for, in order, a byte: 1 where it has occurred.
  API.occurred = E.occurred

  function API.pooled(id) return E.pool[id] or "" end

  -- The bytes held for traces, and those of Lua's heap that are in use.
  function API.held() return E.traces_bytes() + 1024 * (heap_used or collectgarbage("count")) end

  function API.memory()
    return E.trace_count, E.block_bytes, E.captured_bytes(), ffi.sizeof("state_t"), collectgarbage("count")
  end

  return API
end
