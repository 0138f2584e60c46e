-- Events and links of a span: p, n are the element's bytes, which the decoder has checked. Counterpart: _of_element in compiler/interpreter.py.
return function(E)
  local ffi, V = E.ffi, E.V
  local cast, fstr = ffi.cast, ffi.string
  local i64p = ffi.typeof("const packed_i64 *")
  local payload, any_value, hex = E.wire.payload, V.any_value, V.hex

  -- Few spans have any: of those without nothing is gone through.
  function V.some_element(tag, predicate, rows, slots, i, j)
    local b, n, at = rows[i].p, rows[i].plen, rows[i].elements
    while at < n do
      if b[at] == tag then
        local s, q = payload(b, at + 1, n)
        if predicate(rows, slots, i, j, b + s, q - s) == true then return true end
        at = q
      else
        at = E.wire.skip(b, at, n)
      end
    end
    return false
  end

  function V.element_attribute(p, n, tag, key)
    local found, at, size = nil, 0, #key
    while at < n do
      local next_at
      if p[at] == tag then
        local s, q = payload(p, at + 1, n)
        local kp, ke, vp, ve = E.wire.pair(p, s, q)
        if ke - kp == size and fstr(p + kp, size) == key then found = any_value(p, vp, ve) end
        next_at = q
      else
        next_at = E.wire.skip(p, at, n)
      end
      at = next_at
    end
    return found
  end

  local function element_field(p, n, tag)
    local at, s, q = 0, 0, 0
    while at < n do
      if p[at] == tag then
        s, q = payload(p, at + 1, n)
        at = q
      else
        at = E.wire.skip(p, at, n)
      end
    end
    return s, q
  end

  function V.element_text(p, n, tag)
    local s, q = element_field(p, n, tag)
    return fstr(p + s, q - s)
  end

  function V.element_id(p, n, tag)
    local s, q = element_field(p, n, tag)
    for k = s, q - 1 do
      if p[k] ~= 0 then return hex(p + s, q - s) end
    end
    return ""
  end

  function V.since_start(rows, i, p, n)
    local at, time = 0, 0LL
    while at < n do
      if p[at] == 0x09 then
        time = cast(i64p, p + (at + 1)).v
        at = at + 9
      else
        at = E.wire.skip(p, at, n)
      end
    end
    if rows[i].timed == 0 or time <= 0 then return nil end
    return time - rows[i].t0
  end
end
