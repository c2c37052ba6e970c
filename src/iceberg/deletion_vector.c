/* SPDX-License-Identifier: MIT */
/* Deleted rows of one data file, as a set of positions.
 *
 * The set stays in the form it is stored in, a 64-bit Roaring bitmap: chunks of 65536 positions, each a sorted array of
 * 16-bit numbers, a bitmap, or runs. Chunks are views into the bytes, so that a small blob can't become a large set;
 * what is read from them is checked once, when the set is made. See the Roaring format specification ("portable") and
 * the spec's "Deletion Vectors" for what is around it. */
#include "iceberg/iceberg.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

enum {
    COOKIE_NO_RUNS = 12346,
    COOKIE_RUNS = 12347,
    NO_OFFSET_BELOW = 4,
    MAX_ARRAY = 4096,
    BITMAP_BYTES = 8192,
    MAGIC_BYTES = 4,
    FRAME_BYTES = 12 /* length, magic, checksum */
};
static const char MAGIC[MAGIC_BYTES] = {(char)0xd1, (char)0xd3, 0x39, 0x64};

enum chunk_kind { CHUNK_ARRAY, CHUNK_BITMAP, CHUNK_RUNS };
struct chunk {
    uint64_t key; /* position / 65536 */
    const unsigned char *data;
    uint32_t count; /* numbers in an array, runs */
    enum chunk_kind kind;
};

struct pf_deleted_rows {
    struct chunk *chunks; /* ascending by key */
    size_t chunk_count, chunk_capacity;
    int64_t row_count;
};

/* ---- bytes ---- */

struct input {
    const unsigned char *at, *end;
};

static bool take(struct input *input, size_t size_bytes, const unsigned char **out_bytes) {
    if ((size_t)(input->end - input->at) < size_bytes) return false;
    *out_bytes = input->at;
    input->at += size_bytes;
    return true;
}

