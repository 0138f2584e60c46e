-- Leaves of the kept rows of a batch: their membership words, the state's bits and counters, captured rows. Counterpart: select in
-- compiler/interpreter.py, span by span as they arrive.
return function(E)
  local ffi, bit, config = E.ffi, E.bit, E.config
  local band, bor = bit.band, bit.bor
  local fill = ffi.fill
  local rows, slots = E.rows, E.slots
  local WORDS = config.membership_words
  local NAMES = config.name_count
  local order = E.buffer("int32_t", E.row_capacity + 1)
  local ends = E.buffer("int32_t", NAMES + 3)
  local membership = E.membership
  local class_words, any_words = config.class_words, config.any_words
  E.order = order

  -- Rows in order of their classes; a class's rows lie before ends[class]. Returns how many are kept.
  local function sort(n)
    fill(ends, 4 * (NAMES + 2))
    local kept = 0
    for i = 0, n - 1 do
      local r = rows[i]
      if r.trace >= 0 then
        ends[r.name + 1] = ends[r.name + 1] + 1
        kept = kept + 1
      end
    end
    for k = 1, NAMES + 1 do ends[k] = ends[k] + ends[k - 1] end
    for i = 0, n - 1 do
      local r = rows[i]
      if r.trace >= 0 then
        local at = ends[r.name]
        order[at] = i
        ends[r.name] = at + 1
      end
    end
    return kept
  end

  -- A leaf selects row i: its bit, and what the state remembers of it.
  local function hit(states, i, leaf)
    local at = i * WORDS + leaf.word
    local old = membership[at]
    if band(old, leaf.mask) ~= 0 then return end
    membership[at] = bor(old, leaf.mask)
    local state = states[rows[i].trace]
    if leaf.seen_word then state.w[leaf.seen_word] = bor(state.w[leaf.seen_word], leaf.seen_mask) end
    if leaf.counter then state.c[leaf.counter] = state.c[leaf.counter] + 1 end
  end

  -- Whether a leaf selects row i, in full generality.
  local function selects(leaf, i)
    if leaf.root and (rows[i].pd[0] ~= 0 or rows[i].pd[1] ~= 0) then return false end
    if leaf.where and leaf.where(rows, slots, i) ~= true then return false end
    return not leaf.not_true or leaf.not_true(rows, slots, i) ~= true
  end

  local function ask(states, leaves, lo, hi)
    for x = 1, #leaves do
      local leaf = leaves[x]
      for k = lo, hi do
        local i = order[k]
        if selects(leaf, i) then hit(states, i, leaf) end
      end
    end
  end

  local capture_masks = config.capture_masks

  local function capture_all(states, class, lo, hi)
    local masks = capture_masks[class]
    if #masks == 0 then return end
    for k = lo, hi do
      local i = order[k]
      local some = 0
      for x = 1, #masks, 2 do some = bor(some, band(membership[i * WORDS + masks[x]], masks[x + 1])) end
      if some ~= 0 then E.capture(states[rows[i].trace], i) end
    end
  end

  function E.evaluate(n)
    local states = E.states()
    local kept = sort(n)
    if kept == 0 then return end
    for k = 0, kept - 1 do fill(membership + order[k] * WORDS, 4 * WORDS) end
    ask(states, E.leaves[0], 0, kept - 1)
    local lo = 0
    for class = 0, NAMES do
      local hi = ends[class] - 1
      if hi >= lo then
        if class > 0 then ask(states, E.leaves[class], lo, hi) end
        capture_all(states, class, lo, hi)
      end
      lo = hi + 1
    end
  end
end
