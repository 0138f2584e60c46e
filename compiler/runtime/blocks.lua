-- Blocks of memory that traces keep, counted in bytes. They come and go with the traces, many at a time: what an allocator has to say of one lies
-- beside it, in memory that no cache holds any more. Here those given back are listed by size, and taken again without a look at them.
return function(E)
  local ffi, bit, C = E.ffi, E.bit, E.C
  local rshift = bit.rshift
  local cast, copy, fill = ffi.cast, ffi.copy, ffi.fill
  ffi.cdef "typedef struct { void **blocks; int32_t n, cap, size; } shelf_t;"
  local listp, voidpp, LIST = ffi.typeof("list_t *"), ffi.typeof("void **"), ffi.sizeof("list_t")
  -- Sizes in steps of an eighth and less. What is larger than the last of them is no concern: it is used for long.
  local FINE, MIDDLE, COARSE = 256, 1024, 8192
  local SHELF_COUNT = 16 + 12 + 14
  -- Bytes that lie on the shelves at most; the allocator has the rest back.
  local SHELVED_MAX = 16777216
  local shelves, shelved = cast("shelf_t *", C.calloc(SHELF_COUNT + 1, ffi.sizeof("shelf_t"))), 0
  for k = 1, 16 do shelves[k].size = 16 * k end
  for k = 1, 12 do shelves[16 + k].size = FINE + 64 * k end
  for k = 1, 14 do shelves[28 + k].size = MIDDLE + 512 * k end

  -- The shelf of the blocks that hold so many bytes, 0: none.
  local function shelf_of(size)
    if size <= FINE then return rshift(size + 15, 4) end
    if size <= MIDDLE then return 16 + rshift(size - FINE + 63, 6) end
    if size <= COARSE then return 28 + rshift(size - MIDDLE + 511, 9) end
    return 0
  end

  local function made(memory)
    if memory == nil then error("out of memory") end
    return memory
  end

  local function allocated(size) return made(C.malloc(size)) end

  -- A block of so many bytes: what is in it is whatever was.
  local function taken(size)
    E.block_bytes = E.block_bytes + size
    local k = shelf_of(size)
    if k == 0 then return allocated(size) end
    local shelf = shelves[k]
    if shelf.n == 0 then return allocated(shelf.size) end
    shelf.n = shelf.n - 1
    shelved = shelved - shelf.size
    E.prefetch(shelf.blocks[shelf.n], size)
    return shelf.blocks[shelf.n]
  end

  local function lengthen(shelf)
    local cap = shelf.cap == 0 and 64 or 2 * shelf.cap
    shelf.blocks, shelf.cap = cast(voidpp, made(C.realloc(shelf.blocks, cap * ffi.sizeof("void *")))), cap
  end

  -- Gives a block of so many bytes back.
  local function given_back(block, size)
    E.block_bytes = E.block_bytes - size
    local k = shelf_of(size)
    local shelf = shelves[k]
    if k == 0 or shelved + shelf.size > SHELVED_MAX then return C.free(block) end
    if shelf.n == shelf.cap then lengthen(shelf) end
    shelf.blocks[shelf.n] = block
    shelf.n = shelf.n + 1
    shelved = shelved + shelf.size
  end

  E.block_bytes = 0
  E.give_back = given_back

  -- A block of so many zeros.
  function E.take_zeros(size)
    local found = taken(size)
    fill(found, size)
    return found
  end

  local function resized(memory, from, to)
    if from > 0 and shelf_of(from) == shelf_of(to) then
      E.block_bytes = E.block_bytes + (to - from)
      return shelf_of(to) > 0 and memory or made(C.realloc(memory, to))
    end
    local found = taken(to)
    if from > 0 then
      copy(found, memory, math.min(from, to))
      given_back(memory, from)
    end
    return found
  end

  -- Makes room for `cap` items of `size` bytes; the old ones stay.
  function E.resize(block, cap, size)
    block.p, block.cap = resized(block.p, block.cap * size, cap * size), cap
  end

  function E.free_block(block, size)
    if block.cap > 0 then
      given_back(block.p, block.cap * size)
      block.p, block.n, block.cap = nil, 0, 0
    end
  end

  -- The same of a list, which is nil as long as it is empty: returns it, for it may have moved.
  function E.resize_list(list, cap, size)
    local is_new = list == nil
    local moved = cast(listp, resized(list, is_new and 0 or LIST + list.cap * size, LIST + cap * size))
    if is_new then moved.n = 0 end
    moved.cap = cap
    return moved
  end

  function E.free_list(list, size)
    if list ~= nil then given_back(list, LIST + list.cap * size) end
  end

  E.hold(ffi.gc(ffi.new("char[1]"), function()
    for k = 1, SHELF_COUNT do
      for n = 0, shelves[k].n - 1 do C.free(shelves[k].blocks[n]) end
      C.free(shelves[k].blocks)
    end
    C.free(shelves)
  end))
end