static uint32_t get_u16(const unsigned char *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t get_u32(const unsigned char *bytes) {
    return get_u16(bytes) | get_u16(bytes + 2) << 16;
}

static uint32_t get_u32_big(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool take_u32(struct input *input, uint32_t *out_number) {
    const unsigned char *bytes;
    if (!take(input, 4, &bytes)) return false;
    *out_number = get_u32(bytes);
    return true;
}

/* ---- one 32-bit bitmap ---- */

static bool is_ascending(const struct chunk *chunk) {
    for (uint32_t i = 1; i < chunk->count; i++) {
        if (get_u16(chunk->data + 2 * (size_t)i) <= get_u16(chunk->data + 2 * (size_t)(i - 1))) return false;
    }
    return true;
}

static uint32_t count_bits(const unsigned char *bytes) {
    uint32_t count = 0;
    for (size_t i = 0; i < BITMAP_BYTES; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        count += (uint32_t)__builtin_popcountll(word);
    }
    return count;
}

/* Runs are (first, length - 1), ascending and apart; they must stay inside the chunk. */
static bool count_runs(const struct chunk *chunk, uint32_t *out_count) {
    uint32_t next = 0;
    *out_count = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        uint32_t first = get_u16(chunk->data + 4 * (size_t)i), more = get_u16(chunk->data + 4 * (size_t)i + 2);
        if (first < next || first + more > UINT16_MAX) return false;
        *out_count += more + 1;
        next = first + more + 1;
    }
    return true;
}

static const char *take_chunk(struct input *input, bool is_runs, uint32_t cardinality, struct chunk *chunk) {
    uint32_t count = cardinality;
    if (is_runs) {
        const unsigned char *head;
        if (!take(input, 2, &head)) return "a chunk ends too early";
        chunk->kind = CHUNK_RUNS;
        chunk->count = get_u16(head);
        if (!take(input, 4 * (size_t)chunk->count, &chunk->data)) return "a chunk ends too early";
        if (!count_runs(chunk, &count)) return "runs are not in order";
    } else if (cardinality > MAX_ARRAY) {
        chunk->kind = CHUNK_BITMAP;
        if (!take(input, BITMAP_BYTES, &chunk->data)) return "a chunk ends too early";
        count = count_bits(chunk->data);
    } else {
        chunk->kind = CHUNK_ARRAY;
        chunk->count = cardinality;
        if (!take(input, 2 * (size_t)cardinality, &chunk->data)) return "a chunk ends too early";
        if (!is_ascending(chunk)) return "positions are not in order";
    }
    return count == cardinality ? NULL : "a chunk holds another number of positions than it says";
}

/* NULL, or what is wrong. `high` is the upper half of the positions. */
static const char *take_bitmap(struct input *input, uint32_t high, struct pf_arena *arena,
                               struct pf_deleted_rows *rows) {
    uint32_t cookie, count;
    const unsigned char *run_flags = NULL, *keys, *offsets;
    if (!take_u32(input, &cookie)) return "a bitmap ends too early";
    if ((cookie & 0xffff) == COOKIE_RUNS) {
        count = (cookie >> 16) + 1;
        if (!take(input, (count + 7) / 8, &run_flags)) return "a bitmap ends too early";
    } else if (cookie != COOKIE_NO_RUNS || !take_u32(input, &count) || count > UINT16_MAX + 1) {
        return "no Roaring bitmap";
    }
    if (!take(input, 4 * (size_t)count, &keys)) return "a bitmap ends too early";
    bool has_offsets = !run_flags || count >= NO_OFFSET_BELOW;
    if (has_offsets && !take(input, 4 * (size_t)count, &offsets)) return "a bitmap ends too early";
    for (uint32_t i = 0; i < count; i++) {
        struct chunk chunk = {.key = (uint64_t)high << 16 | get_u16(keys + 4 * (size_t)i)};
        if (i && get_u16(keys + 4 * (size_t)i) <= get_u16(keys + 4 * (size_t)(i - 1))) return "chunks are not in order";
        uint32_t cardinality = get_u16(keys + 4 * (size_t)i + 2) + 1;
        const char *problem = take_chunk(input, run_flags && run_flags[i / 8] >> (i % 8) & 1, cardinality, &chunk);
        if (problem) return problem;
        PF_ARENA_PUSH(arena, rows->chunks, rows->chunk_count, rows->chunk_capacity) = chunk;
        rows->row_count += cardinality;
    }
    return NULL;
}

static const char *take_bitmap64(struct input *input, struct pf_arena *arena, struct pf_deleted_rows *rows) {
    const unsigned char *head;
    int64_t before = -1;
    if (!take(input, 8, &head)) return "the bitmap ends too early";
    uint64_t count = get_u32(head) | (uint64_t)get_u32(head + 4) << 32;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t high;
        if (!take_u32(input, &high)) return "the bitmap ends too early";
        if (high > INT32_MAX) return "a position beyond 2^63";
        if ((int64_t)high <= before) return "bitmaps are not in order";
        before = high;
        const char *problem = take_bitmap(input, high, arena, rows);
        if (problem) return problem;
    }
    return input->at == input->end ? NULL : "there are bytes behind the bitmap";
}

enum pf_code pf_deletion_vector_read(pf_str blob, struct pf_arena *arena, struct pf_deleted_rows **out_rows,
                                     struct pf_error *err) {
    const unsigned char *bytes = (const unsigned char *)blob.ptr;
    if (blob.len < FRAME_BYTES || memcmp(bytes + 4, MAGIC, MAGIC_BYTES) != 0) {
        PF_FAIL(err, PF_CORRUPT, "no deletion vector: its magic number is missing");
    }
    size_t length = get_u32_big(bytes);
    if (length != blob.len - 8) {
        PF_FAIL(err, PF_CORRUPT, "a deletion vector of %zu bytes in a blob of %zu", length, blob.len);
    }
    if (libdeflate_crc32(0, bytes + 4, length) != get_u32_big(bytes + 4 + length)) {
        PF_FAIL(err, PF_CORRUPT, "the checksum of the deletion vector is wrong");
    }
    struct pf_deleted_rows *rows = PF_ARENA_NEW(arena, struct pf_deleted_rows);
    struct input input = {bytes + 4 + MAGIC_BYTES, bytes + 4 + length};
    const char *problem = take_bitmap64(&input, arena, rows);
    if (problem) PF_FAIL(err, PF_CORRUPT, "deletion vector: %s", problem);
    *out_rows = rows;
    return PF_OK;
}

/* ---- from positions ---- */

