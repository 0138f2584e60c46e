-- What formulas ask of a trace's rows: selections, joins, groups, aggregates. Counterparts: compiler/interpreter.py (select, _candidates),
-- compiler/relations.py, compiler/aggregates.py, compiler/evaluate.py.
--
-- Lists are {n = count, row indices from 0, ascending}, in order of (start, id). `T` is the trace that is laid out.
return function(E)
  local ffi, T, V, exact = E.ffi, E.T, E.V, E.exact
  local type, tonumber = type, tonumber
  local NONE = { n = 0 }
  local W = {}

  local ONLY = { n = 1, 0 }

  -- The bound row as a list, which holds until the next is bound.
  function W.only(j)
    ONLY[1] = j
    return ONLY
  end

  -- ---- keys -------------------------------------------------------------------------------------------------------------------------
  -- Keys are numbered as they come, whichever trace they are of; -1 is none and -2 of arrays, which equal several values.
  local NO_KEY, ARRAYS = -1, -2
  local NUMBERED_MAX = 65536
  local numbers, numbered = {}, 0

  -- Between traces: keys of traces that are gone need no numbers.
  function W.tend_keys()
    if numbered > NUMBERED_MAX then numbers, numbered = {}, 0 end
  end

  function W.id_of(key)
    if key == nil or key ~= key then return NO_KEY end
    if key == V.ARRAYS then return ARRAYS end
    local id = numbers[key]
    if not id then
      id = numbered
      numbers[key], numbered = id, id + 1
    end
    return id
  end

  -- A function from a list to the keys of its rows, and a bound no key reaches. `fill` finds those of rows not yet marked with the stamp;
  -- `varies`: they hang on the bound row.
  function W.keyed(fill, varies)
    local keys, room, made, mark = { ids = nil, bound = 0 }, 0, nil, 0
    return function(list, j)
      if room < T.capacity then
        room = T.capacity
        keys.ids, made = E.buffer("int32_t", room), E.buffer("double", room)
      end
      mark = mark - 1
      fill(list, keys.ids, made, varies and mark or T.stamp, T.rows, T.slots, j)
      keys.bound = numbered
      return keys
    end
  end

  -- Room for something about each key.
  local function room_for_keys(one)
    if one.room < numbered then
      one.room = 2 * numbered + 64
      one.at, one.marks = E.buffer("int32_t", one.room), E.buffer("double", one.room)
    end
  end

  -- ---- rows by key ------------------------------------------------------------------------------------------------------------------
  local indices = {}

  -- The places of a list, chained by key: from the first, 0 is the end.
  local function index_of(number, list, ids)
    local index = indices[number]
    if not index then
      index = { room = 0, at = nil, marks = nil, stamp = 0, nexts = {}, arrays = { n = 0 } }
      indices[number] = index
    end
    if index.stamp == T.stamp then return index end
    room_for_keys(index)
    local stamp, at, marks, nexts, arrays = T.stamp, index.at, index.marks, index.nexts, index.arrays
    local some = false
    for x = list.n, 1, -1 do
      local id = ids[list[x]]
      if id >= 0 then
        nexts[x] = marks[id] == stamp and at[id] or 0
        at[id], marks[id] = x, stamp
      elseif id == ARRAYS then
        some = true
      end
    end
    arrays.n = 0
    if some then
      for x = 1, list.n do
        if ids[list[x]] == ARRAYS then
          arrays.n = arrays.n + 1
          arrays[arrays.n] = list[x]
        end
      end
    end
    index.stamp = stamp
    return index
  end

  local function merged(a, b)
    local found, x, y, n = {}, 1, 1, 0
    while x <= a.n or y <= b.n do
      n = n + 1
      if y > b.n or (x <= a.n and a[x] < b[y]) then
        found[n] = a[x]
        x = x + 1
      else
        found[n] = b[y]
        y = y + 1
      end
    end
    found.n = n
    return found
  end

  -- The rows of a list, the same one for a number all through a trace, that have a key, or may equal its value.
  function W.of_key(number, list, keys, id)
    if id == ARRAYS then return list end
    if id < 0 or list.n == 0 then return NONE end
    local index = index_of(number, list, keys.ids)
    local found, n, x = NONE, 0, 0
    if id < index.room and index.marks[id] == T.stamp then
      found, x = {}, index.at[id]
      while x > 0 do
        n = n + 1
        found[n] = list[x]
        x = index.nexts[x]
      end
      found.n = n
    end
    if index.arrays.n == 0 then return found end
    return merged(found, index.arrays)
  end

  -- ---- rows by id -------------------------------------------------------------------------------------------------------------------
  -- By a hash of the id alone, for whoever asks looks at what is found: no text is made of it. The places of a list are chained by bucket.
  local FEW = 8
  local families = {}

  local function bucket(id, mask) return E.id_place(id[0], id[1], mask) end

  local function family_of(number, list, by_parent)
    local one = families[number]
    if not one then
      one = { stamp = 0, room = 0 }
      families[number] = one
    end
    if one.stamp == T.stamp then return one end
    local size = 16
    while size < list.n do size = 2 * size end
    if one.room < size then
      one.heads, one.nexts, one.room = E.buffer("int32_t", size), E.buffer("int32_t", size + 1), size
    end
    local heads, nexts, rows, mask = one.heads, one.nexts, T.rows, size - 1
    ffi.fill(heads, 4 * size)
    for x = list.n, 1, -1 do
      local row = rows[list[x]]
      local at = bucket(by_parent and row.pd or row.sd, mask)
      nexts[x], heads[at] = heads[at], x
    end
    one.mask, one.stamp = mask, T.stamp
    return one
  end

  -- The rows of a list, the same one for a number all through a trace, whose id, or parent's, may be the one of row j, or its parent's.
  function W.of_id(number, list, by_parent, j, of_parent)
    local row = T.rows[j]
    if of_parent and row.pid == 0 then return NONE end
    if list.n <= FEW then return list end
    local one = family_of(number, list, by_parent)
    local x, nexts, found, n = one.heads[bucket(of_parent and row.pd or row.sd, one.mask)], one.nexts, NONE, 0
    if x > 0 then found = {} end
    while x > 0 do
      n = n + 1
      found[n], x = list[x], nexts[x]
    end
    found.n = n
    return found
  end

  -- ---- groups -----------------------------------------------------------------------------------------------------------------------
  -- By number: the keys in order of appearance, and lists in the same order. Rows without a key are left out.
  local groupings = {}
  W.groupings = groupings

  local function push(list, i)
    local n = list.n + 1
    list.n, list[n] = n, i
  end

  -- Says whether a grouping holds for this trace.
  function W.grouped(number, varies)
    local one = groupings[number]
    return one ~= nil and one.stamp == T.stamp and not varies
  end

  function W.groups(number, list, keys)
    local one = groupings[number]
    if not one then
      one = { order = { n = 0 }, lists = {}, room = 0, at = nil, marks = nil, stamp = 0, mark = 0 }
      groupings[number] = one
    end
    room_for_keys(one)
    local mark, ids, at, marks, order, lists, n = one.mark + 1, keys.ids, one.at, one.marks, one.order, one.lists, 0
    -- A loop for each thing: LuaJIT finds no registers for all of them together.
    for x = 1, list.n do
      local id = ids[list[x]]
      if id >= 0 and marks[id] ~= mark then
        n = n + 1
        marks[id], at[id], order[n] = mark, n, id
      end
    end
    for k = 1, n do
      if not lists[k] then lists[k] = {} end
      lists[k].n = 0
    end
    for x = 1, list.n do
      local id = ids[list[x]]
      if id >= 0 then push(lists[at[id]], list[x]) end
    end
    order.n, one.mark, one.stamp = n, mark, T.stamp
    return one
  end

  local function has(one, id) return id < one.room and one.marks[id] == one.mark end

  -- The keys of several groupings, each once, in order of appearance.
  function W.union(all)
    local found, n = {}, 0
    for g = 1, #all do
      local order = all[g].order
      for k = 1, order.n do
        local id, is_new = order[k], true
        for h = 1, g - 1 do is_new = is_new and not has(all[h], id) end
        if is_new then
          n = n + 1
          found[n] = id
        end
      end
    end
    found.n = n
    return found
  end

  function W.group(one, id)
    if has(one, id) then return one.lists[one.at[id]] end
    return NONE
  end

  -- ---- aggregates -------------------------------------------------------------------------------------------------------------------
  function W.count(list) return list.n end

  local function is_used(value, word)
    if type(value) == "number" or type(value) == "cdata" then return true end
    return word == "distinct" and (type(value) == "string" or type(value) == "boolean")
  end

  function W.distinct(list, of, length, j)
    local seen, n = {}, 0
    local rows, slots = T.rows, T.slots
    for x = 1, list.n do
      local value = of(rows, slots, list[x], j)
      if length then
        value = V.length_key(value)
      elseif is_used(value, "distinct") then
        value = V.key(value)
      else
        value = nil
      end
      if value ~= nil and not seen[value] then
        seen[value] = true
        n = n + 1
      end
    end
    return n
  end

  local function extreme(list, of, j, better)
    local rows, slots = T.rows, T.slots
    local found
    for x = 1, list.n do
      local value = of(rows, slots, list[x], j)
      if is_used(value) and (found == nil or better(value, found)) then found = value end
    end
    return found
  end

  -- Of attributes, and of durations: these compare as int64.
  function W.min(list, of, length, j) return extreme(list, of, j, length and V.length_less or V.less) end
  function W.max(list, of, length, j) return extreme(list, of, j, length and V.length_more or V.more) end

  local WHOLE_MAX, TAME_MAX = 9007199254740992, 1e300

  -- The exact sum of a list as two numbers whose sum, rounded once, is it; how many values it has and whether all came as ints. Nil where
  -- two numbers do not hold it. `is_whole(rows, slots, i)`: the value came as an int.
  local function summed_quickly(list, of, is_whole, j)
    local rows, slots = T.rows, T.slots
    local sum, rest, n, whole = 0, 0, 0, true
    for x = 1, list.n do
      local i = list[x]
      local value = of(rows, slots, i, j)
      if type(value) == "cdata" then return nil end
      if type(value) == "number" then
        if value > TAME_MAX or value < -TAME_MAX then return nil end
        -- What a sum loses by rounding is a double again (Knuth's two-sum); here it must not lose anything in turn.
        local next_sum = sum + value
        local part = next_sum - sum
        local lost = (sum - (next_sum - part)) + (value - part)
        local next_rest = rest + lost
        part = next_rest - rest
        if (rest - (next_rest - part)) + (lost - part) ~= 0 then return nil end
        sum, rest, n = next_sum, next_rest, n + 1
        whole = whole and is_whole(rows, slots, i, j)
      end
    end
    if whole and (sum > WHOLE_MAX or sum < -WHOLE_MAX or rest ~= 0) or sum > TAME_MAX or sum < -TAME_MAX then return nil end
    return sum + rest, n, whole
  end

  -- The exact sum of a list, and how many values it has.
  local function summed(list, of, is_whole, length, j)
    local rows, slots = T.rows, T.slots
    local sum, n = exact.new(), 0
    for x = 1, list.n do
      local i = list[x]
      local value = of(rows, slots, i, j)
      if is_used(value) then
        n = n + 1
        if length or type(value) == "cdata" then
          exact.add_int(sum, value)
        elseif is_whole(rows, slots, i, j) then
          exact.add_int(sum, ffi.cast("int64_t", value))
        else
          exact.add_double(sum, value)
        end
      end
    end
    return sum, n
  end

  -- An int64 as the value it is: a number up to 2^53.
  local function plain(value)
    if value >= -9007199254740992LL and value <= 9007199254740992LL then return tonumber(value) end
    return value
  end

  function W.sum(list, of, is_whole, length, j)
    local quick = not length and summed_quickly(list, of, is_whole, j)
    if quick then return quick end
    local sum = summed(list, of, is_whole, length, j)
    local kind, value = exact.result(sum)
    if kind == "undefined" then return nil end
    if length then return value end
    return kind == "int" and plain(value) or value
  end

  function W.avg(list, of, is_whole, length, j)
    if not length then
      local quick, count = summed_quickly(list, of, is_whole, j)
      if quick then
        if count == 0 then return nil end
        return quick / count
      end
    end
    local sum, n = summed(list, of, is_whole, length, j)
    if n == 0 then return nil end
    local kind, value = exact.result(sum)
    if kind == "undefined" then return nil end
    if length then
      local count = ffi.cast("int64_t", n)
      local quotient = value / count
      if value % count ~= 0 and value < 0 then quotient = quotient - 1 end
      return quotient
    end
    return tonumber(value) / n
  end

  E.W = W
end
