-- Runs the forms that compiler/pattern_dfa.py makes of patterns. Returns function(ffi, bit) -> {dfa, nfa}: each makes of the fields
-- of its form, arrays and bytes as Lua strings of them, a function match(p, len) -> boolean over len bytes from p, a `const uint8_t*`.
-- A match function keeps its own copies of the tables, so no string has to be kept alive for it. Time is linear in len.

return function(ffi, bit)
  local band, bor, arshift, lshift, rshift = bit.band, bit.bor, bit.arshift, bit.lshift, bit.rshift

  local function copied(element, bytes)
    local count = #bytes / ffi.sizeof(element)
    local array = ffi.new(element .. "[?]", count + 1)
    ffi.copy(array, bytes, #bytes)
    return array, count
  end

  -- A row of the table, by which a state is named: the state itself, for what stands behind the text; what follows each class, from 1; and
  -- 1 where the state matches at the end of the text, else 0. So a text is read in steps of four bytes, whatever its length. The dead and
  -- the matched state lead to themselves, it is enough to look for them now and then: they are `decided` or less. Returns the match function and
  -- what it runs.
  local function dfa(classes_bytes, class_count, table_bytes, start, accepting_from)
    local class = ffi.new("uint16_t[256]")
    for byte = 0, 255 do class[byte] = classes_bytes:byte(byte + 1) + 1 end
    local given, count = copied("int32_t", table_bytes)
    local last = class_count + 1
    local following = ffi.new("int32_t[?]", count / class_count * (last + 1))
    for row = 0, count / class_count - 1 do
      local state, from = row * (last + 1), row * class_count
      following[state] = state
      for c = 0, class_count - 1 do following[state + 1 + c] = given[from + c] / class_count * (last + 1) end
      following[state + last] = (row == 1 or from >= accepting_from) and 1 or 0
    end
    start = start / class_count * (last + 1)

    local function match(p, len)
      local state = start
      for i = 0, len - 1, 4 do
        local a, b, c = arshift(i + 1 - len, 31), arshift(i + 2 - len, 31), arshift(i + 3 - len, 31)
        state = following[state + class[p[i]]]
        state = following[state + band(class[p[i + band(a, 1)]], a)]
        state = following[state + band(class[p[i + band(b, 2)]], b)]
        state = following[state + band(class[p[i + band(c, 3)]], c)]
        if state <= last + 1 then break end
      end
      return following[state + last] ~= 0
    end

    return match, { class = class, following = following, start = start, last = last, decided = last + 1 }
  end

  -- The instructions of an Nfa; FAIL, 3, goes nowhere.
  local CHARACTER, SPLIT, JUMP, ACCEPT, MATCH = 0, 1, 2, 4, 5
  local ILL_FORMED = 0xDC80
  local UNKNOWN = -1

  -- Makes step(from, count, code, to) -> count, accepts, matches: the places `from` that a code point passes, and what is reached then, go
  -- into `to`; a match may begin after the code point, too.
  local function stepper(n)
    local op, place_count = copied("uint8_t", n.ops)
    local first, second = copied("int32_t", n.first), copied("int32_t", n.second)
    local set_begin, begin_count = copied("int32_t", n.set_begins)
    local low, high = copied("int32_t", n.lows), copied("int32_t", n.highs)
    local seen = ffi.new("int32_t[?]", place_count)
    local held, held_at = ffi.new("uint8_t[?]", begin_count), ffi.new("int32_t[?]", begin_count)
    local pending = ffi.new("int32_t[?]", place_count + 1)
    local now = 0

    local function holds(set, code)
      if held_at[set] ~= now then
        local from, to = set_begin[set], set_begin[set + 1]
        while from < to do
          local middle = rshift(from + to, 1)
          if high[middle] < code then from = middle + 1 else to = middle end
        end
        held_at[set] = now
        held[set] = (from < set_begin[set + 1] and low[from] <= code) and 1 or 0
      end
      return held[set] == 1
    end

    -- Goes from one place to all that it reaches without a code point; each place is pending at most once in a step.
    local function spread(place, to, count, accepts)
      local top = 0
      if seen[place] ~= now then
        seen[place] = now
        pending[0] = place
        top = 1
      end
      while top > 0 do
        top = top - 1
        local at = pending[top]
        local what = op[at]
        if what == CHARACTER then
          to[count] = at
          count = count + 1
        elseif what == ACCEPT then
          accepts = true
        elseif what == MATCH then
          return count, accepts, true
        elseif what == SPLIT or what == JUMP then
          local one = first[at]
          if seen[one] ~= now then
            seen[one] = now
            pending[top] = one
            top = top + 1
          end
          local other = second[at]
          if what == SPLIT and seen[other] ~= now then
            seen[other] = now
            pending[top] = other
            top = top + 1
          end
        end
      end
      return count, accepts, false
    end

    return function(from, from_count, code, to)
      now = now + 1
      if now == 0x7fffffff then
        ffi.fill(seen, ffi.sizeof(seen))
        ffi.fill(held_at, ffi.sizeof(held_at))
        now = 1
      end
      local count, accepts, matches = spread(0, to, 0, false)
      local i = 0
      while i < from_count and not matches do
        local place = from[i]
        if holds(first[place], code) then count, accepts, matches = spread(place + 1, to, count, accepts) end
        i = i + 1
      end
      return count, accepts, matches
    end, place_count
  end

  -- Says whether a byte goes on with a sequence of which `depth` bytes are read, giving `code`, and `rest` are to come.
  local function continues(byte, depth, rest, code)
    if byte < 0x80 or byte > 0xBF or rest == 0 then return false end
    if depth > 1 or rest == 1 then return true end
    if rest == 2 then return (code ~= 0 or byte >= 0xA0) and (code ~= 0xD or byte <= 0x9F) end
    return (code ~= 0 or byte >= 0x90) and (code ~= 4 or byte <= 0x8F)
  end

  -- States are made as texts need them, and forgotten all together when there are too many of them, after Cox (2010). A state is the places
  -- that run, whether the text matches where it ends, and the sequence of bytes that is begun: together its key, of 16-bit numbers.
  local STATE_COUNT_MAX = 1024
  local ARENA_SIZE = 0x20000
  local HEAD = 4 -- accepts, depth * 8 + rest, and the two halves of the code point so far; then come the places

  local function nfa(n)
    local step, place_count = stepper(n)
    local class, width = copied("uint8_t", n.classes), n.class_count
    local matched, start = width, 2 * width
    local following = ffi.new("int32_t[?]", STATE_COUNT_MAX * width)
    local arena = ffi.new("uint16_t[?]", ARENA_SIZE)
    local key_at, key_size = ffi.new("int32_t[?]", STATE_COUNT_MAX), ffi.new("int32_t[?]", STATE_COUNT_MAX)
    local accepting = ffi.new("int8_t[?]", STATE_COUNT_MAX)
    local one, other = ffi.new("uint16_t[?]", HEAD + place_count), ffi.new("uint16_t[?]", HEAD + place_count)
    local known, state_count, arena_used

    local function add(key, size)
      local name = ffi.string(key, 2 * size)
      local state = known[name]
      if state then return state end
      if state_count == STATE_COUNT_MAX or arena_used + size > ARENA_SIZE then return nil end
      local index = state_count
      state = index * width
      state_count = index + 1
      known[name] = state
      key_at[index], key_size[index] = arena_used, size
      ffi.copy(arena + arena_used, key, 2 * size)
      arena_used = arena_used + size
      accepting[index] = UNKNOWN
      ffi.fill(following + state, 4 * width, 0xff)
      return state
    end

    local start_key = ffi.new("uint16_t[?]", HEAD + place_count)
    local start_places, start_count = copied("int32_t", n.start)
    start_key[0] = n.start_accepts and 1 or 0
    for i = 0, start_count - 1 do start_key[HEAD + i] = start_places[i] end

    -- The dead state, the matched one and the start are always the first three.
    local function forget()
      known, state_count, arena_used = {}, 2, 0
      for i = 0, width - 1 do following[i], following[matched + i] = 0, matched end
      add(start_key, HEAD + start_count)
    end

    local function named(key, size)
      if size == HEAD and key[0] == 0 and key[1] == 0 then return 0 end
      local state = add(key, size)
      if not state then
        forget()
        state = add(key, size)
      end
      return state
    end

    -- Reads the bytes of a sequence that is given up, each by itself: from the key in `one` to one without a sequence. Returns its size,
    -- and whether the text matches.
    local function give_up(size)
      local depth = rshift(one[1], 3)
      for _ = 1, depth do
        local count, accepts, matches = step(one + HEAD, size - HEAD, ILL_FORMED, other + HEAD)
        if matches then return size, true end
        one, other = other, one
        size = HEAD + count
        one[0] = accepts and 1 or 0
      end
      one[1], one[2], one[3] = 0, 0, 0
      return size, false
    end

    local function begun(size, depth, rest, code)
      one[0], one[1], one[2], one[3] = 0, depth * 8 + rest, band(code, 0xffff), rshift(code, 16)
      return named(one, size)
    end

    local function passed(size, code)
      local count, accepts, matches = step(one + HEAD, size - HEAD, code, other + HEAD)
      if matches then return matched end
      other[0], other[1], other[2], other[3] = accepts and 1 or 0, 0, 0, 0
      return named(other, HEAD + count)
    end

    local function load(index)
      local size = key_size[index]
      ffi.copy(one, arena + key_at[index], 2 * size)
      return size
    end

    local function after(index, byte)
      local size = load(index)
      local depth, rest, code = rshift(one[1], 3), band(one[1], 7), bor(one[2], lshift(one[3], 16))
      if continues(byte, depth, rest, code) then
        code = bor(lshift(code, 6), band(byte, 0x3f))
        if rest > 1 then return begun(size, depth + 1, rest - 1, code) end
        return passed(size, code)
      end
      local matches
      size, matches = give_up(size)
      if matches then return matched end
      if byte < 0x80 then return passed(size, byte) end
      if byte >= 0xC2 and byte <= 0xDF then return begun(size, 1, 1, band(byte, 0x1f)) end
      if byte >= 0xE0 and byte <= 0xEF then return begun(size, 1, 2, band(byte, 0x0f)) end
      if byte >= 0xF0 and byte <= 0xF4 then return begun(size, 1, 3, band(byte, 0x07)) end
      return passed(size, ILL_FORMED)
    end

    local function discover(state, byte)
      local before = known
      local found = after(state / width, byte)
      if known == before then following[state + class[byte]] = found end
      return found
    end

    local function accepts(state)
      local index = state / width
      if accepting[index] == UNKNOWN then
        local _, matches = give_up(load(index))
        accepting[index] = (matches or one[0] == 1) and 1 or 0
      end
      return accepting[index] == 1
    end

    forget()
    return function(p, len)
      if n.start_matches then return true end
      local state, i = start, 0
      while i < len do
        local to = following[state + class[p[i]]]
        if to == UNKNOWN then to = discover(state, p[i]) end
        state = to
        if state <= matched then return state == matched end
        i = i + 1
      end
      return accepts(state)
    end
  end

  return { dfa = dfa, nfa = nfa }
end
