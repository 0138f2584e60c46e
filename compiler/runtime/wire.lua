-- The rare ways of protobuf: whatever the fast paths of the decoder leave over. Offsets are from `b`; -1 says that the message is none.
return function(E)
  local ffi, bit = E.ffi, E.bit
  local band, bor, bxor = bit.band, bit.bor, bit.bxor
  local cast, i32p = ffi.cast, ffi.typeof("const packed_i32 *")
  local W = {}
  local VALUE_DEPTH_MAX = 32

  -- A varint of more than four bytes, as `varint` returns it.
  local function longer(b, p, e)
    local value, scale = 0, 1
    for _ = 1, 10 do
      if p >= e then return -1, 0 end
      local c = b[p]
      p = p + 1
      value = value + band(c, 127) * scale
      if c < 128 then return p, value end
      scale = scale * 128
    end
    return -1, 0
  end

  -- The offset behind a varint of at most ten bytes, and its value as a number, exact below 2^53. Here and below usual forms are read without a
  -- loop: one of few turns, in a function that is called from everywhere, becomes a trace of its own that ends by returning, and all traces of
  -- callers, which are to contain it, end where it begins.
  local function varint(b, p, e)
    if p >= e then return -1, 0 end
    local value, c = 0, b[p]
    if c < 128 then return p + 1, c end
    if p + 1 >= e then return -1, 0 end
    value, c = c - 128, b[p + 1]
    if c < 128 then return p + 2, value + 128 * c end
    if p + 2 >= e then return -1, 0 end
    value, c = value + 128 * (c - 128), b[p + 2]
    if c < 128 then return p + 3, value + 16384 * c end
    if p + 3 >= e then return -1, 0 end
    value, c = value + 16384 * (c - 128), b[p + 3]
    if c < 128 then return p + 4, value + 2097152 * c end
    return longer(b, p, e)
  end
  W.varint = varint

  -- Whether the last n bytes before `e` are a varint, by the eight that end there: under a mask they are what they are to be, in two halves. Only of
  -- nine and ten bytes some are asked alone.
  ffi.cdef "typedef struct { int32_t first, first_mask, last, last_mask; } ends_t;"
  local ENDS, VARINT_MAX = ffi.new("ends_t[9]"), 10
  for n = 1, 8 do
    local bytes = ffi.cast("uint8_t *", ENDS[n])
    for k = 0, n - 1 do
      -- Byte k from the end is one of the last half or of the first.
      local at = (k < 4 and 8 or 0) + 3 - k % 4
      bytes[at], bytes[at + 4] = k > 0 and 128 or 0, 128
    end
  end

  local function is_varint(b, e, n)
    if n < 1 or n > VARINT_MAX then return false end
    if n == 1 then return b[e - 1] < 128 end
    local of = ENDS[math.min(n, 8)]
    local first, last = cast(i32p, b + (e - 8)).v, cast(i32p, b + (e - 4)).v
    if bor(band(bxor(first, of.first), of.first_mask), band(bxor(last, of.last), of.last_mask)) ~= 0 then return false end
    return n <= 8 or (b[e - 9] >= 128 and (n == 9 or b[e - 10] >= 128))
  end

  local function longer_enum(b, p, e)
    local q = longer(b, p, e)
    local low, scale = 0, 1
    for at = p, math.min(q, p + 5) - 1 do
      low = low + band(b[at], 127) * scale
      scale = scale * 128
    end
    return q, low % 4294967296
  end

  -- The offset behind an enum, and its value without its sign: of a longer number the lower 32 bits count.
  function W.enum(b, p, e)
    if p < e and b[p] < 128 then return p + 1, b[p] end
    return longer_enum(b, p, e)
  end

  -- A length: where its payload begins and ends. One with more bytes than it needs is odd: texts are found by what stands before them.
  local function payload(b, p, e)
    local s, n = varint(b, p, e)
    if s < 0 or n > e - s or (b[s - 1] == 0 and s > p + 1) then return -1, -1 end
    return s, s + n
  end
  W.payload = payload

  -- The offset behind a field that nobody reads, whose tag begins at `p`. A tag with more bytes than it needs could be one that is read.
  local function skip(b, p, e)
    local s, tag = varint(b, p, e)
    if s < 0 or tag < 8 or tag >= 4294967296 or (b[s - 1] == 0 and s > p + 1) then return -1 end
    local kind = tag % 8
    if kind == 0 then return (varint(b, s, e)) end
    if kind == 1 then return s + 8 <= e and s + 8 or -1 end
    if kind == 5 then return s + 4 <= e and s + 4 or -1 end
    if kind == 2 then
      local _, q = payload(b, s, e)
      return q
    end
    return -1
  end
  W.skip = skip

  -- Key and value of a KeyValue in any shape, as `pair` returns them; one that is not there lies at its end, for what ends there is looked at by
  -- the bytes before.
  local function any_pair(b, p, e)
    local kp, ke, vp, ve = e, e, e, e
    local keys, values = 0, 0
    while p < e do
      local t = b[p]
      if t == 0x0a then
        kp, ke = payload(b, p + 1, e)
        if kp < 0 then return nil end
        p, keys = ke, keys + 1
      elseif t == 0x12 then
        vp, ve = payload(b, p + 1, e)
        if vp < 0 then return nil end
        p, values = ve, values + 1
      else
        p = skip(b, p, e)
        if p < 0 then return nil end
      end
    end
    if p ~= e or keys > 1 or values > 1 then return nil end
    return kp, ke, vp, ve
  end

  -- The payload of a field with this tag at `p` that ends at `e`, -1 where there is none; `p` is -1 where what is before it has no end.
  local function last_field(b, p, e, tag)
    if p < 0 or p >= e or b[p] ~= tag then return -1, -1 end
    local s, q = payload(b, p + 1, e)
    if q ~= e then return -1, -1 end
    return s, q
  end

  -- Key and value of a KeyValue in any shape but one that repeats them: where both begin and end, nil where it is odd.
  function W.pair(b, p, e)
    local t = p < e and b[p] or 0
    if t == 0x0a then
      local kp, ke = payload(b, p + 1, e)
      local vp, ve = last_field(b, ke, e, 0x12)
      if vp >= 0 then return kp, ke, vp, ve end
    elseif t == 0x12 then
      local vp, ve = payload(b, p + 1, e)
      local kp, ke = last_field(b, ve, e, 0x0a)
      if kp >= 0 then return kp, ke, vp, ve end
    end
    return any_pair(b, p, e)
  end

  local value

  -- Whether these are the bytes of an ArrayValue (`tag` 0x2a) or a KeyValueList.
  local function items(b, p, e, tag, depth)
    while p < e do
      if b[p] ~= 0x0a then return false end
      local s, q = payload(b, p + 1, e)
      if s < 0 then return false end
      if tag == 0x32 then
        local kp, _, vp, ve = W.pair(b, s, q)
        if not kp then return false end
        s, q = vp, ve
      end
      if s < q and not value(b, s, q, depth) then return false end
      p = q
    end
    return p == e
  end

  -- Whether these are the bytes of an AnyValue in its usual form: one field, shortest varints.
  value = function(b, p, e, depth)
    local t = b[p]
    if t == 0x10 then return e == p + 2 and b[p + 1] < 2 end
    if t == 0x21 then return e == p + 9 end
    if t == 0x18 then
      local n = e - p - 1
      return is_varint(b, e, n) and (n == 1 or b[e - 1] ~= 0) and (n < VARINT_MAX or b[e - 1] == 1)
    end
    if t ~= 0x0a and t ~= 0x2a and t ~= 0x32 and t ~= 0x3a then return false end
    local s, q = payload(b, p + 1, e)
    if s < 0 or q ~= e then return false end
    if t == 0x2a or t == 0x32 then return depth < VALUE_DEPTH_MAX and items(b, s, q, t, depth + 1) end
    return true
  end
  W.value = value

  -- Writes an AnyValue of any shape to a slot; false where it is not in its usual form. A value without a type leaves the slot missing.
  function W.read_value(b, p, e, slot)
    if p == e then
      slot.tag = 0
      return true
    end
    if not value(b, p, e, 0) then return false end
    local t = b[p]
    local s = p + 1
    if t ~= 0x10 and t ~= 0x18 and t ~= 0x21 then s = payload(b, p + 1, e) end
    slot.p = b + s
    slot.len = e - s
    slot.tag = t
    return true
  end

  local function attributes_hold(b, s, q)
    local kp, _, vp, ve = W.pair(b, s, q)
    return kp ~= nil and (vp == ve or value(b, vp, ve, 0))
  end

  -- Whether these are the bytes of an event (`pairs` 0x1a) or a link (0x22) in its usual form: no field but attributes repeats.
  function W.element(b, p, e, pairs_tag)
    local seen = 0
    while p < e do
      local t = b[p]
      local q
      if t == pairs_tag then
        local s
        s, q = payload(b, p + 1, e)
        if s < 0 or not attributes_hold(b, s, q) then return false end
      elseif t == 0x09 and pairs_tag == 0x1a then
        q = p + 9
      elseif t == 0x12 or (t == 0x0a and pairs_tag == 0x22) then
        local s
        s, q = payload(b, p + 1, e)
        if s < 0 or (pairs_tag == 0x22 and q > s and q - s ~= (t == 0x0a and 16 or 8)) then return false end
        if band(seen, t) == t then return false end
        seen = bor(seen, t)
      elseif t == 0x0a or t == 0x1a or t == 0x22 or t == 0x09 then
        if not (t == 0x1a) then return false end
        q = skip(b, p, e)
      else
        q = skip(b, p, e)
      end
      if q < 0 or q > e then return false end
      p = q
    end
    return p == e
  end

  -- A Status in any order, as `status` returns it.
  local function any_status(b, p, e)
    local code, mp, me, codes, messages = 0, p, p, 0, 0
    while p < e do
      local t = b[p]
      if t == 0x18 then
        p, code = W.enum(b, p + 1, e)
        codes = codes + 1
      elseif t == 0x12 then
        mp, me = payload(b, p + 1, e)
        p, messages = me, messages + 1
      else
        p = skip(b, p, e)
      end
      if p < 0 then return -1, 0, 0 end
    end
    if p ~= e or codes > 1 or messages > 1 then return -1, 0, 0 end
    return code, mp, me
  end

  -- Reads a Status: code and where its message lies; -1 where it is none or repeats a field.
  function W.status(b, p, e)
    local t = p < e and b[p] or 0
    if t == 0x18 and p + 2 < e and b[p + 1] < 128 then
      local s, q = last_field(b, p + 2, e, 0x12)
      if s >= 0 then return b[p + 1], s, q end
    elseif t == 0x12 then
      local s, q = payload(b, p + 1, e)
      if q >= 0 and q + 2 == e and b[q] == 0x18 and b[q + 1] < 128 then return b[q + 1], s, q end
    end
    return any_status(b, p, e)
  end

  E.wire = W
end