static int compare_positions(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct pf_deleted_rows *pf_deleted_rows_from(int64_t *positions, size_t count, struct pf_arena *arena) {
    struct pf_deleted_rows *rows = PF_ARENA_NEW(arena, struct pf_deleted_rows);
    unsigned char *bytes = pf_arena_alloc(arena, 2 * count + 1);
    struct chunk *chunk = NULL;
    if (count) qsort(positions, count, sizeof *positions, compare_positions);
    for (size_t i = 0; i < count; i++) {
        uint64_t position = (uint64_t)positions[i];
        if (positions[i] < 0 || (i && positions[i] == positions[i - 1])) continue;
        if (!chunk || chunk->key != position >> 16) {
            chunk = &PF_ARENA_PUSH(arena, rows->chunks, rows->chunk_count, rows->chunk_capacity);
            *chunk = (struct chunk){.key = position >> 16, .data = bytes, .kind = CHUNK_ARRAY};
        }
        *bytes++ = (unsigned char)position;
        *bytes++ = (unsigned char)(position >> 8);
        chunk->count++;
        rows->row_count++;
    }
    return rows;
}

/* ---- asking ---- */

static bool array_has(const struct chunk *chunk, uint32_t low) {
    uint32_t from = 0, to = chunk->count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (get_u16(chunk->data + 2 * (size_t)middle) < low) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from < chunk->count && get_u16(chunk->data + 2 * (size_t)from) == low;
}

static bool runs_have(const struct chunk *chunk, uint32_t low) {
    uint32_t from = 0, to = chunk->count; /* the last run that does not begin behind `low` */
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (get_u16(chunk->data + 4 * (size_t)middle) <= low) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    if (from == 0) return false;
    const unsigned char *run = chunk->data + 4 * (size_t)(from - 1);
    return low - get_u16(run) <= get_u16(run + 2);
}

bool pf_deleted_rows_has(const struct pf_deleted_rows *rows, int64_t position, size_t *hint) {
    uint64_t key = (uint64_t)position >> 16;
    uint32_t low = (uint32_t)position & 0xffff;
    if (*hint >= rows->chunk_count || rows->chunks[*hint].key != key) {
        size_t from = 0, to = rows->chunk_count;
        while (from < to) {
            size_t middle = from + (to - from) / 2;
            if (rows->chunks[middle].key < key) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        if (from == rows->chunk_count || rows->chunks[from].key != key) return false;
        *hint = from;
    }
    const struct chunk *chunk = &rows->chunks[*hint];
    switch (chunk->kind) {
    case CHUNK_ARRAY: return array_has(chunk, low);
    case CHUNK_BITMAP: return chunk->data[low >> 3] >> (low & 7) & 1;
    default: return runs_have(chunk, low);
    }
}

int64_t pf_deleted_rows_count(const struct pf_deleted_rows *rows) {
    return rows->row_count;
}

/* ---- into a set that grows ---- */

static void add_bits(struct pf_row_set *set, const struct chunk *chunk, int64_t base) {
    for (uint32_t i = 0; i < BITMAP_BYTES; i++) {
        for (uint32_t bit = 0; chunk->data[i] >> bit; bit++) {
            if (chunk->data[i] >> bit & 1) pf_row_set_add(set, base + 8 * (int64_t)i + bit);
        }
    }
}

static void add_runs(struct pf_row_set *set, const struct chunk *chunk, int64_t base) {
    for (uint32_t i = 0; i < chunk->count; i++) {
        uint32_t first = get_u16(chunk->data + 4 * (size_t)i), more = get_u16(chunk->data + 4 * (size_t)i + 2);
        for (uint32_t k = 0; k <= more; k++) pf_row_set_add(set, base + first + k);
    }
}

void pf_row_set_add_deleted(struct pf_row_set *set, const struct pf_deleted_rows *rows) {
    for (size_t c = 0; c < rows->chunk_count; c++) {
        const struct chunk *chunk = &rows->chunks[c];
        int64_t base = (int64_t)(chunk->key << 16);
        if (chunk->kind == CHUNK_BITMAP) {
            add_bits(set, chunk, base);
        } else if (chunk->kind == CHUNK_RUNS) {
            add_runs(set, chunk, base);
        } else {
            for (uint32_t i = 0; i < chunk->count; i++)
                pf_row_set_add(set, base + get_u16(chunk->data + 2 * (size_t)i));
        }
    }
}
