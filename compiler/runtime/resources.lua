-- Resources come again and again, in each record of a sender: one that was read before is known by its bytes, and its slots are copied.
return function(E)
  local ffi, bit, C, config = E.ffi, E.bit, E.C, E.config
  local band, bxor, rol, rshift, tobit = bit.band, bit.bxor, bit.rol, bit.rshift, bit.tobit
  local cast, copy = ffi.cast, ffi.copy
  ffi.cdef "typedef struct { int32_t len, service, batch, odd; } resource_t;"
  local i32p = ffi.typeof("const packed_i32 *")
  local slots, K, TEMPLATE = E.slots, config.column_count, E.template
  local SLOTS = K * ffi.sizeof("slot_t")
  -- Beyond 2 KiB, and below what is sampled, a resource is read each time.
  local COUNT, SIZE_MIN, SIZE_MAX = 256, 16, 2048
  local known = E.buffer("resource_t", COUNT)
  -- As behind a record there is a byte behind the last: a text may be empty.
  local bytes = E.buffer("uint8_t", COUNT * SIZE_MAX + 1)
  local templates = E.buffer("slot_t", COUNT * K)
  -- What spans have of features from it.
  local WIDTH, inherited, odd, BARE = config.feature_widths[1], E.FEATURE.inherited, E.odd, E.row_capacity
  local words, numbers = E.buffer("int32_t", COUNT * WIDTH + 1), E.buffer("double", COUNT * WIDTH + 1)
  local SIZE = 4 * WIDTH
  local batch = 0

  -- Of 33 samples that are spread over n bytes, four from number k on.
  local function four(p, n, k)
    return bxor(cast(i32p, p + rshift(k * n, 5)).v, rol(cast(i32p, p + rshift((k + 1) * n, 5)).v, 7),
      rol(cast(i32p, p + rshift((k + 2) * n, 5)).v, 14), rol(cast(i32p, p + rshift((k + 3) * n, 5)).v, 21))
  end

  -- Where a resource would be known. Resources of one service may differ in a few digits: much of them is mixed. Compared they are in full.
  local function place(p, n)
    local last = n - 4
    local h = bxor(four(p, last, 0), rol(four(p, last, 4), 3), rol(four(p, last, 8), 6), rol(four(p, last, 12), 9))
    h = bxor(h, rol(four(p, last, 16), 12), rol(four(p, last, 20), 15), rol(four(p, last, 24), 18), rol(four(p, last, 28), 22))
    h = bxor(h, rol(cast(i32p, p + last).v, 13), n)
    h = tobit(band(h, 0xffff) * 40503 + rshift(h, 16) * 30345)
    return band(bxor(h, rshift(h, 9), rshift(h, 18)), COUNT - 1)
  end

  -- Makes a known resource the template of the rows that follow; returns its service's place in the pool, or -1 where it is not known.
  function E.recall_resource(p, n)
    if n < SIZE_MIN or n > SIZE_MAX then return -1 end
    local k = place(p, n)
    if known[k].len ~= n or C.memcmp(bytes + k * SIZE_MAX, p, n) ~= 0 then return -1 end
    known[k].batch = batch
    copy(slots + TEMPLATE, templates + k * K, SLOTS)
    if SIZE > 0 then
      copy(inherited.words, words + k * WIDTH, SIZE)
      copy(inherited.numbers, numbers + k * WIDTH, 2 * SIZE)
    end
    odd[BARE] = 0
    if known[k].odd ~= 0 then E.FEATURE.mark_odd(BARE) end
    return known[k].service
  end

  -- Keeps the template of a resource that was read. One that rows of this batch point to keeps its place.
  function E.learn_resource(p, n, service)
    if n < SIZE_MIN or n > SIZE_MAX then return end
    local k = place(p, n)
    if known[k].batch == batch and known[k].len > 0 then return end
    local own = bytes + k * SIZE_MAX
    copy(own, p, n)
    copy(templates + k * K, slots + TEMPLATE, SLOTS)
    copy(words + k * WIDTH, inherited.words, SIZE)
    copy(numbers + k * WIDTH, inherited.numbers, 2 * SIZE)
    for c = 0, K - 1 do
      local slot = templates[k * K + c]
      if slot.tag ~= 0 and slot.p >= p and slot.p <= p + n then slot.p = own + (slot.p - p) end
    end
    known[k].len, known[k].service, known[k].batch, known[k].odd = n, service, batch, odd[BARE]
  end

  -- Rows of earlier batches are gone.
  function E.begin_batch() batch = tobit(batch + 1) end

  -- Places in the pool have changed their texts.
  function E.forget_resources()
    for k = 0, COUNT - 1 do known[k].len = 0 end
  end
end
