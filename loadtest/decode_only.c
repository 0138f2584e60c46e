/* What a processor can do at most: decode the fields a rule set reads out of OTLP protobuf, and nothing else.
 *
 * Fields may come in any order. Every read is checked against the end of its message. Of each span: ids, times, name, kind, status and
 * the wanted attributes; of each resource the wanted attributes; of events and links names and wanted attributes, if they are wanted.
 * Rows are written to a ring that stays in the cache, as an engine that judges in batches would write them. No value is compared.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef const uint8_t *at;

/* One wanted attribute of a span: `value` is the number's bits, or the address of the text; `type` is the field number of AnyValue. */
typedef struct { uint64_t value; uint32_t length, type; } slot;

typedef struct {
  uint8_t trace_id[16];
  uint64_t span_id, parent_id, start_ns, end_ns;
  uint32_t name, kind, status, resource;
} row;

/* A wanted text; `ends` are its first and its last four bytes, `id` counts from 1, 0 is an empty place. */
typedef struct { const uint8_t *text; uint64_t ends; uint32_t length, id; } entry;
typedef struct { entry *entries; uint32_t mask, count; } table;

typedef struct {
  table keys, names;
  row *rows;
  slot *slots, *resource_slots, *element_slots;
  uint64_t row_count, row_capacity, resource_count, element_count;
  uint32_t resource_capacity, with_elements;
} decoder;

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define INLINE static inline __attribute__((always_inline))
enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

/* ---- reading: each returns the place behind what it read, or NULL where the message ends before ---- */

static inline uint32_t four(at p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t eight(at p) { uint64_t v; memcpy(&v, p, 8); return v; }

static at long_varint(at p, at end, uint64_t *value) {
  uint64_t v = 0;
  for (int shift = 0; p < end && shift < 70; shift += 7) {
    uint8_t byte = *p++;
    if (shift < 64) v |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) { *value = v; return p; }
  }
  return NULL;
}

static inline at varint(at p, at end, uint64_t *value) {
  if (LIKELY(p < end && *p < 128)) { *value = *p; return p + 1; }
  return long_varint(p, end, value);
}

/* Read a length; the payload lies from the result to `*behind`. */
static inline at delimited(at p, at end, at *behind) {
  uint64_t size;
  p = varint(p, end, &size);
  if (!p || size > (uint64_t)(end - p)) return NULL;
  *behind = p + size;
  return p;
}

static inline at fixed64(at p, at end, uint64_t *value) {
  if (end - p < 8) return NULL;
  *value = eight(p);
  return p + 8;
}

/* Pass over a field whose first tag byte was just read. */
static at skip(at p, at end) {
  uint64_t tag, value;
  at behind;
  p = varint(p - 1, end, &tag);
  if (!p || !(tag >> 3)) return NULL;
  switch (tag & 7) {
    case VARINT: return varint(p, end, &value);
    case FIXED64: return end - p < 8 ? NULL : p + 8;
    case LENGTH: return delimited(p, end, &behind) ? behind : NULL;
    case FIXED32: return end - p < 4 ? NULL : p + 4;
    default: return NULL;
  }
}

/* ---- wanted texts ---- */

static inline uint64_t ends_of(at text, size_t length) {
  if (LIKELY(length >= 4)) return (uint64_t)four(text + length - 4) << 32 | four(text);
  uint64_t v = 0;
  for (size_t i = 0; i < length; i++) v |= (uint64_t)text[i] << 8 * i;
  return v;
}

static inline uint32_t place(uint64_t ends, size_t length) {
  uint32_t first = (uint32_t)ends, last = (uint32_t)(ends >> 32);
  uint32_t h = first ^ (last << 13 | last >> 19);
  return h ^ h >> 11 ^ h >> 20 ^ (uint32_t)length;
}

static inline uint32_t find(const table *t, at text, size_t length) {
  uint64_t ends = ends_of(text, length);
  for (uint32_t i = place(ends, length);; i++) {
    const entry *e = &t->entries[i & t->mask];
    if (LIKELY(!e->id)) return 0;
    if (e->ends == ends && e->length == length && (length <= 8 || !memcmp(e->text + 4, text + 4, length - 8))) return e->id;
  }
}

