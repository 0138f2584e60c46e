-- Types and buffers of one program. Rows and slots of a batch and of a judged trace have the same shape, so that one predicate reads both.
return function(ffi, bit, config)
  ffi.cdef [[
    typedef struct {
      union { struct { uint64_t tid0, tid1; }; int32_t td[4]; };   // trace id, as its bytes lie in memory
      union { uint64_t sid; int32_t sd[2]; };                       // span id
      union { uint64_t pid; int32_t pd[2]; };                       // parent id, 0: none
      union { int64_t t0; int32_t t0d[2]; };                        // start and end in unix ns, as received
      union { int64_t t1; int32_t t1d[2]; };
      int32_t name, trace, kind, status;                            // class of the name (0: no rule names it), state of the trace (-1: not kept)
      const uint8_t *p, *np;                                        // the span's bytes, its name's
      int32_t plen, nlen, res, timed;                               // res: the service name's place in the pool; timed: 1 if the times can be used
      int32_t record, touch;                                        // which record of the batch, which touch
      int32_t elements, spare;                                      // elements: so many of its first bytes hold no event or link
    } row_t;
    typedef struct { const uint8_t *p; int32_t len, tag; } slot_t;  // payload of an AnyValue; tag: its field's tag, 0: missing
    typedef struct { int32_t a, z, id, len, next, y; uint64_t inner, more, last; const uint8_t *text; int32_t c[6]; } entry_t;
    // The same of a value that rules tell apart; bits: of the tests that it passes. As small as it can be: half a line of the cache.
    typedef struct { int32_t a, z, y, len, next, bits; const uint8_t *text; } told_t;
    // What a record brought to a trace; sum: where that is added up; place: the how-manieth trace of its record; apart: 1 if the record's key
    // is not the id of the one trace it holds.
    typedef struct { int32_t record, trace, spans, kept, again, over, opened, root, sum, place, apart, spare; } touch_t;
    // Touches added up: processor/touches.py tells of every field. Orders are the place of a touch below its record.
    typedef struct {
      uint64_t tid0, tid1;
      int64_t arrived, new_arrived;
      union { struct { int32_t place, record; }; int64_t order; };
      union { struct { int32_t new_place, new_record; }; int64_t new_order; };
      union { struct { int32_t apart_place, apart_record; }; int64_t apart_order; };
      int32_t trace, opened, spans, kept, again, over, last_new, first_over, first_root, spare;
    } sum_t;
    typedef struct { void *p; int32_t n, cap; } block_t;
    typedef struct { int32_t n, cap; int32_t v[0]; } list_t;        // a block that most traces do not have
    typedef struct { int32_t used, cap, waiting, spare; uint64_t ids[0]; } awaited_t;  // a hash table; behind the ids how many wait for each
    typedef struct { int32_t v; } __attribute__((packed)) packed_i32;
    typedef struct { int64_t v; } __attribute__((packed)) packed_i64;
    typedef struct { uint64_t v; } __attribute__((packed)) packed_u64;
    typedef struct { double v; } __attribute__((packed)) packed_f64;
    typedef union { double v; struct { int32_t lo, hi; }; } split_f64;
    int memcmp(const void *, const void *, size_t);
    void *calloc(size_t, size_t);
    void *malloc(size_t);
    void *realloc(void *, size_t);
    void free(void *);
  ]]
  -- The state of a trace; what a program remembers of it stands at the end: a bit per selection seen, a counter per selection counted.
  ffi.cdef(([[
    typedef struct {
      union { struct { uint64_t tid0, tid1; }; int32_t td[4]; };
      int32_t partition;
      uint16_t touch; uint8_t live;
      int32_t root_name, root_service;
      list_t *more_services, *tree;
      block_t captured;
      // What each span changes is near together: a few lines of the cache are all that is read of a state.
      awaited_t *awaited;
      int32_t services[2];                   // those that have one of the first places of the pool, a bit each
      block_t ids;                           // of all spans that are kept
      // From here to the end a state goes with its trace as it stands (exchange.lua); what is above belongs to the runtime.
      int64_t first_start, last_end;         // of spans with times; last_end 0: none
      int64_t last_record;
      int32_t orphans, roots;
      int64_t root_start; uint64_t root_id;  // of the first root, its id in the order of its digits
      int32_t w[%d];
      %s c[%d];
    } state_t;
  ]]):format(config.word_count, ({ "uint8_t", "uint16_t", nil, "int32_t" })[config.counter_size], config.counter_count))

  local E = { ffi = ffi, bit = bit, C = ffi.C, config = config }
  -- Freed when the runtime is closed, which collects what it holds.
  local held = {}
  local cast = ffi.cast

  -- Zeroed memory outside of the Lua heap; pages that are never touched cost nothing.
  function E.buffer(ctype, count)
    local size = ffi.sizeof(ctype)
    local memory = ffi.C.calloc(count, size)
    if memory == nil then error("out of memory") end
    held[#held + 1] = ffi.gc(memory, ffi.C.free)
    return ffi.cast(ffi.typeof("$ *", ffi.typeof(ctype)), memory)
  end

  -- Keeps what must live as long as the runtime.
  function E.hold(value) held[#held + 1] = value end

  local K = config.column_count
  E.row_capacity = math.min(20480, math.max(2048, math.floor(67108864 / (16 * K))))
  E.batch_rows = 1024
  E.rows = E.buffer("row_t", E.row_capacity + 1)
  E.slots = E.buffer("slot_t", (E.row_capacity + 1) * K)
  E.template = E.row_capacity * K          -- the slots of resource and scope, copied to each row before its own attributes
  E.blank = E.buffer("slot_t", K)          -- the template before a resource is read: intrinsics that are the empty text
  E.touches = E.buffer("touch_t", E.row_capacity + 1)
  E.touch_count = 0
  E.sums = E.buffer("sum_t", E.row_capacity + 1)
  E.sum_count = 0
  E.apart = E.buffer("int32_t", E.row_capacity + 1)
  E.empty = E.buffer("uint8_t", 16)
  for i = 1, #config.blank_columns do
    local slot = E.blank[config.blank_columns[i]]
    slot.p = E.empty; slot.len = 0; slot.tag = 0x0a
  end

  return E
end
