-- Values to slots: where the payload of an AnyValue lies, and its tag.
return function(E)
  local ffi, bit, W, config = E.ffi, E.bit, E.wire, E.config
  local arshift, band, bor, bxor, lshift, tobit = bit.arshift, bit.band, bit.bor, bit.bxor, bit.lshift, bit.tobit
  local cast, copy = ffi.cast, ffi.copy
  local i32p = ffi.typeof("const packed_i32 *")
  local slots, K, TEMPLATE, D, keys = E.slots, config.column_count, E.template, E.D, E.keys.entries
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
    slots[at].len = q - s
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

  -- Whether the value of D.st bytes is of a usual form; one without a type is none.
  local function is_usual(D)
    D.z = cast(i32p, D.b + (D.ve - 4)).v
    -- Sizes of 15 and more are one.
    D.h = tobit(D.st - 15)
    D.h = tobit(lshift(kinds[D.vt], 4) + 15 + band(D.h, arshift(D.h, 31)))
    return bor(band(bxor(D.z, forms[D.h].x), forms[D.h].m), band(D.z - 0x1000000, forms[D.h].top), forms[D.h].bad) == 0
  end

  -- Puts the value at D.vp .. D.ve into the slot of entry D.k; false where it is odd.
  function E.put_value(D)
    D.at = tobit(D.base + keys[D.k].c[2 * (D.lvl - 3)])
    D.vt, D.vl, D.st = 0, 0, tobit(D.ve - D.vp)
    if D.st > 0 then D.vt, D.vl = D.b[D.vp], D.b[D.vp + 1] end
    if D.vt == 0x0a and D.vl == D.st - 2 and D.vl < 128 then
      set(D.at, D.b, D.vp + 2, D.ve, D.vt)
    elseif is_usual(D) then
      set(D.at, D.b, D.vp + 1, D.ve, D.vt)
    elseif D.vt == 0x0a and D.vl >= 128 and D.b[D.vp + 2] < 128 and D.b[D.vp + 2] > 0 then
      D.vl = tobit(D.vl - 128 + D.b[D.vp + 2] * 128)
      if D.vp + 3 + D.vl ~= D.ve then return false end
      set(D.at, D.b, D.vp + 3, D.ve, D.vt)
    elseif not odd_value(D.b, D.vp, D.ve, D.at, D.lvl, keys[D.k].c[2 * (D.lvl - 3)]) then
      return false
    end
    -- A second column has the same value, but none where the first falls back on the resource's.
    D.h = keys[D.k].c[2 * (D.lvl - 3) + 1]
    if D.h > 0 then
      D.h = tobit(D.base + D.h)
      slots[D.h].p = slots[D.at].p
      slots[D.h].len = slots[D.at].len
      slots[D.h].tag = D.vp == D.ve and 0 or slots[D.at].tag
    end
    return true
  end
end
