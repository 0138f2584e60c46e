-- The sweep that every relation comes down to (relations.lua): pairs of numbers x, y on both sides, in groups.
--
-- b is admitted while b.x - a.x <= admit, and a has a partner iff a.y - b.y <= accept for an admitted b of its group that is not a itself:
-- the two greatest y decide. Both sides go up by x, so a sweep is linear, and all that costs more is to sort what is not in order yet.
return function(ffi, bit)
  local rshift, bor = bit.rshift, bit.bor
  local int32s, int64s, uint64s = ffi.typeof("int32_t[?]"), ffi.typeof("int64_t[?]"), ffi.typeof("uint64_t[?]")
  local bytes = ffi.typeof("uint8_t[?]")
  local S = {}

  -- ---- room to work in, kept between calls ---------------------------------------------------------------------------------------------

  -- Items of a side have numbers 0..: the places of its list. `order` names the `count` items that take part, in the order of the sweep.
  local capacity, hit = 0, nil
  local left, right = { count = 0 }, { count = 0 }
  S.left, S.right = left, right

  local function widen(side)
    side.x, side.y, side.id = int64s(capacity), int64s(capacity), uint64s(capacity)
    side.row, side.group, side.node = int32s(capacity), int32s(capacity), int32s(capacity)
    side.order, side.spare, side.start = int32s(capacity), int32s(capacity), int32s(capacity + 4)
  end

  local function reserve(count)
    if count <= capacity then return end
    capacity = math.max(64, capacity)
    while capacity < count do capacity = capacity * 2 end
    hit = bytes(capacity)
    widen(left)
    widen(right)
  end

  -- ---- from lists to items -------------------------------------------------------------------------------------------------------------

  -- x and y become sums of start and end, each times -1, 0 or 1. Items without times do not take part.
  function S.take_times(side, rows, list, x_start, x_end, y_start, y_end)
    local x, y, row, order, group, count = side.x, side.y, side.row, side.order, side.group, 0
    for place = 0, list.n - 1 do
      local r = list[place + 1]
      if rows[r].timed == 1 then
        local first, last = rows[r].t0, rows[r].t1
        x[place], y[place] = first * x_start + last * x_end, first * y_start + last * y_end
        row[place], group[place], order[count] = r, 0, place
        count = count + 1
      end
    end
    side.count = count
  end

  -- Any two items of one group match, for all that x and y say.
  function S.take_ids(side, rows, list, is_parent)
    local x, y, id, row, order = side.x, side.y, side.id, side.row, side.order
    for place = 0, list.n - 1 do
      local r = list[place + 1]
      if is_parent then id[place] = rows[r].pid else id[place] = rows[r].sid end
      x[place], y[place], row[place], order[place] = 0LL, 0LL, r, place
    end
    side.count = list.n
  end

  -- ---- numbers of ids ------------------------------------------------------------------------------------------------------------------

  -- Ids come from whoever sends spans, so where they fall is not theirs to choose: the multiplier hangs on where memory happens to lie.
  local secret = int64s(1)
  local multiplier = bor(ffi.cast("uint64_t", ffi.cast("uintptr_t", ffi.cast("void *", secret))) * 0x9E3779B97F4A7C15ULL, 1ULL)

  -- Numbers distinct ids 0, 1, ... as they come; `keys` has them by number.
  function S.new_index() return { size = 0, count = 0 } end

  function S.clear_index(index, count)
    if index.size < 2 * count or index.size == 0 then
      local size, bits = 64, 6
      while size < 2 * count do size, bits = size * 2, bits + 1 end
      index.size, index.heads, index.nexts, index.keys = size, int32s(size), int32s(size), uint64s(size)
    end
    -- Of a large index only so much is used (and so emptied) as the ids at hand need.
    local used, bits = 64, 6
    while used < 2 * count do used, bits = used * 2, bits + 1 end
    index.shift, index.count = 64 - bits, 0
    ffi.fill(index.heads, used * 4, 0xff)
  end

  local ASK, EMPTY = -2, -1

  -- Writes the number of each id to `numbers`; -1 for 0 and, if none is added, for ids not numbered. One loop, so that it is one trace.
  function S.number_ids(index, ids, count, numbers, adding)
    local heads, nexts, keys, shift, known = index.heads, index.nexts, index.keys, index.shift, index.count
    local i, at, slot = 0, ASK, 0
    while i < count do
      if at == ASK then
        if ids[i] == 0ULL then
          numbers[i] = -1
          i = i + 1
        else
          slot = tonumber(rshift(ids[i] * multiplier, shift))
          at = heads[slot]
        end
      elseif at == EMPTY then
        if adding then
          keys[known], nexts[known], heads[slot], numbers[i] = ids[i], heads[slot], known, known
          known = known + 1
        else
          numbers[i] = -1
        end
        i, at = i + 1, ASK
      elseif keys[at] == ids[i] then
        numbers[i] = at
        i, at = i + 1, ASK
      else
        at = nexts[at]
      end
    end
    index.count = known
  end

  -- ---- groups --------------------------------------------------------------------------------------------------------------------------

  -- Keys are numbers by row, -1 and less for none; `bound` is above all of them. Of each number: what it was last given, and in which split.
  local split_now, splits, given, given_room = 0, nil, nil, 0

  local function begin_split(bound)
    if bound > given_room then
      given_room = math.max(64, 2 * bound)
      splits, given = int32s(given_room), int32s(given_room)
      split_now = 0
    elseif split_now == 2147483647 then
      ffi.fill(splits, 4 * given_room)
      split_now = 0
    end
    split_now = split_now + 1
  end

  -- Gives each partner the group of its key. Returns the number of groups.
  local function split_right(keys)
    local row, order, group, count = right.row, right.order, right.group, 0
    begin_split(keys.bound)
    local ids, seen, now, places = keys.ids, splits, split_now, given
    for i = 0, right.count - 1 do
      local item = order[i]
      local id = ids[row[item]]
      if id < 0 then
        group[item] = -1
      else
        if seen[id] ~= now then
          seen[id], places[id] = now, count
          count = count + 1
        end
        group[item] = places[id]
      end
    end
    return count
  end

  local function split_left(keys)
    local row, order, group = left.row, left.order, left.group
    local ids, seen, now, places, room = keys.ids, splits, split_now, given, given_room
    for i = 0, left.count - 1 do
      local item = order[i]
      local id = ids[row[item]]
      if id >= 0 and id < room and seen[id] == now then group[item] = places[id] else group[item] = -1 end
    end
  end

  -- The same where the items are in groups already: a group for each group and key. Returns their number and the groups by both.
  local function split_groups(keys, groups)
    local row, order, group, ids, count, by_pair = right.row, right.order, right.group, keys.ids, 0, {}
    for i = 0, right.count - 1 do
      local item = order[i]
      local id = ids[row[item]]
      if id < 0 or group[item] < 0 then
        group[item] = -1
      else
        local pair = id * groups + group[item]
        local found = by_pair[pair]
        if not found then
          found, count = count, count + 1
          by_pair[pair] = found
        end
        group[item] = found
      end
    end
    return count, by_pair
  end

  local function follow_groups(keys, groups, by_pair)
    local row, order, group, ids = left.row, left.order, left.group, keys.ids
    for i = 0, left.count - 1 do
      local item = order[i]
      local id = ids[row[item]]
      local found = -1
      if id >= 0 and group[item] >= 0 then found = by_pair[id * groups + group[item]] or -1 end
      group[item] = found
    end
  end

  -- Orders the items by group and else as they were; those of no group fall away.
  local function scatter(side, groups)
    local start, group, order, to = side.start, side.group, side.order, side.spare
    ffi.fill(start, (groups + 2) * 4)
    for i = 0, side.count - 1 do
      local of = group[order[i]]
      if of >= 0 then start[of + 2] = start[of + 2] + 1 end
    end
    for of = 2, groups do start[of] = start[of] + start[of - 1] end
    for i = 0, side.count - 1 do
      local item = order[i]
      local of = group[item]
      if of >= 0 then
        to[start[of + 1]] = item
        start[of + 1] = start[of + 1] + 1
      end
    end
    side.count = start[groups]
    side.order, side.spare = to, order
  end

  -- ---- order ---------------------------------------------------------------------------------------------------------------------------

  local function is_sorted(x, order, count)
    for i = 1, count - 1 do
      if x[order[i]] < x[order[i - 1]] then return false end
    end
    return true
  end

  -- Merges neighbouring runs of `width`. One loop over what is written, so that it is one trace.
  local function merge_runs(x, from, to, count, width)
    local i, j, middle, high = 0, 0, 0, 0
    for k = 0, count - 1 do
      if k == high then
        i, middle, high = k, math.min(k + width, count), math.min(k + 2 * width, count)
        j = middle
      end
      if i < middle and (j >= high or x[from[i]] <= x[from[j]]) then
        to[k], i = from[i], i + 1
      else
        to[k], j = from[j], j + 1
      end
    end
  end

  local function reverse(order, count)
    for i = 0, math.floor(count / 2) - 1 do order[i], order[count - 1 - i] = order[count - 1 - i], order[i] end
  end

  -- By x. Most often all is in order, or all but a little is in the opposite one, and then merging foresees its branches well.
  function S.sort(side)
    local x, count, width = side.x, side.count, 1
    if is_sorted(x, side.order, count) then return end
    if x[side.order[count - 1]] < x[side.order[0]] then
      reverse(side.order, count)
      if is_sorted(x, side.order, count) then return end
    end
    while width < count do
      merge_runs(x, side.order, side.spare, count, width)
      side.order, side.spare, width = side.spare, side.order, width * 2
    end
  end

  -- ---- the sweep -----------------------------------------------------------------------------------------------------------------------

  -- Where the sweep is, in memory: as locals of the loop these would be too many for LuaJIT's registers. `best`, `second`: -1 for none.
  local now = ffi.new("struct { int64_t admit, accept; int32_t i, next_b, end_b, group, best, second; }")

  local function sweep(admit, accept)
    local ax, ay, a_row, a_group, a_order = left.x, left.y, left.row, left.group, left.order
    local bx, by, b_row, b_order, start = right.x, right.y, right.row, right.order, right.start
    local count = left.count
    now.admit, now.accept, now.i, now.next_b, now.end_b, now.group, now.best, now.second = admit, accept, 0, 0, 0, -1, -1, -1
    while now.i < count do
      local a = a_order[now.i]
      if a_group[a] ~= now.group then
        local group = a_group[a]
        now.group, now.next_b, now.end_b, now.best, now.second = group, start[group], start[group + 1], -1, -1
      elseif now.next_b < now.end_b and bx[b_order[now.next_b]] - ax[a] <= now.admit then
        local b = b_order[now.next_b]
        now.next_b = now.next_b + 1
        if now.best < 0 or by[b] > by[now.best] then
          now.best, now.second = b, now.best
        elseif now.second < 0 or by[b] > by[now.second] then
          now.second = b
        end
      else
        local b = now.best
        if b >= 0 and b_row[b] == a_row[a] then b = now.second end
        if b >= 0 and ay[a] - by[b] <= now.accept then hit[a] = 1 end
        now.i = now.i + 1
      end
    end
  end

  -- Sweeps the items, split by `group`, one of `groups` or -1 (groups nil: all are in group 0), and then by the keys.
  function S.match(groups, admit, accept, keya, keyb)
    local split, was_split = groups or keya, groups
    groups = groups or 1
    if keya then
      if groups == 1 and not was_split then
        groups = split_right(keyb)
        split_left(keya)
      else
        local count, by_pair = split_groups(keyb, groups)
        follow_groups(keya, groups, by_pair)
        groups = count
      end
    end
    if split then
      scatter(left, groups)
      scatter(right, groups)
    else
      right.start[0], right.start[1] = 0, right.count
    end
    sweep(admit, accept)
  end

  -- Makes room for the lists and for so many groups; says whether there is anything to match.
  function S.start(as, bs, groups)
    reserve(math.max(as.n, bs.n, groups or 0))
    ffi.fill(hit, as.n)
    return as.n > 0 and bs.n > 0
  end

  function S.matched(as)
    local list, count = {}, 0
    for place = 0, as.n - 1 do
      if hit[place] ~= 0 then
        count = count + 1
        list[count] = as[place + 1]
      end
    end
    list.n = count
    return list
  end

  return S
end
