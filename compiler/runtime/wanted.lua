-- What rules want of a span: its keys and its name are looked up, and a Collector's span is told by its end.
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local arshift, band, bxor, rshift, tobit = bit.arshift, bit.band, bit.bxor, bit.rshift, bit.tobit
  local cast = ffi.cast
  local i32p = ffi.typeof("const packed_i32 *")
  local rows, needs = E.rows, E.needs
  local names, place, has_inner = E.names.entries, E.text_place, E.has_inner
  -- What a loop over bytes need not hold in registers: where the messages around end and begin, what is known of the span.
  ffi.cdef [[
    typedef struct {
      int32_t mi, record_row, e0, e1, e2, s1, s2, s4, l4, ss, behind, fs, fe, seek, found, decided, states, named, name_at, tail, res, set;
      int32_t p, e, lvl, kvt, base, row;
      int32_t kp, n, k, a, z, h;
      // Where the row's features begin, and its class's; whether they can be made yet; the next to be made (0: none), of the value in a slot.
      int32_t first, asked_begin, ready, asked, slot, same, doubt;
      // Of which class features are made, and where the name lies that was foreseen (-1: none was).
      int32_t begun, foreseen_at;
      const uint8_t *b;
      int32_t last, enough, stop_row, why;
      const uint64_t *addresses; const int64_t *lengths;
      uint64_t offset;
      // Bytes that are asked for before they are read: where they begin, how many of that record are left, how many were asked for and not
      // read yet; how far the record being decoded is read.
      const uint8_t *ahead; int32_t ahead_left, ahead_mi, lead, read;
      // Attributes that may be wanted: where key and value begin and end, the entry that the key may be (-1: it is too short to be told).
      int32_t marked_count, settled, set_begin, set_mask;
      int32_t key_at[65], key_end[65], value_at[65], value_end[65], entry[65];
    } decoder_t;
  ]]
  -- Handed on as an argument wherever spans are decoded, not read as a variable from outside: a field is an offset from one register then,
  -- and no constant of its own; and compiled code knows that a write to one field leaves the others as they are.
  local D = ffi.new("decoder_t")
  E.D = D

  -- A set of so many texts has places for `share` times as many, a power of two: what is none of it seldom finds one, for a guess that an attribute
  -- may be wanted, and is not, costs more than a look at a few more lines of the cache.
  local SPARSE, DENSE, PLACES_MIN, PLACES_MAX = 32, 8, 128, 4194304

  local function size_of(count, share)
    local size = PLACES_MIN * share / SPARSE
    while size < share * count do size = 2 * size end
    return size
  end

  -- As sparse as fits into the memory there is for all of them.
  local function sparseness(sets)
    local share = SPARSE
    repeat
      local sum = 0
      for k = 1, #sets do sum = sum + size_of(#sets[k], share) end
      if sum <= PLACES_MAX then break end
      share = share / 2
    until share <= DENSE
    return share
  end

  -- Returns functions that look texts of a table up in a set of them: -1 where one is not there. One does it at once, the others in two steps: one
  -- notes where a text is looked for first, another looks. `sets`: lists of ids, the first of them set 0.
  local function finder(texts, sets)
    local entries, shorts, r1, r2 = texts.entries, texts.shorts, texts.r1, texts.r2
    -- Of each set its places, where they begin among those of all; a place holds an entry, -1 none. An entry that does not lie where it is looked
    -- for first lies in one of the next places.
    local masks, begins = E.buffer("int32_t", #sets), E.buffer("int32_t", #sets)
    local place_count = 0
    local share = sparseness(sets)
    for k = 0, #sets - 1 do
      local size = size_of(#sets[k + 1], share)
      masks[k], begins[k] = size - 1, place_count
      place_count = place_count + size
    end
    -- As small as they can be: they are asked for each attribute, and the cache of the first level is small.
    local places = E.buffer(texts.size < 32768 and "int16_t" or "int32_t", place_count)

    local function place_behind(at, set) return begins[set] + band(at - begins[set] + 1, masks[set]) end

    local function put(entry, set)
      local at = begins[set] + place(entries[entry].a, entries[entry].z, r1, r2, masks[set])
      while places[at] >= 0 do at = place_behind(at, set) end
      places[at] = entry
    end

    for at = 0, place_count - 1 do places[at] = -1 end
    local entry_of = {}
    for at = 0, texts.size - 1 do
      if entries[at].len >= 2 then entry_of[entries[at].id] = at end
    end
    for k = 0, #sets - 1 do
      for _, id in ipairs(sets[k + 1]) do
        if entry_of[id] then put(entry_of[id], k) end
      end
    end

    local function is_entry(D, at)
      return entries[at].z == D.z and entries[at].a == D.a and entries[at].len == D.n and has_inner(entries, at, D.b + D.kp, D.n)
    end

    local function further(D, at, set)
      at = place_behind(at, set)
      if places[at] < 0 then return -1 end
      if is_entry(D, places[at]) then return places[at] end
      return further(D, at, set)
    end

    -- Where a set has what D.a and D.z tell of, if nothing else came to lie there.
    local function home(D, set) return tobit(begins[set] + place(D.a, D.z, r1, r2, masks[set])) end

    -- Looks the text at D.kp, of D.n bytes, up: its entry in D.k, -1 where it is none. `at`: the entry that lies where it is looked for first. What is
    -- sought lies in memory: a compiled trace that holds so much at once finds no registers.
    local function find_from(D, set, at)
      D.k = at
      if at >= 0 and not is_entry(D, at) then D.k = further(D, home(D, set), set) end
    end

    -- The same of a text too short to be told by D.a and D.z.
    local function find_short(D)
      local at = shorts[D.n == 0 and 256 or D.b[D.kp]].next
      -- Place 0 is never a follower: no text so short.
      D.k = at > 0 and at or -1
    end

    -- What tells the text at D.kp, which is of two bytes or more: behind a shorter one at the end of a record nothing may be read.
    local function sample(D)
      D.a, D.z = cast(i32p, D.b + tobit(D.kp - 2)).v, cast(i32p, D.b + tobit(D.kp + D.n - 4)).v
    end

    -- Notes the attribute with this key and value, if the set may have it: without a branch, for wanted and unwanted ones come in any order.
    local function mark(D, kp, ke, vp, ve)
      local m = D.marked_count
      D.key_at[m], D.key_end[m], D.value_at[m], D.value_end[m] = kp, ke, vp, ve
      if tobit(kp + 2) > ke then
        D.entry[m], D.marked_count = -1, tobit(m + 1)
      else
        local a, z = cast(i32p, D.b + tobit(kp - 2)).v, cast(i32p, D.b + tobit(ke - 4)).v
        local at = places[tobit(D.set_begin + place(a, z, r1, r2, D.set_mask))]
        D.entry[m], D.marked_count = at, tobit(m + 1 + arshift(at, 31))
      end
    end

    -- The set that keys are looked up in from now on.
    local function use_set(D, set) D.set, D.set_begin, D.set_mask = set, begins[set], masks[set] end

    -- Looks the text at D.kp up in set 0.
    local function find(D)
      if D.n < 2 then return find_short(D) end
      sample(D)
      find_from(D, 0, places[home(D, 0)])
    end

    -- The same of the key of the attribute that was noted as number m.
    local function find_marked(D, m)
      D.kp, D.n = D.key_at[m], tobit(D.key_end[m] - D.key_at[m])
      if D.entry[m] < 0 then return find_short(D) end
      sample(D)
      find_from(D, D.set, D.entry[m])
    end

    return find, find_marked, mark, use_set
  end

  local key_sets = { unpack(config.key_sets) }
  -- The set of no keys.
  E.NO_KEYS, key_sets[#key_sets + 1] = #key_sets, {}
  local _, find_marked, mark, use_set = finder(E.keys, key_sets)
  E.find_marked, E.mark, E.use_set = find_marked, mark, use_set
  local classes = {}
  for class = 1, config.name_count do classes[class] = class end
  local find = finder(E.names, { classes })

  -- Notes where the name of the row lies: D.named is 0 before, 1 then, 2 once it was looked up, or where it is the one that was foreseen.
  function E.name_at(D, b, s, n)
    D.name_at, D.named = s, s == D.foreseen_at and 2 or 1
    rows[D.row].np = b + s
    rows[D.row].nlen = n
  end

  -- The class of the name that was noted, 0 where no rule names it.
  function E.find_name(D)
    D.kp, D.n, D.named = D.name_at, rows[D.row].nlen, 2
    find(D)
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

  -- The set of keys that each class of spans wants.
  local sets = E.buffer("int32_t", config.name_count + 1)
  for class = 0, config.name_count do sets[class] = config.key_set_of_class[class + 1] end
  E.key_sets = sets

  local function named_before(b, s, q, z, at)
    if at == 0 then return 0, -1 end
    local name = names[at - 1]
    local begin = q - name.len
    if name.z == z and begin - 2 >= s and b[begin - 1] == name.len and b[begin - 2] == 0x2a
      and C.memcmp(name.text, b + begin, name.len) == 0 then
      return name.id, begin
    end
    return named_before(b, s, q, z, following[at - 1])
  end

  -- The class of a Collector's span s .. q, whose name comes behind its attributes, as far as its end tells: 0 where its name is not wanted.
  -- Only a guess: its fields are gone through in any case, and a second time if a wanted name comes unforeseen. Second, where that name lies, and
  -- whether the span is a root.
  function E.foreseen(b, s, q)
    if q - s < 60 or b[q - 18] ~= 0x0a or b[q - 28] ~= 0x12 then return 0, -1, false end
    local root = b[q - 38] ~= 0x22 or b[q - 37] ~= 8
    q = tobit(q - (root and 30 or 38))
    if b[q - 6] == 0x85 and b[q - 5] == 1 then q = tobit(q - 6) end
    local z = cast(i32p, b + (q - 4)).v
    local class, at = named_before(b, s, q, z, tails[tail_of(z)])
    return class, at, root
  end
end
