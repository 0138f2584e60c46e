-- Verdicts of traces. Counterparts: compiler/judge.py, the atoms of compiler/evaluate.py.
return function(E)
  local ffi, bit, config = E.ffi, E.bit, E.config
  local band = bit.band
  local cast = ffi.cast
  local T, W, pool, relations = E.T, E.W, E.pool, E.relations
  local u64p = ffi.typeof("uint64_t *")
  local UNDECIDED, SATISFIED, VIOLATED, NOT_APPLICABLE, INCONCLUSIVE, EXCUSED, ASKED = 0, 1, 2, 3, 4, 5, 6
  local OPEN, INCOMPLETE, COMPLETE = 0, 1, 2

  -- ---- atoms ------------------------------------------------------------------------------------------------------------------------
  function W.seen(state, word, mask, closed)
    if band(state.w[word], mask) ~= 0 then return true end
    if closed then return false end
    return nil
  end

  function W.unbroken(state, word, mask, closed)
    if band(state.w[word], mask) ~= 0 then return false end
    if closed then return true end
    return nil
  end

  function W.some(list, closed)
    if list.n > 0 then return true end
    if closed then return false end
    return nil
  end

  function W.all(list, predicate, closed, j)
    local rows, slots = T.rows, T.slots
    for x = 1, list.n do
      if predicate(rows, slots, list[x], j) ~= true then return false end
    end
    if closed then return true end
    return nil
  end

  function W.if_true(truth, value)
    if truth == true then return value end
    return nil
  end

  local tree_ids, tree_parents, tree_room, tree = nil, nil, 0, nil

  function W.tree()
    if T.has_tree then return tree end
    local list = E.states()[T.trace].tree
    local n = list == nil and 0 or list.n
    if n > tree_room then
      tree_room = math.max(64, 2 * n)
      tree_ids, tree_parents = E.buffer("uint64_t", tree_room), E.buffer("uint64_t", tree_room)
    end
    local pairs, ids, parents = n > 0 and cast(u64p, list.v), tree_ids, tree_parents
    for i = 0, n - 1 do ids[i], parents[i] = pairs[2 * i], pairs[2 * i + 1] end
    tree = relations.tree(ids, parents, n, tree)
    T.has_tree = true
    return tree
  end

  -- ---- values of the trace ----------------------------------------------------------------------------------------------------------
  function W.trace_id(state)
    return E.V.hex(cast("const uint8_t *", state.td), 16)
  end
  function W.trace_duration(state)
    if state.last_end == 0 then return nil end
    return state.last_end - state.first_start
  end
  function W.span_count(state) return state.ids.n end
  function W.service_count(state) return E.service_count(state) end
  function W.root_name(state)
    if state.roots == 0 then return nil end
    return pool[state.root_name]
  end
  function W.root_service(state)
    if state.roots == 0 or state.root_service == 0 then return nil end
    return pool[state.root_service]
  end

  -- ---- instances --------------------------------------------------------------------------------------------------------------------
  -- Of an instance whose head is true.
  function W.verdict(always, never)
    if always == false or never == true then return VIOLATED end
    if always == true and never == false then return SATISFIED end
    return UNDECIDED
  end

  -- The first exception that is true excuses; while the trace is open each must be decided false first.
  local function excused(exceptions, state, closing, closed, opened)
    for x = 1, #exceptions do
      local test, expires = exceptions[x][1], exceptions[x][2]
      if not expires or opened < 0 or opened < expires then
        local truth = test(state, closed)
        if closing == OPEN then
          if truth ~= false then return UNDECIDED end
        elseif truth == true then
          return EXCUSED
        end
      end
    end
    return VIOLATED
  end

  -- ---- rules ------------------------------------------------------------------------------------------------------------------------
  -- Groups are loops over traces, of many rules each (compiler/emit_bits.py): one over any traces, one over whole ones. What they leave open
  -- is asked trace by trace: rules, and the exceptions of what is violated. `position`: where the rule's code is among those of a trace.
  local groups, rules, excusables = {}, {}, {}

  function E.add_group(any, whole) groups[#groups + 1] = { any = any, whole = whole } end
  function E.add_rule(position, whole, reads, judge)
    rules[#rules + 1] = { position = position, whole = whole, reads = reads, judge = judge }
  end
  function E.add_excusable(position, whole, reads, exceptions)
    excusables[#excusables + 1] = { position = position, whole = whole, reads = reads, exceptions = exceptions }
  end

  -- The code of one rule on a trace.
  local function judge_one(rule, state, closing)
    local code = rule.judge(state, closing == COMPLETE)
    if code == VIOLATED then return VIOLATED end
    if closing == OPEN then return UNDECIDED end
    if code == UNDECIDED then return INCONCLUSIVE end
    return code
  end

  -- Of the traces asked: which, where it stands among those asked, and as 0 or 1 whether it is closed and complete, whether so with a root and
  -- without orphans; 0 where it is open, else -1. Those that are whole come first.
  local room, traces, asks, closes, wholes, lates = 0, nil, nil, nil, nil, nil

  local function reserve(n)
    if n <= room then return end
    room = math.max(1024, 2 * n)
    local function one() return E.buffer("int32_t", room) end
    traces, asks, closes, wholes, lates = one(), one(), one(), one(), one()
  end

  -- Returns how many are whole.
  local function note_closings(states, asked, n)
    reserve(n)
    local whole_count, others = 0, n
    for k = 0, n - 1 do
      E.ask_for_state(asked[3 * math.min(k + E.STATES_AHEAD, n - 1)])
      local s, closing = tonumber(asked[3 * k]), tonumber(asked[3 * k + 1])
      local state = states[s]
      local is_whole, at = closing == COMPLETE and state.orphans == 0 and state.roots > 0, 0
      if is_whole then
        at, whole_count = whole_count, whole_count + 1
      else
        others = others - 1
        at = others
      end
      traces[at], asks[at] = s, k
      closes[at] = closing == COMPLETE and 1 or 0
      wholes[at] = is_whole and 1 or 0
      lates[at] = closing == OPEN and 0 or -1
    end
    return whole_count
  end

  local function closing_of(rule, k)
    if lates[k] == 0 then return OPEN end
    return (rule.whole and wholes[k] or closes[k]) == 1 and COMPLETE or INCOMPLETE
  end

  local function judge_rest(states, k, opened, out)
    local s = traces[k]
    for r = 1, #rules do
      local rule = rules[r]
      if out[rule.position] == ASKED then
        if rule.reads then E.lay_out(s) end
        out[rule.position] = judge_one(rule, states[s], closing_of(rule, k))
      end
    end
    for r = 1, #excusables do
      local rule = excusables[r]
      if out[rule.position] == VIOLATED then
        if rule.reads then E.lay_out(s) end
        local closing = closing_of(rule, k)
        out[rule.position] = excused(rule.exceptions, states[s], closing, closing == COMPLETE, opened)
      end
    end
  end

  -- Writes the codes of all rules on n traces, those of one trace together. `asked`: of each trace its handle, how it closed (0 open,
  -- 1 incomplete, 2 complete) and when it opened, negative: every exception is in force.
  function E.judge(asked, n, out)
    local states = E.states()
    local whole_count = note_closings(states, asked, n)
    for g = 1, #groups do
      local group = groups[g]
      if whole_count > 0 then group.whole(states, traces, asks, closes, wholes, lates, 0, whole_count - 1, out) end
      if whole_count < n then group.any(states, traces, asks, closes, wholes, lates, whole_count, n - 1, out) end
    end
    if #rules == 0 and #excusables == 0 then return end
    for k = 0, n - 1 do judge_rest(states, k, asked[3 * asks[k] + 2], out + asks[k] * config.rule_count) end
  end
end
