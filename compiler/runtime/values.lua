-- Values and what can be done with them, in three values (nil: missing, or unknown). Counterparts: compiler/values.py, compiler/interpreter.py.
--
-- A value is a boolean, a string, a number, an int64_t for a whole number beyond 2^53, a table {n = count} for an array, or OPAQUE. Durations
-- and times are int64_t and have functions of their own: which values they are is known when a rule is compiled.
return function(E)
  local ffi, bit = E.ffi, E.bit
  local band, rshift = bit.band, bit.rshift
  local cast, fstr, floor, type, tonumber, huge = ffi.cast, ffi.string, math.floor, type, tonumber, math.huge
  local byte = string.byte
  local i64, i32p, i64p, f64p = ffi.typeof("int64_t"), ffi.typeof("const packed_i32 *"), ffi.typeof("const packed_i64 *"),
    ffi.typeof("const packed_f64 *")
  local payload, varint = E.wire.payload, E.wire.varint
  local EXACT = 9007199254740992
  local TWO63 = 9223372036854775808
  local OPAQUE = setmetatable({}, { __newindex = function() error("constant") end })
  local V = { OPAQUE = OPAQUE }

  -- ---- reading ----------------------------------------------------------------------------------------------------------------------

  -- A whole number from a varint of known extent.
  local function whole(p, n)
    local low, scale = 0, 1
    for k = 0, (n < 7 and n or 7) - 1 do
      low = low + band(p[k], 127) * scale
      scale = scale * 128
    end
    if n <= 7 then return low end
    local value = cast(i64, low)
    for k = 7, n - 1 do value = value + bit.lshift(cast(i64, band(p[k], 127)), 7 * k) end
    if value >= -9007199254740992LL and value <= 9007199254740992LL then return tonumber(value) end
    return value
  end
  V.whole = whole

  -- A double; one that is no number never becomes a Lua value: its bits could forge one.
  local function double(p)
    local high = cast(i32p, p + 4).v
    if band(high, 0x7ff00000) == 0x7ff00000 and (band(high, 0xfffff) ~= 0 or cast(i32p, p).v ~= 0) then return nil, true end
    return cast(f64p, p).v + 0
  end

  local array

  local NAN = { nan = true }
  V.NAN = NAN

  -- The value of a payload by its tag. NaN is NAN: it exists and is nothing else.
  local function read(p, n, tag)
    if tag == 0x0a then return fstr(p, n) end
    if tag == 0x18 then return whole(p, n) end
    if tag == 0x10 then return p[0] ~= 0 end
    if tag == 0x21 then
      local value, is_nan = double(p)
      if is_nan then return NAN end
      return value
    end
    if tag == 0x2a then return array(p, n) end
    if tag == 0 then return nil end
    return OPAQUE
  end

  -- The value of an AnyValue in its usual form.
  local function any_value(b, s, q)
    if s == q then return nil end
    local t = b[s]
    local at = s + 1
    if t ~= 0x10 and t ~= 0x18 and t ~= 0x21 then at = payload(b, s + 1, q) end
    return read(b + at, q - at, t)
  end
  V.any_value = any_value

  array = function(p, n)
    local found, count, at = {}, 0, 0
    while at < n do
      local s, q = payload(p, at + 1, n)
      count = count + 1
      found[count] = any_value(p, s, q)
      at = q
    end
    found.n = count
    return found
  end

  function V.slot(slots, at)
    local s = slots[at]
    return read(s.p, s.len, s.tag)
  end

  -- Of each byte its two digits, as they lie in memory.
  local PAIRS, digits = ffi.new("uint16_t[256]"), ffi.new("uint16_t[16]")
  for k = 0, 255 do
    local pair = ("%02x"):format(k)
    PAIRS[k] = pair:byte(1) + 256 * pair:byte(2)
  end

  -- At most 16 bytes in hexadecimal.
  local function hex(p, n)
    for k = 0, n - 1 do digits[k] = PAIRS[p[k]] end
    return fstr(digits, 2 * n)
  end
  V.hex = hex

  -- The same of a span's id, whose bytes are two words: without a loop, which would end the trace that reads it.
  local function id_text(low, high)
    digits[0], digits[1] = PAIRS[band(low, 255)], PAIRS[band(rshift(low, 8), 255)]
    digits[2], digits[3] = PAIRS[band(rshift(low, 16), 255)], PAIRS[rshift(low, 24)]
    digits[4], digits[5] = PAIRS[band(high, 255)], PAIRS[band(rshift(high, 8), 255)]
    digits[6], digits[7] = PAIRS[band(rshift(high, 16), 255)], PAIRS[rshift(high, 24)]
    return fstr(digits, 16)
  end

  local u8p = ffi.typeof("const uint8_t *")
  function V.span_id(rows, i) return id_text(rows[i].sd[0], rows[i].sd[1]) end
  function V.parent_id(rows, i)
    if rows[i].pid == 0 then return nil end
    return id_text(rows[i].pd[0], rows[i].pd[1])
  end
  function V.duration(rows, i)
    if rows[i].timed == 0 then return nil end
    return rows[i].t1 - rows[i].t0
  end
  function V.start_time(rows, i)
    if rows[i].timed == 0 then return nil end
    return rows[i].t0 + 0LL
  end
  function V.end_time(rows, i)
    if rows[i].timed == 0 then return nil end
    return rows[i].t1 + 0LL
  end
  local STATUS = { [0] = "unset", "ok", "error" }
  local KIND = { [0] = "unspecified", "internal", "server", "client", "producer", "consumer" }
  function V.status(rows, i) return STATUS[rows[i].status] end
  function V.kind(rows, i) return KIND[rows[i].kind] end

  -- ---- truths -----------------------------------------------------------------------------------------------------------------------

  function V.no(truth)
    if truth == nil then return nil end
    return not truth
  end

  function V.is_true(value)
    if type(value) == "boolean" then return value end
    return nil
  end

  local function is_number(value) return type(value) == "number" or (type(value) == "cdata") end
  V.is_number = is_number

  -- A whole number beyond 2^53 against a double: -1, 0 or 1.
  local function against(big, double_value)
    if double_value >= TWO63 then return -1 end
    if double_value < -TWO63 then return 1 end
    local other = cast(i64, floor(double_value))
    if big < other then return -1 end
    if big > other then return 1 end
    return double_value > floor(double_value) and -1 or 0
  end

  -- Strings by their bytes: Lua's own `<` follows the locale.
  local memcmp = ffi.C.memcmp
  local function ordered_texts(left, right)
    if left == right then return 0 end
    local n = #left < #right and #left or #right
    local order = memcmp(left, right, n)
    if order == 0 then return #left < #right and -1 or 1 end
    return order < 0 and -1 or 1
  end

  -- -1, 0 or 1 of two numbers or two strings; nil of anything else.
  local function order(left, right)
    local l, r = type(left), type(right)
    if l == "number" and r == "number" then
      return left < right and -1 or left > right and 1 or 0
    end
    if l == "string" and r == "string" then return ordered_texts(left, right) end
    if l == "cdata" and r == "cdata" then
      return left < right and -1 or left > right and 1 or 0
    end
    if l == "cdata" and r == "number" then return against(left, right) end
    if l == "number" and r == "cdata" then return -against(right, left) end
    return nil
  end

  local function equal_plain(left, right)
    if type(left) == "boolean" then
      if type(right) == "boolean" then return left == right end
      return nil
    end
    local found = order(left, right)
    if found == nil then return nil end
    return found == 0
  end
  V.equal_plain = equal_plain

  local function is_array(value) return type(value) == "table" and value.n ~= nil end
  V.is_array = is_array

  -- Kleene or of a test over the elements of an array.
  local function any(array_value, test, other)
    local unknown = false
    for k = 1, array_value.n do
      local found = test(array_value[k], other)
      if found == true then return true end
      if found == nil then unknown = true end
    end
    if unknown then return nil end
    return false
  end

  local function some_equals(array_value, value)
    if equal_plain(value, value) == nil then return nil end
    return any(array_value, equal_plain, value)
  end

  function V.equal(left, right)
    if is_array(left) then return some_equals(left, right) end
    return equal_plain(left, right)
  end
  function V.unequal(left, right) return V.no(V.equal(left, right)) end
  function V.less(left, right)
    local found = order(left, right)
    if found == nil then return nil end
    return found < 0
  end
  function V.at_most(left, right)
    local found = order(left, right)
    if found == nil then return nil end
    return found <= 0
  end
  function V.more(left, right) return V.less(right, left) end
  function V.at_least(left, right) return V.at_most(right, left) end

  function V.length_equal(left, right)
    if left == nil or right == nil then return nil end
    return left == right
  end
  function V.length_unequal(left, right)
    if left == nil or right == nil then return nil end
    return left ~= right
  end
  function V.length_less(left, right)
    if left == nil or right == nil then return nil end
    return left < right
  end
  function V.length_at_most(left, right)
    if left == nil or right == nil then return nil end
    return left <= right
  end
  function V.length_more(left, right) return V.length_less(right, left) end
  function V.length_at_least(left, right) return V.length_at_most(right, left) end
  function V.length_in(value, list, n)
    if value == nil then return nil end
    for k = 1, n do
      if value == list[k] then return true end
    end
    return false
  end

  -- What equal values share and different ones do not, fit for a table's key; nil of what equals nothing by one key. Texts are their own
  -- keys, but for those that begin as the keys of other values do.
  local MARK = "\1"

  local function key(value)
    local kind = type(value)
    if kind == "string" then
      if byte(value, 1) == 1 then return MARK .. value end
      return value
    end
    if kind == "boolean" then return value end
    if kind == "cdata" then return "\1i" .. tostring(value) end
    if kind == "number" then
      if value >= -EXACT and value <= EXACT or value ~= floor(value) or value >= TWO63 or value < -TWO63 then return value + 0 end
      return "\1i" .. tostring(cast(i64, value))
    end
    return nil
  end
  V.key = key

  -- The key of a value that is compared for equality: of arrays, which equal several values, this one.
  V.ARRAYS = {}
  function V.join_key(value)
    if is_array(value) then return V.ARRAYS end
    return key(value)
  end

  function V.length_key(value)
    if value == nil then return nil end
    return "\1d" .. tostring(value)
  end

  -- Several keys as one; nil where one is. Each is told from the next by its length.
  function V.joined_key(keys, n)
    local parts = {}
    for k = 1, n do
      local one = keys[k]
      if one == nil then return nil end
      local text = type(one) == "number" and ("n%.17g"):format(one) or type(one) == "boolean" and (one and "t" or "f") or "s" .. one
      parts[k] = #text .. ":" .. text
    end
    return table.concat(parts)
  end

  function V.set(list)
    local found = { kind = type(list[1]), size = #list, keys = {} }
    if found.kind == "cdata" then found.kind = "number" end
    for k = 1, #list do found.keys[key(list[k])] = true end
    return found
  end

  local function is_in_plain(value, set)
    if set.size == 0 then return false end
    local kind = type(value)
    if kind == "cdata" then kind = "number" end
    if kind ~= set.kind then return nil end
    return set.keys[key(value)] == true
  end

  local function element_in(value, set)
    if value == nil then return nil end
    return is_in_plain(value, set)
  end

  function V.is_in(value, set)
    if value == nil then return nil end
    if is_array(value) then return any(value, element_in, set) end
    return is_in_plain(value, set)
  end

  local function matches_plain(value, matcher)
    if type(value) ~= "string" then return nil end
    return matcher(cast(u8p, value), #value, value)
  end

  function V.matches(value, matcher)
    if is_array(value) then return any(value, matches_plain, matcher) end
    return matches_plain(value, matcher)
  end

  function V.contains(value, part)
    if is_array(value) then return some_equals(value, part) end
    if type(value) ~= "string" or type(part) ~= "string" then return nil end
    return value:find(part, 1, true) ~= nil
  end

  local function starts(value, part)
    if type(value) ~= "string" then return nil end
    return value:sub(1, #part) == part
  end

  local function ends(value, part)
    if type(value) ~= "string" then return nil end
    return #value >= #part and value:sub(#value - #part + 1) == part
  end

  function V.starts(value, part)
    if type(part) ~= "string" then return nil end
    if is_array(value) then return any(value, starts, part) end
    return starts(value, part)
  end

  function V.ends(value, part)
    if type(part) ~= "string" then return nil end
    if is_array(value) then return any(value, ends, part) end
    return ends(value, part)
  end

  E.V = V
  E.read_value = read
end
