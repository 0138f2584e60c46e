-- Relations between the spans of one trace (rule-language.md section 7): `x rel y` selects the x that have such a y.
--
-- A list is {n = count, [1] = row, ...}, ascending. `rows` is any array of structs with sid, pid (uint64, 0: none), t0, t1 (int64, positive
-- where `timed` is 1) in order of (start, id), those without times last; ids are distinct. `keya`, `keyb`: nil, or {ids, bound}: of each row
-- a number below `bound` that is the other side's iff the keys of `on` are equal, negative where nothing equals it.
--
-- Each relation says which numbers are swept (sweep.lua). Times of one relation are all positive or all negative, so no difference
-- overflows.
--
-- Most lists are short, and then every pair is looked at sooner than both sides are swept: up to `few_pairs` pairs, 0 or more.
return function(ffi, S, few_pairs)
  local int32s, uint64s = ffi.typeof("int32_t[?]"), ffi.typeof("uint64_t[?]")
  local left, right, take_times, take_ids, sort, match = S.left, S.right, S.take_times, S.take_ids, S.sort, S.match
  local start, matched, new_index, clear_index, number_ids = S.start, S.matched, S.new_index, S.clear_index, S.number_ids
  local INT64_MAX = 9223372036854775807LL
  local M = {}

  -- ---- few pairs -----------------------------------------------------------------------------------------------------------------------

  local function are_few(as, bs) return as.n * bs.n <= few_pairs end

  local function are_alike(a, b, keya, keyb)
    if not keya then return true end
    local id = keya.ids[a]
    return id >= 0 and id == keyb.ids[b]
  end

  -- The rows of `as` that are `related` to another one in `bs`. One loop, so that it is one trace.
  local function match_few(rows, as, bs, keya, keyb, related, skew, reach)
    local found, count, i, j, a_count, b_count = {}, 0, 1, 1, as.n, bs.n
    while i <= a_count and b_count > 0 do
      local a, b = as[i], bs[j]
      if a ~= b and related(rows[a], rows[b], skew, reach) and are_alike(a, b, keya, keyb) then
        count, j = count + 1, b_count
        found[count] = a
      end
      j = j + 1
      if j > b_count then i, j = i + 1, 1 end
    end
    found.n = count
    return found
  end

  -- ---- relations in time ---------------------------------------------------------------------------------------------------------------

  -- `skew` >= 0; `within` (nil: none) of any sign. Nothing is further apart than the greatest int64, so a sum beyond it says the same.
  local function reach(skew, within)
    if not within or within > INT64_MAX - skew then return INT64_MAX end
    return within + skew
  end

  local function are_timed(a, b) return a.timed + b.timed == 2 end

  local function is_before(a, b, skew, reach) return are_timed(a, b) and a.t1 - b.t0 <= skew and b.t0 - a.t1 <= reach end
  local function is_after(a, b, skew, reach) return are_timed(a, b) and b.t1 - a.t0 <= skew and a.t0 - b.t1 <= reach end
  local function is_during(a, b, skew) return are_timed(a, b) and b.t0 - a.t0 <= skew and a.t1 - b.t1 <= skew end
  local function is_overlapping(a, b, skew) return are_timed(a, b) and b.t0 - a.t1 < skew and a.t0 - b.t1 < skew end

  -- a.end - b.start <= skew, b.start - a.end <= within + skew. With `within` the nearest b counts, else the last to start.
  function M.before(rows, as, bs, skew, within, keya, keyb)
    if are_few(as, bs) then return match_few(rows, as, bs, keya, keyb, is_before, skew, reach(skew, within)) end
    start(as, bs)
    if within then
      take_times(left, rows, as, 0, -1, 0, -1)
      take_times(right, rows, bs, -1, 0, -1, 0)
      sort(left)
      sort(right)
      match(nil, skew, reach(skew, within), keya, keyb)
    else
      take_times(left, rows, as, 0, 0, 0, 1)
      take_times(right, rows, bs, 0, 0, 1, 0)
      match(nil, 0LL, skew, keya, keyb)
    end
    return matched(as)
  end

  -- b.end - a.start <= skew, a.start - b.end <= within + skew. With `within` the nearest b counts, else the first to end.
  function M.after(rows, as, bs, skew, within, keya, keyb)
    if are_few(as, bs) then return match_few(rows, as, bs, keya, keyb, is_after, skew, reach(skew, within)) end
    start(as, bs)
    if within then
      take_times(left, rows, as, 1, 0, 1, 0)
      take_times(right, rows, bs, 0, 1, 0, 1)
      sort(right)
      match(nil, skew, reach(skew, within), keya, keyb)
    else
      take_times(left, rows, as, 0, 0, -1, 0)
      take_times(right, rows, bs, 0, 0, 0, -1)
      match(nil, 0LL, skew, keya, keyb)
    end
    return matched(as)
  end

  -- b.start - a.start <= skew, a.end - b.end <= skew.
  function M.during(rows, as, bs, skew, _, keya, keyb)
    if are_few(as, bs) then return match_few(rows, as, bs, keya, keyb, is_during, skew) end
    start(as, bs)
    take_times(left, rows, as, 1, 0, 0, 1)
    take_times(right, rows, bs, 1, 0, 0, 1)
    match(nil, skew, skew, keya, keyb)
    return matched(as)
  end

  -- b.start - a.end < skew, a.start - b.end < skew.
  function M.overlaps(rows, as, bs, skew, _, keya, keyb)
    if are_few(as, bs) then return match_few(rows, as, bs, keya, keyb, is_overlapping, skew) end
    start(as, bs)
    take_times(left, rows, as, 0, 1, 1, 0)
    take_times(right, rows, bs, 1, 0, 0, 1)
    sort(left)
    match(nil, skew - 1LL, skew - 1LL, keya, keyb)
    return matched(as)
  end

  -- ---- relations of parents ------------------------------------------------------------------------------------------------------------

  local function is_child(a, b) return a.pid ~= 0ULL and a.pid == b.sid end
  local function is_sibling(a, b) return a.pid ~= 0ULL and a.pid == b.pid end

  local index = new_index()

  local function match_ids(as, keya, keyb)
    clear_index(index, right.count)
    number_ids(index, right.id, right.count, right.group, true)
    number_ids(index, left.id, left.count, left.group, false)
    match(index.count, 0LL, 0LL, keya, keyb)
    return matched(as)
  end

  -- a's parent id is b's id.
  function M.child_of(rows, as, bs, _, _, keya, keyb)
    if are_few(as, bs) then return match_few(rows, as, bs, keya, keyb, is_child) end
    start(as, bs)
    take_ids(left, rows, as, true)
    take_ids(right, rows, bs, false)
    return match_ids(as, keya, keyb)
  end

  -- One parent id, not none.
  function M.sibling_of(rows, as, bs, _, _, keya, keyb)
    if are_few(as, bs) then return match_few(rows, as, bs, keya, keyb, is_sibling) end
    start(as, bs)
    take_ids(left, rows, as, true)
    take_ids(right, rows, bs, true)
    return match_ids(as, keya, keyb)
  end

  -- ---- under ---------------------------------------------------------------------------------------------------------------------------

  -- Marks each node of a ring of parents with the number of the ring, and cuts the ring. Returns the number of rings.
  local function cut_rings(count, up, ring, mark)
    local rings = 0
    for v = 0, count - 1 do
      local u = v
      while u >= 0 and mark[u] == 0 do
        mark[u] = v + 1
        u = up[u]
      end
      if u >= 0 and mark[u] == v + 1 then
        local w = u
        repeat
          ring[w] = rings
          w = up[w]
        until w == u
        up[u], rings = -1, rings + 1
      end
    end
    return rings
  end

  -- Makes node `count` the parent of all that have none, and lists the children of each node: the first in `head`, its next in `after`.
  local function list_children(count, up, head, after)
    for v = count - 1, 0, -1 do
      local parent = up[v]
      if parent < 0 then
        parent = count
        up[v] = count
      end
      after[v] = head[parent]
      head[parent] = v
    end
  end

  -- Numbers the nodes in preorder: below a node are those entered after it, up to its `last`. `into`: the ring it leads into or is of.
  local function number_nodes(count, up, head, after, ring, enter, last, into)
    local clock, v, down = 0, head[count], true
    while v ~= count do
      if down then
        enter[v] = clock
        clock = clock + 1
        if ring[v] >= 0 then into[v] = ring[v] else into[v] = into[up[v]] end
        if head[v] >= 0 then v = head[v] else down = false end
      else
        last[v] = clock - 1
        if after[v] >= 0 then
          v, down = after[v], true
        else
          v = up[v]
        end
      end
    end
  end

  local room = { capacity = 0 }

  local function reserve_nodes(count)
    if count > room.capacity then
      room.capacity = math.max(64, 2 * count)
      room.node, room.mark, room.parent = int32s(room.capacity), int32s(room.capacity), uint64s(room.capacity)
      room.up, room.head, room.after = int32s(room.capacity + 1), int32s(room.capacity + 1), int32s(room.capacity + 1)
    end
    ffi.fill(room.mark, count * 4)
    ffi.fill(room.head, (count + 1) * 4, 0xff)
  end

  -- The chains of parents of a trace: ids and parent ids (0: none) of all its spans, in order of arrival. Of one id the first stands.
  -- `tree`: one that is no longer needed, whose room is used again.
  function M.tree(ids, pids, n, tree)
    tree = tree or { index = new_index(), rings = 0, room = 0 }
    tree.rings = 0
    clear_index(tree.index, n)
    if n == 0 then return tree end
    reserve_nodes(n)
    local node, parent, up = room.node, room.parent, room.up
    number_ids(tree.index, ids, n, node, true)
    local count = tree.index.count
    for i = n - 1, 0, -1 do
      if node[i] >= 0 then parent[node[i]] = pids[i] end
    end
    number_ids(tree.index, parent, count, up, false)
    if count >= tree.room then
      tree.room = math.max(64, 2 * count)
      tree.ring, tree.into, tree.enter, tree.last = int32s(tree.room), int32s(tree.room), int32s(tree.room), int32s(tree.room)
    end
    ffi.fill(tree.ring, (count + 1) * 4, 0xff)
    tree.rings = cut_rings(count, up, tree.ring, room.mark)
    tree.into[count] = -1
    list_children(count, up, room.head, room.after)
    number_nodes(count, up, room.head, room.after, tree.ring, tree.enter, tree.last, tree.into)
    return tree
  end

  -- Rows that are no span of the tree do not take part.
  local function take_nodes(side, tree, tops)
    local enter, x, y, node, group, order, count = tree.enter, side.x, side.y, side.node, side.group, side.order, 0
    number_ids(tree.index, side.id, side.count, node, false)
    for place = 0, side.count - 1 do
      local v = node[place]
      if v >= 0 then
        x[place], y[place], group[place], order[count] = enter[v], tops[v], 0, place
        count = count + 1
      end
    end
    side.count = count
  end

  local function take_rings(side, tree, rings)
    local node, group = side.node, side.group
    number_ids(tree.index, side.id, side.count, node, false)
    for place = 0, side.count - 1 do
      local v = node[place]
      if v >= 0 then group[place] = rings[v] else group[place] = -1 end
    end
  end

  -- b is on a's chain of parents, which ends where it comes back to a span seen: a node of a ring is above all that lead into the ring.
  function M.under(rows, as, bs, tree, keya, keyb)
    if not start(as, bs, tree.rings) or tree.index.count == 0 then return { n = 0 } end
    take_ids(left, rows, as, false)
    take_ids(right, rows, bs, false)
    take_nodes(left, tree, tree.enter)
    take_nodes(right, tree, tree.last)
    sort(left)
    sort(right)
    match(nil, -1LL, 0LL, keya, keyb)
    if tree.rings > 0 then
      take_ids(left, rows, as, false)
      take_ids(right, rows, bs, false)
      take_rings(left, tree, tree.into)
      take_rings(right, tree, tree.ring)
      match(tree.rings, 0LL, 0LL, keya, keyb)
    end
    return matched(as)
  end

  return M
end
