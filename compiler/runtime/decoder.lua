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
  local band, bxor, rol, rshift = bit.band, bit.bxor, bit.rol, bit.rshift
  local cast, fill, copy = ffi.cast, ffi.fill, ffi.copy
  local u8p, i32p, i64p, u64p = ffi.typeof("const uint8_t *"), ffi.typeof("const packed_i32 *"), ffi.typeof("const packed_i64 *"),
    ffi.typeof("const packed_u64 *")
  local rows, slots, K, TEMPLATE = E.rows, E.slots, config.column_count, E.template
  local SLOTS, ROW = K * ffi.sizeof("slot_t"), ffi.sizeof("row_t")
  local capacity, enough = E.row_capacity, E.batch_rows
  local keys, key_shorts, kr1, kr2, kmask = E.keys.entries, E.keys.shorts, E.keys.r1, E.keys.r2, E.keys.mask
  local names, name_shorts, nr1, nr2, nmask = E.names.entries, E.names.shorts, E.names.r1, E.names.r2, E.names.mask
  local needs, empty = E.needs, E.empty
  local ALL, ROOTS, SCOPES, EVENTS, LINKS = config.all_wanted, config.roots_wanted, config.scopes_read, config.events_read, config.links_read
  local NAME, MESSAGE, SERVICE = config.name_column, config.message_column, config.service_column
  local SCOPE_NAME, SCOPE_VERSION = config.scope_name_column, config.scope_version_column
  local scope_columns = config.scope_columns
  local chain, skip, payload, pair, read_value = E.text_chain, W.skip, W.payload, W.pair, W.read_value
  local SPAN_SIZE_MAX = 16777216
  local DONE, FULL, IRREGULAR, TOO_MANY = 0, 1, 2, 3
  E.DONE, E.FULL, E.IRREGULAR, E.TOO_MANY = DONE, FULL, IRREGULAR, TOO_MANY

  local function short_name(b, s, l)
    return name_shorts[l == 0 and 256 or b[s]].id
  end

  local function set_text(at, b, s, q)
    local slot = slots[at]
    slot.p = b + s
    slot.len = q - s
    slot.tag = 0x0a
  end

  -- Before a scope is read, its columns are what a span without one has.
  local function clear_scope()
    for i = 1, #scope_columns do
      local c = scope_columns[i]
      copy(slots + (TEMPLATE + c), E.blank + c, 16)
    end
  end

  -- Put an AnyValue that is not of the common forms into a slot; a value without a type leaves what the resource says.
  local function odd_value(b, vp, ve, at, ci, c)
    if vp == ve then
      if ci == 0 then copy(slots + at, slots + (TEMPLATE + c), 16) else slots[at].tag = 0 end
      return true
    end
    return read_value(b, vp, ve, slots[at])
  end

  local function status(b, s, q, row)
    local code, mp, me = W.status(b, s, q)
    if code < 0 then return false end
    rows[row].status = (code <= 2) and code or 0
    if MESSAGE > 0 then set_text(row * K + MESSAGE, b, mp, me) end
    return true
  end

  -- Decodes records first .. last - 1 into rows 0 .. ; returns rows, the next record, why it stopped there.
  function E.decode(addresses, lengths, first, last)
    local mi, row, record_row = first, 0, 0
    local b, e0 = cast(u8p, addresses[mi]), tonumber(lengths[mi])
    local e1, e2, s1, s2, ss = 0, 0, 0, 0, 0
    local seek, found, want, decided, states, named, tail = 0, 0, 0, 0, 0, 0, -1
    local kvt, base, ci, res = 256, 0, 0, 0
    local lvl, p, e = 0, 0, e0
    while true do
      if p >= e then
        if p > e then return record_row, mi, IRREGULAR end
        if lvl == 3 then
          local r = rows[row]
          if named == 0 then
            r.np = empty
            r.name = name_shorts[256].id
          end
          if want == 0 and decided == 0 and (needs[r.name] ~= 0 or (ROOTS and r.pd[0] == 0 and r.pd[1] == 0)) then
            -- Its name came after its attributes: once more, now for these.
            want, decided, p, kvt = 1, 2, ss, 0x4a
            copy(slots + base, slots + TEMPLATE, SLOTS)
          else
            if (r.td[0] == 0 and r.td[1] == 0 and r.td[2] == 0 and r.td[3] == 0) or (r.sd[0] == 0 and r.sd[1] == 0) then
              return record_row, mi, IRREGULAR
            end
            if want == 1 and NAME > 0 then set_text(base + NAME, r.np, 0, r.nlen) end
            row = row + 1
            lvl, e, kvt = 2, e2, 256
          end
        elseif lvl == 4 then
          lvl, e, kvt = 1, e1, 256
          local slot = slots[TEMPLATE + SERVICE]
          res = slot.tag == 0x0a and E.pooled(slot.p, slot.len) or 0
        elseif lvl == 5 then
          lvl, e, kvt = 2, e2, 256
        elseif lvl == 2 then
          if seek == 1 then p, seek = s2, 0 else lvl, e = 1, e1 end
        elseif lvl == 1 then
          if seek == 1 then p, seek = s1, 0 else lvl, e = 0, e0 end
        else
          mi = mi + 1
          record_row = row
          if mi >= last then return row, mi, DONE end
          if row >= enough then return row, mi, FULL end
          b, e0, p = cast(u8p, addresses[mi]), tonumber(lengths[mi]), 0
          e = e0
        end
      end
      if p < e then
        local t, l = b[p], b[p + 1]
        if t == kvt then
          -- A KeyValue of a span, a resource or a scope.
          local s = p + 2
          if l >= 128 then
            local m = b[s]
            if m < 128 and m > 0 then
              l = l - 128 + m * 128
              s = s + 1
            else
              local s3, q3 = payload(b, p + 1, e)
              if s3 < 0 then return record_row, mi, IRREGULAR end
              s, l = s3, q3 - s3
            end
          end
          local q = s + l
          if q > e then return record_row, mi, IRREGULAR end
          local kp, ke, vp, ve = -1, 0, s + 2, 0
          local t2, l2 = 0, 0
          if s + 2 <= q then t2, l2 = b[s], b[s + 1] end
          if t2 == 0x12 then
            if l2 >= 128 and b[vp] < 128 and b[vp] > 0 then
              l2 = l2 - 128 + b[vp] * 128
              vp = vp + 1
            end
            ve = vp + l2
            if ve + 2 <= q and b[ve] == 0x0a then
              ke = ve + 2 + b[ve + 1]
              if ke == q and b[ve + 1] < 128 then kp = ve + 2 end
            end
          elseif t2 == 0x0a then
            ke = vp + l2
            if l2 < 128 and ke + 2 <= q and b[ke] == 0x12 then
              local l3, v3 = b[ke + 1], ke + 2
              if l3 >= 128 and b[v3] < 128 and b[v3] > 0 then
                l3 = l3 - 128 + b[v3] * 128
                v3 = v3 + 1
              end
              ve = v3 + l3
              if ve == q then kp, vp = vp, v3 end
            end
          end
          if kp < 0 then
            kp, ke, vp, ve = pair(b, s, q)
            if not kp then return record_row, mi, IRREGULAR end
          end
          p = q
          local n = ke - kp
          local k = keys
          local is_wanted = false
          if n >= 2 then
            local a, z = cast(i32p, b + (kp - 2)).v, cast(i32p, b + (ke - 4)).v
            local h = bxor(a, rol(z, kr1))
            h = band(bxor(h, rshift(h, kr2)), kmask)
            k = keys + h
            is_wanted = k.len == n and k.z == z and k.a == a and (n <= 6 or C.memcmp(k.text + 2, b + (kp + 2), n - 6) == 0)
            if not is_wanted and k.next ~= 0 then
              local at = chain(keys, k.next, b, kp, n, a, z)
              if at >= 0 then k, is_wanted = keys + at, true end
            end
          else
            k = key_shorts + (n == 0 and 256 or b[kp])
            is_wanted = k.id > 0
          end
          if is_wanted then
            local c = k.c[ci]
            local at = base + c
            local vt, vl, st = 0, 0, vp + 2
            if vp < ve then vt, vl = b[vp], b[vp + 1] end
            if vt == 0x0a and (vl < 128 or (b[st] < 128 and b[st] > 0)) then
              if vl >= 128 then
                vl = vl - 128 + b[st] * 128
                st = st + 1
              end
              if st + vl ~= ve then return record_row, mi, IRREGULAR end
              local slot = slots[at]
              slot.p = b + st
              slot.len = vl
              slot.tag = 0x0a
            elseif vt == 0x18 and ((ve == st and vl < 128) or (ve == st + 1 and vl >= 128 and b[st] < 128 and b[st] > 0)) then
              local slot = slots[at]
              slot.p = b + (vp + 1)
              slot.len = ve - vp - 1
              slot.tag = 0x18
            elseif vt == 0x21 and ve == vp + 9 then
              local slot = slots[at]
              slot.p = b + (vp + 1)
              slot.len = 8
              slot.tag = 0x21
            elseif vt == 0x10 and ve == st and vl < 2 then
              local slot = slots[at]
              slot.p = b + (vp + 1)
              slot.len = 1
              slot.tag = 0x10
            elseif not odd_value(b, vp, ve, at, ci, c) then
              return record_row, mi, IRREGULAR
            end
            local c2 = k.c[ci + 1]
            if c2 > 0 then
              copy(slots + (base + c2), slots + at, 16)
              if vp == ve then slots[base + c2].tag = 0 end
            end
          end
        elseif lvl == 3 then
          if (t == 0x4a or t == 0x5a or t == 0x6a or t == 0x1a) and l < 128 then
            p = p + 2 + l
            if t ~= 0x4a and want == 1 and ((t == 0x5a and EVENTS) or (t == 0x6a and LINKS)) then
              if p > e or not W.element(b, p - l, p, t == 0x5a and 0x1a or 0x22) then return record_row, mi, IRREGULAR end
            end
          elseif (t == 0x4a or t == 0x5a or t == 0x6a or t == 0x1a) then
            local s, q = payload(b, p + 1, e)
            if s < 0 then return record_row, mi, IRREGULAR end
            if want == 1 and ((t == 0x5a and EVENTS) or (t == 0x6a and LINKS)) then
              if not W.element(b, s, q, t == 0x5a and 0x1a or 0x22) then return record_row, mi, IRREGULAR end
            end
            p = q
          elseif decided == 2 and t ~= 0x7a then
            -- The second time: the header is known.
            if p == tail then p = e else p = skip(b, p, e) end
            if p < 0 then return record_row, mi, IRREGULAR end
          elseif t == 0x41 and p + 22 <= e and b[p + 9] == 0x39 and b[p + 18] == 0x30 and b[p + 20] == 0x2a and b[p + 19] < 128
            and b[p + 21] < 128 and decided == 0 then
            -- A Collector's header: 41 39 30 2A [85 01] 22 12 0A.
            local r = rows[row]
            r.t1 = cast(i64p, b + (p + 1)).v
            r.t0 = cast(i64p, b + (p + 10)).v
            r.kind = b[p + 19] <= 5 and b[p + 19] or 0
            local s, at41 = p + 22, p
            local nl = b[p + 21]
            local q = s + nl
            if q > e then return record_row, mi, IRREGULAR end
            named = 1
            r.np = b + s
            r.nlen = nl
            if nl >= 2 then
              local a, z = cast(i32p, b + (s - 2)).v, cast(i32p, b + (q - 4)).v
              local h = bxor(a, rol(z, nr1))
              h = band(bxor(h, rshift(h, nr2)), nmask)
              local k = names + h
              if k.len == nl and k.z == z and k.a == a and (nl <= 6 or C.memcmp(k.text + 2, b + (s + 2), nl - 6) == 0) then
                r.name = k.id
              elseif k.next ~= 0 then
                local at = chain(names, k.next, b, s, nl, a, z)
                r.name = at >= 0 and names[at].id or 0
              else
                r.name = 0
              end
            else
              r.name = short_name(b, s, nl)
            end
            p = q
            if p + 6 <= e and b[p] == 0x85 and b[p + 1] == 1 then p = p + 6 end
            if p + 38 == e and b[p] == 0x22 and b[p + 1] == 8 and b[p + 10] == 0x12 and b[p + 11] == 8 and b[p + 20] == 0x0a and b[p + 21] == 16 then
              r.pid = cast(u64p, b + (p + 2)).v
              r.sid = cast(u64p, b + (p + 12)).v
              r.tid0 = cast(u64p, b + (p + 22)).v
              r.tid1 = cast(u64p, b + (p + 30)).v
              tail, p = at41, e
            end
          elseif t == 0x0a and l == 16 and p == ss and decided == 0 and p + 40 <= e and b[p + 18] == 0x12 and b[p + 19] == 8 and b[p + 28] == 0x22
            and b[p + 29] == 8 and b[p + 38] == 0x2a and b[p + 39] < 128 then
            -- The header of SDKs and older Collectors: 0A 12 22 2A, often 30 39 41.
            local r = rows[row]
            r.tid0 = cast(u64p, b + (p + 2)).v
            r.tid1 = cast(u64p, b + (p + 10)).v
            r.sid = cast(u64p, b + (p + 20)).v
            r.pid = cast(u64p, b + (p + 30)).v
            local s = p + 40
            local nl = b[p + 39]
            local q = s + nl
            if q > e then return record_row, mi, IRREGULAR end
            named = 1
            r.np = b + s
            r.nlen = nl
            if nl >= 2 then
              local a, z = cast(i32p, b + (s - 2)).v, cast(i32p, b + (q - 4)).v
              local h = bxor(a, rol(z, nr1))
              h = band(bxor(h, rshift(h, nr2)), nmask)
              local k = names + h
              if k.len == nl and k.z == z and k.a == a and (nl <= 6 or C.memcmp(k.text + 2, b + (s + 2), nl - 6) == 0) then
                r.name = k.id
              elseif k.next ~= 0 then
                local at = chain(names, k.next, b, s, nl, a, z)
                r.name = at >= 0 and names[at].id or 0
              else
                r.name = 0
              end
            else
              r.name = short_name(b, s, nl)
            end
            p = q
            if p + 20 <= e and b[p] == 0x30 and b[p + 1] < 128 and b[p + 2] == 0x39 and b[p + 11] == 0x41 then
              r.kind = b[p + 1] <= 5 and b[p + 1] or 0
              r.t0 = cast(i64p, b + (p + 3)).v
              r.t1 = cast(i64p, b + (p + 12)).v
              p = p + 20
              decided = 1
              if want == 0 and (needs[r.name] ~= 0 or (ROOTS and r.pd[0] == 0 and r.pd[1] == 0)) then
                want, kvt = 1, 0x4a
                copy(slots + base, slots + TEMPLATE, SLOTS)
              end
            end
          elseif decided == 1 and (t == 0x41 or t == 0x39 or t == 0x30 or t == 0x2a or t == 0x0a or t == 0x12 or t == 0x22) then
            return record_row, mi, IRREGULAR -- the header goes on or repeats itself
          elseif t == 0x7a then
            if states > 0 and decided ~= 2 then return record_row, mi, IRREGULAR end
            states = states + 1
            if l == 0 then
              p = p + 2
            elseif l == 2 and b[p + 2] == 0x18 and b[p + 3] < 128 and p + 4 <= e then
              rows[row].status = b[p + 3] <= 2 and b[p + 3] or 0
              p = p + 4
            else
              local s, q = payload(b, p + 1, e)
              if s < 0 or not status(b, s, q, row) then return record_row, mi, IRREGULAR end
              p = q
            end
          elseif t == 0x85 and l == 1 then
            p = p + 6
          elseif t == 0x39 or t == 0x41 then
            if p + 9 > e then return record_row, mi, IRREGULAR end
            if t == 0x39 then rows[row].t0 = cast(i64p, b + (p + 1)).v else rows[row].t1 = cast(i64p, b + (p + 1)).v end
            p = p + 9
          elseif t == 0x0a then
            if l ~= 16 or p + 18 > e then return record_row, mi, IRREGULAR end
            rows[row].tid0 = cast(u64p, b + (p + 2)).v
            rows[row].tid1 = cast(u64p, b + (p + 10)).v
            p = p + 18
          elseif t == 0x12 or t == 0x22 then
            local id = 0ULL
            if l == 8 and p + 10 <= e then id = cast(u64p, b + (p + 2)).v elseif l ~= 0 then return record_row, mi, IRREGULAR end
            if t == 0x12 then rows[row].sid = id else rows[row].pid = id end
            p = p + 2 + l
          elseif t == 0x2a then
            local s, q = payload(b, p + 1, e)
            if s < 0 then return record_row, mi, IRREGULAR end
            local nl, r = q - s, rows[row]
            named = 1
            r.np = b + s
            r.nlen = nl
            if nl >= 2 then
              local a, z = cast(i32p, b + (s - 2)).v, cast(i32p, b + (q - 4)).v
              local h = bxor(a, rol(z, nr1))
              local at = chain(names, band(bxor(h, rshift(h, nr2)), nmask), b, s, nl, a, z)
              r.name = at >= 0 and names[at].id or 0
            else
              r.name = short_name(b, s, nl)
            end
            p = q
          elseif t == 0x30 then
            local q, kind = W.varint(b, p + 1, e)
            if q < 0 then return record_row, mi, IRREGULAR end
            rows[row].kind = kind <= 5 and kind or 0
            p = q
          else
            p = skip(b, p, e)
            if p < 0 then return record_row, mi, IRREGULAR end
          end
        elseif lvl == 5 and (t == 0x0a or t == 0x12) then
          local s, q = payload(b, p + 1, e)
          if s < 0 then return record_row, mi, IRREGULAR end
          if t == 0x0a and SCOPE_NAME > 0 then set_text(TEMPLATE + SCOPE_NAME, b, s, q) end
          if t == 0x12 and SCOPE_VERSION > 0 then set_text(TEMPLATE + SCOPE_VERSION, b, s, q) end
          p = q
        elseif lvl < 3 and (t == 0x0a or t == 0x12) then
          local s = p + 2
          if l >= 128 then
            local m = b[s]
            if m < 128 and m > 0 then
              l = l - 128 + m * 128
              s = s + 1
            else
              local s3, q3 = payload(b, p + 1, e)
              if s3 < 0 then return record_row, mi, IRREGULAR end
              s, l = s3, q3 - s3
            end
          end
          local q = s + l
          if q > e then return record_row, mi, IRREGULAR end
          p = q
          if lvl == 2 then
            if t == 0x12 and seek == 0 then
              if row >= capacity then return record_row, mi, record_row == 0 and TOO_MANY or FULL end
              if l > SPAN_SIZE_MAX then return record_row, mi, IRREGULAR end
              lvl, p, e, ss, base, ci = 3, s, q, s, row * K, 0
              want, decided, states, named, tail = 0, 0, 0, 0, -1
              fill(rows + row, ROW)
              local r = rows[row]
              r.res = res
              r.record = mi
              r.p = b + s
              r.plen = l
              if ALL then
                want, kvt = 1, 0x4a
                copy(slots + base, slots + TEMPLATE, SLOTS)
              end
            elseif t == 0x0a and seek == 1 then
              if found == 3 then return record_row, mi, IRREGULAR end
              found = 3
              lvl, p, e, kvt, base, ci = 5, s, q, 0x1a, TEMPLATE, 4
            end
          elseif lvl == 1 then
            if t == 0x12 and seek == 0 then
              lvl, p, e2, s2 = 2, s, q, s
              e = e2
              if SCOPES then
                seek, found = 1, 0
                clear_scope()
              end
            elseif t == 0x0a and seek == 1 then
              if found == 1 then return record_row, mi, IRREGULAR end
              found = 1
              lvl, p, e, kvt, base, ci = 4, s, q, 0x0a, TEMPLATE, 2
            end
          elseif t == 0x0a then
            lvl, p, e1, s1, seek, found, res = 1, s, q, s, 1, 0, 0
            e = e1
            copy(slots + TEMPLATE, E.blank, SLOTS)
          end
        else
          p = skip(b, p, e)
          if p < 0 then return record_row, mi, IRREGULAR end
        end
      end
    end
  end
end
