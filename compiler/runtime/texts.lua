-- Wanted texts (keys and names): found by two loads that lie inside the message, then compared in full, so that a hash never decides alone.
return function(E)
  local ffi, bit, C = E.ffi, E.bit, E.C
  local band, bxor, rol, rshift = bit.band, bit.bxor, bit.rol, bit.rshift
  local i32p, u64p, u8p = ffi.typeof("const packed_i32 *"), ffi.typeof("const packed_u64 *"), ffi.typeof("const uint8_t *")
  local cast = ffi.cast

  -- Of a text that stands behind a tag byte and its length: the four bytes from two before it, its last four, the four before these or, of a
  -- short one, the first again, of a long one its fifth to eighth. A text of up to COMPARED bytes is known by these and its length.
  E.COMPARED = 10
  local function sample(tag, text)
    local n = #text
    local head, rest = string.char(tag), n
    while rest >= 128 do head, rest = head .. string.char(rest % 128 + 128), math.floor(rest / 128) end
    local full = head .. string.char(rest) .. text
    local at = #full - n
    local p = cast(u8p, full)
    return cast(i32p, p + at - 2).v, cast(i32p, p + at + n - 4).v, cast(i32p, p + at + math.min(4, math.max(-2, n - 8))).v
  end

  -- What lies between the first two bytes of a text of more than EDGES and its last four: eight bytes that end there and, of a long one, the
  -- eight from its third on and the next eight; only what is longer than all these is compared byte by byte. More than five bytes of its message
  -- precede a text.
  local EDGES, WORD, WORDS = 6, 14, 22
  local NOTHING = 0ULL

  local function learn_inner(entry, p, n)
    entry.inner, entry.more, entry.last = 0, 0, 0
    if n > EDGES then entry.inner = cast(u64p, p + (n - 12)).v end
    if n > WORD then entry.more = cast(u64p, p + 2).v end
    if n > WORDS then entry.last = cast(u64p, p + 10).v end
  end

  -- Whether a text is the one of an entry, whose first two and last four bytes and length it has.
  local function has_inner(entries, at, p, n)
    if n <= EDGES then return true end
    local other = bxor(cast(u64p, p + (n - 12)).v, entries[at].inner)
    if n <= WORD then return rshift(other, 8 * (WORD - n)) == NOTHING end
    if other ~= NOTHING or cast(u64p, p + 2).v ~= entries[at].more then return false end
    if n <= WORDS then return true end
    return cast(u64p, p + 10).v == entries[at].last and (n <= WORDS + 8 or C.memcmp(entries[at].text + 18, p + 18, n - WORDS - 8) == 0)
  end

  E.has_inner = has_inner

  -- Where a wanted text is looked for first, by its first and last sample: cheaply, for each attribute is asked.
  local function place(a, z, r1, r2, mask)
    local h = bxor(a, rol(z, r1))
    return band(bxor(h, rshift(h, r2)), mask)
  end
  E.text_place = place

  -- The same of a text that is told apart: every bit of all three samples counts, for values of one attribute are much alike.
  local function told_place(a, z, y, mask)
    local h = bxor(a, rol(z, 8), rol(y, 27))
    h = bxor(h, rshift(h, 13))
    return band(bxor(h, rshift(h, 7)), mask)
  end
  E.told_place = told_place

  local function collisions(samples, place_of, enough)
    local seen, count = {}, 0
    for i = 1, #samples do
      local h = place_of(samples[i])
      if seen[h] then count = count + 1; if count >= enough then return count end end
      seen[h] = true
    end
    return count
  end

  -- Says of samples of wanted texts where each is looked for among `size` places; second and third, by which numbers: of the fewest collisions.
  local function cheaply(samples, size)
    local found, b1, b2 = 1e9, 8, 16
    local function by(r1, r2) return function(one) return place(one[1], one[2], r1, r2, size - 1) end end
    local function try(r1, r2)
      local count = collisions(samples, by(r1, r2), found)
      if count < found then found, b1, b2 = count, r1, r2 end
      return found == 0
    end
    local done = try(8, 16)
    for r1 = 3, 29, 2 do
      for r2 = 3, 17, 2 do done = done or try(r1, r2) end
    end
    return by(b1, b2), b1, b2
  end

  -- The same of texts that are told apart, for which there is nothing to choose.
  local function thoroughly(_, size)
    return function(one) return told_place(one[1], one[2], one[3], size - 1) end
  end

  local anchors = {}
  local PADDING = ("\0"):rep(8)

  local function fill(entry, one, a, z, y)
    anchors[#anchors + 1] = one.text
    entry.a, entry.z, entry.y, entry.len = a, z, y, #one.text
    entry.text = cast(u8p, one.text)
    if one.bits then
      entry.bits = one.bits
    else
      entry.id = one.id
      learn_inner(entry, cast(u8p, PADDING .. one.text) + #PADDING, #one.text)
      for c = 0, 5 do entry.c[c] = one.c and one.c[c + 1] or 0 end
    end
  end

  -- Zeroed memory for entries none of which begins in one line of the cache and ends in another.
  local LINE = 64
  local function in_lines(ctype, count)
    local memory = cast(u8p, E.buffer(ctype, count + math.ceil(LINE / ffi.sizeof(ctype))))
    local past = tonumber(cast("uintptr_t", memory) % LINE)
    return cast(ffi.typeof("$ *", ffi.typeof(ctype)), memory + (past == 0 and 0 or LINE - past))
  end

  -- How many places texts take that are told apart: the fewest of which none is the place of two texts, if that is less than ROOMY.
  local ROOMY = 16
  local function roomy(samples, size)
    while size < ROOMY and collisions(samples, thoroughly(samples, size), 1) > 0 do size = 2 * size end
    return size
  end

  -- A table of texts that stand behind a tag byte and their length. `list`: {text, id, c0..c5} to make entries of, or {text, bits} to make texts
  -- that are told apart; `places`: how many there are at least to find one by its hash, a power of two. Returns entries, shorts, mask and size, and
  -- of the former r1 and r2.
  function E.text_table(tag, list, places, ctype)
    local longer, size, samples, is_told = {}, places, {}, ctype == "told_t"
    for i = 1, #list do if #list[i].text >= 2 then longer[#longer + 1] = list[i] end end
    for i = 1, #longer do samples[i] = { sample(tag, longer[i].text) } end
    while size < 4 * #longer do size = size * 2 end
    if is_told then size = roomy(samples, size) end
    local place_of, r1, r2 = (is_told and thoroughly or cheaply)(samples, size)
    -- Entry 0 .. size-1 are found by hash, further ones by `next` of the entry before them; 0 ends a chain, for place 0 is never a follower.
    local entries = in_lines(ctype, size + #list + 1)
    local shorts = in_lines(ctype, 257)
    local free = size
    for i = 1, #longer do
      local h = place_of(samples[i])
      if entries[h].len ~= 0 then
        local last = h
        while entries[last].next ~= 0 do last = entries[last].next end
        entries[last].next = free
        h, free = free, free + 1
      end
      fill(entries[h], longer[i], unpack(samples[i]))
    end
    -- Texts too short to be sampled: by their only byte, 256 for none; `next` is where they stand among the entries.
    for i = 1, #list do
      local text = list[i].text
      if #text < 2 then
        local short = shorts[#text == 1 and text:byte() or 256]
        fill(short, list[i], 0, 0, 0)
        fill(entries[free], list[i], 0, 0, 0)
        short.next, free = free, free + 1
      end
    end
    return { entries = entries, shorts = shorts, mask = size - 1, size = size + #list + 1, r1 = r1, r2 = r2 }
  end

  -- The entry further down a chain that is this text; the last one asked where none is (its len or text differ).
  function E.text_chain(entries, at, b, p, n, a, z)
    local k = entries[at]
    if k.a == a and k.z == z and k.len == n and C.memcmp(k.text, b + p, n) == 0 then return at end
    if k.next == 0 then return -1 end
    return E.text_chain(entries, k.next, b, p, n, a, z)
  end
end
