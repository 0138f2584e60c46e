-- Features of the rows of one class, column by column: what a value is, as a word of bits, and numbers as doubles. Leaves are bit algebra
-- over these, without a branch that depends on data: a tracing compiler needs a trace per path.
--
-- A word: bit 0 there is a value, 1 it is a number, 2 a bool, 3 a true one, 4 a string, 5 and up: it is one of some texts. What has other
-- truths than these (an array, a whole number beyond 2^53) leaves its row odd: it is asked again in full generality (leaves.lua).
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, bnot, bor, bxor = bit.band, bit.bnot, bit.bor, bit.bxor
  local arshift, lshift = bit.arshift, bit.lshift
  local cast, copy = ffi.cast, ffi.copy
  local i32p, f64p = ffi.typeof("const packed_i32 *"), ffi.typeof("const packed_f64 *")
  local rows, slots, order, bases = E.rows, E.slots, E.order, E.bases
  local whole = E.V.whole
  local EXISTS, NUMBER, BOOL, TEXT = 1, 3, 5, 17
  local WIDTH = math.max(1, config.feature_width)
  -- A column of words and one of numbers for each feature of a class. Products are made of doubles: no place of a row is one.
  local STRIDE = E.row_capacity + 1
  local F = E.buffer("int32_t", STRIDE * WIDTH)
  local X = E.buffer("double", STRIDE * WIDTH)
  local odd = E.buffer("uint8_t", E.row_capacity + 1)
  local signs = E.buffer("split_f64", 256)
  E.words, E.numbers, E.odd, E.signs, E.stride = F, X, odd, signs, STRIDE
  -- The rows of the class whose text patterns have to be asked of.
  local unknown = cast("list_t *", E.buffer("uint8_t", 4 * (E.row_capacity + 4)))
  local COMPARED, place = E.COMPARED, E.text_place
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

  -- What is asked of each row of a class: a column, where its features begin; and of texts that are told apart their table.
  ffi.cdef [[
    typedef struct {
      int32_t column, first, short_step, r1, r2, mask;
      const entry_t *entries, *shorts;
    } asked_t;
  ]]

  -- `texts` is a table of texts whose entries hold the bits of the tests they pass, or nil.
  function FEATURE.asked(column, feature, texts)
    local asked = ffi.new("asked_t", column, feature * STRIDE)
    if texts then
      asked.short_step, asked.r1, asked.r2, asked.mask = texts.short, texts.r1, texts.r2, texts.mask
      asked.entries, asked.shorts = texts.entries, texts.shorts
    end
    return asked
  end

  local function slot_at(A, lo, k) return slots[bases[lo + k] + A.column] end

  local function put_plain(A, lo, k)
    local s = slot_at(A, lo, k)
    local at = A.first + k
    F[at] = plain(s, s.tag, at, k)
  end

  -- The value of row k, whatever text it is. Where ways part nothing is held: the compiler finds no registers otherwise.
  local function put_value(A, lo, k)
    if slot_at(A, lo, k).tag == 0x0a then F[A.first + k] = TEXT else put_plain(A, lo, k) end
  end

  -- Like `run` in decoder.lua these loops read nothing but their arguments. One of texts is another function, for a compiled loop is made for
  -- what it is given first.
  local function each_value(one, A, lo, hi)
    for k = 0, hi - lo do one(A, lo, k) end
  end

  -- The values of a column, whatever texts they are, of the class's rows, which lie at lo .. hi of the order.
  function FEATURE.values(lo, hi, asked) each_value(put_value, asked, lo, hi) end

  -- Where a text is in a table if it is there, and what tells it (texts.lua); `n` is at least 2.
  local function samples(p, n, r1, r2, mask)
    local more = n - 6
    local a, z = cast(i32p, p - 2).v, cast(i32p, p + (n - 4)).v
    return place(a, z, r1, r2, mask), a, z, cast(i32p, p + (band(more, bnot(arshift(more, 31))) - 2)).v
  end

  local function put_unknown(k, step)
    unknown.v[unknown.n] = k
    unknown.n = unknown.n + step
  end

  local function put_short(A, lo, k)
    local s = slot_at(A, lo, k)
    F[A.first + k] = bor(TEXT, A.shorts[s.len == 0 and 256 or s.p[0]].c[0])
    put_unknown(k, A.short_step)
  end

  local function put_long(A, lo, k)
    local s = slot_at(A, lo, k)
    local p, n, entries = s.p, s.len, A.entries
    local x, a, z, y = samples(p, n, A.r1, A.r2, A.mask)
    local other = bor(bxor(a, entries[x].a), bxor(z, entries[x].z), bxor(y, entries[x].y), bxor(n, entries[x].len))
    local same = arshift(band(bnot(other), other - 1), 31)
    local word = band(same, entries[x].c[0])
    if n > COMPARED and same ~= 0 and C.memcmp(entries[x].text + 2, p + 2, n - 6) ~= 0 then same, word = 0, 0 end
    if band(bnot(same), entries[x].next) ~= 0 then
      local found = E.text_chain(entries, entries[x].next, p, 0, n, a, z)
      if found >= 0 then same, word = -1, entries[found].c[0] end
    end
    F[A.first + k] = bor(TEXT, word)
    put_unknown(k, 1 + same)
  end

  -- The value of row k, and which tests it passes.
  local function put_text(A, lo, k)
    if slot_at(A, lo, k).tag ~= 0x0a then
      put_plain(A, lo, k)
    elseif slot_at(A, lo, k).len < 2 then
      put_short(A, lo, k)
    else
      put_long(A, lo, k)
    end
  end

  local function each_text(one, A, lo, hi)
    for k = 0, hi - lo do one(A, lo, k) end
  end

  -- The same, and which tests they pass. A text that is not in the table is `unknown`, as is one too short to be learnt (`short`: 1) where there
  -- are patterns.
  function FEATURE.texts(lo, hi, asked)
    unknown.n = 0
    each_text(put_text, asked, lo, hi)
  end

  function FEATURE.durations(lo, hi, first)
    for k = 0, hi - lo do
      local r = rows[order[lo + k]]
      local at = first + k
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
  function FEATURE.kinds(lo, hi, first, words)
    for k = 0, hi - lo do F[first + k] = words[rows[order[lo + k]].kind] end
  end

  function FEATURE.statuses(lo, hi, first, words)
    for k = 0, hi - lo do F[first + k] = words[rows[order[lo + k]].status] end
  end

  function FEATURE.parents(lo, hi, first)
    for k = 0, hi - lo do
      local r = rows[order[lo + k]]
      F[first + k] = (r.pd[0] ~= 0 or r.pd[1] ~= 0) and TEXT or 0
    end
  end

  -- ---- patterns -----------------------------------------------------------------------------------------------------------------------
  local function each(lo, column, first, match, bits)
    for x = 0, unknown.n - 1 do
      local k = unknown.v[x]
      local s = slots[bases[lo + k] + column]
      local at = first + k
      if match(s.p, s.len) then F[at] = bor(F[at], bits) end
    end
  end

  -- A match of `dfa` in patterns.lua for all of them. A pointer kept over a turn would become an object: it is loaded anew.
  local function run(lo, column, first, class, following, start, last, bits)
    for x = 0, unknown.n - 1 do
      local k = unknown.v[x]
      local slot = bases[lo + k] + column
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
      local at = first + k
      F[at] = bor(F[at], band(following[state + last], bits))
    end
  end

  -- Adds the bits of a pattern to the unknown texts that it matches.
  function FEATURE.pattern(lo, column, first, pattern, bits)
    local one = E.automata[pattern]
    if one then
      run(lo, column, first, one.class, one.following, one.start, one.last, bits)
    else
      each(lo, column, first, E.matchers[pattern], bits)
    end
  end

  function FEATURE.unknown() return unknown.n end

  -- A table of texts and the bits of their tests, {text, bits}. With patterns it learns what they say of other texts, for values are often the
  -- same: in its free places, until so many were unknown that it had better begin anew.
  local PLACES, SIZE_MAX, LEARNT_AT_ONCE, UNKNOWN_MAX = 64, 64, 4, 16384

  function FEATURE.table(tag, texts, patterns)
    local list = {}
    for x = 1, #texts do
      local text, bits = texts[x][1], texts[x][2]
      for y = 1, #patterns do
        if E.matchers[patterns[y][1]](cast("const uint8_t *", text), #text) then bits = bor(bits, patterns[y][2]) end
      end
      list[x] = { text = text, id = x, c = { bits } }
    end
    local found = E.text_table(tag, list, #patterns > 0 and PLACES or 16)
    found.short, found.learnt, found.unknown = #patterns > 0 and 1 or 0, {}, 0
    if #patterns > 0 then found.copies = E.buffer("uint8_t", SIZE_MAX * (found.mask + 1)) end
    return found
  end

  local function forget(texts)
    for x = 1, #texts.learnt do texts.entries[texts.learnt[x]].len = 0 end
    texts.learnt, texts.unknown = {}, 0
  end

  function FEATURE.learn(lo, column, first, texts)
    texts.unknown = texts.unknown + unknown.n
    if texts.unknown > UNKNOWN_MAX then forget(texts) end
    for x = 0, math.min(unknown.n, LEARNT_AT_ONCE) - 1 do
      local k = unknown.v[x]
      local s = slots[bases[lo + k] + column]
      if s.len >= 2 and s.len <= SIZE_MAX then
        local at, a, z, y = samples(s.p, s.len, texts.r1, texts.r2, texts.mask)
        local entry = texts.entries[at]
        if entry.len == 0 then
          entry.a, entry.z, entry.y, entry.len, entry.text = a, z, y, s.len, texts.copies + SIZE_MAX * at
          entry.c[0] = F[first + k]
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

  E.FEATURE = FEATURE
end
