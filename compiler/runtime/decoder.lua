-- OTLP's bytes to rows and slots: one flat loop over all messages of a batch, in any order of fields, every read inside of its message.
--
-- Levels: 0 the record, 1 ResourceSpans, 2 ScopeSpans, 3 Span, 4 Resource, 5 InstrumentationScope. ResourceSpans and, where rules read
-- scopes, ScopeSpans are gone through twice: first for the resource or scope, which Collectors write last. Attributes of a span are read
-- once its name is known to be wanted. What is odd, though perhaps legal, ends the batch before the record that holds it (`IRREGULAR`).
--
-- Numbers are offsets from the record's first byte. A length or tag is read only where `p < e`; the byte behind a record is NUL, so that a
-- varint cut off by the end of the record ends there.
return function(E)
  local ffi, bit, W, L, config = E.ffi, E.bit, E.wire, E.levels, E.config
  local band, bor, lshift, tobit = bit.band, bit.bor, bit.lshift, bit.tobit
  local cast, copy = ffi.cast, ffi.copy
  local i64p, u64p = ffi.typeof("const packed_i64 *"), ffi.typeof("const packed_u64 *")
  local rows, slots, K, TEMPLATE = E.rows, E.slots, config.column_count, E.template
  local SLOTS, capacity = K * ffi.sizeof("slot_t"), E.row_capacity
  local D, mark, use_set, name_at, find_name, set_text = E.D, E.mark, E.use_set, E.name_at, E.find_name, E.set_text
  local key_sets, recall_resource, begin_features = E.key_sets, E.recall_resource, E.begin_features
  local ALL, EVENTS, LINKS, MESSAGE = config.all_wanted, config.events_read, config.links_read, config.message_column
  local SCOPE_NAME, SCOPE_VERSION = config.scope_name_column, config.scope_version_column
  local skip, payload, pair = W.skip, W.payload, W.pair
  local field, bounds, odd, stop, settle_all, at_end = L.field, L.bounds, L.odd, L.stop, L.settle_all, L.at_end
  local begin_record, begin_scope, begin_span, is_wanted = L.begin_record, L.begin_scope, L.begin_span, L.is_wanted
  local SPAN_SIZE_MAX, MARKED_MAX = L.SPAN_SIZE_MAX, 64
  local FULL, TOO_MANY = E.FULL, E.TOO_MANY

  local function status(b, s, q, row)
    local code, mp, me = W.status(b, s, q)
    if code < 0 then return false end
    rows[row].status = (code <= 2) and code or 0
    if MESSAGE > 0 then set_text(row * K + MESSAGE, b, mp, me) end
    return true
  end

  local function behind(b, at, e)
    local _, q = bounds(b, at, e)
    return q
  end

  -- Whether s .. q is a schema's address and no more.
  local function is_schema(b, s, q) return s + 2 <= q and b[s] == 0x1a and b[s + 1] < 128 and s + 2 + b[s + 1] == q end

  -- Finds resource and scope of a ResourceSpans of one scope, as Collectors write it or front to back, whose resource is known.
  local function is_known(D, b, s, q)
    if s + 2 <= q and b[s] == 0x1a and b[s + 1] < 128 then s = tobit(s + 2 + b[s + 1]) end
    if s >= q or not field(D, b, s, q) then return false end
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

  -- A length of one byte or of two, and where its payload begins; of a longer one whatever comes out is no usual attribute.
  local function length_at(b, at)
    local l, s = b[at], tobit(at + 1)
    if l < 128 or b[s] >= 128 or b[s] == 0 then return l, s end
    return bor(band(l, 127), lshift(b[s], 7)), tobit(s + 1)
  end

  -- Notes the attribute s .. q if it is a key and a value of usual lengths, as Collectors write it or the key first. What is read beyond `q` is
  -- still of the record.
  local function mark_usual(D, b, s, q)
    local t = b[s]
    if t == 0x12 then
      local l, vp = length_at(b, tobit(s + 1))
      local ve = tobit(vp + l)
      if ve < q and b[ve] == 0x0a then
        local n = b[ve + 1]
        if n < 128 and tobit(ve + 2 + n) == q then
          mark(D, tobit(ve + 2), q, vp, ve)
          return true
        end
      end
    elseif t == 0x0a then
      local n = b[s + 1]
      local ke = tobit(s + 2 + n)
      if n < 128 and ke < q and b[ke] == 0x12 then
        local l, vp = length_at(b, tobit(ke + 1))
        if tobit(vp + l) == q then
          mark(D, tobit(s + 2), ke, vp, q)
          return true
        end
      end
    end
    return false
  end

  -- One field, or several that often follow each other; false where the decoder stops.
  local function step(D)
    if D.p >= D.e then return at_end(D) end
    local b, p = D.b, D.p
    local t, l = b[p], b[p + 1]
    if t == D.kvt then
      -- A KeyValue of a span, a resource or a scope.
      local s, q = bounds(b, p, D.e)
      if q > D.e then return odd(D) end
      if not mark_usual(D, b, s, q) then
        local kp, ke, vp, ve = pair(b, s, q)
        if not kp then return odd(D) end
        mark(D, kp, ke, vp, ve)
      end
      p = q
      if D.marked_count == MARKED_MAX and not settle_all(D) then return odd(D) end
    elseif D.lvl == 3 then
      if t == 0x4a then
        -- Attributes of a span whose name is not known yet, or not wanted: some at once.
        local e = D.e
        p = behind(b, p, e)
        if p < e and b[p] == 0x4a then p = behind(b, p, e) end
        if p < e and b[p] == 0x4a then p = behind(b, p, e) end
        if p < e and b[p] == 0x4a then p = behind(b, p, e) end
        if p < e and b[p] == 0x4a then p = behind(b, p, e) end
        if p < e and b[p] == 0x4a then p = behind(b, p, e) end
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
          find_name(D)
          if ALL or is_wanted(r) then
            if D.kvt ~= 0x4a then copy(slots + D.base, slots + TEMPLATE, SLOTS) end
            D.kvt = 0x4a
            use_set(D, key_sets[r.name])
            begin_features(D)
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
          D.lvl, D.e, D.kvt, D.base = 5, q, 0x1a, TEMPLATE
          use_set(D, 0)
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
            D.lvl, D.e, D.kvt, D.base = 4, q, 0x0a, TEMPLATE
            use_set(D, 0)
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
        E.forget_inherited()
      end
    else
      p = skip(b, p, D.e)
      if p < 0 then return odd(D) end
    end
    D.p = p
    return true
  end

  -- The loop stands in a function that reads nothing but its arguments. One that reads variables from outside is checked to be itself where
  -- a compiled loop begins, and each side trace that ends there has just written it, in two halves: the check waits for both.
  local function run(one, D)
    while one(D) do end
  end

  -- The same for records whose fields come in the order of their numbers.
  local function run_ascending(one, D)
    while one(D) do end
  end

  -- Which of both is for a record, by what its first ResourceSpans begins with: a guess, for both read all there is.
  local function run_for(D)
    if D.e < 4 then return run end
    local s = bounds(D.b, 0, D.e)
    return s >= 0 and s < D.e and D.b[s] == 0x0a and run_ascending or run
  end

  -- What a loop does when it is compiled first costs least from then on, for all else begins where that is left: let it be an attribute, which
  -- is the most of what there is. Of no key, so nothing comes of it.
  local function compile(loop, attribute)
    local count = 200
    local bytes = E.buffer("uint8_t", count * #attribute + 1)
    copy(bytes, attribute:rep(count))
    D.b, D.p, D.e, D.mi, D.last, D.lvl, D.kvt = bytes, 0, count * #attribute, 0, 1, 0, 0x4a
    use_set(D, E.NO_KEYS)
    loop(step, D)
  end
  compile(run, "\74\9\18\3\10\1v\10\2kk")
  compile(run_ascending, "\74\9\10\2kk\18\3\10\1v")

  -- Decodes records first .. last - 1 into rows from `begin`, until there are at least `enough`; returns the row behind the last, the next
  -- record, why it stopped there. A record's bytes begin `offset` behind its address.
  function E.decode(addresses, offset, lengths, first, last, begin, enough)
    D.addresses, D.offset, D.lengths, D.last, D.enough = addresses, offset, lengths, last, enough
    D.mi, D.record_row, D.lvl, D.kvt, D.base, D.row = first, begin, 0, 256, 0, begin
    begin_record(D)
    E.begin_looking_ahead(D, begin == 0)
    D.marked_count, D.settled, D.named, D.ready, D.asked = 0, 0, 0, 0, 0
    run_for(D)(step, D)
    return D.stop_row, D.mi, D.why
  end
end