static int fill(table *t, const uint8_t *const *texts, const uint64_t *lengths, uint32_t count) {
  uint32_t size = 64;
  while (size < 8 * count) size *= 2;
  t->entries = calloc(size, sizeof(entry));
  if (!t->entries) return 0;
  t->mask = size - 1;
  t->count = count;
  for (uint32_t n = 0; n < count; n++) {
    entry e = {texts[n], ends_of(texts[n], lengths[n]), (uint32_t)lengths[n], n + 1};
    uint32_t i = place(e.ends, e.length);
    while (t->entries[i & t->mask].id) i++;
    t->entries[i & t->mask] = e;
  }
  return 1;
}

/* ---- decoding: each returns 1, or 0 where the message is not one ---- */

static inline int any_value(at p, at end, slot *s) {
  at behind;
  while (p < end) {
    uint8_t tag = *p++;
    switch (tag) {
      case 0x0a: case 0x2a: case 0x32: case 0x3a:
        p = delimited(p, end, &behind);
        if (!p) return 0;
        s->value = (uint64_t)(uintptr_t)p; s->length = (uint32_t)(behind - p); s->type = tag >> 3;
        p = behind;
        break;
      case 0x10: case 0x18: p = varint(p, end, &s->value); if (!p) return 0; s->type = tag >> 3; break;
      case 0x21: p = fixed64(p, end, &s->value); if (!p) return 0; s->type = 4; break;
      default: p = skip(p, end); if (!p) return 0;
    }
  }
  return 1;
}

INLINE int attribute(const decoder *d, at p, at end, slot *slots) {
  at key = p, key_end = p, value = NULL, value_end = NULL;
  while (p < end) {
    uint8_t tag = *p++;
    if (tag == 0x0a) { key = delimited(p, end, &key_end); if (!key) return 0; p = key_end; }
    else if (tag == 0x12) { value = delimited(p, end, &value_end); if (!value) return 0; p = value_end; }
    else { p = skip(p, end); if (!p) return 0; }
  }
  uint32_t id = find(&d->keys, key, (size_t)(key_end - key));
  if (!id) return 1;
  slot *s = &slots[id - 1];
  s->type = 0;
  return !value || any_value(value, value_end, s);
}

/* An event, whose attributes are field 3, or a link, where they are field 4. */
static int element(decoder *d, at p, at end, uint8_t attributes) {
  at behind;
  memset(d->element_slots, 0, sizeof(slot) * d->keys.count);
  while (p < end) {
    uint8_t tag = *p++;
    if (tag == attributes) { p = delimited(p, end, &behind); if (!p || !attribute(d, p, behind, d->element_slots)) return 0; p = behind; }
    else if (tag == 0x12) { p = delimited(p, end, &behind); if (!p) return 0; d->element_count += find(&d->names, p, (size_t)(behind - p)) > 0; p = behind; }
    else { p = skip(p, end); if (!p) return 0; }
  }
  d->element_count++;
  return 1;
}

static int status(at p, at end, row *r) {
  uint64_t value;
  while (p < end) {
    if (*p++ == 0x18) { p = varint(p, end, &value); if (!p) return 0; r->status = (uint32_t)value; }
    else { p = skip(p, end); if (!p) return 0; }
  }
  return 1;
}

INLINE int span(decoder *d, at p, at end) {
  uint64_t ring = d->row_count & (d->row_capacity - 1), value;
  row *r = &d->rows[ring];
  slot *slots = &d->slots[ring * d->keys.count];
  at behind;
  memset(r, 0, sizeof *r);
  memset(slots, 0, sizeof(slot) * d->keys.count);
  r->resource = (uint32_t)d->resource_count;
  while (p < end) {
    uint8_t tag = *p++;
    switch (tag) {
      case 0x4a: p = delimited(p, end, &behind); if (!p || !attribute(d, p, behind, slots)) return 0; p = behind; break;
      case 0x0a: p = delimited(p, end, &behind); if (!p) return 0; if (behind - p == 16) memcpy(r->trace_id, p, 16); p = behind; break;
      case 0x12: p = delimited(p, end, &behind); if (!p) return 0; if (behind - p == 8) r->span_id = eight(p); p = behind; break;
      case 0x22: p = delimited(p, end, &behind); if (!p) return 0; if (behind - p == 8) r->parent_id = eight(p); p = behind; break;
      case 0x2a: p = delimited(p, end, &behind); if (!p) return 0; r->name = find(&d->names, p, (size_t)(behind - p)); p = behind; break;
      case 0x30: p = varint(p, end, &value); if (!p) return 0; r->kind = (uint32_t)value; break;
      case 0x39: p = fixed64(p, end, &r->start_ns); if (!p) return 0; break;
      case 0x41: p = fixed64(p, end, &r->end_ns); if (!p) return 0; break;
      case 0x7a: p = delimited(p, end, &behind); if (!p || !status(p, behind, r)) return 0; p = behind; break;
      case 0x5a: case 0x6a:
        p = delimited(p, end, &behind);
        if (!p || (d->with_elements && !element(d, p, behind, tag == 0x5a ? 0x1a : 0x22))) return 0;
        p = behind;
        break;
      default: p = skip(p, end); if (!p) return 0;
    }
  }
  d->row_count++;
  return 1;
}

