-- Automata of patterns that are asked of the same texts, as one: so a text is read once. Its states are those that the others are in together.
return function(E)
  local ffi, bit = E.ffi, E.bit
  local bor, lshift = bit.bor, bit.lshift
  -- So many are one at most, and as large as half of the cache of the first level.
  local COUNT_MAX, ENTRIES_MAX = 4, 4096

  -- Bytes that no automaton tells apart are of one class, from 1. Returns the class of each byte, and of each class those of the automata.
  local function joined_classes(automata)
    local class, classes, numbers = ffi.new("uint16_t[256]"), {}, {}
    for byte = 0, 255 do
      local one = {}
      for x = 1, #automata do one[x] = automata[x].class[byte] end
      local name = table.concat(one, " ")
      if not numbers[name] then
        classes[#classes + 1] = one
        numbers[name] = #classes
      end
      class[byte] = numbers[name]
    end
    return class, classes
  end

  -- The states that are reached, the first of them the start, and what follows each class in them; nil where they are too many.
  local function joined_states(automata, classes)
    local states, numbers = {}, {}
    local function number(each)
      local name = table.concat(each, " ")
      if not numbers[name] then
        states[#states + 1] = { each = each, following = {} }
        numbers[name] = #states
      end
      return numbers[name]
    end
    local function behind(each, class)
      local found = {}
      for x = 1, #automata do found[x] = automata[x].following[each[x] + class[x]] end
      return number(found)
    end

    local start = {}
    for x = 1, #automata do start[x] = automata[x].start end
    number(start)
    local at = 1
    while at <= #states do
      if #states * (#classes + 2) > ENTRIES_MAX then return nil end
      for c = 1, #classes do states[at].following[c] = behind(states[at].each, classes[c]) end
      at = at + 1
    end
    return states
  end

  local function is_decided(automata, each)
    for x = 1, #automata do
      if each[x] > automata[x].decided then return false end
    end
    return true
  end

  -- Which match where the text ends here: a bit of each.
  local function outcome(automata, each)
    local found = 0
    for x = 1, #automata do
      if automata[x].following[each[x] + automata[x].last] ~= 0 then found = bor(found, lshift(1, x - 1)) end
    end
    return found
  end

  -- The states in the order of their rows, those first of which nothing more is to be known, and how many these are.
  local function in_order(automata, states)
    local list = {}
    for decided = 1, 0, -1 do
      for s = 1, #states do
        if is_decided(automata, states[s].each) == (decided == 1) then list[#list + 1] = s end
      end
      if decided == 1 then list.decided = #list end
    end
    return list
  end

  -- An automaton as `dfa` in patterns.lua makes them, of several; nil where it is too large.
  local function join(automata)
    if #automata == 1 then return automata[1] end
    local class, classes = joined_classes(automata)
    local states = joined_states(automata, classes)
    if not states then return nil end
    local order, last = in_order(automata, states), #classes + 1
    local width = last + 1
    local following, rows = ffi.new("int32_t[?]", #states * width), {}
    for row = 1, #order do rows[order[row]] = (row - 1) * width end
    for s = 1, #states do
      local row = rows[s]
      following[row], following[row + last] = row, outcome(automata, states[s].each)
      for c = 1, #classes do following[row + c] = rows[states[s].following[c]] end
    end
    return { class = class, following = following, start = rows[1], last = last, decided = (order.decided - 1) * width }
  end

  local known = {}

  local function joined(numbers)
    local name = table.concat(numbers, " ")
    if known[name] == nil then
      local automata = {}
      for x = 1, #numbers do automata[x] = E.automata[numbers[x]] end
      known[name] = join(automata) or false
    end
    return known[name]
  end

  -- What an automaton of several has found, as the bits of each: a table by its outcomes.
  local function said_of(list)
    local said = ffi.new("int32_t[?]", 2 ^ #list)
    for found = 0, 2 ^ #list - 1 do
      for x = 1, #list do
        if bit.band(found, lshift(1, x - 1)) ~= 0 then said[found] = bor(said[found], list[x][2]) end
      end
    end
    return said
  end

  local function numbers_of(list)
    local numbers = {}
    for x = 1, #list do numbers[x] = list[x][1] end
    return numbers
  end

  -- How patterns, {pattern, bits}, are asked of a text: as few automata as can be, {automaton, said}, and what has none, {match, bits}.
  function E.join_patterns(patterns)
    local questions, open = {}, {}
    local function close()
      if #open > 0 then questions[#questions + 1] = { automaton = joined(numbers_of(open)), said = said_of(open) } end
      open = {}
    end
    for x = 1, #patterns do
      local pattern = patterns[x]
      if E.automata[pattern[1]] then
        open[#open + 1] = pattern
        if #open > COUNT_MAX or not joined(numbers_of(open)) then
          open[#open] = nil
          close()
          open[1] = pattern
        end
      else
        questions[#questions + 1] = { match = E.matchers[pattern[1]], bits = pattern[2] }
      end
    end
    close()
    return questions
  end
end
