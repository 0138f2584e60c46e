-- Where messages begin and end: what the decoder (decoder.lua) does there, level by level.
return function(E)
  local ffi, bit, W, config = E.ffi, E.bit, E.wire, E.config
  local band, bor, lshift, tobit = bit.band, bit.bor, bit.lshift, bit.tobit
  local cast, fill, copy = ffi.cast, ffi.fill, ffi.copy
  local u8p = ffi.typeof("const uint8_t *")
  local rows, slots, K, TEMPLATE = E.rows, E.slots, config.column_count, E.template
  local SLOTS, ROW, SLOT = K * ffi.sizeof("slot_t"), ffi.sizeof("row_t"), ffi.sizeof("slot_t")
  local capacity, look_ahead, payload = E.row_capacity, E.look_ahead, W.payload
  local use_set, find_marked, find_name, foreseen = E.use_set, E.find_marked, E.find_name, E.foreseen
  local put_value, set_text = E.put_value, E.set_text
  local begin_features, begin_without_features, leave_features, make_feature = E.begin_features, E.begin_without_features, E.leave_features,
    E.make_feature
  local odd_rows, batch = E.odd, E.FEATURE.batch
  local NO_NAME, needs, key_sets, empty = E.names.shorts[256].id, E.needs, E.key_sets, E.empty
  local ALL, ROOTS, SCOPES = config.all_wanted, config.roots_wanted, config.scopes_read
  local NAME, SERVICE, scope_columns = config.name_column, config.service_column, config.scope_columns
  local inherit, learn_resource = E.inherit, E.learn_resource
  local L = { SPAN_SIZE_MAX = 16777216 }
  local SPAN_SIZE_MAX = L.SPAN_SIZE_MAX
  local DONE, FULL, IRREGULAR, TOO_MANY = 0, 1, 2, 3
  E.DONE, E.FULL, E.IRREGULAR, E.TOO_MANY = DONE, FULL, IRREGULAR, TOO_MANY

  -- Where the payload of the field at `at`, which is before `e`, begins and ends: beyond `e`, the end of its message, where it is not inside, or its
  -- length is odd.
  local function bounds(b, at, e)
    local l, s = b[at + 1], tobit(at + 2)
    if l < 128 then return s, tobit(s + l) end
    local m = b[s]
    if m < 128 and m > 0 then return tobit(s + 1), tobit(s + 1 + bor(band(l, 127), lshift(m, 7))) end
    local odd_s, odd_q = payload(b, at + 1, e)
    return odd_s, odd_s < 0 and tobit(e + 1) or odd_q
  end

  -- The same as D.fs .. D.fe; false where it is not inside.
  local function field(D, b, at, e)
    D.fs, D.fe = bounds(b, at, e)
    return D.fe <= e
  end

  -- The decoder stops: `row` is the row behind the last of whole records, `why` says what becomes of record D.mi.
  local function stop(D, row, why)
    D.stop_row, D.why = row, why
    return false
  end

  local function odd(D) return stop(D, D.record_row, IRREGULAR) end

  -- ---- beginnings ------------------------------------------------------------------------------------------------------------------
  local function begin_record(D)
    D.b, D.e0 = cast(u8p, D.addresses[D.mi] + D.offset), tonumber(D.lengths[D.mi])
    D.p, D.e = 0, D.e0
  end

  -- Before a scope is read, its columns are what a span without one has.
  local function clear_scope()
    for i = 1, #scope_columns do
      local c = scope_columns[i]
      copy(slots + (TEMPLATE + c), E.blank + c, SLOT)
    end
  end

  local function begin_scope(D)
    D.lvl, D.e, D.seek = 2, D.e2, 0
    if SCOPES then
      D.seek, D.found = 1, 0
      clear_scope()
    end
  end

  -- Whether rules read more of a span than its header, for its name or as a root.
  local function is_wanted(r) return needs[r.name] ~= 0 or (ROOTS and r.pd[0] == 0 and r.pd[1] == 0) end

  -- From here on attributes of a span are looked at: those of a set.
  local function want(D, set)
    D.kvt = 0x4a
    use_set(D, set)
    copy(slots + D.base, slots + TEMPLATE, SLOTS)
  end

  local function begin_span(D, b, s, q)
    look_ahead(D, q)
    local row = D.row
    fill(rows + row, ROW)
    odd_rows[row] = odd_rows[capacity]
    local r = rows[row]
    r.res, r.record, r.plen, r.elements = D.res, D.mi, q - s, q - s
    r.p = b + s
    D.ss, D.e, D.base, D.decided, D.states, D.named, D.tail, D.marked_count, D.settled, D.ready = s, q, tobit(row * K), 0, 0, 0, -1, 0, 0, 0
    D.kvt = 256
    local class, at, root = foreseen(b, s, q)
    D.foreseen_at = at
    if ALL or class > 0 or (ROOTS and root) then want(D, key_sets[class]) end
    -- Where the name turns out to be this one, nothing is left to be done about it.
    if class > 0 then
      r.name = class
      begin_features(D)
    end
  end

  -- ---- ends --------------------------------------------------------------------------------------------------------------------------
  -- Puts the value of the next attribute that was noted into its slot, if it is wanted; false where it is odd.
  local function settle(D)
    local m = D.settled
    find_marked(D, m)
    D.settled = tobit(m + 1)
    if D.settled == D.marked_count then D.settled, D.marked_count = 0, 0 end
    return D.k < 0 or put_value(D, D.k, D.value_at[m], D.value_end[m])
  end

  local function settle_all(D)
    if not settle(D) then return false end
    leave_features(D)
    if D.marked_count == 0 then return true end
    return settle_all(D)
  end

  local function end_of_resource(D)
    local slot = slots[TEMPLATE + SERVICE]
    D.res = slot.tag == 0x0a and E.pooled(slot.p, slot.len, true) or 0
    inherit(D)
    learn_resource(D.b + D.s4, D.l4, D.res)
  end

  -- Of rules about roots alone a span that is none has no attributes; what its row held of an earlier one points to bytes that are gone.
  local function forget_slots(D)
    if ROOTS and D.kvt ~= 0x4a then
      fill(slots + D.base, SLOTS)
      begin_without_features(D)
    end
  end

  -- Whether the attributes of a span are gone through once more: its name, which is wanted, came after them.
  local function goes_back(D, r)
    if D.decided ~= 0 or not is_wanted(r) or (D.kvt ~= 256 and D.set == key_sets[r.name]) then return false end
    D.decided, D.p, D.marked_count, D.settled = 2, D.ss, 0, 0
    want(D, key_sets[r.name])
    return true
  end

  -- The class of a span is known now: whether its attributes are gone through once more. Features of another class, which was foreseen, may be
  -- made already.
  local function goes_on(D, r)
    local again = goes_back(D, r)
    if D.kvt == 0x4a and (D.ready == 0 or D.begun ~= r.name) then
      if D.ready == 1 then batch.late = 1 end
      begin_features(D)
    end
    return again
  end

  local function end_of_span(D)
    local r = rows[D.row]
    if D.named == 0 then
      r.np = empty
      r.name = NO_NAME
      D.named = 2
    end
    if goes_on(D, r) then return true end
    if (r.td[0] == 0 and r.td[1] == 0 and r.td[2] == 0 and r.td[3] == 0) or (r.sd[0] == 0 and r.sd[1] == 0) then return odd(D) end
    forget_slots(D)
    if D.kvt == 0x4a and NAME > 0 then set_text(D.base + NAME, r.np, 0, r.nlen) end
    D.row, D.e = tobit(D.row + 1), D.e2
    local b, p = D.b, D.p
    if p < D.e and b[p] == 0x12 and D.seek == 0 and D.row < capacity and field(D, b, p, D.e) and D.fe - D.fs <= SPAN_SIZE_MAX then
      -- Another span follows.
      D.p = D.fs
      begin_span(D, b, D.fs, D.fe)
    else
      D.lvl, D.kvt = 2, 256
    end
    return true
  end

  local function end_of_record(D)
    D.mi = D.mi + 1
    D.record_row = D.row
    D.lead, D.read = tobit(D.lead - (D.e0 - D.read)), 0
    if D.mi >= D.last then return stop(D, D.row, DONE) end
    if D.row >= D.enough then return stop(D, D.row, FULL) end
    begin_record(D)
    return true
  end

  -- A message of level 1, 2, 4 or 5.
  local function end_of_message(D)
    if D.lvl == 4 then
      D.lvl, D.e, D.kvt = 1, D.e1, 256
      end_of_resource(D)
    elseif D.lvl == 5 then
      D.lvl, D.e, D.kvt = 2, D.e2, 256
    elseif D.seek == 1 then
      D.p, D.seek = D.lvl == 2 and D.s2 or D.s1, 0
    elseif D.lvl == 1 then
      D.lvl, D.e = 0, D.e0
    elseif D.behind >= 0 then
      D.p, D.lvl, D.e = D.behind, 0, D.e0
    else
      D.lvl, D.e = 1, D.e1
    end
    return true
  end

  -- One thing that is to be done where a message ends; false where the decoder stops. A span's name is looked up first, then its wanted attributes
  -- are looked at one by one, each in a turn of the decoder's loop: a compiled trace that holds much at once finds no registers.
  function L.at_end(D)
    if D.p > D.e then return odd(D) end
    if D.asked ~= 0 then
      make_feature(D)
      return true
    end
    if D.named == 1 then
      find_name(D)
      goes_on(D, rows[D.row])
      return true
    end
    if D.marked_count > 0 then return settle(D) or odd(D) end
    if D.lvl == 3 then return end_of_span(D) end
    if D.lvl == 0 then return end_of_record(D) end
    return end_of_message(D)
  end

  L.field, L.bounds, L.odd, L.stop, L.settle_all = field, bounds, odd, stop, settle_all
  L.begin_record, L.begin_scope, L.begin_span, L.is_wanted = begin_record, begin_scope, begin_span, is_wanted
  E.levels = L
end
