-- Exact sums for `sum` and `avg` (rule-language.md section 6): nothing is rounded before the whole sum is, and that once, half to even.
--
-- Ints are summed in pieces of 32 bits. Doubles are summed as one fixed-point number that holds every double: limbs of 32 bits, limb 0
-- beginning at 2^-1074, the least a double can have. A limb is a Lua number that gathers pieces with their sign, and stays exact for 2^20.
return function(ffi, bit)
  local band, bor, lshift, rshift, arshift = bit.band, bit.bor, bit.lshift, bit.rshift, bit.arshift
  local floor, huge, ldexp = math.floor, math.huge, math.ldexp
  local split = ffi.new("union { double number; struct { int32_t low, high; }; }")
  local TWO_32, SAFE, LIMBS, LEAST = 4294967296, 2 ^ 52, 70, -1074
  local limbs_of = ffi.typeof("double[?]")
  local E = {}

  -- An empty sum. `low` < 2^32, `high` and `top` are of weight 1, 2^32 and 2^64.
  function E.new()
    return { count = 0, low = 0, high = 0, top = 0, limbs = false, gathered = 0, up = false, down = false }
  end

  -- Adds an int64 (cdata).
  function E.add_int(sum, int)
    local low = sum.low + tonumber(band(int, 0xffffffffLL))
    local high = sum.high + tonumber(arshift(int, 32))
    if low >= TWO_32 then low, high = low - TWO_32, high + 1 end
    if high >= SAFE or high <= -SAFE then
      local over = floor(high / TWO_32)
      sum.top, high = sum.top + over, high - over * TWO_32
    end
    sum.low, sum.high, sum.count = low, high, sum.count + 1
  end

  local function carry(limbs)
    for k = 0, LIMBS - 2 do
      local over = floor(limbs[k] / TWO_32)
      limbs[k], limbs[k + 1] = limbs[k] - over * TWO_32, limbs[k + 1] + over
    end
  end

  local function unsigned(word) return word < 0 and word + TWO_32 or word + 0 end

  -- Adds a finite double to the limbs: its 53 bits, moved left by up to 31, lie in three of them.
  local function gather(limbs, number)
    split.number = number
    local low, high = split.low, split.high
    local exponent = band(rshift(high, 20), 0x7ff)
    local sign = high < 0 and -1 or 1
    high = band(high, 0xfffff)
    if exponent > 0 then high, exponent = bor(high, 0x100000), exponent - 1 end
    local k, shift = rshift(exponent, 5), band(exponent, 31)
    if shift == 0 then
      limbs[k] = limbs[k] + sign * unsigned(low)
      limbs[k + 1] = limbs[k + 1] + sign * high
    else
      local back = 32 - shift
      limbs[k] = limbs[k] + sign * unsigned(lshift(low, shift))
      limbs[k + 1] = limbs[k + 1] + sign * unsigned(bor(lshift(high, shift), rshift(low, back)))
      limbs[k + 2] = limbs[k + 2] + sign * unsigned(rshift(high, back))
    end
  end

  -- Adds a double that is not NaN.
  function E.add_double(sum, number)
    sum.count = sum.count + 1
    sum.limbs = sum.limbs or limbs_of(LIMBS)
    if number == huge then
      sum.up = true
    elseif number == -huge then
      sum.down = true
    else
      gather(sum.limbs, number)
      sum.gathered = sum.gathered + 1
      if sum.gathered % 1048576 == 0 then carry(sum.limbs) end
    end
  end

  -- The double nearest to limbs in 0 .. 2^32 - 1, of which limb `top` is the first that is not 0.
  local function round(limbs, top)
    local first, second, third = limbs[top], top >= 1 and limbs[top - 1] or 0, top >= 2 and limbs[top - 2] or 0
    local rest = 0
    for k = 0, top - 3 do
      if limbs[k] ~= 0 then rest = 1 end
    end
    -- 63 bits from the first that is set, the last of them also set if anything follows: more than 54, so they round as the whole does.
    local shift = 0
    while first * 2 ^ shift < 2147483648 do shift = shift + 1 end
    local head = bor(lshift(0ULL + first, 32), 0ULL + second)
    head = bor(lshift(head, shift), rshift(lshift(0ULL + third, shift), 32))
    if band(lshift(0ULL + third, shift), 0xffffffffULL) ~= 0ULL then rest = 1 end
    head = bor(rshift(head, 1), band(head, 1ULL), 0ULL + rest)
    return ldexp(tonumber(ffi.cast("int64_t", head)), 32 * (top - 1) - shift + 1 + LEAST)
  end

  local function rounded(sum)
    local limbs = limbs_of(LIMBS)
    ffi.copy(limbs, sum.limbs, LIMBS * 8)
    local high = sum.high % TWO_32
    gather(limbs, sum.low)
    gather(limbs, high * TWO_32)
    gather(limbs, ((sum.high - high) / TWO_32 + sum.top) * TWO_32 * TWO_32)
    carry(limbs)
    local sign = 1
    if limbs[LIMBS - 1] < 0 then
      sign = -1
      for k = 0, LIMBS - 1 do limbs[k] = -limbs[k] end
      carry(limbs)
    end
    local top = LIMBS - 1
    while top >= 0 and limbs[top] == 0 do top = top - 1 end
    if top < 0 then return 0 end
    return sign * round(limbs, top)
  end

  local function int_of(sum)
    local over = floor(sum.high / TWO_32)
    local high = sum.high - over * TWO_32
    local sign = sum.top + over
    if sign == -1 and high >= 2147483648 then
      sign, high = 0, high - TWO_32
    elseif high >= 2147483648 then
      return nil
    end
    return sign == 0 and (0LL + high) * 4294967296LL + (0LL + sum.low) or nil
  end

  -- Returns "int" and an int64 if only ints were added, "double" and a number if a double was, "undefined" where the sum of ints is none of
  -- int64 or infinities of both signs were added.
  function E.result(sum)
    if not sum.limbs then
      local int = int_of(sum)
      if int == nil then return "undefined" end
      return "int", int
    end
    if sum.up and sum.down then return "undefined" end
    if sum.up then return "double", huge end
    if sum.down then return "double", -huge end
    return "double", rounded(sum)
  end

  -- Returns "double" and the sum as a double divided by the number of values, "undefined" where there is no sum or no value.
  function E.average(sum)
    local kind, value = E.result(sum)
    if kind == "undefined" or sum.count == 0 then return "undefined" end
    return "double", tonumber(value) / sum.count
  end

  -- The same of durations, all added as ints: "int" and nanoseconds, rounded down.
  function E.average_duration(sum)
    local kind, value = E.result(sum)
    if kind ~= "int" or sum.count == 0 then return "undefined" end
    local count = 0LL + sum.count
    local quotient = value / count
    if value < 0LL and quotient * count ~= value then quotient = quotient - 1LL end
    return "int", quotient
  end

  return E
end
