-- Features of a row: what a value is, as a word of bits, and numbers as doubles. Leaves are bit algebra over these, without a branch that
-- depends on data: a tracing compiler needs a trace per path. The decoder makes those of a span's attributes when it has just read them, for a
-- cache holds their bytes then; those of other columns are made class by class (columns.lua).
--
-- A word: bit 0 there is a value, 1 it is a number, 2 a bool, 3 a true one, 4 a string, 5 to 30: it is one of some texts, 31: it is a text
-- that patterns have to be asked of. What has other truths than these (an array, a whole number beyond 2^53) leaves its row odd: it is asked
-- again in full generality (leaves.lua).
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, bnot, bor, bxor = bit.band, bit.bnot, bit.bor, bit.bxor
  local arshift, lshift, rshift, tobit = bit.arshift, bit.lshift, bit.rshift, bit.tobit
  local cast, copy, fill = ffi.cast, ffi.copy, ffi.fill
  local i32p, f64p = ffi.typeof("const packed_i32 *"), ffi.typeof("const packed_f64 *")
  local rows, slots, K, NAMES = E.rows, E.slots, config.column_count, config.name_count
  local whole, COMPARED, told_place = E.V.whole, E.COMPARED, E.told_place
  local EXISTS, NUMBER, BOOL, TEXT, UNKNOWN = 1, 3, 5, 17, tobit(0x80000000)
  -- The features of a row, those of class 0 first.
  local WIDTH = config.feature_width + 1
  local F = E.buffer("int32_t", (E.row_capacity + 1) * WIDTH)
  local X = E.buffer("double", (E.row_capacity + 1) * WIDTH)
  local odd = E.buffer("uint8_t", E.row_capacity + 1)
  E.words, E.numbers, E.odd, E.feature_width = F, X, odd, WIDTH
  local FEATURE = { EXISTS = EXISTS, NUMBER = NUMBER, TEXT = TEXT, UNKNOWN = UNKNOWN }
  E.FEATURE = FEATURE

  -- Of a batch: whether it has odd rows, and whether features of all columns are made class by class, for some were not made by the decoder. Of
  -- all of them: how many columns were found to be passed by.
  local batch = ffi.new("struct { int32_t odd, late, passed; }")
  FEATURE.batch = batch

  function FEATURE.begin_batch() batch.odd, batch.late = 0, 0 end

  local function mark_odd(row)
    odd[row], batch.odd = 1, 1
  end
  FEATURE.mark_odd = mark_odd

  -- The number of a payload that is no string; returns the feature word.
  local function plain(s, tag, at, row)
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
      mark_odd(row)
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
    if tag == 0x2a then mark_odd(row) end
    return EXISTS
  end

  -- ---- what is asked of a column ------------------------------------------------------------------------------------------------------
  -- Of each class and column the first of its features, and of each the next (0: none); of texts that are told apart their table.
  ffi.cdef [[
    typedef struct {
      int32_t column, place, next, unknown, mask, spare;
      const told_t *entries, *shorts;
    } asked_t;
  ]]
  local asked, asked_count = E.buffer("asked_t", config.feature_count + 1), 0
  local first_asked = E.buffer("int32_t", (NAMES + 1) * K)
  -- Where those of a class begin, and how many bytes of words a row of it has besides those of class 0.
  local begins, sizes = E.buffer("int32_t", NAMES + 1), E.buffer("int32_t", NAMES + 1)
  local ANY_WIDTH = config.feature_widths[1]
  local ANY_SIZE = 4 * ANY_WIDTH
  for class = 0, NAMES do begins[class], sizes[class] = class * K, 4 * config.feature_widths[class + 1] - ANY_SIZE end
  FEATURE.asked = asked
  -- What nobody asks: a text is a text, and goes to the last place of a row.
  local NO_TEXTS = { entries = E.buffer("told_t", 1), shorts = E.buffer("told_t", 257), mask = 0, unknown_bit = 0 }
  local function tell_texts(one, texts)
    one.unknown, one.mask, one.entries, one.shorts = texts.unknown_bit, texts.mask, texts.entries, texts.shorts
  end
  asked[0].place = WIDTH - 1
  tell_texts(asked[0], NO_TEXTS)

  -- Columns that a resource fills, and what is asked of them in class 0.
  local inherits, inherited = {}, {}

  -- Asks a feature of a column, of spans of a class; those of class 0, which come first, of all spans. `texts` is a table of texts whose entries
  -- hold the bits of the tests they pass, or nil; `patterns` are asked of what is not there, {matcher, bits}. Returns its number.
  function FEATURE.add(class, column, at, texts, patterns)
    asked_count = asked_count + 1
    local one, first = asked[asked_count], begins[class] + column
    one.column, one.place, one.next = column, at, first_asked[first]
    tell_texts(one, texts or NO_TEXTS)
    for other = class, class == 0 and NAMES or class do first_asked[begins[other] + column] = asked_count end
    if class == 0 and inherits[column] then inherited[#inherited + 1] = { asked = asked_count, patterns = patterns } end
    return asked_count
  end

  -- Columns that the decoder passes by: in class 0 those that spans have neither from their own attributes nor from their resource, in the others
  -- those that they have not from their own attributes alone.
  local passed, passed_by_any = E.buffer("uint8_t", K + 1), E.buffer("uint8_t", K + 1)
  fill(passed, K + 1, 1)
  fill(passed_by_any, K + 1, 1)
  -- Of a key the columns of spans, a first and a second, and of resources.
  for _, key in ipairs(config.keys) do
    local first, _, of_resource, also = unpack(key.c)
    passed[first], passed_by_any[first] = 0, 0
    for _, column in ipairs { of_resource, also } do inherits[column], passed_by_any[column] = true, 0 end
  end
  for _, key in ipairs(config.keys) do passed[key.c[2]], passed_by_any[key.c[2]] = 1, 1 end

  function FEATURE.is_passed(class, column)
    return (class == 0 and passed_by_any or passed)[column] ~= 0
  end

  -- Columns of which spans may have a value from their resource, once one has it.
  local resource_columns = {}
  for column in pairs(inherits) do
    if passed[column] == 0 then resource_columns[#resource_columns + 1] = column end
  end

  -- ---- one value ----------------------------------------------------------------------------------------------------------------------
  -- Where a text is in a table if it is there, and what tells it (texts.lua); `n` is at least 2.
  local function samples(p, n, mask)
    local more = tobit(n - 6)
    more = band(more, bnot(arshift(more, 31)))
    local over = tobit(more - 6)
    local a, z, y = cast(i32p, p - 2).v, cast(i32p, p + tobit(n - 4)).v, cast(i32p, p + tobit(band(over, arshift(over, 31)) + 4)).v
    return told_place(a, z, y, mask), a, z, y
  end

  local function put_short(a, slot, at)
    local s = slots[slot]
    F[at] = bor(TEXT, asked[a].unknown, asked[a].shorts[s.len == 0 and 256 or s.p[0]].bits)
  end

  -- The entry at D.h may not be this text, though it looks like it, or another of its chain may be.
  local function put_doubted(D, a, slot, at)
    local p, n, entries = slots[slot].p, slots[slot].len, asked[a].entries
    if D.same ~= 0 and C.memcmp(entries[D.h].text + 2, p + 2, n - 6) == 0 then return end
    local found = entries[D.h].next
    if found ~= 0 then found = E.text_chain(entries, found, p, 0, n, D.a, D.z) end
    F[at] = found > 0 and bor(TEXT, entries[found].bits) or bor(TEXT, asked[a].unknown)
  end

  -- What has to be looked at again lies in memory, and no way parts before: a compiled trace that holds so much at once finds no registers.
  local function put_long(D, a, slot, at)
    local p, n, entries = slots[slot].p, slots[slot].len, asked[a].entries
    local x, first, z, y = samples(p, n, asked[a].mask)
    local other = bor(bxor(first, entries[x].a), bxor(z, entries[x].z), bxor(y, entries[x].y), bxor(n, entries[x].len))
    local same = arshift(band(bnot(other), tobit(other - 1)), 31)
    F[at] = bor(TEXT, band(same, entries[x].bits), band(bnot(same), asked[a].unknown))
    D.a, D.z, D.h, D.same = first, z, x, same
    D.doubt = bor(band(same, tobit(COMPARED - n)), band(bnot(same), tobit(0 - entries[x].next)))
  end

  local function put_plain(slot, at, row)
    local s = slots[slot]
    F[at] = plain(s, s.tag, at, row)
  end

  -- Puts feature `a` of the value in a slot of a row.
  local function put(D, a, slot, at, row)
    if slots[slot].tag ~= 0x0a then
      put_plain(slot, at, row)
    elseif slots[slot].len < 2 then
      put_short(a, slot, at)
    else
      put_long(D, a, slot, at)
      if D.doubt < 0 then put_doubted(D, a, slot, at) end
    end
  end
  FEATURE.put, FEATURE.samples = put, samples

  -- ---- what spans have from their resource --------------------------------------------------------------------------------------------
  -- The features of class 0 of a span without attributes, and whether any is a number: they stand behind all rows.
  local BARE = E.row_capacity
  local WORDS, NUMBERS = F + BARE * WIDTH, X + BARE * WIDTH
  local gives = ffi.new("struct { int32_t numbers; }")
  FEATURE.inherited = { words = WORDS, numbers = NUMBERS }

  function E.forget_inherited()
    fill(WORDS, ANY_SIZE)
    odd[BARE] = 0
  end

  -- A text that patterns would be asked of in each row is asked once here.
  local function ask_patterns(s, at, patterns)
    local bits = F[at]
    for x = 1, #patterns do
      if E.matchers[patterns[x][1]](s.p, s.len) then bits = bor(bits, patterns[x][2]) end
    end
    F[at] = band(bits, bnot(UNKNOWN))
  end

  -- A resource was read.
  function E.inherit(D)
    E.forget_inherited()
    for x = 1, #inherited do
      local one = inherited[x]
      local slot, at = E.template + asked[one.asked].column, BARE * WIDTH + asked[one.asked].place
      put(D, one.asked, slot, at, BARE)
      if band(F[at], NUMBER) == NUMBER then gives.numbers = 1 end
      if F[at] < 0 then ask_patterns(slots[slot], at, one.patterns) end
    end
    for x = 1, #resource_columns do
      local column = resource_columns[x]
      if slots[E.template + column].tag ~= 0 and passed[column] == 0 then
        passed[column] = 1
        batch.passed = batch.passed + 1
      end
    end
  end

  -- ---- as spans are decoded -----------------------------------------------------------------------------------------------------------
  -- The class of a row is known: from here on the features of its attributes are made.
  function E.begin_features(D)
    local class = rows[D.row].name
    D.first, D.asked_begin, D.ready, D.begun, D.asked = tobit(D.row * WIDTH), begins[class], 1, class, 0
    if ANY_SIZE > 0 then copy(F + D.first, WORDS, ANY_SIZE) end
    if gives.numbers ~= 0 then copy(X + D.first, NUMBERS, 2 * ANY_SIZE) end
    fill(F + tobit(D.first + ANY_WIDTH), sizes[class])
  end

  -- A row has no attributes that rules read.
  function E.begin_without_features(D) fill(F + tobit(D.row * WIDTH), ANY_SIZE) end

  -- A value of the row was put into a slot of this column: its features come next.
  function E.ask_features(D, slot, column)
    if D.ready == 1 then
      D.slot, D.asked = slot, first_asked[D.asked_begin + column]
    else
      batch.late = 1
    end
  end

  -- The same of a text: the first of its features is made at once, for which way it takes is known here.
  function E.text_feature(D, slot, column)
    if D.ready == 1 then
      local a = first_asked[D.asked_begin + column]
      if slots[slot].len < 2 then
        put_short(a, slot, D.first + asked[a].place)
        D.slot, D.asked = slot, asked[a].next
      else
        put_long(D, a, slot, D.first + asked[a].place)
        local doubted = arshift(D.doubt, 31)
        D.slot, D.asked = slot, bor(band(doubted, a), band(bnot(doubted), asked[a].next))
      end
    else
      batch.late = 1
    end
  end

  -- The same of a bool or a whole number of tag t: v are its bytes, up to four of a varint.
  function E.whole_feature(D, slot, column, t, v)
    if D.ready == 1 then
      local a = first_asked[D.asked_begin + column]
      local at = D.first + asked[a].place
      local value = bor(band(v, 0x7f), band(rshift(v, 1), 0x3f80), band(rshift(v, 2), 0x1fc000), band(rshift(v, 3), 0xfe00000))
      local is_bool = arshift(bxor(t, 0x10) - 1, 31)
      X[at] = value
      F[at] = bor(band(is_bool, bor(BOOL, lshift(value, 3))), band(bnot(is_bool), NUMBER))
      D.slot, D.asked = slot, asked[a].next
    else
      batch.late = 1
    end
  end

  -- Features that were asked for will not be made.
  function E.leave_features(D)
    if D.asked ~= 0 then D.asked, batch.late = 0, 1 end
  end

  -- Makes the next of the features that were asked for.
  function E.make_feature(D)
    local a = D.asked
    put(D, a, D.slot, D.first + asked[a].place, D.row)
    D.asked = asked[a].next
  end
end
