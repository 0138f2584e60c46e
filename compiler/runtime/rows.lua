-- What formulas ask of a trace's rows: selections, joins, groups, aggregates. Counterparts: compiler/interpreter.py (select, _candidates),
-- compiler/relations.py, compiler/aggregates.py, compiler/evaluate.py.
--
-- Lists are {n = count, row indices from 0, ascending}, in order of (start, id). `T` is the trace that is laid out.
return function(E)
  local ffi, T, V, exact = E.ffi, E.T, E.V, E.exact
  local type, tonumber = type, tonumber
  local NONE = { n = 0 }
  local W = {}

  -- A selection that does not depend on the bound span is made once per trace.
  function W.once(number, make)
    local found = T.lists[number]
    if not found then
      found = make()
      T.lists[number] = found
    end
    return found
  end

  function W.only(j) return { n = 1, j } end

  -- Those of a list of which a predicate is true.
  function W.where(list, predicate, j)
    local found, n = {}, 0
    local rows, slots = T.rows, T.slots
    for x = 1, list.n do
      local i = list[x]
      if predicate(rows, slots, i, j) == true then
        n = n + 1
        found[n] = i
      end
    end
    found.n = n
    return found
  end

  -- Those of a list of which a predicate is not true.
  function W.where_not(list, predicate, j)
    local found, n = {}, 0
    local rows, slots = T.rows, T.slots
    for x = 1, list.n do
      local i = list[x]
      if predicate(rows, slots, i, j) ~= true then
        n = n + 1
        found[n] = i
      end
    end
    found.n = n
    return found
  end

  -- ---- joins ------------------------------------------------------------------------------------------------------------------------
  local ARRAYS = "arrays"

  local function join_key(value, length)
    if length then return V.length_key(value) end
    if V.is_array(value) then return ARRAYS end
    return V.key(value)
  end

  local function indexed(number, list, own, length)
    local found = T.joins[number]
    if found then return found end
    found = {}
    local rows, slots = T.rows, T.slots
    for x = 1, list.n do
      local i = list[x]
      local key = join_key(own(rows, slots, i), length)
      if key ~= nil then
        local bucket = found[key]
        if not bucket then
          bucket = { n = 0 }
          found[key] = bucket
        end
        bucket.n = bucket.n + 1
        bucket[bucket.n] = i
      end
    end
    T.joins[number] = found
    return found
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

  -- The rows of a list whose own value may equal the bound span's; `length`: the values are durations or times.
  function W.joined(number, list, own, theirs, length)
    local key = join_key(theirs, length)
    if key == ARRAYS then return list end
    if key == nil then return NONE end
    local index = indexed(number, list, own, length)
    local plain, arrays = index[key] or NONE, index[ARRAYS]
    if not arrays then return plain end
    return merged(plain, arrays)
  end

  -- ---- groups -----------------------------------------------------------------------------------------------------------------------
  local function group_of(keys, i, j)
    local rows, slots = T.rows, T.slots
    if #keys == 1 then return keys[1](rows, slots, i, j) end
    local parts = {}
    for k = 1, #keys do parts[k] = keys[k](rows, slots, i, j) end
    return V.joined_key(parts, #keys)
  end

  -- A list by group: lists by key, and the keys in order of appearance. Rows without a key are left out.
  function W.groups(list, keys, j)
    local found = { order = {}, n = 0, lists = {} }
    for x = 1, list.n do
      local i = list[x]
      local key = group_of(keys, i, j)
      if key ~= nil then
        local group = found.lists[key]
        if not group then
          group = { n = 0 }
          found.lists[key] = group
          found.n = found.n + 1
          found.order[found.n] = key
        end
        group.n = group.n + 1
        group[group.n] = i
      end
    end
    return found
  end

  -- The value by which a span is grouped: a number but NaN, a string, a bool.
  function W.group_key(value)
    return V.key(value)
  end

  -- The keys of several groupings, each once, in order of appearance.
  function W.union(groupings)
    local found, seen, n = {}, {}, 0
    for g = 1, #groupings do
      local one = groupings[g]
      for k = 1, one.n do
        local key = one.order[k]
        if not seen[key] then
          seen[key] = true
          n = n + 1
          found[n] = key
        end
      end
    end
    found.n = n
    return found
  end

  function W.group(grouping, key) return grouping.lists[key] or NONE end

  -- `some` or `every` over groups; while the trace may grow a further group may come.
  function W.quantified(some, keys, compare, state, closed, j)
    local unknown = not closed
    for k = 1, keys.n do
      local truth = compare(state, closed, j, keys[k])
      if truth == some then return some end
      if truth == nil then unknown = true end
    end
    if unknown then return nil end
    return not some
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

  -- The exact sum of a list, and how many values it has. `is_whole(rows, slots, i)`: the value came as an int.
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
    local sum = summed(list, of, is_whole, length, j)
    local kind, value = exact.result(sum)
    if kind == "undefined" then return nil end
    if length then return value end
    return kind == "int" and plain(value) or value
  end

  function W.avg(list, of, is_whole, length, j)
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
