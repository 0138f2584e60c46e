-- Memory is asked for before it is needed. A span's bytes and a trace's state come from memory that no cache holds, which takes as long as some
-- hundred instructions: who asks early goes on working meanwhile.
return function(E)
  local ffi, C = E.ffi, E.C
  local cast, copy, tobit = ffi.cast, ffi.copy, E.bit.tobit
  ffi.cdef [[
    void *mmap(void *, size_t, int, int, int, int64_t);
    int mprotect(void *, size_t, int);
    int munmap(void *, size_t);
  ]]
  local PAGE, READ, WRITE, EXEC, PRIVATE, ANONYMOUS = 4096, 1, 2, 4, 2, 32
  -- prefetch(p, n): lea rsi, [rdi+rsi]; next: prefetcht0 [rdi]; add rdi, 64; cmp rdi, rsi; jb next; ret. It reads nothing and never faults.
  local X64 = "\x48\x8d\x34\x37\x0f\x18\x0f\x48\x83\xc7\x40\x48\x39\xf7\x72\xf4\xc3"

  -- No library has a function for it, and LuaJIT no instruction: these are its bytes, made executable as LuaJIT's own code is.
  local function made()
    if ffi.arch ~= "x64" or ffi.os ~= "Linux" then return nil end
    local page = C.mmap(nil, PAGE, READ + WRITE, PRIVATE + ANONYMOUS, -1, 0)
    if cast("intptr_t", page) == -1 then return nil end
    E.hold(ffi.gc(page, function(memory) C.munmap(memory, PAGE) end))
    copy(page, X64, #X64)
    if C.mprotect(page, PAGE, READ + EXEC) ~= 0 then return nil end
    return cast("void (*)(const void *, size_t)", page)
  end

  -- Elsewhere memory is read, and waited for: many lines at once, which is faster than one by one.
  local function read(p, n) C.memcmp(p, p, n) end

  -- Asks for n bytes from `p`, all of which are there.
  local prefetch = made() or read
  E.prefetch = prefetch

  -- ---- records ------------------------------------------------------------------------------------------------------------------------
  -- The decoder asks for so many bytes before it reads them, a few at a time, for a processor asks for some dozen lines of its cache at once.
  local LEAD, STEP_MAX = 16384, 2048
  local u8p = ffi.typeof("const uint8_t *")

  local function begin_record(D, mi)
    D.ahead_mi, D.ahead, D.ahead_left = mi, cast(u8p, D.addresses[mi] + D.offset), tonumber(D.lengths[mi])
  end

  -- Before records are decoded from D.mi on; `is_new`: they are no longer those of the last time.
  function E.begin_looking_ahead(D, is_new)
    D.read = 0
    if is_new or D.ahead_mi < D.mi then
      D.lead = 0
      begin_record(D, D.mi)
    end
  end

  -- The record being decoded is read as far as p: asks for as many bytes more, of one record.
  function E.look_ahead(D, p)
    D.lead, D.read = tobit(D.lead - (p - D.read)), p
    local n = tobit(LEAD - D.lead)
    if n <= 0 then return end
    if n > STEP_MAX then n = STEP_MAX end
    if n > D.ahead_left then n = D.ahead_left end
    prefetch(D.ahead, n)
    D.ahead, D.lead, D.ahead_left = D.ahead + n, tobit(D.lead + n), tobit(D.ahead_left - n)
    if D.ahead_left == 0 and D.ahead_mi + 1 < D.last then begin_record(D, D.ahead_mi + 1) end
  end
end
