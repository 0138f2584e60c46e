-- Features of the rows of one class, column by column: what a value is, as a word of bits, and numbers as doubles. Leaves are bit algebra
-- over these, without a branch that depends on data: a tracing compiler needs a trace per path.
--
-- A word: bit 0 there is a value, 1 it is a number, 2 a bool, 3 a true one, 4 a string, 5 and up: it is one of some texts. What has other
-- truths than these (an array, a whole number beyond 2^53) leaves its row odd: it is asked again in full generality (leaves.lua).
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, bor, bxor, arshift, lshift, rol, rshift = bit.band, bit.bor, bit.bxor, bit.arshift, bit.lshift, bit.rol, bit.rshift
  local cast = ffi.cast
  local i32p, f64p = ffi.typeof("const packed_i32 *"), ffi.typeof("const packed_f64 *")
  local rows, slots, order, K = E.rows, E.slots, E.order, config.column_count
  local whole = E.V.whole
  local EXISTS, NUMBER, BOOL, TEXT = 1, 3, 5, 17
  local WIDTH = math.max(1, config.feature_width)
  local F = E.buffer("int32_t", (E.row_capacity + 1) * WIDTH)
  local X = E.buffer("double", (E.row_capacity + 1) * WIDTH)
  local odd = E.buffer("uint8_t", E.row_capacity + 1)
  local signs = E.buffer("split_f64", 256)
  E.words, E.numbers, E.odd, E.signs = F, X, odd, signs
  local FEATURE = {}

  -- The number of a payload that is no string; returns the feature word.
  local function plain(s, tag, at, k)
    local p = s.p
    if tag == 0x18 then
      local c = p[0]
      if c < 128 then
        X[at] = c
        return NUMBER
      end
      if s.len == 2 then
        X[at] = c - 128 + p[1] * 128
        return NUMBER
      end
      local value = whole(p, s.len)
      if type(value) == "number" then
        X[at] = value
        return NUMBER
      end
      odd[k] = 1
      return EXISTS
    end
    if tag == 0x21 then
      local hi = cast(i32p, p + 4).v
      if band(hi, 0x7ff00000) ~= 0x7ff00000 or (band(hi, 0xfffff) == 0 and cast(i32p, p).v == 0) then
        X[at] = cast(f64p, p).v + 0
        return NUMBER
      end
      return EXISTS
    end
    if tag == 0x10 then return bor(BOOL, lshift(p[0], 3)) end
    if tag == 0 then return 0 end
    if tag == 0x2a then odd[k] = 1 end
    return EXISTS
  end

  -- The values of a column, whatever texts they are. `at`: where the class's rows begin in `order`; width: features of the class.
  function FEATURE.values(lo, hi, column, feature, width)
    for k = 0, hi - lo do
      local s = slots[order[lo + k] * K + column]
      local tag = s.tag
      local at = k * width + feature
      if tag == 0x0a then F[at] = TEXT else F[at] = plain(s, tag, at, k) end
    end
  end

  -- The same, and which of some texts they are: `texts` is a table of texts.lua whose entries hold the bits.
  function FEATURE.texts(lo, hi, column, feature, width, texts)
    local entries, shorts, r1, r2, mask = texts.entries, texts.shorts, texts.r1, texts.r2, texts.mask
    for k = 0, hi - lo do
      local s = slots[order[lo + k] * K + column]
      local tag = s.tag
      local at = k * width + feature
      if tag == 0x0a then
        local p, n = s.p, s.len
        if n >= 2 then
          local a, z = cast(i32p, p - 2).v, cast(i32p, p + (n - 4)).v
          local h = bxor(a, rol(z, r1))
          local entry = entries[band(bxor(h, rshift(h, r2)), mask)]
          if entry.len == n and entry.z == z and entry.a == a and (n <= 6 or C.memcmp(entry.text + 2, p + 2, n - 6) == 0) then
            F[at] = bor(TEXT, entry.c[0])
          elseif entry.next ~= 0 then
            local found = E.text_chain(entries, entry.next, p, 0, n, a, z)
            F[at] = found >= 0 and bor(TEXT, entries[found].c[0]) or TEXT
          else
            F[at] = TEXT
          end
        else
          F[at] = bor(TEXT, shorts[n == 0 and 256 or p[0]].c[0])
        end
      else
        F[at] = plain(s, tag, at, k)
      end
    end
  end

  function FEATURE.durations(lo, hi, feature, width)
    for k = 0, hi - lo do
      local r = rows[order[lo + k]]
      local at = k * width + feature
      if r.timed == 1 then
        local ns = tonumber(r.t1 - r.t0)
        X[at], F[at] = ns, NUMBER
        if ns >= 9007199254740992 then odd[k], F[at] = 1, EXISTS end
      else
        F[at] = 0
      end
    end
  end

  -- Kind and status are words: `words` has the bits of each.
  function FEATURE.kinds(lo, hi, feature, width, words)
    for k = 0, hi - lo do F[k * width + feature] = words[rows[order[lo + k]].kind] end
  end

  function FEATURE.statuses(lo, hi, feature, width, words)
    for k = 0, hi - lo do F[k * width + feature] = words[rows[order[lo + k]].status] end
  end

  function FEATURE.parents(lo, hi, feature, width)
    for k = 0, hi - lo do
      local r = rows[order[lo + k]]
      F[k * width + feature] = (r.pd[0] ~= 0 or r.pd[1] ~= 0) and TEXT or 0
    end
  end

  local function each(lo, hi, column, feature, width, match, bits)
    for k = 0, hi - lo do
      local s = slots[order[lo + k] * K + column]
      local at = k * width + feature
      if s.tag == 0x0a and match(s.p, s.len) then F[at] = bor(F[at], bits) end
    end
  end

  -- A number in a variable of a loop is a double, which a pointer kept over a turn would make worse: both are loaded anew.
  local function automaton(lo, hi, column, feature, width, class, following, start, last, bits)
    for k = 0, hi - lo do
      local slot = order[lo + k] * K + column
      if slots[slot].tag == 0x0a then
        local n, state = slots[slot].len, start
        for i = 0, n - 1, 4 do
          local p = slots[slot].p + i
          local a, b, c = arshift(i + 1 - n, 31), arshift(i + 2 - n, 31), arshift(i + 3 - n, 31)
          state = following[state + class[p[0]]]
          state = following[state + band(class[p[band(a, 1)]], a)]
          state = following[state + band(class[p[band(b, 2)]], b)]
          state = following[state + band(class[p[band(c, 3)]], c)]
          if state <= last + 1 then break end
        end
        local at = k * width + feature
        F[at] = bor(F[at], band(following[state + last], bits))
      end
    end
  end

  -- Adds the bits of a pattern to the rows whose text matches.
  function FEATURE.patterns(lo, hi, column, feature, width, pattern, bits)
    local one = E.automata[pattern]
    if one then
      automaton(lo, hi, column, feature, width, one.class, one.following, one.start, one.last, bits)
    else
      each(lo, hi, column, feature, width, E.matchers[pattern], bits)
    end
  end

  -- Words of a table, from 0.
  function FEATURE.words(list)
    local words = ffi.new("int32_t[?]", #list)
    for x = 1, #list do words[x - 1] = bor(TEXT, list[x]) end
    return words
  end

  E.FEATURE = FEATURE
end
