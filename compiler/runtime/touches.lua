-- What records bring to traces: a touch per record and trace, added up over the records of a batch.
return function(E)
  local ffi = E.ffi
  local fill = ffi.fill
  local touches, sums = E.touches, E.sums
  local TOUCH, SUM = ffi.sizeof("touch_t"), ffi.sizeof("sum_t")

  local function add_sum(state, s, record, place, opened)
    local n = E.sum_count
    local sum = sums[n]
    fill(sum, SUM)
    sum.tid0, sum.tid1, sum.trace, sum.opened = state.tid0, state.tid1, s, opened
    sum.record, sum.place = record, place
    sum.new_order, sum.apart_order, sum.last_new, sum.first_over, sum.first_root = -1LL, -1LL, -1, -1, -1
    E.sum_count = n + 1
    return n
  end

  -- Whether records of this batch have touched a trace; the last touch is its state's, unless that is one of an earlier batch.
  local function is_touched(state, s)
    local at = state.touch
    return at < E.touch_count and touches[at].trace == s
  end

  E.is_touched = is_touched

  -- A record's first row of a trace; `opened`: the trace begins with it.
  function E.touched(state, s, record, opened, by_record)
    local n = E.touch_count
    local touch = touches[n]
    fill(touch, TOUCH)
    touch.record, touch.trace, touch.opened = record, s, opened
    if n > 0 and touches[n - 1].record == record then touch.place = touches[n - 1].place + 1 end
    if is_touched(state, s) and not by_record then
      touch.sum = touches[state.touch].sum
    else
      touch.sum = add_sum(state, s, record, touch.place, opened)
    end
    E.touch_count = n + 1
    state.touch = n
  end

  local function note_apart(keys)
    local found = false
    for k = 0, E.touch_count - 1 do
      local touch = touches[k]
      local sum, at = sums[touch.sum], 2 * touch.record
      if sum.tid0 ~= keys[at] or sum.tid1 ~= keys[at + 1] then
        touch.apart = 1
        found = true
      end
    end
    return found
  end

  -- What holds of one touch of a record holds of all. Lists the records and returns their number.
  local function list_apart()
    local n = 0
    for k = E.touch_count - 1, 1, -1 do
      if touches[k].place > 0 and touches[k].apart == 1 then touches[k - 1].apart = 1 end
    end
    for k = 0, E.touch_count - 1 do
      local touch = touches[k]
      if touch.place > 0 then
        touch.apart = touches[k - 1].apart
      elseif touch.apart == 1 then
        E.apart[n] = touch.record
        n = n + 1
      end
    end
    return n
  end

  local function add_counts()
    for k = 0, E.touch_count - 1 do
      local touch = touches[k]
      local sum = sums[touch.sum]
      sum.spans, sum.kept = sum.spans + touch.spans, sum.kept + touch.kept
      sum.again, sum.over = sum.again + touch.again, sum.over + touch.over
      if touch.over > 0 and sum.first_over < 0 then sum.first_over = touch.record end
    end
  end

  local function add_times(arrived_at)
    for k = 0, E.touch_count - 1 do
      local touch = touches[k]
      local sum, at = sums[touch.sum], arrived_at[touch.record]
      if at > sum.arrived then sum.arrived = at end
      if touch.kept > 0 then
        if at > sum.new_arrived then sum.new_arrived = at end
        if sum.new_record < 0 then sum.new_record, sum.new_place = touch.record, touch.place end
        sum.last_new = touch.record
      end
      if touch.root == 1 and sum.first_root < 0 then sum.first_root = touch.record end
    end
  end

  local function add_apart()
    for k = 0, E.touch_count - 1 do
      local touch = touches[k]
      local sum = sums[touch.sum]
      if touch.apart == 1 and sum.apart_record < 0 then sum.apart_record, sum.apart_place = touch.record, touch.place end
    end
  end

  -- Add up what the records of a batch brought to each trace. `keys`: of each record 16 bytes, or nil: whatever holds them, no record is apart.
  -- Returns how many records are.
  function E.add_up(arrived_at, keys)
    local apart = keys ~= nil and note_apart(keys) and list_apart() or 0
    add_counts()
    add_times(arrived_at)
    if apart > 0 then add_apart() end
    return apart
  end
end
