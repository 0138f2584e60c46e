-- Values to slots: where the payload of an AnyValue lies, and its tag.
return function(E)
  local ffi, bit, W = E.ffi, E.bit, E.wire
  local arshift, band, bor, bxor, lshift, rshift, tobit = bit.arshift, bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift, bit.tobit
  local cast, copy = ffi.cast, ffi.copy
  local i32p = ffi.typeof("const packed_i32 *")
  local slots, TEMPLATE, keys = E.slots, E.template, E.keys.entries
  local text_feature, whole_feature, ask_features = E.text_feature, E.whole_feature, E.ask_features
  -- The usual forms of an AnyValue that is no text, by kind and size: what its last four bytes must be under a mask, whether the last may not be
  -- 0 (it ends a varint). One test for all: kinds of values come in any order.
  ffi.cdef "typedef struct { int32_t x, m, top, bad; } form_t;"
  local kinds, forms = E.buffer("uint8_t", 256), E.buffer("form_t", 4 * 16)
  kinds[0x10], kinds[0x18], kinds[0x21] = 1, 2, 3
  for h = 0, 4 * 16 - 1 do forms[h].bad = -1 end
  forms[16 + 2].bad, forms[16 + 2].m = 0, tobit(0xfe000000)
  forms[48 + 9].bad = 0
  for size = 1, 4 do
    local whole = forms[32 + 1 + size]
    whole.bad, whole.top = 0, size > 1 and tobit(0x80000000) or 0
    for k = 0, size - 1 do
      whole.m = bor(whole.m, lshift(0x80, 24 - 8 * k))
      if k > 0 then whole.x = bor(whole.x, lshift(0x80, 24 - 8 * k)) end
    end
  end

  local function set(at, b, s, q, tag)
    slots[at].p = b + s
    slots[at].len = tobit(q - s)
    slots[at].tag = tag
  end

  function E.set_text(at, b, s, q) set(at, b, s, q, 0x0a) end

  -- Put an AnyValue that is not of the common forms into a slot; a value without a type leaves what the resource says.
  local function odd_value(b, vp, ve, at, lvl, c)
    if vp == ve then
      if lvl == 3 then copy(slots + at, slots + (TEMPLATE + c), 16) else slots[at].tag = 0 end
      return true
    end
    return W.read_value(b, vp, ve, slots[at])
  end

  -- Whether the value of `size` bytes that ends at ve, whose tag is t, is of a usual form; one without a type is none.
  local function is_usual(b, ve, size, t)
    local z, h = cast(i32p, b + tobit(ve - 4)).v, tobit(size - 15)
    -- Sizes of 15 and more are one.
    h = tobit(lshift(kinds[t], 4) + 15 + band(h, arshift(h, 31)))
    return bor(band(bxor(z, forms[h].x), forms[h].m), band(z - 0x1000000, forms[h].top), forms[h].bad) == 0
  end

  -- Puts a text that lies at s .. ve into a slot; of a span its features come next.
  local function put_text(D, at, s, ve, column)
    set(at, D.b, s, ve, 0x0a)
    if D.lvl == 3 then text_feature(D, at, column) end
  end

  -- The features of a value of a usual form that is no text: `size` is that of its AnyValue, z are its last four bytes.
  local function plain_feature(D, at, column, t, size, z)
    if t == 0x21 then return ask_features(D, at, column) end
    whole_feature(D, at, column, t, rshift(z, tobit(40 - lshift(size, 3))))
  end

  -- Puts the value vp .. ve into the slot of entry k; false where it is odd.
  function E.put_value(D, k, vp, ve)
    local b, c, size = D.b, tobit(lshift(D.lvl, 1) - 6), tobit(ve - vp)
    local column = keys[k].c[c]
    local at = tobit(D.base + column)
    local t, l = 0, 0
    if size > 0 then t, l = b[vp], b[vp + 1] end
    if t == 0x0a and l < 128 and tobit(l + 2) == size then
      put_text(D, at, tobit(vp + 2), ve, column)
    elseif is_usual(b, ve, size, t) then
      set(at, b, tobit(vp + 1), ve, t)
      if D.lvl == 3 then plain_feature(D, at, column, t, size, cast(i32p, b + tobit(ve - 4)).v) end
    elseif t == 0x0a and l >= 128 and b[vp + 2] < 128 and b[vp + 2] > 0 then
      if tobit(vp + 3 + bor(band(l, 127), lshift(b[vp + 2], 7))) ~= ve then return false end
      put_text(D, at, tobit(vp + 3), ve, column)
    elseif not odd_value(b, vp, ve, at, D.lvl, column) then
      return false
    elseif D.lvl == 3 then
      ask_features(D, at, column)
    end
    -- A second column has the same value, but none where the first falls back on the resource's.
    local second = keys[k].c[c + 1]
    if second > 0 then
      second = tobit(D.base + second)
      slots[second].p = slots[at].p
      slots[second].len = slots[at].len
      slots[second].tag = vp == ve and 0 or slots[at].tag
    end
    return true
  end
end
