-- Rows of a batch to traces: which state each belongs to, whether it is kept, what every trace remembers whatever the rules are.
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, rshift, bswap = bit.band, bit.rshift, bit.bswap
  local cast, fill = ffi.cast, ffi.fill
  local rows, touches = E.rows, E.touches
  local STATE = ffi.sizeof("state_t")
  local statep, i32p, u64p = ffi.typeof("state_t *"), ffi.typeof("int32_t *"), ffi.typeof("uint64_t *")
  local secret = ffi.new("uint64_t[2]", config.secret[2], config.secret[3])
  local m0, m1 = secret[0], secret[1]
  local UNTIMED = 9223372036854775808ULL
  local has, add, await, arrived = E.id_seen, E.id_add, E.await, E.arrived

  local capacity, mask = 1024, 4095
  local states = cast(statep, C.calloc(capacity, STATE))
  local index = cast(i32p, C.malloc(4 * (mask + 1)))
  local free, free_count = cast(i32p, C.malloc(4 * capacity)), 0
  local used = 0
  E.trace_count = 0
  fill(index, 4 * (mask + 1), 255)

  function E.states() return states end

  -- ---- the pool: texts that many traces share ---------------------------------------------------------------------------------------
  local pool, pool_ids, pool_free, pool_size = {}, {}, {}, 0
  E.pool = pool
  E.pool_limit = 65536

  -- The place of a text in the pool, from 1.
  function E.pooled(p, n)
    local text = ffi.string(p, n)
    local id = pool_ids[text]
    if not id then
      id = table.remove(pool_free)
      if not id then
        pool_size = pool_size + 1
        id = pool_size
      end
      pool[id], pool_ids[text] = text, id
    end
    return id
  end

  -- Drop the texts of the pool that no trace holds.
  local function sweep()
    local marked = {}
    for i = 0, used - 1 do
      local state = states[i]
      if state.live ~= 0 then
        marked[state.root_name], marked[state.root_service] = true, true
        local services = cast(i32p, state.services.p)
        for j = 0, state.services.n - 1 do marked[services[j]] = true end
        E.mark_captured(state, marked)
      end
    end
    local held = 0
    for id = 1, pool_size do
      if pool[id] and not marked[id] then
        pool_ids[pool[id]], pool[id] = nil, nil
        pool_free[#pool_free + 1] = id
      elseif pool[id] then
        held = held + 1
      end
    end
    E.pool_limit = math.max(65536, 2 * held)
  end

  function E.tend_pool()
    if pool_size - #pool_free > E.pool_limit then sweep() end
  end

  -- ---- the table of traces ----------------------------------------------------------------------------------------------------------
  local function place(tid0, tid1, partition)
    local h = (tid0 + partition) * m0 + tid1 * m1
    return band(tonumber(rshift(h, 33)), mask)
  end

  local function home(s)
    local state = states[s]
    return place(state.tid0, state.tid1, state.partition)
  end

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
        local h = home(s)
        while index[h] >= 0 do h = band(h + 1, mask) end
        index[h] = s
      end
    end
  end

  local function unlink(s)
    local h = home(s)
    while index[h] ~= s do h = band(h + 1, mask) end
    local i = h
    while true do
      i = band(i + 1, mask)
      local other = index[i]
      if other < 0 then break end
      if band(i - home(other), mask) >= band(i - h, mask) then
        index[h] = other
        h = i
      end
    end
    index[h] = -1
  end

  -- Where the trace is in the index, or where it would be.
  local function seek(tid0, tid1, partition)
    local h = place(tid0, tid1, partition)
    local s = index[h]
    while s >= 0 do
      local state = states[s]
      if state.tid0 == tid0 and state.tid1 == tid1 and state.partition == partition then break end
      h = band(h + 1, mask)
      s = index[h]
    end
    return h, s
  end

  function E.is_open(tid0, tid1, partition)
    local _, s = seek(tid0, tid1, partition)
    return s >= 0
  end

  local function open(tid0, tid1, partition)
    if free_count == 0 and used == capacity then grow() end
    local h = seek(tid0, tid1, partition)
    local s
    if free_count > 0 then
      free_count = free_count - 1
      s = free[free_count]
    else
      s = used
      used = used + 1
    end
    index[h] = s
    local state = states[s]
    state.tid0, state.tid1, state.partition, state.live, state.touch = tid0, tid1, partition, 1, -1
    E.trace_count = E.trace_count + 1
    return s
  end
  E.open_trace = open

  function E.drop(s)
    local state = states[s]
    if state.live == 0 then return end
    if state.live == 1 then unlink(s) end
    E.free_block(state.ids, 8)
    E.free_block(state.awaited, 16)
    E.free_block(state.services, 4)
    E.free_block(state.captured, 1)
    E.free_block(state.tree, 16)
    fill(state, STATE)
    free[free_count] = s
    free_count = free_count + 1
    E.trace_count = E.trace_count - 1
  end

  -- ---- commit -----------------------------------------------------------------------------------------------------------------------
  local function note_root(state, r)
    local start, id = r.timed == 1 and cast("uint64_t", r.t0) or UNTIMED, bswap(r.sid)
    if state.roots == 0 or start < state.root_start or (start == state.root_start and id < state.root_id) then
      state.root_start, state.root_id = start, id
      state.root_name, state.root_service = E.pooled(r.np, r.nlen), r.res
    end
    state.roots = state.roots + 1
  end

  local function note_service(state, id)
    local block = state.services
    local ids = cast(i32p, block.p)
    for i = block.n - 1, 0, -1 do
      if ids[i] == id then return end
    end
    if block.n == block.cap then E.resize(block, block.n < 4 and block.n + 2 or 2 * block.n, 4) end
    cast(i32p, block.p)[block.n] = id
    block.n = block.n + 1
  end

  local function note_branch(block, r)
    if block.n == block.cap then E.resize(block, block.n == 0 and 8 or 2 * block.n, 16) end
    local pairs = cast(u64p, block.p)
    pairs[2 * block.n], pairs[2 * block.n + 1] = r.sid, r.pid
    block.n = block.n + 1
  end

  local function keep(state, r)
    local t0, t1 = r.t0, r.t1
    if t0 > 0 and t1 >= t0 then
      r.timed = 1
      if state.last_end == 0 then
        state.first_start, state.last_end = t0, t1
      else
        if t0 < state.first_start then state.first_start = t0 end
        if t1 > state.last_end then state.last_end = t1 end
      end
    end
    state.spans = state.spans + 1
    local pid = r.pid
    if pid == 0 then
      note_root(state, r)
    elseif pid == r.sid then
      state.orphans = state.orphans + 1
    elseif not has(state, pid, r.pd[0], r.pd[1]) then
      state.orphans = state.orphans + 1
      await(state.awaited, pid)
    end
    add(state, r.sid, r.sd[0])
    if state.awaited.n > 0 then state.orphans = state.orphans - arrived(state.awaited, r.sid) end
    if r.res > 0 then note_service(state, r.res) end
    if config.tree then note_branch(state.tree, r) end
  end

  local function touched(s, r, opened)
    local n = E.touch_count
    local touch = touches[n]
    fill(touch, 32)
    touch.record, touch.trace, touch.opened = r.record, s, opened
    E.touch_count = n + 1
    states[s].touch = n
    return touch
  end

  -- Whether a record that arrives now begins the trace anew: begins_anew in processor/closing.py.
  local function is_past(state, at, retention, cut_age)
    if retention < 0 then return false end
    return (cut_age >= 0 and at >= state.first_record + cut_age) or at > state.last_record + retention
  end

  -- Give each of the first n rows its trace, keep those that are new. `arrived`: when each record arrived.
  function E.commit(n, partition, arrived_at, span_count_max, retention, cut_age)
    E.touch_count = 0
    local s, l0, l1, l2, l3, record = -1, 0, 0, 0, 0, -1
    for i = 0, n - 1 do
      local r = rows[i]
      local d0, d1, d2, d3 = r.td[0], r.td[1], r.td[2], r.td[3]
      if s < 0 or d0 ~= l0 or d1 ~= l1 or d2 ~= l2 or d3 ~= l3 or r.record ~= record then
        l0, l1, l2, l3, record = d0, d1, d2, d3, r.record
        local at, opened, _ = arrived_at[record], 0, 0
        _, s = seek(r.tid0, r.tid1, partition)
        if s >= 0 and (states[s].touch < 0 or touches[states[s].touch].record ~= record or touches[states[s].touch].trace ~= s
          or states[s].touch >= E.touch_count) then
          if is_past(states[s], at, retention, cut_age) then
            unlink(s)
            states[s].live = 2
            s = -1
          end
        end
        if s < 0 then
          s = open(r.tid0, r.tid1, partition)
          states[s].first_record, states[s].last_record, opened = at, at, 1
        end
        local state = states[s]
        if at > state.last_record then state.last_record = at end
        local t = state.touch
        if t < 0 or t >= E.touch_count or touches[t].trace ~= s or touches[t].record ~= record then touched(s, r, opened) end
      end
      local state = states[s]
      local touch = touches[state.touch]
      touch.spans = touch.spans + 1
      if has(state, r.sid, r.sd[0], r.sd[1]) then
        touch.again = touch.again + 1
        r.trace = -1
      elseif state.spans >= span_count_max then
        touch.over = touch.over + 1
        r.trace = -1
      else
        r.trace = s
        touch.kept = touch.kept + 1
        if r.pd[0] == 0 and r.pd[1] == 0 then touch.root = 1 end
        keep(state, r)
      end
    end
  end
end
