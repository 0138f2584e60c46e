-- Arithmetic and functions of values: numbers in doubles, durations and times in int64_t; whatever has no value is nil.
-- Counterparts: arithmetic, negate and call in compiler/values.py.
return function(E)
  local ffi, V = E.ffi, E.V
  local type, tonumber, floor, huge = type, tonumber, math.floor, math.huge
  local is_number = V.is_number
  local INT64_MAX, INT64_MIN = 9223372036854775807LL, -9223372036854775807LL - 1LL

  local function finite(value)
    if value ~= value or value == huge or value == -huge then return nil end
    return value
  end

  function V.add(left, right)
    if not (is_number(left) and is_number(right)) then return nil end
    return finite(tonumber(left) + tonumber(right))
  end
  function V.subtract(left, right)
    if not (is_number(left) and is_number(right)) then return nil end
    return finite(tonumber(left) - tonumber(right))
  end
  function V.multiply(left, right)
    if not (is_number(left) and is_number(right)) then return nil end
    return finite(tonumber(left) * tonumber(right))
  end
  function V.divide(left, right)
    if not (is_number(left) and is_number(right)) then return nil end
    local by = tonumber(right)
    if by == 0 then return nil end
    return finite(tonumber(left) / by)
  end
  function V.negate(value)
    if not is_number(value) then return nil end
    return finite(0 - tonumber(value))
  end

  -- The quotient of two durations.
  function V.ratio(left, right)
    if left == nil or right == nil or right == 0 then return nil end
    return finite(tonumber(left) / tonumber(right))
  end

  -- Sums and differences of durations and times, nil outside of int64.
  function V.later(left, right)
    if left == nil or right == nil then return nil end
    if right > 0 and left > INT64_MAX - right then return nil end
    if right < 0 and left < INT64_MIN - right then return nil end
    return left + right
  end
  function V.earlier(left, right)
    if left == nil or right == nil then return nil end
    if right < 0 and left > INT64_MAX + right then return nil end
    if right > 0 and left < INT64_MIN + right then return nil end
    return left - right
  end

  function V.abs_length(value)
    if value == nil or value == INT64_MIN then return nil end
    return value < 0 and -value or value
  end

  function V.abs(value)
    if type(value) == "number" then return value < 0 and -value or value end
    if type(value) == "cdata" then
      if value == INT64_MIN then return 9223372036854775808 end
      return value < 0 and -value or value
    end
    return nil
  end

  function V.lower(value)
    if type(value) ~= "string" then return nil end
    return (value:gsub("[A-Z]", string.lower))
  end

  -- Code points of a text: well-formed UTF-8 sequences, and each byte that belongs to none.
  local function code_points(text)
    local n, at, count = #text, 1, 0
    local byte = string.byte
    while at <= n do
      local c = byte(text, at)
      local size = 1
      if c >= 0xc2 and c < 0xe0 then size = 2 elseif c >= 0xe0 and c < 0xf0 then size = 3 elseif c >= 0xf0 and c < 0xf5 then size = 4 end
      for k = 1, size - 1 do
        local follow = byte(text, at + k)
        local low, high = 0x80, 0xbf
        if k == 1 then
          if c == 0xe0 then low = 0xa0 elseif c == 0xed then high = 0x9f elseif c == 0xf0 then low = 0x90 elseif c == 0xf4 then high = 0x8f end
        end
        if not follow or follow < low or follow > high then
          size = 1
          break
        end
      end
      at = at + size
      count = count + 1
    end
    return count
  end

  function V.length(value)
    if type(value) == "string" then return code_points(value) end
    if V.is_array(value) then return value.n end
    return nil
  end

  -- A JSON number, in full.
  local function is_json_number(text)
    local rest = text:match("^%-?0(.*)$") or text:match("^%-?[1-9]%d*(.*)$")
    if not rest then return false end
    local after = rest:match("^%.%d+(.*)$")
    rest = after or rest
    return rest == "" or rest:match("^[eE][+-]?%d+$") ~= nil
  end

  -- A whole number of at most 20 characters, if it is within int64.
  local function int64_of(text)
    local digits = text:match("^%-?(%d+)$")
    if not digits or #text > 20 then return nil end
    local negative = text:sub(1, 1) == "-"
    digits = digits:gsub("^0+", "")
    if #digits > 19 or (#digits == 19 and digits > (negative and "9223372036854775808" or "9223372036854775807")) then return nil end
    local value = 0LL
    for k = 1, #digits do value = value * 10 - (digits:byte(k) - 48) end
    if not negative then value = -value end
    if value >= -9007199254740992LL and value <= 9007199254740992LL then return tonumber(value) end
    return value
  end

  function V.number(value)
    if is_number(value) then return value end
    if type(value) ~= "string" or not is_json_number(value) then return nil end
    local whole = int64_of(value)
    if whole ~= nil then return whole end
    return finite(tonumber(value))
  end
end
