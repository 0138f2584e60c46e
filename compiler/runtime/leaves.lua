-- Leaves of the kept rows of a batch: their membership words, the state's bits and counters, captured rows. Counterpart: select in
-- compiler/interpreter.py, span by span as they arrive.
return function(E)
  local ffi, bit, config = E.ffi, E.bit, E.config
  local band, bnot, bor, rshift = bit.band, bit.bnot, bit.bor, bit.rshift
  local fill = ffi.fill
  local rows, slots = E.rows, E.slots
  local WORDS = config.membership_words
  local NAMES = config.name_count
  local order, bases, firsts, places, K, WIDTH = E.order, E.bases, E.firsts, E.places, config.column_count, E.feature_width
  local ends = E.buffer("int32_t", NAMES + 3)
  local membership = E.membership
  local FEATURE, odd = E.FEATURE, E.odd
  E.class_ends = ends

  -- Rows in order of their classes; a class's rows lie before ends[class]. Returns how many are kept.
  function E.sort(n)
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
        order[at], bases[at], firsts[at], places[at] = i, i * K, i * WIDTH, i * WORDS
        ends[r.name] = at + 1
      end
    end
    return kept
  end

  -- ---- a program's classes ------------------------------------------------------------------------------------------------------------
  local classes, is_general = {}, {}
  for class = 0, NAMES do classes[class] = { leaves = {}, general = {}, features = {}, loops = {}, applies = {} } end

  function E.add_leaf(class, word, mask, root, where, not_true, general)
    local one = classes[class]
    local leaf = { word = word, mask = mask, root = root, where = where, not_true = not_true }
    table.insert(general and one.general or one.leaves, leaf)
    is_general[class] = is_general[class] or general
  end

  function E.add_loop(class, loop) table.insert(classes[class].loops, loop) end
  function E.add_apply(class, apply) table.insert(classes[class].applies, apply) end

  local learner_count = 0

  -- Declares a feature. It is made once all are declared, for how it tells texts apart hangs on how many of them learn.
  function E.add_feature(class, place, column, tag, kind, texts, patterns)
    local declared = { class = class, place = place, column = column, kind = kind, tag = tag, texts = texts, patterns = patterns }
    table.insert(classes[class].features, declared)
    if #patterns > 0 then learner_count = learner_count + 1 end
  end

  local function feature_of(one)
    local feature = { class = one.class, place = one.place, column = one.column, kind = one.kind, questions = E.join_patterns(one.patterns) }
    if one.kind == "span:kind" or one.kind == "span:status" then
      feature.words = FEATURE.words(one.texts)
    elseif #one.texts + #one.patterns > 0 then
      feature.texts = FEATURE.table(one.tag, one.texts, one.patterns, learner_count)
    end
    if one.kind == "slot" then feature.asked = FEATURE.add(one.class, one.column, one.place, feature.texts, one.patterns) end
    return feature
  end

  -- What is done about the rows of each class, in lists of all classes together: what one has stands from `at` of it to before `at` of the next.
  -- All is looked at in each batch, and of a table of Lua no cache holds a line any more.
  local loops, loops_at, applies, applies_at, masks, masks_at = {}, {}, {}, {}, {}, {}
  -- Features that are made here; those whose patterns are asked, and where these stand in a row.
  local made, made_at, asking, asking_at, asked_places = {}, {}, {}, {}, {}

  local function append(all, at, class, list)
    at[class] = #all + 1
    for x = 1, #list do all[#all + 1] = list[x] end
    at[class + 1] = #all + 1
  end

  local function features_that(class, serve)
    local found = {}
    for _, f in ipairs(classes[class].features) do
      if serve(f) then table.insert(found, f) end
    end
    return found
  end

  local function is_made_here(f) return f.kind ~= "slot" or FEATURE.batch.late ~= 0 or FEATURE.is_passed(f.class, f.column) end
  local function has_patterns(f) return #f.questions > 0 end

  -- Which features are made here hangs on the columns that are found to be passed by as resources come, and on what the decoder left over of a batch.
  local arranged
  local function arrangement() return 2 * FEATURE.batch.passed + FEATURE.batch.late end

  local function arrange()
    arranged, made, made_at = arrangement(), {}, {}
    for class = 0, NAMES do append(made, made_at, class, features_that(class, is_made_here)) end
  end

  -- Once all is added. Features of class 0 come first.
  function E.complete_classes()
    for class = 0, NAMES do
      local features = classes[class].features
      for x = 1, #features do features[x] = feature_of(features[x]) end
      append(asking, asking_at, class, features_that(class, has_patterns))
      append(loops, loops_at, class, classes[class].loops)
      append(applies, applies_at, class, classes[class].applies)
      append(masks, masks_at, class, config.capture_masks[class])
    end
    for x = 1, #asking do asked_places[x] = asking[x].place end
  end

  local makers = {
    ["span:duration"] = function(f, lo, hi) FEATURE.durations(lo, hi, f.place) end,
    ["span:kind"] = function(f, lo, hi) FEATURE.kinds(lo, hi, f.place, f.words) end,
    ["span:status"] = function(f, lo, hi) FEATURE.statuses(lo, hi, f.place, f.words) end,
    ["span:parentID"] = function(f, lo, hi) FEATURE.parents(lo, hi, f.place) end,
    slot = function(f, lo, hi) FEATURE.values(lo, hi, f.asked) end,
  }

  -- Asks the patterns of a feature of those texts that are not known.
  local function ask_patterns(f, lo, hi)
    for x = 1, #f.questions do FEATURE.ask(f.column, f.place, f.questions[x]) end
    FEATURE.learn(f.column, f.place, f.texts)
  end

  -- ---- leaves in full generality -----------------------------------------------------------------------------------------------------
  local function selects(leaf, i)
    if leaf.root and (rows[i].pd[0] ~= 0 or rows[i].pd[1] ~= 0) then return false end
    if leaf.where and leaf.where(rows, slots, i) ~= true then return false end
    return not leaf.not_true or leaf.not_true(rows, slots, i) ~= true
  end

  local function ask(leaves, i)
    for x = 1, #leaves do
      local leaf = leaves[x]
      local at = i * WORDS + leaf.word
      membership[at] = selects(leaf, i) and bor(membership[at], leaf.mask) or band(membership[at], bnot(leaf.mask))
    end
  end

  local function ask_all(leaves, lo, hi)
    for k = lo, hi do ask(leaves, order[k]) end
  end

  local function ask_odd(leaves, lo, hi)
    for k = lo, hi do
      if odd[order[k]] ~= 0 then ask(leaves, order[k]) end
    end
  end

  -- The membership of the rows of a class, which lie at lo .. hi of the order.
  local function decide(class, lo, hi)
    for x = made_at[class], made_at[class + 1] - 1 do makers[made[x].kind](made[x], lo, hi) end
    for x = asking_at[class], asking_at[class + 1] - 1 do
      if FEATURE.unknown(lo, hi, asked_places[x]) > 0 then ask_patterns(asking[x], lo, hi) end
    end
    for x = loops_at[class], loops_at[class + 1] - 1 do loops[x](lo, hi) end
    if FEATURE.batch.odd ~= 0 and #classes[class].features > 0 then ask_odd(classes[class].leaves, lo, hi) end
    if is_general[class] then ask_all(classes[class].general, lo, hi) end
  end

  local picked = E.buffer("int32_t", E.row_capacity + 1)

  -- The rows at lo .. hi of the order with a bit of one of two masks, without a branch; returns how many they are.
  local function pick_by_two(word, mask, other, other_mask, lo, hi)
    local n = 0
    for k = lo, hi do
      local at = places[k]
      local some = bor(band(membership[at + word], mask), band(membership[at + other], other_mask))
      picked[n] = order[k]
      n = n + 1 - rshift(band(bnot(some), some - 1), 31)
    end
    return n
  end

  -- The same of all rows that a captured leaf selects; masks first .. last are words and masks in turn.
  local function pick(first, last, lo, hi)
    if last - first < 4 then return pick_by_two(masks[first], masks[first + 1], masks[last - 1], masks[last], lo, hi) end
    local n = 0
    for k = lo, hi do
      local at, some = places[k], 0
      for x = first, last, 2 do some = bor(some, band(membership[at + masks[x]], masks[x + 1])) end
      if some ~= 0 then
        picked[n] = order[k]
        n = n + 1
      end
    end
    return n
  end

  local function evaluate(class, states, lo, hi)
    decide(class, lo, hi)
    for x = applies_at[class], applies_at[class + 1] - 1 do applies[x](lo, hi, states) end
  end

  -- Decide the leaves of any span of the kept rows from `begin` on, while the cache still holds them, and let the states remember it.
  function E.evaluate_any(begin, n)
    local kept = 0
    for i = begin, n - 1 do
      order[kept], bases[kept], firsts[kept], places[kept] = i, i * K, i * WIDTH, i * WORDS
      if rows[i].trace >= 0 then kept = kept + 1 end
    end
    fill(membership + begin * WORDS, 4 * WORDS * (n - begin))
    if arranged ~= arrangement() then arrange() end
    if kept > 0 then evaluate(0, E.states(), 0, kept - 1) end
  end

  -- The same of the leaves of named spans, of a whole batch that is sorted.
  function E.evaluate()
    local states, lo = E.states(), ends[0]
    for class = 1, NAMES do
      local hi = ends[class] - 1
      if hi >= lo then evaluate(class, states, lo, hi) end
      lo = hi + 1
    end
  end

  -- Keep the rows that a violation would name or a judgement will ask.
  function E.capture_all(kept)
    if kept == 0 then return end
    local states, lo = E.states(), 0
    for class = 0, NAMES do
      local hi = ends[class] - 1
      local first, last = masks_at[class], masks_at[class + 1] - 1
      if hi >= lo and last > first then E.capture(states, class, picked, pick(first, last, lo, hi)) end
      lo = hi + 1
    end
    E.deliver(states)
  end
end
