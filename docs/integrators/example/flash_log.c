#include "flash_log.h"

#include <string.h>

enum {
  UNIT = 8, /* every entry starts at a multiple of this */
  AREA_HEADER_SIZE = 16,
  ENTRY_HEADER_SIZE = 24,
  ENTRY_PUT = 0x50,
  ENTRY_ERASE = 0x45,
  ENTRY_COMMIT = 0x43
};

static const uint8_t kMagic[8] = {'S', 'K', 'S', 'F', 'L', 'A', 'S', '1'};

/* ---- bytes ---- */

static uint32_t crc32_of(const uint8_t* data, size_t size) {
  uint32_t crc = 0xFFFFFFFFU;
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1U)));
  }
  return ~crc;
}

static void put_u32(uint8_t* out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t* in) {
  return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static int is_filled_with(const uint8_t* data, size_t size, uint8_t value) {
  for (size_t i = 0; i < size; ++i)
    if (data[i] != value) return 0;
  return 1;
}

static uint32_t round_up(uint32_t size) { return (size + UNIT - 1) / UNIT * UNIT; }

/* ---- the chip ---- */

static uint32_t area_size(const struct flash_log* log) { return (uint32_t)(log->flash->size / 2); }

static uint32_t other_area(const struct flash_log* log) { return log->start == 0 ? area_size(log) : 0; }

static int program(struct flash_log* log, uint32_t offset, const uint8_t* data, size_t size) {
  if (log->flash->program(log->flash, offset, data, size) != 0) return FLASH_LOG_CHIP;
  return memcmp(log->flash->memory + offset, data, size) == 0 ? FLASH_LOG_OK : FLASH_LOG_CHIP; /* worn cells */
}

static int erase_area(struct flash_log* log, uint32_t start) {
  const size_t block_size = log->flash->block_size;
  for (size_t offset = start; offset < start + area_size(log); offset += block_size) {
    if (is_filled_with(log->flash->memory + offset, block_size, 0xFF)) continue;
    if (log->flash->erase(log->flash, offset / block_size) != 0) return FLASH_LOG_CHIP;
  }
  return FLASH_LOG_OK;
}

/* Programs a value to zero; clearing bits needs no erased block. A failure leaves the value until its area is erased:
   no reason to refuse what the caller has asked for. */
static void scrub(struct flash_log* log, uint32_t offset, uint32_t size) {
  static const uint8_t kZeros[64] = {0};
  if (is_filled_with(log->flash->memory + offset, size, 0)) return;
  while (size > 0) {
    const uint32_t step = size < sizeof kZeros ? size : (uint32_t)sizeof kZeros;
    (void)program(log, offset, kZeros, step);
    offset += step;
    size -= step;
  }
}

/* ---- tables of records, in order of id ---- */

static int compare(sks_record_id a, sks_record_id b) {
  if (a.kind != b.kind) return a.kind < b.kind ? -1 : 1;
  if (a.handle != b.handle) return a.handle < b.handle ? -1 : 1;
  return 0;
}

/* The first place whose id is not below `id`. */
static size_t place_of(const struct flash_log_record* table, size_t count, sks_record_id id) {
  size_t low = 0;
  while (low < count) {
    const size_t middle = low + (count - low) / 2;
    if (compare(table[middle].id, id) < 0)
      low = middle + 1;
    else
      count = middle;
  }
  return low;
}

static int is_at(const struct flash_log_record* table, size_t count, size_t place, sks_record_id id) {
  return place < count && compare(table[place].id, id) == 0;
}

static int set_entry(struct flash_log_record* table, size_t* count, size_t capacity, struct flash_log_record record) {
  const size_t place = place_of(table, *count, record.id);
  if (!is_at(table, *count, place, record.id)) {
    if (*count == capacity) return FLASH_LOG_TOO_MANY;
    memmove(table + place + 1, table + place, (*count - place) * sizeof *table);
    ++*count;
  }
  table[place] = record;
  return FLASH_LOG_OK;
}

static void remove_entry(struct flash_log_record* table, size_t* count, size_t place) {
  memmove(table + place, table + place + 1, (*count - place - 1) * sizeof *table);
  --*count;
}

/* What the open transaction sees under an id, or null. */
static const struct flash_log_record* find(const struct flash_log* log, sks_record_id id) {
  size_t place = place_of(log->changes, log->change_count, id);
  if (is_at(log->changes, log->change_count, place, id))
    return log->changes[place].is_erased ? NULL : &log->changes[place];
  place = place_of(log->records, log->record_count, id);
  return is_at(log->records, log->record_count, place, id) ? &log->records[place] : NULL;
}

/* ---- entries ---- */

struct entry {
  uint8_t type;
  uint32_t transaction;
  struct flash_log_record record;
};

static int write_entry(struct flash_log* log, const struct entry* entry, const uint8_t* payload) {
  if (log->is_torn) return FLASH_LOG_CHIP;
  uint8_t header[ENTRY_HEADER_SIZE] = {entry->type, entry->record.id.kind};
  put_u32(header + 4, entry->record.id.handle);
  put_u32(header + 8, entry->transaction);
  put_u32(header + 12, entry->record.size);
  put_u32(header + 16, entry->record.crc);
  put_u32(header + 20, crc32_of(header, 20));
  int result = program(log, log->end, header, sizeof header);
  if (result == FLASH_LOG_OK && entry->record.size > 0)
    result = program(log, log->end + ENTRY_HEADER_SIZE, payload, entry->record.size);
  log->is_torn = result != FLASH_LOG_OK;
  log->end += ENTRY_HEADER_SIZE + round_up(entry->record.size);
  return result;
}

static int write_commit_mark(struct flash_log* log) {
  const struct entry mark = {ENTRY_COMMIT, log->transaction, {{0, 0}, 0, 0, 0, 0, 0}};
  return write_entry(log, &mark, NULL);
}

/* Returns 0 when there is no whole entry at `offset`. */
static int read_entry(const struct flash_log* log, uint32_t offset, struct entry* entry) {
  const uint32_t limit = log->start + area_size(log);
  if (limit - offset < ENTRY_HEADER_SIZE) return 0;
  const uint8_t* const header = log->flash->memory + offset;
  if (get_u32(header + 20) != crc32_of(header, 20)) return 0;
  entry->type = header[0];
  entry->record.id.kind = header[1];
  entry->record.id.handle = get_u32(header + 4);
  entry->transaction = get_u32(header + 8);
  entry->record.size = get_u32(header + 12);
  entry->record.crc = get_u32(header + 16);
  entry->record.offset = offset + ENTRY_HEADER_SIZE;
  entry->record.is_erased = entry->type == ENTRY_ERASE;
  return entry->record.size <= limit - entry->record.offset;
}

static int has_room(const struct flash_log* log, uint32_t payload_size) {
  const uint32_t reserve = log->reserve_is_open ? 0 : FLASH_LOG_RESERVE;
  /* A commit mark must still fit behind. */
  const uint32_t needed = reserve + 2 * ENTRY_HEADER_SIZE + UNIT;
  const uint32_t left = log->start + area_size(log) - log->end;
  return left >= needed && payload_size <= left - needed;
}

/* ---- areas ---- */

static int write_area_header(struct flash_log* log, uint32_t generation) {
  uint8_t header[AREA_HEADER_SIZE];
  memcpy(header, kMagic, sizeof kMagic);
  put_u32(header + 8, generation);
  put_u32(header + 12, crc32_of(header, 12));
  return program(log, log->start, header, sizeof header);
}

/* Returns 0 when there is no valid area at `start`. */
static uint32_t generation_at(const struct flash* flash, uint32_t start) {
  const uint8_t* const header = flash->memory + start;
  if (memcmp(header, kMagic, sizeof kMagic) != 0 || get_u32(header + 12) != crc32_of(header, 12)) return 0;
  return get_u32(header + 8);
}

static int copy_entry(struct flash_log* log, struct flash_log_record* record) {
  const uint8_t* const payload = log->flash->memory + record->offset;
  if (!record->is_erased && crc32_of(payload, record->size) != record->crc) return FLASH_LOG_DAMAGED;
  const struct entry entry = {record->is_erased ? ENTRY_ERASE : ENTRY_PUT, log->transaction, *record};
  if (log->start + area_size(log) - log->end < 2 * ENTRY_HEADER_SIZE + round_up(record->size)) return FLASH_LOG_FULL;
  record->copy = log->end + ENTRY_HEADER_SIZE;
  return write_entry(log, &entry, payload);
}

/* The records as one committed transaction, then the changes as the one that is open. */
static int copy_all(struct flash_log* log) {
  int result = FLASH_LOG_OK;
  for (size_t i = 0; result == FLASH_LOG_OK && i < log->record_count; ++i) result = copy_entry(log, &log->records[i]);
  if (result == FLASH_LOG_OK) result = write_commit_mark(log);
  ++log->transaction;
  for (size_t i = 0; result == FLASH_LOG_OK && i < log->change_count; ++i) result = copy_entry(log, &log->changes[i]);
  return result;
}

static void use_copies(struct flash_log* log) {
  for (size_t i = 0; i < log->record_count; ++i) log->records[i].offset = log->records[i].copy;
  for (size_t i = 0; i < log->change_count; ++i) log->changes[i].offset = log->changes[i].copy;
}

/* Copies what is valid to the other area and goes on there, the open transaction included. On failure the log is as it
   was: the area in use has not been touched. */
static int compact(struct flash_log* log) {
  const uint32_t start = log->start;
  const uint32_t end = log->end;
  const int was_torn = log->is_torn;
  log->start = other_area(log);
  log->end = log->start + AREA_HEADER_SIZE;
  log->is_torn = 0;
  int result = erase_area(log, log->start);
  if (result == FLASH_LOG_OK) result = copy_all(log);
  if (result == FLASH_LOG_OK) result = write_area_header(log, log->generation + 1);
  if (result != FLASH_LOG_OK) {
    log->start = start;
    log->end = end;
    log->is_torn = was_torn;
    return result;
  }
  ++log->generation;
  use_copies(log);
  /* The old area is a leftover now. A failure harms nothing but secrecy; opening and compacting try again. */
  (void)erase_area(log, start);
  return FLASH_LOG_OK;
}

static int make_room_for(struct flash_log* log, uint32_t payload_size) {
  if (has_room(log, payload_size)) return FLASH_LOG_OK;
  const int result = compact(log);
  if (result != FLASH_LOG_OK) return result;
  return has_room(log, payload_size) ? FLASH_LOG_OK : FLASH_LOG_FULL;
}

/* ---- transactions ---- */

static int add_change(struct flash_log* log, struct flash_log_record record) {
  const size_t place = place_of(log->changes, log->change_count, record.id);
  if (is_at(log->changes, log->change_count, place, record.id))
    scrub(log, log->changes[place].offset, log->changes[place].size);
  return set_entry(log->changes, &log->change_count, FLASH_LOG_MAX_CHANGES, record);
}

static void take_out(struct flash_log* log, sks_record_id id) {
  const size_t place = place_of(log->records, log->record_count, id);
  if (!is_at(log->records, log->record_count, place, id)) return;
  scrub(log, log->records[place].offset, log->records[place].size);
  remove_entry(log->records, &log->record_count, place);
}

/* Makes the changes what holds, after their commit mark. What it scrubs is scrubbed again when the log is read. */
static int apply_changes(struct flash_log* log) {
  int result = FLASH_LOG_OK;
  for (size_t i = 0; i < log->change_count; ++i) take_out(log, log->changes[i].id);
  for (size_t i = 0; result == FLASH_LOG_OK && i < log->change_count; ++i)
    if (!log->changes[i].is_erased)
      result = set_entry(log->records, &log->record_count, FLASH_LOG_MAX_RECORDS, log->changes[i]);
  log->change_count = 0;
  return result;
}

static void drop_changes(struct flash_log* log) {
  for (size_t i = 0; i < log->change_count; ++i) scrub(log, log->changes[i].offset, log->changes[i].size);
  log->change_count = 0;
}

static int begin(void* context) {
  struct flash_log* const log = context;
  return log->is_torn ? compact(log) : FLASH_LOG_OK;
}

static int visit_record(const struct flash_log* log, const struct flash_log_record* record, sks_visit visit,
                        void* visitor) {
  const uint8_t* const value = log->flash->memory + record->offset;
  if (crc32_of(value, record->size) != record->crc) return FLASH_LOG_DAMAGED;
  return visit(visitor, record->id.handle, value, record->size);
}

static int get(void* context, sks_record_id id, sks_visit visit, void* visitor) {
  const struct flash_log* const log = context;
  const struct flash_log_record* const record = find(log, id);
  return record == NULL ? FLASH_LOG_OK : visit_record(log, record, visit, visitor);
}

static int put(void* context, sks_record_id id, const uint8_t* value, size_t size) {
  struct flash_log* const log = context;
  if (size > area_size(log)) return FLASH_LOG_FULL;
  const int result = make_room_for(log, round_up((uint32_t)size));
  if (result != FLASH_LOG_OK) return result;
  if (log->change_count == FLASH_LOG_MAX_CHANGES) return FLASH_LOG_TOO_MANY;
  const uint32_t offset = log->end + ENTRY_HEADER_SIZE;
  const struct entry entry = {ENTRY_PUT, log->transaction, {id, offset, (uint32_t)size, crc32_of(value, size), 0, 0}};
  if (write_entry(log, &entry, value) != FLASH_LOG_OK) return FLASH_LOG_CHIP;
  return add_change(log, entry.record);
}

static int erase(void* context, sks_record_id id) {
  struct flash_log* const log = context;
  if (find(log, id) == NULL) return FLASH_LOG_OK;
  const int result = make_room_for(log, 0);
  if (result != FLASH_LOG_OK) return result;
  if (log->change_count == FLASH_LOG_MAX_CHANGES) return FLASH_LOG_TOO_MANY;
  const struct entry entry = {ENTRY_ERASE, log->transaction, {id, 0, 0, 0, 0, 1}};
  if (write_entry(log, &entry, NULL) != FLASH_LOG_OK) return FLASH_LOG_CHIP;
  return add_change(log, entry.record);
}

/* Looks every record up anew: the visitor may write. */
static int scan(void* context, uint8_t kind, sks_visit visit, void* visitor) {
  const struct flash_log* const log = context;
  sks_record_id next = {0, kind};
  for (;;) {
    const size_t change = place_of(log->changes, log->change_count, next);
    const size_t record = place_of(log->records, log->record_count, next);
    const int has_change = change < log->change_count && log->changes[change].id.kind == kind;
    const int has_record = record < log->record_count && log->records[record].id.kind == kind;
    if (!has_change && !has_record) return FLASH_LOG_OK;
    const int is_changed =
        has_change && (!has_record || compare(log->changes[change].id, log->records[record].id) <= 0);
    const struct flash_log_record found = is_changed ? log->changes[change] : log->records[record];
    if (!found.is_erased) {
      const int result = visit_record(log, &found, visit, visitor);
      if (result != 0) return result;
    }
    if (found.id.handle == UINT32_MAX) return FLASH_LOG_OK;
    next.handle = found.id.handle + 1;
  }
}

/* How many records there would be. */
static size_t count_after_commit(const struct flash_log* log) {
  size_t count = log->record_count;
  for (size_t i = 0; i < log->change_count; ++i) {
    const size_t place = place_of(log->records, log->record_count, log->changes[i].id);
    const int is_there = is_at(log->records, log->record_count, place, log->changes[i].id);
    if (is_there && log->changes[i].is_erased) --count;
    if (!is_there && !log->changes[i].is_erased) ++count;
  }
  return count;
}

static void end_transaction(struct flash_log* log) {
  log->change_count = 0;
  ++log->transaction;
  log->reserve_is_open = 0;
}

static void rollback(void* context) {
  struct flash_log* const log = context;
  if (log->change_count == 0) return;
  drop_changes(log);
  end_transaction(log);
}

static int commit(void* context) {
  struct flash_log* const log = context;
  if (log->change_count == 0) return FLASH_LOG_OK;
  if (count_after_commit(log) > FLASH_LOG_MAX_RECORDS) {
    rollback(log);
    return FLASH_LOG_TOO_MANY;
  }
  int result = write_commit_mark(log);
  /* After a failure the mark may be there all the same, so nothing is scrubbed: the next begin copies what holds. */
  if (result == FLASH_LOG_OK) result = apply_changes(log);
  end_transaction(log);
  return result;
}

static int make_room(void* context) {
  struct flash_log* const log = context;
  if (log->reserve_is_open) return 0;
  log->reserve_is_open = 1;
  return 1;
}

/* ---- opening ---- */

/* Power may have failed while the very first area header was programmed. */
static int format(struct flash_log* log) {
  const uint8_t* const behind = log->flash->memory + AREA_HEADER_SIZE;
  if (!is_filled_with(behind, log->flash->size - AREA_HEADER_SIZE, 0xFF)) return FLASH_LOG_DAMAGED;
  const int result = erase_area(log, 0);
  if (result != FLASH_LOG_OK) return result;
  log->generation = 1;
  log->end = AREA_HEADER_SIZE;
  return write_area_header(log, log->generation);
}

static int replay_entry(struct flash_log* log, const struct entry* entry) {
  if (entry->transaction != log->transaction) drop_changes(log); /* of a transaction that was never committed */
  log->transaction = entry->transaction;
  if (entry->type == ENTRY_COMMIT) return apply_changes(log);
  if (entry->type == ENTRY_PUT || entry->type == ENTRY_ERASE) return add_change(log, entry->record);
  return FLASH_LOG_DAMAGED;
}

static int replay(struct flash_log* log) {
  struct entry entry;
  while (read_entry(log, log->end, &entry)) {
    const int result = replay_entry(log, &entry);
    if (result != FLASH_LOG_OK) return result;
    log->end = entry.record.offset + round_up(entry.record.size);
  }
  drop_changes(log);
  ++log->transaction;
  /* Power failed while something was programmed behind: a fresh area has only erased cells to write to. */
  const uint32_t left = log->start + area_size(log) - log->end;
  return is_filled_with(log->flash->memory + log->end, left, 0xFF) ? FLASH_LOG_OK : compact(log);
}

int flash_log_open(struct flash_log* log, struct flash* flash) {
  memset(log, 0, sizeof *log);
  log->flash = flash;
  const uint32_t first = generation_at(flash, 0);
  const uint32_t second = generation_at(flash, area_size(log));
  if (first == 0 && second == 0) return format(log);
  log->start = second > first ? area_size(log) : 0;
  log->generation = second > first ? second : first;
  log->end = log->start + AREA_HEADER_SIZE;
  const int result = replay(log);
  if (result != FLASH_LOG_OK) return result;
  (void)erase_area(log, other_area(log)); /* power may have failed before it was erased */
  return FLASH_LOG_OK;
}

sks_storage flash_log_storage(struct flash_log* log) {
  const sks_storage storage = {sizeof storage, log, begin, get, put, erase, scan, commit, rollback, make_room};
  return storage;
}
