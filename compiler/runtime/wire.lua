-- The rare ways of protobuf: whatever the fast paths of the decoder leave over. Offsets are from `b`; -1 says that the message is none.
return function(E)
  local ffi, bit = E.ffi, E.bit
  local band = bit.band
  local W = {}
  local VALUE_DEPTH_MAX = 32

  -- The offset behind a varint of at most ten bytes, and its value as a number, exact below 2^53.
  local function varint(b, p, e)
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
  W.varint = varint

  -- The offset behind an enum, and its value without its sign: of a longer number the lower 32 bits count.
  function W.enum(b, p, e)
    local q = varint(b, p, e)
    local low, scale = 0, 1
    for at = p, math.min(q, p + 5) - 1 do
      low = low + band(b[at], 127) * scale
      scale = scale * 128
    end
    return q, low % 4294967296
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

  -- Key and value of a KeyValue in any shape but one that repeats them: where both begin and end, nil where it is odd.
  function W.pair(b, p, e)
    local kp, ke, vp, ve = 0, 0, 0, 0
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
      local s = varint(b, p + 1, e)
      return s == e and (s == p + 2 or b[s - 1] ~= 0) and (s < p + 11 or b[s - 1] == 1)
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
        seen = bit.bor(seen, t)
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

  -- Reads a Status: code and where its message lies; -1 where it is none or repeats a field.
  function W.status(b, p, e)
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

  E.wire = W
end
