-- Rows of a batch to traces: which state each belongs to, whether it is kept, what every trace remembers whatever the rules are.
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local arshift, band, bnot, bswap, bxor, rshift, tobit = bit.arshift, bit.band, bit.bnot, bit.bswap, bit.bxor, bit.rshift, bit.tobit
  local cast, fill = ffi.cast, ffi.fill
  local rows, touches, is_touched, touched = E.rows, E.touches, E.is_touched, E.touched
  local STATE = ffi.sizeof("state_t")
  local statep, i32p, u64p = ffi.typeof("state_t *"), ffi.typeof("int32_t *"), ffi.typeof("uint64_t *")
  local m0, m1, m2, m3 = config.secret[3], config.secret[4], config.secret[5], config.secret[6]
  local seen, add, await, arrived = E.id_seen, E.id_add, E.await, E.arrived
  local batch, batch_place, note_service = E.batch, E.batch_place, E.note_service

  local capacity, mask = 1024, 4095
  local states = cast(statep, C.calloc(capacity, STATE))
  local index = cast(i32p, C.malloc(4 * (mask + 1)))
  local free, free_count = cast(i32p, C.malloc(4 * capacity)), 0
  local used = 0
  E.trace_count = 0
  fill(index, 4 * (mask + 1), 255)

  function E.states() return states end

  -- A state is about to be looked at: so many are asked for before they are.
  E.STATES_AHEAD = 8
  local function ask_for_state(s) E.prefetch(states + s, STATE) end
  E.ask_for_state = ask_for_state

  -- Calls a function with each state of a trace that is there.
  function E.each_state(one)
    for i = 0, used - 1 do
      if states[i].live ~= 0 then one(states[i]) end
    end
  end

  -- The bytes that traces take outside of the Lua heap: their states with their places in the tables, and their blocks.
  function E.traces_bytes() return E.trace_count * (STATE + 20) + E.block_bytes end

  -- The bytes that captured rows take, with what stands free behind them.
  function E.captured_bytes()
    local found = 0
    E.each_state(function(state) found = found + state.captured.cap end)
    return found
  end

  -- ---- the table of traces ----------------------------------------------------------------------------------------------------------
  -- `key`: a row or a state, for both begin with the id of their trace. Its hash under the mask of the table is where it is looked for first.
  local function hash(key, partition)
    local td = key.td
    local h = tobit(td[0] * m0 + td[1] * m1 + td[2] * m2 + (td[3] + partition) * m3)
    return bxor(h, rshift(h, 15))
  end

  local function home_of(s) return band(hash(states[s], states[s].partition), mask) end

  local function grow()
    local cap = 2 * capacity
    local memory, list = C.realloc(states, cap * STATE), C.realloc(free, 4 * cap)
    local fresh = C.malloc(4 * 4 * cap)
    if memory == nil or list == nil or fresh == nil then error("out of memory") end
    states, free = cast(statep, memory), cast(i32p, list)
    fill(states + capacity, capacity * STATE)
    C.free(index)
    index, mask, capacity = cast(i32p, fresh), 4 * cap - 1, cap
    fill(index, 4 * (mask + 1), 255)
    for s = 0, used - 1 do
      if states[s].live == 1 then
        local h = home_of(s)
        while index[h] >= 0 do h = band(h + 1, mask) end
        index[h] = s
      end
    end
  end

  local function unlink(s)
    local h = home_of(s)
    if index[h] == s and index[band(h + 1, mask)] < 0 then
      index[h] = -1
      return
    end
    while index[h] ~= s do h = band(h + 1, mask) end
    local i = h
    while true do
      i = band(i + 1, mask)
      local other = index[i]
      if other < 0 then break end
      if band(i - home_of(other), mask) >= band(i - h, mask) then
        index[h] = other
        h = i
      end
    end
    index[h] = -1
  end

  local function is_at(s, key, partition)
    local state = states[s]
    return state.tid0 == key.tid0 and state.tid1 == key.tid1 and state.partition == partition
  end

  local function seek_on(h, key, partition)
    local s = index[h]
    while s >= 0 and not is_at(s, key, partition) do
      h = band(h + 1, mask)
      s = index[h]
    end
    return s, h
  end

  -- The state of a trace whose hash is h, or -1; and where it is in the index, or would be.
  local function seek_hashed(h, key, partition)
    h = band(h, mask)
    local s = index[h]
    if s < 0 or is_at(s, key, partition) then return s, h end
    return seek_on(band(h + 1, mask), key, partition)
  end

  local function seek(key, partition) return seek_hashed(hash(key, partition), key, partition) end

  function E.is_open(key, partition)
    return (seek(key, partition)) >= 0
  end

  local function open(key, partition)
    if free_count == 0 and used == capacity then grow() end
    local _, h = seek(key, partition)
    local s
    if free_count > 0 then
      free_count = free_count - 1
      s = free[free_count]
      if free_count > E.STATES_AHEAD then ask_for_state(free[free_count - E.STATES_AHEAD]) end
    else
      s = used
      used = used + 1
    end
    index[h] = s
    local state = states[s]
    state.tid0, state.tid1 = key.tid0, key.tid1
    state.partition, state.live, state.touch = partition, 1, 0
    E.trace_count = E.trace_count + 1
    return s
  end
  E.open_trace = open

  function E.drop(s)
    local state = states[s]
    if state.live == 0 then return end
    if state.live == 1 then unlink(s) end
    E.free_block(state.ids, 8)
    E.free_block(state.captured, 1)
    E.free_awaited(state.awaited)
    E.free_list(state.more_services, 4)
    E.free_list(state.tree, 16)
    fill(state, STATE)
    free[free_count] = s
    free_count = free_count + 1
    E.trace_count = E.trace_count - 1
  end

  -- ---- times ------------------------------------------------------------------------------------------------------------------------
  -- Behind every start: where those stand that have none.
  local UNTIMED = 9223372036854775808ULL
  E.UNTIMED = UNTIMED

  -- Whether start and end can be used.
  local function is_timed(r) return r.t0 > 0 and r.t1 >= r.t0 end
  E.is_timed = is_timed

  -- ---- commit -----------------------------------------------------------------------------------------------------------------------
  local function note_root(state, r)
    local start, id = r.timed == 1 and cast("uint64_t", r.t0) or UNTIMED, bswap(r.sid)
    if state.roots == 0 or start < state.root_start or (start == state.root_start and id < state.root_id) then
      state.root_start, state.root_id = start, id
      state.root_name, state.root_service = E.pooled(r.np, r.nlen), r.res
    end
    state.roots = state.roots + 1
  end

  local function note_branch(state, r)
    local list = state.tree
    local n = list == nil and 0 or list.n
    if n == 0 or n == list.cap then state.tree = E.resize_list(list, n + math.max(touches[r.touch].kept, rshift(n, 2)), 16) end
    local pairs = cast(u64p, state.tree.v)
    pairs[2 * n], pairs[2 * n + 1] = r.sid, r.pid
    state.tree.n = n + 1
  end

  -- Whether a record that arrives now begins the trace anew: begins_anew in processor/closing.py.
  local function is_past(state, at, retention)
    return retention >= 0 and at > state.last_record + retention
  end

  -- A record's first row of a trace: opens the trace if it must, anew if its time is over.
  local function touch_first(i, s, arrived_at, partition, retention, by_record)
    local r, opened = rows[i], 0
    local record = r.record
    if s >= 0 and is_past(states[s], arrived_at[record], retention) then
      unlink(s)
      states[s].live = 2
      s = -1
    end
    if s < 0 then
      s = open(r, partition)
      states[s].last_record, opened = arrived_at[record], 1
    end
    if arrived_at[record] > states[s].last_record then states[s].last_record = arrived_at[record] end
    touched(states[s], s, record, opened, by_record)
    return s
  end

  -- What follows goes over all rows once for each thing that states remember: short loops, each with few ways through it. Like `run` in
  -- decoder.lua a loop reads nothing but its arguments, and each has one of its own, for a compiled loop is made for what it is given first.

  local function is_same_trace(before, r)
    return before.tid0 == r.tid0 and before.tid1 == r.tid1 and before.record == r.record
  end

  -- Where their traces are in the index is about to be looked at: until then `trace` is the hash.
  local function ask_for_place(i, partition)
    local r = rows[i]
    r.trace = hash(r, partition)
    E.prefetch(index + band(r.trace, mask), 4)
  end

  local function ask_unless_same(i, partition)
    if not is_same_trace(rows[i - 1], rows[i]) then ask_for_place(i, partition) end
  end

  local function ask_for_places(one, first, n, partition)
    for i = first, n - 1 do one(i, partition) end
  end

  local function find(i, partition, arrived_at, retention, by_record)
    local r = rows[i]
    local s = seek_hashed(r.trace, r, partition)
    if s < 0 or not is_touched(states[s], s) or touches[states[s].touch].record ~= r.record then
      s = touch_first(i, s, arrived_at, partition, retention, by_record)
    end
    r.trace, r.touch = s, states[s].touch
    touches[r.touch].spans = touches[r.touch].spans + 1
  end

  local function find_unless_same(i, partition, arrived_at, retention, by_record)
    local before, r = rows[i - 1], rows[i]
    if is_same_trace(before, r) then
      r.trace, r.touch = before.trace, before.touch
      touches[r.touch].spans = touches[r.touch].spans + 1
    else
      find(i, partition, arrived_at, retention, by_record)
    end
  end

  local function find_all(one, first, n, partition, arrived_at, retention, by_record)
    for i = first, n - 1 do one(i, partition, arrived_at, retention, by_record) end
  end

  -- The rows of a block, of which each has the trace of the one before, mostly: records of one trace. As in decoder.lua, let what the loops are
  -- compiled for first be such a row; none is there yet.
  local function find_runs(begin, n, partition, arrived_at, retention, by_record)
    ask_for_places(ask_unless_same, begin + 1, n, partition)
    find_all(find_unless_same, begin + 1, n, partition, arrived_at, retention, by_record)
  end
  find_runs(0, 200, 0)

  -- The same of rows that mostly have not: records of many traces.
  local function ask_for_mixed(one, first, n, partition)
    for i = first, n - 1 do one(i, partition) end
  end

  local function find_mixed(one, first, n, partition, arrived_at, retention, by_record)
    for i = first, n - 1 do one(i, partition, arrived_at, retention, by_record) end
  end

  -- Which of both a block is, by its first rows.
  local function is_mixed(begin, n)
    local last, others = math.min(n - 1, begin + 16), 0
    for i = begin + 1, last do
      if not is_same_trace(rows[i - 1], rows[i]) then others = others + 1 end
    end
    return 2 * others > last - begin
  end

  local function find_traces(begin, n, partition, arrived_at, retention, by_record)
    if is_mixed(begin, n) then
      ask_for_mixed(ask_for_place, begin, n, partition)
      find_mixed(find, begin, n, partition, arrived_at, retention, by_record)
    else
      ask_for_place(begin, partition)
      find(begin, partition, arrived_at, retention, by_record)
      find_runs(begin, n, partition, arrived_at, retention, by_record)
    end
  end

  -- Of one span id the first to arrive is kept; a trace that is full keeps no more. Who waited for it is no orphan any more.
  local function keep(i, span_count_max)
    local r = rows[i]
    local state = states[r.trace]
    local touch, ids = touches[r.touch], state.ids
    local at = batch_place(r.trace, r.sd[0], r.sd[1])
    if batch[at] ~= 0 or (touch.opened == 0 and seen(ids, r.sd[0], r.sd[1])) then
      touch.again = touch.again + 1
      r.trace = -1
    elseif ids.n >= span_count_max then
      touch.over = touch.over + 1
      r.trace = -1
    else
      add(ids, r.sid, touch.spans - touch.kept - touch.again)
      touch.kept = touch.kept + 1
      batch[at] = i + 1
      if state.awaited ~= nil then state.orphans = state.orphans - arrived(state, r.sid) end
    end
  end

  local function keep_all(one, begin, n, span_count_max)
    for i = begin, n - 1 do one(i, span_count_max) end
  end

  -- Without a branch but for the first span with times: how spans of a trace lie to each other cannot be foreseen.
  local function note_times(i)
    local r = rows[i]
    if r.trace >= 0 and is_timed(r) then
      local state = states[r.trace]
      r.timed = 1
      if state.last_end == 0 then state.first_start = r.t0 end
      local earlier, later = r.t0 - state.first_start, r.t1 - state.last_end
      state.first_start = state.first_start + band(earlier, arshift(earlier, 63))
      state.last_end = state.last_end + band(later, bnot(arshift(later, 63)))
    end
  end

  local function note_all_times(one, begin, n)
    for i = begin, n - 1 do one(i) end
  end

  -- Parents of these spans that are not there: none is awaited that comes with its children.
  local function note_parent(i)
    local r = rows[i]
    if r.trace >= 0 then
      local state, lo, hi = states[r.trace], r.pd[0], r.pd[1]
      if lo == 0 and hi == 0 then
        touches[r.touch].root = 1
        note_root(state, r)
      elseif lo == r.sd[0] and hi == r.sd[1] then
        state.orphans = state.orphans + 1
      elseif batch[batch_place(r.trace, lo, hi)] == 0 and (touches[r.touch].opened ~= 0 or not seen(state.ids, lo, hi)) then
        state.orphans = state.orphans + 1
        await(state, r.pid, 1)
      end
    end
  end

  local function note_parents(one, begin, n)
    for i = begin, n - 1 do one(i) end
  end

  local function note_service_of(i)
    local r = rows[i]
    if r.trace >= 0 then note_service(states[r.trace], r.res) end
  end

  local function note_services(one, begin, n)
    for i = begin, n - 1 do one(i) end
  end

  local function note_branch_of(i)
    local r = rows[i]
    if r.trace >= 0 then note_branch(states[r.trace], r) end
  end

  local function note_branches(one, begin, n)
    for i = begin, n - 1 do one(i) end
  end

  -- Give rows begin .. n - 1 their traces, keep those that are new. `arrived_at`: when each record arrived. `by_record`: what a record brought
  -- is added to nothing else.
  function E.commit(begin, n, partition, arrived_at, span_count_max, retention, by_record)
    if n == begin then return end
    E.clear_batch(n - begin)
    find_traces(begin, n, partition, arrived_at, retention, by_record)
    keep_all(keep, begin, n, span_count_max)
    note_all_times(note_times, begin, n)
    note_parents(note_parent, begin, n)
    note_services(note_service_of, begin, n)
    if config.tree then note_branches(note_branch_of, begin, n) end
  end

  -- States are memory of their own: it is given back when the runtime is closed, unless something failed while it was changed, for then
  -- nobody knows what was freed.
  local changing = ffi.new("int32_t[1]")
  function E.change(is_on) changing[0] = is_on end
  E.hold(ffi.gc(ffi.new("char[1]"), function()
    if changing[0] ~= 0 then return end
    for s = 0, used - 1 do
      local state = states[s]
      C.free(state.ids.p)
      C.free(state.captured.p)
      C.free(state.awaited)
      C.free(state.more_services)
      C.free(state.tree)
    end
    C.free(states)
    C.free(index)
    C.free(free)
  end))
end
