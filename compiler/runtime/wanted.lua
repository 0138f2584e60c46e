-- What rules want of a span: its keys and its name are looked up, and a Collector's span is told by its end.
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, bxor, rol, rshift, tobit = bit.band, bit.bxor, bit.rol, bit.rshift, bit.tobit
  local cast = ffi.cast
  local i32p = ffi.typeof("const packed_i32 *")
  local rows, needs, chain, ROOTS = E.rows, E.needs, E.text_chain, config.roots_wanted
  local keys, key_shorts, kr1, kr2, kmask = E.keys.entries, E.keys.shorts, E.keys.r1, E.keys.r2, E.keys.mask
  local names, name_shorts, nr1, nr2, nmask = E.names.entries, E.names.shorts, E.names.r1, E.names.r2, E.names.mask
  -- What a loop over bytes need not hold in registers: where the messages around end and begin, what is known of the span.
  ffi.cdef [[
    typedef struct {
      int32_t mi, last, record_row, e0, e1, e2, s1, s2, s4, l4, ss, behind, fs, fe, seek, found, decided, states, named, tail, res;
      int32_t p, e, lvl, kvt, base, row;
      int32_t kp, n, vp, ve, k, a, z, h, at, vt, vl, st;
      const uint8_t *b;
    } decoder_t;
  ]]
  local D = E.buffer("decoder_t", 1)
  E.D = D

  local function short_name(b, s, l)
    return name_shorts[l == 0 and 256 or b[s]].id
  end

  local function short_key(b, s, n)
    local at = key_shorts[n == 0 and 256 or b[s]].next
    return at > 0 and at or -1
  end

  -- The entry of the key at D.kp, of D.n bytes, in D.k; -1 where no rule reads it.
  function E.find_key()
    D.k = -1
    if D.n >= 2 then
      D.a, D.z = cast(i32p, D.b + (D.kp - 2)).v, cast(i32p, D.b + (D.kp + D.n - 4)).v
      do
        local h = bxor(D.a, rol(D.z, kr1))
        D.h = band(bxor(h, rshift(h, kr2)), kmask)
      end
      if keys[D.h].z == D.z and keys[D.h].a == D.a and keys[D.h].len == D.n
        and (D.n <= 6 or C.memcmp(keys[D.h].text + 2, D.b + (D.kp + 2), D.n - 6) == 0) then
        D.k = D.h
      elseif keys[D.h].next ~= 0 then
        D.k = chain(keys, keys[D.h].next, D.b, D.kp, D.n, D.a, D.z)
      end
    else
      D.k = short_key(D.b, D.kp, D.n)
    end
  end

  -- The class of the name at D.kp, of D.n bytes, to the row.
  local function find_name()
    rows[D.row].name = 0
    if D.n >= 2 then
      D.a, D.z = cast(i32p, D.b + (D.kp - 2)).v, cast(i32p, D.b + (D.kp + D.n - 4)).v
      local h = bxor(D.a, rol(D.z, nr1))
      D.h = band(bxor(h, rshift(h, nr2)), nmask)
      if names[D.h].len == D.n and names[D.h].z == D.z and names[D.h].a == D.a
        and (D.n <= 6 or C.memcmp(names[D.h].text + 2, D.b + (D.kp + 2), D.n - 6) == 0) then
        rows[D.row].name = names[D.h].id
      elseif names[D.h].next ~= 0 then
        D.k = chain(names, names[D.h].next, D.b, D.kp, D.n, D.a, D.z)
        rows[D.row].name = D.k >= 0 and names[D.k].id or 0
      end
    else
      rows[D.row].name = short_name(D.b, D.kp, D.n)
    end
  end

  function E.name_at(b, s, n)
    D.kp, D.n, D.named = s, n, 1
    rows[D.row].np = b + s
    rows[D.row].nlen = n
    find_name()
  end

  -- Wanted names by their last four bytes, as chains of entries of `names`; a name of less than two bytes is not foreseen.
  local TAILS = 1024
  local tails, following = E.buffer("int32_t", TAILS), E.buffer("int32_t", E.names.size)
  for at = 0, E.names.size - 1 do
    local entry = names[at]
    if entry.len >= 2 and needs[entry.id] ~= 0 then
      local h = band(bxor(entry.z, rshift(entry.z, 10), rshift(entry.z, 20)), TAILS - 1)
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
    return ends_with(b, s, q, z, tails[band(bxor(z, rshift(z, 10), rshift(z, 20)), TAILS - 1)])
  end

end
