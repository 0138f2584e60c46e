-- What rules want of a span: its keys and its name are looked up, and a Collector's span is told by its end.
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, bxor, rshift, tobit = bit.band, bit.bxor, bit.rshift, bit.tobit
  local cast = ffi.cast
  local i32p = ffi.typeof("const packed_i32 *")
  local rows, needs, chain, ROOTS = E.rows, E.needs, E.text_chain, config.roots_wanted
  local names, place = E.names.entries, E.text_place
  -- What a loop over bytes need not hold in registers: where the messages around end and begin, what is known of the span.
  ffi.cdef [[
    typedef struct {
      int32_t mi, record_row, e0, e1, e2, s1, s2, s4, l4, ss, behind, fs, fe, seek, found, decided, states, named, tail, res;
      int32_t p, e, lvl, kvt, base, row;
      int32_t kp, n, vp, ve, k, a, z, h, at, vt, vl, st;
      const uint8_t *b;
    } decoder_t;
  ]]
  local D = E.buffer("decoder_t", 1)
  E.D = D

  -- Returns a function that looks the text at D.kp, of D.n bytes, up in a table: its entry in D.k, -1 where it is not there.
  local function finder(texts)
    local entries, shorts, r1, r2, mask = texts.entries, texts.shorts, texts.r1, texts.r2, texts.mask
    return function()
      D.k = -1
      if D.n >= 2 then
        D.a, D.z = cast(i32p, D.b + (D.kp - 2)).v, cast(i32p, D.b + (D.kp + D.n - 4)).v
        D.h = place(D.a, D.z, r1, r2, mask)
        if entries[D.h].z == D.z and entries[D.h].a == D.a and entries[D.h].len == D.n
          and (D.n <= 6 or C.memcmp(entries[D.h].text + 2, D.b + (D.kp + 2), D.n - 6) == 0) then
          D.k = D.h
        elseif entries[D.h].next ~= 0 then
          D.k = chain(entries, entries[D.h].next, D.b, D.kp, D.n, D.a, D.z)
        end
      else
        -- Place 0 is never a follower: no text so short.
        local at = shorts[D.n == 0 and 256 or D.b[D.kp]].next
        D.k = at > 0 and at or -1
      end
    end
  end

  E.find_key = finder(E.keys)
  local find_name = finder(E.names)

  -- The name of the row: its class, 0 where no rule names it.
  function E.name_at(b, s, n)
    D.kp, D.n, D.named = s, n, 1
    rows[D.row].np = b + s
    rows[D.row].nlen = n
    find_name()
    rows[D.row].name = D.k >= 0 and names[D.k].id or 0
  end

  -- Wanted names by their last four bytes, as chains of entries of `names`; a name of less than two bytes is not foreseen.
  local TAILS = 1024
  local function tail_of(z) return band(bxor(z, rshift(z, 10), rshift(z, 20)), TAILS - 1) end
  local tails, following = E.buffer("int32_t", TAILS), E.buffer("int32_t", E.names.size)
  for at = 0, E.names.size - 1 do
    local entry = names[at]
    if entry.len >= 2 and needs[entry.id] ~= 0 then
      local h = tail_of(entry.z)
      following[at] = tails[h]
      tails[h] = at + 1
    end
  end

  local function ends_with(b, s, q, z, at)
    if at == 0 then return false end
    local name = names[at - 1]
    local begin = q - name.len
    if name.z == z and begin - 2 >= s and b[begin - 1] == name.len and b[begin - 2] == 0x2a
      and C.memcmp(name.text, b + begin, name.len) == 0 then
      return true
    end
    return ends_with(b, s, q, z, following[at - 1])
  end

  -- Whether a Collector's span s .. q, whose name comes behind its attributes, seems to have a wanted name, or to be a root where roots are
  -- wanted. Only a guess: its fields are gone through in any case, and a second time if a wanted name comes unforeseen.
  function E.is_foreseen(b, s, q)
    if q - s < 60 or b[q - 18] ~= 0x0a or b[q - 28] ~= 0x12 then return false end
    if b[q - 38] == 0x22 and b[q - 37] == 8 then
      q = tobit(q - 38)
    else
      if ROOTS then return true end
      q = tobit(q - 30)
    end
    if b[q - 6] == 0x85 and b[q - 5] == 1 then q = tobit(q - 6) end
    local z = cast(i32p, b + (q - 4)).v
    return ends_with(b, s, q, z, tails[tail_of(z)])
  end
end
