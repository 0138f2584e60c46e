-- OTLP's bytes to rows and slots: one flat loop over all messages of a batch, in any order of fields, every read inside of its message.
--
-- Levels: 0 the record, 1 ResourceSpans, 2 ScopeSpans, 3 Span, 4 Resource, 5 InstrumentationScope. ResourceSpans and, where rules read
-- scopes, ScopeSpans are gone through twice: first for the resource or scope, which Collectors write last. Attributes of a span are read
-- once its name is known to be wanted. What is odd, though perhaps legal, ends the batch before the record that holds it (`IRREGULAR`).
--
-- Numbers are offsets from the record's first byte. A length or tag is read only where `p < e`; the byte behind a record is NUL, so that a
-- varint cut off by the end of the record ends there.
return function(E)
  local ffi, bit, C, W, config = E.ffi, E.bit, E.C, E.wire, E.config
  local band, lshift, rshift, tobit = bit.band, bit.lshift, bit.rshift, bit.tobit
  local cast, fill, copy = ffi.cast, ffi.fill, ffi.copy
  local u8p, i64p, u64p = ffi.typeof("const uint8_t *"), ffi.typeof("const packed_i64 *"), ffi.typeof("const packed_u64 *")
  local rows, slots, K, TEMPLATE = E.rows, E.slots, config.column_count, E.template
  local SLOTS, ROW = K * ffi.sizeof("slot_t"), ffi.sizeof("row_t")
  local capacity = E.row_capacity
  local D, find_key, name_at, foreseen, put_value, set_text = E.D, E.find_key, E.name_at, E.foreseen, E.put_value, E.set_text
  local NO_NAME = E.names.shorts[256].id
  local needs, key_sets, empty = E.needs, E.key_sets, E.empty
  local ALL, ROOTS, SCOPES, EVENTS, LINKS = config.all_wanted, config.roots_wanted, config.scopes_read, config.events_read, config.links_read
  local NAME, MESSAGE, SERVICE = config.name_column, config.message_column, config.service_column
  local SCOPE_NAME, SCOPE_VERSION = config.scope_name_column, config.scope_version_column
  local scope_columns = config.scope_columns
  local recall_resource, learn_resource = E.recall_resource, E.learn_resource
  local skip, payload, pair = W.skip, W.payload, W.pair
  local SPAN_SIZE_MAX, FETCH_MAX = 16777216, 262144
  local DONE, FULL, IRREGULAR, TOO_MANY = 0, 1, 2, 3
  E.DONE, E.FULL, E.IRREGULAR, E.TOO_MANY = DONE, FULL, IRREGULAR, TOO_MANY

  -- Before a scope is read, its columns are what a span without one has.
  local function clear_scope()
    for i = 1, #scope_columns do
      local c = scope_columns[i]
      copy(slots + (TEMPLATE + c), E.blank + c, 16)
    end
  end

  local function begin_scope(D)
    D.lvl, D.e, D.seek = 2, D.e2, 0
    if SCOPES then
      D.seek, D.found = 1, 0
      clear_scope()
    end
  end

  local function status(b, s, q, row)
    local code, mp, me = W.status(b, s, q)
    if code < 0 then return false end
    rows[row].status = (code <= 2) and code or 0
    if MESSAGE > 0 then set_text(row * K + MESSAGE, b, mp, me) end
    return true
  end

  -- Whether rules read more of a span than its header, for its name or as a root.
  local function is_wanted(r) return needs[r.name] ~= 0 or (ROOTS and r.pd[0] == 0 and r.pd[1] == 0) end

  local function begin_span(D, b, s, q)
    local row = D.row
    fill(rows + row, ROW)
    local r = rows[row]
    r.res, r.record, r.plen, r.elements = D.res, D.mi, q - s, q - s
    r.p = b + s
    D.ss, D.e, D.base, D.decided, D.states, D.named, D.tail = s, q, tobit(row * K), 0, 0, 0, -1
    D.kvt = 256
    local class, root = foreseen(b, s, q)
    if ALL or class > 0 or (ROOTS and root) then
      D.kvt, D.set = 0x4a, key_sets[class]
      copy(slots + row * K, slots + TEMPLATE, SLOTS)
    end
  end

  -- Finds the payload of the field at `at` of a message that ends at `e`: D.fs .. D.fe; false where it is not inside, or its length is odd.
  local function field(D, b, at, e)
    if at + 2 > e then return false end
    local l, s = b[at + 1], tobit(at + 2)
    if l >= 128 then
      local m = b[s]
      if m >= 128 or m == 0 then
        D.fs, D.fe = payload(b, at + 1, e)
        return D.fs >= 0
      end
      l, s = tobit(l - 128 + m * 128), tobit(s + 1)
    end
    D.fs, D.fe = s, tobit(s + l)
    return D.fe <= e
  end

  -- Has the cache fetch what comes next: who reads from front to back does not wait for it, who jumps from field to field does.
  local function fetch(p, n) C.memcmp(p, p, math.min(n, FETCH_MAX)) end

  -- Whether s .. q is a schema's address and no more.
  local function is_schema(b, s, q) return s + 2 <= q and b[s] == 0x1a and b[s + 1] < 128 and s + 2 + b[s + 1] == q end

  -- Finds resource and scope of a ResourceSpans of one scope, as Collectors write it or front to back, whose resource is known.
  local function is_known(D, b, s, q)
    fetch(b + s, q - s)
    if s + 2 <= q and b[s] == 0x1a and b[s + 1] < 128 then s = tobit(s + 2 + b[s + 1]) end
    if not field(D, b, s, q) then return false end
    if b[s] == 0x12 then
      D.s2, D.e2 = D.fs, D.fe
      if D.e2 == q or b[D.e2] ~= 0x0a or not field(D, b, D.e2, q) or D.fe ~= q then return false end
      D.res = recall_resource(b + D.fs, D.fe - D.fs)
    elseif b[s] == 0x0a then
      D.s4, D.l4 = D.fs, D.fe - D.fs
      if D.fe == q or b[D.fe] ~= 0x12 or not field(D, b, D.fe, q) or not (D.fe == q or is_schema(b, D.fe, q)) then return false end
      D.s2, D.e2 = D.fs, D.fe
      D.res = recall_resource(b + D.s4, D.l4)
    else
      return false
    end
    return D.res >= 0
  end

  -- The decoder stops: `row` is the row behind the last of whole records, `why` says what becomes of record D.mi.
  local function stop(D, row, why)
    D.stop_row, D.why = row, why
    return false
  end

  local function odd(D) return stop(D, D.record_row, IRREGULAR) end

  local function end_of_resource(D)
    local slot = slots[TEMPLATE + SERVICE]
    D.res = slot.tag == 0x0a and E.pooled(slot.p, slot.len, true) or 0
    learn_resource(D.b + D.s4, D.l4, D.res)
  end

  local function begin_record(D)
    D.b, D.e0 = cast(u8p, D.addresses[D.mi] + D.offset), tonumber(D.lengths[D.mi])
    D.p, D.e = 0, D.e0
  end

  -- One field, or several that often follow each other; false where the decoder stops.
  local function step(D)
    local b, p = D.b, D.p
    if p < D.e then
      local t, l = b[p], b[p + 1]
      if t == D.kvt then
        -- A KeyValue of a span, a resource or a scope.
        do
          if not field(D, b, p, D.e) then return odd(D) end
          local s, q = D.fs, D.fe
          D.p, D.kp = q, -1
          local t2, l2 = 0, 0
          if s + 2 <= q then t2, l2 = b[s], b[s + 1] end
          if t2 == 0x12 then
            local vp = tobit(s + 2)
            if l2 >= 128 and b[vp] < 128 and b[vp] > 0 then
              l2 = tobit(l2 - 128 + b[vp] * 128)
              vp = tobit(vp + 1)
            end
            local ve = tobit(vp + l2)
            D.vp, D.ve = vp, ve
            if ve + 2 <= q and b[ve] == 0x0a and ve + 2 + b[ve + 1] == q and b[ve + 1] < 128 then
              D.kp, D.n = tobit(ve + 2), b[ve + 1]
            end
          elseif t2 == 0x0a then
            local ke = tobit(s + 2 + l2)
            if l2 < 128 and ke + 2 <= q and b[ke] == 0x12 then
              local l3, v3 = b[ke + 1], tobit(ke + 2)
              if l3 >= 128 and b[v3] < 128 and b[v3] > 0 then
                l3 = tobit(l3 - 128 + b[v3] * 128)
                v3 = tobit(v3 + 1)
              end
              D.vp, D.ve = v3, tobit(v3 + l3)
              if D.ve == q then D.kp, D.n = tobit(s + 2), l2 end
            end
          end
          if D.kp < 0 then
            local kp, ke, vp, ve = pair(b, s, q)
            if not kp then return odd(D) end
            D.kp, D.n, D.vp, D.ve = kp, ke - kp, vp, ve
          end
        end
        find_key(D, D.set)
        if D.k >= 0 then
          if not put_value(D) then return odd(D) end
        end
        p = D.p
      elseif D.lvl == 3 then
        if t == 0x4a then
          -- Attributes of a span whose name is not known yet, or not wanted: four at once.
          if not field(D, b, p, D.e) then return odd(D) end
          p = D.fe
          if p < D.e and b[p] == 0x4a and field(D, b, p, D.e) then p = D.fe end
          if p < D.e and b[p] == 0x4a and field(D, b, p, D.e) then p = D.fe end
          if p < D.e and b[p] == 0x4a and field(D, b, p, D.e) then p = D.fe end
        elseif t == 0x5a or t == 0x6a or t == 0x1a then
          if not field(D, b, p, D.e) then return odd(D) end
          if t ~= 0x1a and rows[D.row].elements > p - D.ss then rows[D.row].elements = p - D.ss end
          p = D.fe
          if D.kvt == 0x4a and ((t == 0x5a and EVENTS) or (t == 0x6a and LINKS)) then
            if not W.element(b, D.fs, p, t == 0x5a and 0x1a or 0x22) then return odd(D) end
          end
        elseif D.decided == 2 and t ~= 0x7a then
          -- The second time: the header is known.
          if p == D.tail then p = D.e else p = skip(b, p, D.e) end
          if p < 0 then return odd(D) end
        elseif t == 0x41 and p + 22 <= D.e and b[p + 9] == 0x39 and b[p + 18] == 0x30 and b[p + 20] == 0x2a and b[p + 19] < 128
          and b[p + 21] < 128 and D.decided == 0 then
          -- A Collector's header: 41 39 30 2A [85 01] 22 12 0A.
          local r = rows[D.row]
          r.t1 = cast(i64p, b + (p + 1)).v
          r.t0 = cast(i64p, b + (p + 10)).v
          r.kind = b[p + 19] <= 5 and b[p + 19] or 0
          local s, at41 = tobit(p + 22), p
          local nl = b[p + 21]
          local q = tobit(s + nl)
          if q > D.e then return odd(D) end
          name_at(D, b, s, nl)
          p = q
          if p + 6 <= D.e and b[p] == 0x85 and b[p + 1] == 1 then p = p + 6 end
          if p + 38 == D.e and b[p] == 0x22 and b[p + 1] == 8 and b[p + 10] == 0x12 and b[p + 11] == 8 and b[p + 20] == 0x0a and b[p + 21] == 16 then
            r.pid = cast(u64p, b + (p + 2)).v
            r.sid = cast(u64p, b + (p + 12)).v
            r.tid0 = cast(u64p, b + (p + 22)).v
            r.tid1 = cast(u64p, b + (p + 30)).v
            D.tail, p = at41, D.e
          elseif p + 30 == D.e and b[p] == 0x22 and b[p + 1] == 0 and b[p + 2] == 0x12 and b[p + 3] == 8 and b[p + 12] == 0x0a and b[p + 13] == 16 then
            r.sid = cast(u64p, b + (p + 4)).v
            r.tid0 = cast(u64p, b + (p + 14)).v
            r.tid1 = cast(u64p, b + (p + 22)).v
            D.tail, p = at41, D.e
          end
        elseif t == 0x0a and l == 16 and p == D.ss and D.decided == 0 and p + 40 <= D.e and b[p + 18] == 0x12 and b[p + 19] == 8 and b[p + 28] == 0x22
          and b[p + 29] == 8 and b[p + 38] == 0x2a and b[p + 39] < 128 then
          -- The header of SDKs and older Collectors: 0A 12 22 2A, often 30 39 41.
          local r = rows[D.row]
          r.tid0 = cast(u64p, b + (p + 2)).v
          r.tid1 = cast(u64p, b + (p + 10)).v
          r.sid = cast(u64p, b + (p + 20)).v
          r.pid = cast(u64p, b + (p + 30)).v
          local s = tobit(p + 40)
          local nl = b[p + 39]
          local q = tobit(s + nl)
          if q > D.e then return odd(D) end
          name_at(D, b, s, nl)
          p = q
          if p + 20 <= D.e and b[p] == 0x30 and b[p + 1] < 128 and b[p + 2] == 0x39 and b[p + 11] == 0x41 then
            r.kind = b[p + 1] <= 5 and b[p + 1] or 0
            r.t0 = cast(i64p, b + (p + 3)).v
            r.t1 = cast(i64p, b + (p + 12)).v
            p = tobit(p + 20)
            D.decided = 1
            if ALL or is_wanted(r) then
              if D.kvt ~= 0x4a then copy(slots + D.base, slots + TEMPLATE, SLOTS) end
              D.kvt, D.set = 0x4a, key_sets[r.name]
            else
              D.kvt = 256
            end
          end
        elseif D.decided == 1 and (t == 0x41 or t == 0x39 or t == 0x30 or t == 0x2a or t == 0x0a or t == 0x12 or t == 0x22) then
          return odd(D) -- the header goes on or repeats itself
        elseif t == 0x7a then
          if D.states > 0 and D.decided ~= 2 then return odd(D) end
          D.states = D.states + 1
          if l == 0 then
            p = tobit(p + 2)
          elseif l == 2 and b[p + 2] == 0x18 and b[p + 3] < 128 and p + 4 <= D.e then
            rows[D.row].status = b[p + 3] <= 2 and b[p + 3] or 0
            p = tobit(p + 4)
          else
            local s, q = payload(b, p + 1, D.e)
            if s < 0 or not status(b, s, q, D.row) then return odd(D) end
            p = q
          end
        elseif t == 0x85 and l == 1 then
          p = tobit(p + 6)
        elseif t == 0x39 or t == 0x41 then
          if p + 9 > D.e then return odd(D) end
          if t == 0x39 then rows[D.row].t0 = cast(i64p, b + (p + 1)).v else rows[D.row].t1 = cast(i64p, b + (p + 1)).v end
          p = tobit(p + 9)
        elseif t == 0x0a then
          if l ~= 16 or p + 18 > D.e then return odd(D) end
          rows[D.row].tid0 = cast(u64p, b + (p + 2)).v
          rows[D.row].tid1 = cast(u64p, b + (p + 10)).v
          p = tobit(p + 18)
        elseif t == 0x12 or t == 0x22 then
          local id = 0ULL
          if l == 8 and p + 10 <= D.e then id = cast(u64p, b + (p + 2)).v elseif l ~= 0 then return odd(D) end
          if t == 0x12 then rows[D.row].sid = id else rows[D.row].pid = id end
          p = tobit(p + 2 + l)
        elseif t == 0x2a then
          local s, q = payload(b, p + 1, D.e)
          if s < 0 then return odd(D) end
          name_at(D, b, s, q - s)
          p = q
        elseif t == 0x30 then
          local q, kind = W.enum(b, p + 1, D.e)
          if q < 0 then return odd(D) end
          rows[D.row].kind = kind <= 5 and kind or 0
          p = q
        else
          p = skip(b, p, D.e)
          if p < 0 then return odd(D) end
        end
      elseif D.lvl == 5 and (t == 0x0a or t == 0x12) then
        local s, q = payload(b, p + 1, D.e)
        if s < 0 then return odd(D) end
        if t == 0x0a and SCOPE_NAME > 0 then set_text(TEMPLATE + SCOPE_NAME, b, s, q) end
        if t == 0x12 and SCOPE_VERSION > 0 then set_text(TEMPLATE + SCOPE_VERSION, b, s, q) end
        p = q
      elseif D.lvl < 3 and (t == 0x0a or t == 0x12) then
        if not field(D, b, p, D.e) then return odd(D) end
        local s, q = D.fs, D.fe
        p = q
        if D.lvl == 2 then
          if t == 0x12 and D.seek == 0 then
            if D.row >= capacity then return stop(D, D.record_row, D.record_row == 0 and TOO_MANY or FULL) end
            if q - s > SPAN_SIZE_MAX then return odd(D) end
            p = s
            D.lvl = 3
            begin_span(D, b, s, q)
          elseif t == 0x0a and D.seek == 1 then
            if D.found == 3 then return odd(D) end
            D.found = 3
            p = s
            D.lvl, D.e, D.kvt, D.base, D.set = 5, q, 0x1a, TEMPLATE, 0
          end
        elseif D.lvl == 1 then
          if t == 0x12 and D.seek == 0 then
            p = s
            D.e2, D.s2, D.behind = q, s, -1
            begin_scope(D)
          elseif t == 0x0a and D.seek == 1 then
            if D.found == 1 then return odd(D) end
            D.found = 1
            D.s4, D.l4 = s, q - s
            D.res = recall_resource(b + s, q - s)
            if D.res < 0 then
              p = s
              D.lvl, D.e, D.kvt, D.base, D.set = 4, q, 0x0a, TEMPLATE, 0
            end
          end
        elseif t == 0x0a and is_known(D, b, s, q) then
          p = D.s2
          D.behind = q
          begin_scope(D)
        elseif t == 0x0a then
          p = s
          D.lvl, D.e, D.e1, D.s1, D.seek, D.found, D.res = 1, q, q, s, 1, 0, 0
          copy(slots + TEMPLATE, E.blank, SLOTS)
        end
      else
        p = skip(b, p, D.e)
        if p < 0 then return odd(D) end
      end
    end
    if p < D.e then
      D.p = p
    else
      if p > D.e then return odd(D) end
      D.p = p
      if D.lvl == 3 then
        local r = rows[D.row]
        if D.named == 0 then
          r.np = empty
          r.name = NO_NAME
        end
        if D.decided == 0 and is_wanted(r) and (D.kvt == 256 or D.set ~= key_sets[r.name]) then
          -- Its name came after its attributes: once more, now for these.
          D.decided, D.p, D.kvt, D.set = 2, D.ss, 0x4a, key_sets[r.name]
          copy(slots + D.base, slots + TEMPLATE, SLOTS)
        else
          if (r.td[0] == 0 and r.td[1] == 0 and r.td[2] == 0 and r.td[3] == 0) or (r.sd[0] == 0 and r.sd[1] == 0) then return odd(D) end
          if D.kvt == 0x4a and NAME > 0 then set_text(D.base + NAME, r.np, 0, r.nlen) end
          D.row, D.e = tobit(D.row + 1), D.e2
          if p < D.e and b[p] == 0x12 and D.seek == 0 and D.row < capacity and field(D, b, p, D.e) and D.fe - D.fs <= SPAN_SIZE_MAX then
            -- Another span follows.
            D.p = D.fs
            begin_span(D, b, D.fs, D.fe)
          else
            D.lvl, D.kvt = 2, 256
          end
        end
      elseif D.lvl == 4 then
        D.lvl, D.e, D.kvt = 1, D.e1, 256
        end_of_resource(D)
      elseif D.lvl == 5 then
        D.lvl, D.e, D.kvt = 2, D.e2, 256
      elseif D.lvl == 2 then
        if D.seek == 1 then
          D.p, D.seek = D.s2, 0
        elseif D.behind >= 0 then
          D.p, D.lvl, D.e = D.behind, 0, D.e0
        else
          D.lvl, D.e = 1, D.e1
        end
      elseif D.lvl == 1 then
        if D.seek == 1 then D.p, D.seek = D.s1, 0 else D.lvl, D.e = 0, D.e0 end
      else
        D.mi = D.mi + 1
        D.record_row = D.row
        if D.mi >= D.last then return stop(D, D.row, DONE) end
        if D.row >= D.enough then return stop(D, D.row, FULL) end
        begin_record(D)
      end
    end
    return true
  end

  -- The loop stands in a function that reads nothing but its arguments. One that reads variables from outside is checked to be itself where
  -- a compiled loop begins, and each side trace that ends there has just written it, in two halves: the check waits for both.
  local function run(one, D)
    while one(D) do end
  end

  -- Decodes records first .. last - 1 into rows from `begin`, until there are at least `enough`; returns the row behind the last, the next
  -- record, why it stopped there. A record's bytes begin `offset` behind its address.
  function E.decode(addresses, offset, lengths, first, last, begin, enough)
    D.addresses, D.offset, D.lengths, D.last, D.enough = addresses, offset, lengths, last, enough
    D.mi, D.record_row, D.lvl, D.kvt, D.base, D.row = first, begin, 0, 256, 0, begin
    begin_record(D)
    run(step, D)
    return D.stop_row, D.mi, D.why
  end
end
