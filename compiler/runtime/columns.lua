-- Features of the rows of a class, column by column: of columns that are no attributes of spans, and of texts that patterns are asked of
-- (features.lua tells what a feature is).
return function(E)
  local ffi, bit = E.ffi, E.bit
  local arshift, band, bnot, bor = bit.arshift, bit.band, bit.bnot, bit.bor
  local cast, copy = ffi.cast, ffi.copy
  local rows, slots, order, bases, firsts = E.rows, E.slots, E.order, E.bases, E.firsts
  local FEATURE, F, X = E.FEATURE, E.words, E.numbers
  local EXISTS, NUMBER, TEXT, UNKNOWN = FEATURE.EXISTS, FEATURE.NUMBER, FEATURE.TEXT, FEATURE.UNKNOWN
  local asked, samples = FEATURE.asked, FEATURE.samples
  -- Where leaves make the signs of their comparisons.
  E.signs = E.buffer("split_f64", 256)

  -- Like `run` in decoder.lua this loop reads nothing but its arguments.
  local function each_value(one, D, a, column, place, lo, hi)
    for k = lo, hi do one(D, a, bases[k] + column, firsts[k] + place, order[k]) end
  end

  -- Feature `a` of the class's rows, which lie at lo .. hi of the order.
  function FEATURE.values(lo, hi, a) each_value(FEATURE.put, E.D, a, asked[a].column, asked[a].place, lo, hi) end

  function FEATURE.durations(lo, hi, place)
    for k = lo, hi do
      local r = rows[order[k]]
      local at = firsts[k] + place
      if r.timed == 1 then
        local ns = tonumber(r.t1 - r.t0)
        X[at], F[at] = ns, NUMBER
        if ns >= 9007199254740992 then
          FEATURE.mark_odd(order[k])
          F[at] = EXISTS
        end
      else
        F[at] = 0
      end
    end
  end

  -- Kind and status are words: `words` has the bits of each.
  function FEATURE.kinds(lo, hi, place, words)
    for k = lo, hi do F[firsts[k] + place] = words[rows[order[k]].kind] end
  end

  function FEATURE.statuses(lo, hi, place, words)
    for k = lo, hi do F[firsts[k] + place] = words[rows[order[k]].status] end
  end

  function FEATURE.parents(lo, hi, place)
    for k = lo, hi do
      local r = rows[order[k]]
      F[firsts[k] + place] = (r.pd[0] ~= 0 or r.pd[1] ~= 0) and TEXT or 0
    end
  end

  -- ---- patterns -----------------------------------------------------------------------------------------------------------------------
  -- The rows of the class whose text patterns have to be asked of.
  local unknown = cast("list_t *", E.buffer("uint8_t", 4 * (E.row_capacity + 4)))

  -- Lists them, without a branch; returns how many they are.
  function FEATURE.unknown(lo, hi, place)
    local n = 0
    for k = lo, hi do
      unknown.v[n] = k
      n = n - arshift(F[firsts[k] + place], 31)
    end
    unknown.n = n
    return n
  end

  local function each(column, place, match, bits)
    for x = 0, unknown.n - 1 do
      local k = unknown.v[x]
      local s = slots[bases[k] + column]
      local at = firsts[k] + place
      if match(s.p, s.len) then F[at] = bor(F[at], bits) end
    end
  end

  -- Of those that an automaton still reads: which, and the state that each is in.
  local reading, states = E.buffer("int32_t", E.row_capacity + 1), E.buffer("int32_t", E.row_capacity + 1)

  local function begin_reading(n, start)
    for x = 0, n - 1 do reading[x], states[x] = unknown.v[x], start end
  end

  -- The state behind the byte p[i], or the same where the text, of which n bytes are left, has none: class 0 leads nowhere.
  local function behind(state, class, following, p, i, n)
    local is_there = arshift(i - n, 31)
    return following[state + band(class[p[band(i, is_there)]], is_there)]
  end

  -- Takes eight bytes more, from `begin` on, of all texts that are read, without a branch; returns how many are neither at their end nor decided.
  local function read_on(n, begin, column, place, class, following, last, decided, said)
    local left = 0
    for x = 0, n - 1 do
      local k, state = reading[x], states[x]
      local slot, at = bases[k] + column, firsts[k] + place
      local p, size = slots[slot].p + begin, slots[slot].len - begin
      state = behind(state, class, following, p, 0, size)
      state = behind(state, class, following, p, 1, size)
      state = behind(state, class, following, p, 2, size)
      state = behind(state, class, following, p, 3, size)
      state = behind(state, class, following, p, 4, size)
      state = behind(state, class, following, p, 5, size)
      state = behind(state, class, following, p, 6, size)
      state = behind(state, class, following, p, 7, size)
      local goes_on = arshift(band(8 - size, decided - state), 31)
      F[at] = bor(F[at], band(said[following[state + last]], bnot(goes_on)))
      reading[left], states[left] = k, state
      left = left - goes_on
    end
    return left
  end

  -- The same of each text to its end, four bytes at a time.
  local function read_rest(n, begin, column, place, class, following, last, decided, said)
    for x = 0, n - 1 do
      local k, state = reading[x], states[x]
      local slot, at = bases[k] + column, firsts[k] + place
      local size = slots[slot].len
      for i = begin, size - 1, 4 do
        -- A pointer kept over a turn would become an object: it is loaded anew.
        local p = slots[slot].p + i
        state = behind(state, class, following, p, 0, size - i)
        state = behind(state, class, following, p, 1, size - i)
        state = behind(state, class, following, p, 2, size - i)
        state = behind(state, class, following, p, 3, size - i)
        if state <= decided then break end
      end
      F[at] = bor(F[at], said[following[state + last]])
    end
  end

  -- A match of `dfa` in patterns.lua for all of them: a loop over the bytes of each would be left at another one each time. What goes on for long
  -- is read by such a loop.
  local LONG = 64

  local function run(column, place, class, following, start, last, decided, said)
    local n, begin = unknown.n, 0
    begin_reading(n, start)
    while n > 0 and begin < LONG do
      n = read_on(n, begin, column, place, class, following, last, decided, said)
      begin = begin + 8
    end
    if n > 0 then read_rest(n, begin, column, place, class, following, last, decided, said) end
  end

  -- Adds what patterns say of the unknown texts to their bits. `question`: of joined.lua.
  function FEATURE.ask(column, place, question)
    local one = question.automaton
    if one then
      run(column, place, one.class, one.following, one.start, one.last, one.decided, question.said)
    else
      each(column, place, question.match, question.bits)
    end
  end

  -- A table of texts and the bits of their tests, {text, bits}. With patterns it learns what they say of other texts, for values are often the
  -- same: in its free places, until so many were unknown that it had better begin anew. The more tables learn, of `learner_count`, the smaller
  -- they are: values of attributes come in any order, so all of them had better lie in the cache of the second level.
  local PLACES_MAX, PLACES_MIN, PLACES_TOGETHER, PLACES_FEWEST = 256, 64, 4096, 4
  local SIZE_MAX, LEARNT_AT_ONCE, UNKNOWN_MAX = 64, 4, 65536

  local function places_of(learner_count)
    local places = PLACES_MAX
    while places > PLACES_MIN and places * learner_count > PLACES_TOGETHER do places = places / 2 end
    return places
  end

  function FEATURE.table(tag, texts, patterns, learner_count)
    local list = {}
    for x = 1, #texts do
      local text, bits = texts[x][1], texts[x][2]
      for y = 1, #patterns do
        if E.matchers[patterns[y][1]](cast("const uint8_t *", text), #text) then bits = bor(bits, patterns[y][2]) end
      end
      list[x] = { text = text, bits = bits }
    end
    local found = E.text_table(tag, list, #patterns > 0 and places_of(learner_count) or PLACES_FEWEST, "told_t")
    found.unknown_bit, found.learnt, found.unknown = #patterns > 0 and UNKNOWN or 0, {}, 0
    if #patterns > 0 then found.copies = E.buffer("uint8_t", SIZE_MAX * (found.mask + 1)) end
    return found
  end

  local function forget(texts)
    for x = 1, #texts.learnt do texts.entries[texts.learnt[x]].len = 0 end
    texts.learnt, texts.unknown = {}, 0
  end

  function FEATURE.learn(column, place, texts)
    texts.unknown = texts.unknown + unknown.n
    if texts.unknown > UNKNOWN_MAX then forget(texts) end
    for x = 0, math.min(unknown.n, LEARNT_AT_ONCE) - 1 do
      local k = unknown.v[x]
      local s = slots[bases[k] + column]
      if s.len >= 2 and s.len <= SIZE_MAX then
        local at, a, z, y = samples(s.p, s.len, texts.mask)
        local entry = texts.entries[at]
        if entry.len == 0 then
          entry.a, entry.z, entry.y, entry.len, entry.text = a, z, y, s.len, texts.copies + SIZE_MAX * at
          entry.bits = band(F[firsts[k] + place], 0x7fffffff)
          copy(texts.copies + SIZE_MAX * at, s.p, s.len)
          texts.learnt[#texts.learnt + 1] = at
        end
      end
    end
  end

  -- Words of a table, from 0.
  function FEATURE.words(list)
    local words = ffi.new("int32_t[?]", #list)
    for x = 1, #list do words[x - 1] = bor(TEXT, list[x]) end
    return words
  end
end