INLINE int scope_spans(decoder *d, at p, at end) {
  at behind;
  while (p < end) {
    if (*p++ != 0x12) { p = skip(p, end); if (!p) return 0; continue; }
    p = delimited(p, end, &behind);
    if (!p || !span(d, p, behind)) return 0;
    p = behind;
  }
  return 1;
}

static int resource(decoder *d, at p, at end, slot *slots) {
  at behind;
  while (p < end) {
    if (*p++ != 0x0a) { p = skip(p, end); if (!p) return 0; continue; }
    p = delimited(p, end, &behind);
    if (!p || !attribute(d, p, behind, slots)) return 0;
    p = behind;
  }
  return 1;
}

static int resource_spans(decoder *d, at p, at end) {
  slot *slots = &d->resource_slots[(d->resource_count & (d->resource_capacity - 1)) * d->keys.count];
  at behind;
  memset(slots, 0, sizeof(slot) * d->keys.count);
  while (p < end) {
    uint8_t tag = *p++;
    if (tag != 0x0a && tag != 0x12) { p = skip(p, end); if (!p) return 0; continue; }
    p = delimited(p, end, &behind);
    if (!p || !(tag == 0x12 ? scope_spans(d, p, behind) : resource(d, p, behind, slots))) return 0;
    p = behind;
  }
  d->resource_count++;
  return 1;
}

static int request(decoder *d, at p, at end) {
  at behind;
  while (p < end) {
    if (*p++ != 0x0a) { p = skip(p, end); if (!p) return 0; continue; }
    p = delimited(p, end, &behind);
    if (!p || !resource_spans(d, p, behind)) return 0;
    p = behind;
  }
  return 1;
}

/* ---- the face ---- */

void decoder_free(decoder *d) {
  if (!d) return;
  free(d->keys.entries); free(d->names.entries);
  free(d->rows); free(d->slots); free(d->resource_slots); free(d->element_slots);
  free(d);
}

/* Return a decoder, or NULL where memory lacks. The texts must outlive it; capacities are powers of two. */
decoder *decoder_new(const uint8_t *const *keys, const uint64_t *key_lengths, uint32_t key_count, const uint8_t *const *names,
                     const uint64_t *name_lengths, uint32_t name_count, uint32_t with_elements, uint64_t row_capacity, uint32_t resource_capacity) {
  decoder *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  size_t slot_count = key_count ? key_count : 1;
  d->with_elements = with_elements;
  d->row_capacity = row_capacity;
  d->resource_capacity = resource_capacity;
  d->rows = calloc(row_capacity, sizeof(row));
  d->slots = calloc(row_capacity * slot_count, sizeof(slot));
  d->resource_slots = calloc(resource_capacity * slot_count, sizeof(slot));
  d->element_slots = calloc(slot_count, sizeof(slot));
  int tables = fill(&d->keys, keys, key_lengths, key_count) & fill(&d->names, names, name_lengths, name_count);
  if (tables && d->rows && d->slots && d->resource_slots && d->element_slots) return d;
  decoder_free(d);
  return NULL;
}

/* Decode records; return how many spans they hold, or -1 - the index of the first record that is no OTLP. */
int64_t decoder_run(decoder *d, const uint8_t *const *records, const uint64_t *lengths, uint64_t count) {
  d->row_count = d->resource_count = d->element_count = 0;
  for (uint64_t i = 0; i < count; i++)
    if (!request(d, records[i], records[i] + lengths[i])) return -1 - (int64_t)i;
  return (int64_t)d->row_count;
}

const row *decoder_rows(const decoder *d) { return d->rows; }
const slot *decoder_slots(const decoder *d) { return d->slots; }
const slot *decoder_resource_slots(const decoder *d) { return d->resource_slots; }
