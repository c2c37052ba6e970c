/* SPDX-License-Identifier: MIT */
/* Rows to delete in one data file, while they are collected, and as a deletion vector (spec, Deletion Vectors).
 *
 * Chunks of 65536 positions, each a bitmap once a position falls into it: 8 KiB for a chunk, a bit a row where many go.
 * Written, a chunk has the smallest of the three forms of Roaring. */
#include "iceberg/iceberg.h"

#include "base/buf.h"

#include <libdeflate.h>
#include <string.h>

enum {
    CHUNK_BITS = 16,
    CHUNK_WORDS = 1024,
    MAX_ARRAY = 4096,
    BITMAP_BYTES = 8192,
    COOKIE_NO_RUNS = 12346,
    COOKIE_RUNS = 12347,
    NO_OFFSET_BELOW = 4
};
static const char MAGIC[4] = {(char)0xd1, (char)0xd3, 0x39, 0x64};

struct set_chunk {
    uint32_t count, run_count; /* runs are counted when it is written */
    uint64_t words[CHUNK_WORDS];
};

struct pf_row_set {
    struct pf_arena *arena;
    struct set_chunk **chunks; /* by position / 65536; NULL: empty */
    size_t chunk_count;
    int64_t row_count;
    bool failed;
};

struct pf_row_set *pf_row_set_new(struct pf_arena *arena) {
    struct pf_row_set *set = PF_ARENA_NEW(arena, struct pf_row_set);
    set->arena = arena;
    return set;
}

static struct set_chunk *need_chunk(struct pf_row_set *set, size_t key) {
    if (key >= set->chunk_count) {
        size_t count = set->chunk_count ? set->chunk_count : 16;
        while (count <= key) count *= 2;
        struct set_chunk **chunks = PF_ARENA_ARRAY(set->arena, struct set_chunk *, count);
        if (set->chunk_count) memcpy(chunks, set->chunks, set->chunk_count * sizeof *chunks);
        set->chunks = chunks;
        set->chunk_count = count;
    }
    if (!set->chunks[key]) set->chunks[key] = PF_ARENA_NEW(set->arena, struct set_chunk);
    return set->chunks[key];
}

bool pf_row_set_add(struct pf_row_set *set, int64_t position) {
    if (position < 0 || position > PF_MAX_ROW_POSITION) {
        set->failed = true;
        return false;
    }
    struct set_chunk *chunk = need_chunk(set, (size_t)(position >> CHUNK_BITS));
    uint32_t low = (uint32_t)position & 0xffff;
    uint64_t bit = (uint64_t)1 << (low & 63);
    if (chunk->words[low >> 6] & bit) return false;
    chunk->words[low >> 6] |= bit;
    chunk->count++;
    set->row_count++;
    return true;
}

bool pf_row_set_has(const struct pf_row_set *set, int64_t position) {
    size_t key = (size_t)(position >> CHUNK_BITS);
    if (position < 0 || key >= set->chunk_count || !set->chunks[key]) return false;
    uint32_t low = (uint32_t)position & 0xffff;
    return set->chunks[key]->words[low >> 6] >> (low & 63) & 1;
}

int64_t pf_row_set_count(const struct pf_row_set *set) {
    return set->row_count;
}

bool pf_row_set_failed(const struct pf_row_set *set) {
    return set->failed;
}

int64_t pf_row_set_next(const struct pf_row_set *set, int64_t from) {
    if (from < 0) from = 0;
    uint32_t low = (uint32_t)from & 0xffff;
    for (size_t key = (size_t)(from >> CHUNK_BITS); key < set->chunk_count; key++, low = 0) {
        const struct set_chunk *chunk = set->chunks[key];
        for (uint32_t word = low >> 6; chunk && word < CHUNK_WORDS; word++) {
            uint64_t bits = chunk->words[word];
            if (word == low >> 6) bits &= ~(uint64_t)0 << (low & 63);
            if (bits) return (int64_t)(key << CHUNK_BITS | word << 6 | (uint32_t)__builtin_ctzll(bits));
        }
    }
    return -1;
}

/* ---- as a blob ---- */

static void put_u16(struct pf_buf *out, uint32_t number) {
    char bytes[2] = {(char)number, (char)(number >> 8)};
    pf_buf_put(out, bytes, sizeof bytes);
}

static void put_u32(struct pf_buf *out, uint32_t number) {
    put_u16(out, number & 0xffff);
    put_u16(out, number >> 16);
}

static void put_u32_big(struct pf_buf *out, uint32_t number) {
    char bytes[4] = {(char)(number >> 24), (char)(number >> 16), (char)(number >> 8), (char)number};
    pf_buf_put(out, bytes, sizeof bytes);
}

/* A run begins where a bit is set and the one before is not. */
static uint32_t count_runs(const struct set_chunk *chunk) {
    uint32_t count = 0;
    uint64_t before = 0;
    for (size_t i = 0; i < CHUNK_WORDS; i++) {
        count += (uint32_t)__builtin_popcountll(chunk->words[i] & ~(chunk->words[i] << 1 | before));
        before = chunk->words[i] >> 63;
    }
    return count;
}

static uint32_t plain_bytes(const struct set_chunk *chunk) {
    return chunk->count > MAX_ARRAY ? BITMAP_BYTES : 2 * chunk->count;
}

static bool has_runs(const struct set_chunk *chunk) {
    return 2 + 4 * chunk->run_count < plain_bytes(chunk);
}

static uint32_t next_in(const struct set_chunk *chunk, uint32_t from, bool is_set) {
    for (uint32_t i = from; i < (uint32_t)1 << CHUNK_BITS; i++) {
        if ((i & 63) == 0 && chunk->words[i >> 6] == (is_set ? 0 : ~(uint64_t)0)) {
            i += 63;
            continue;
        }
        if ((chunk->words[i >> 6] >> (i & 63) & 1) == is_set) return i;
    }
    return (uint32_t)1 << CHUNK_BITS;
}

static void put_chunk(struct pf_buf *out, const struct set_chunk *chunk, bool in_runs) {
    const uint32_t end = (uint32_t)1 << CHUNK_BITS;
    if (in_runs) {
        put_u16(out, chunk->run_count);
        for (uint32_t first = next_in(chunk, 0, true); first < end;) {
            uint32_t behind = next_in(chunk, first, false);
            put_u16(out, first);
            put_u16(out, behind - first - 1);
            first = behind < end ? next_in(chunk, behind, true) : end;
        }
    } else if (chunk->count > MAX_ARRAY) {
        for (size_t i = 0; i < CHUNK_WORDS; i++) {
            put_u32(out, (uint32_t)chunk->words[i]);
            put_u32(out, (uint32_t)(chunk->words[i] >> 32));
        }
    } else {
        for (uint32_t i = next_in(chunk, 0, true); i < end; i = next_in(chunk, i + 1, true)) put_u16(out, i);
    }
}

/* The chunks of positions with the same upper half: a 32-bit bitmap, in the portable form. */
static void put_bitmap(struct pf_buf *out, struct set_chunk *const *chunks, const uint32_t *keys, uint32_t count) {
    bool any_runs = false;
    for (uint32_t i = 0; i < count; i++) any_runs = any_runs || has_runs(chunks[i]);
    uint32_t at = any_runs ? 4 + (count + 7) / 8 : 8;
    put_u32(out, any_runs ? COOKIE_RUNS | (count - 1) << 16 : COOKIE_NO_RUNS);
    if (!any_runs) put_u32(out, count);
    for (uint32_t i = 0; any_runs && i < count; i += 8) {
        unsigned flags = 0;
        for (uint32_t k = i; k < count && k < i + 8; k++) flags |= (unsigned)has_runs(chunks[k]) << (k - i);
        pf_buf_put_char(out, (char)flags);
    }
    for (uint32_t i = 0; i < count; i++) {
        put_u16(out, keys[i]);
        put_u16(out, chunks[i]->count - 1);
    }
    bool has_offsets = !any_runs || count >= NO_OFFSET_BELOW;
    at += 4 * count + (has_offsets ? 4 * count : 0);
    for (uint32_t i = 0; has_offsets && i < count; i++) {
        put_u32(out, at);
        at += has_runs(chunks[i]) ? 2 + 4 * chunks[i]->run_count : plain_bytes(chunks[i]);
    }
    for (uint32_t i = 0; i < count; i++) put_chunk(out, chunks[i], has_runs(chunks[i]));
}

static void put_bitmaps(struct pf_buf *out, const struct pf_row_set *set, struct pf_arena *scratch) {
    struct set_chunk **chunks = PF_ARENA_ARRAY(scratch, struct set_chunk *, set->chunk_count);
    uint32_t *keys = PF_ARENA_ARRAY(scratch, uint32_t, set->chunk_count);
    size_t count_at = out->len;
    uint64_t bitmap_count = 0;
    put_u32(out, 0); /* how many bitmaps: filled in below */
    put_u32(out, 0);
    for (size_t high = 0; high << CHUNK_BITS < set->chunk_count; high++) {
        uint32_t count = 0;
        for (size_t key = high << CHUNK_BITS; key < set->chunk_count && key >> CHUNK_BITS == high; key++) {
            if (!set->chunks[key]) continue;
            set->chunks[key]->run_count = count_runs(set->chunks[key]);
            keys[count] = (uint32_t)key & 0xffff;
            chunks[count++] = set->chunks[key];
        }
        if (!count) continue;
        put_u32(out, (uint32_t)high);
        put_bitmap(out, chunks, keys, count);
        bitmap_count++;
    }
    if (out->failed) return;
    for (int i = 0; i < 8; i++) out->ptr[count_at + (size_t)i] = (char)(bitmap_count >> (8 * i));
}

pf_str pf_deletion_vector_write(const struct pf_row_set *set, struct pf_arena *arena) {
    struct pf_buf out;
    struct pf_arena *scratch = pf_arena_new(NULL, "deletion vector");
    pf_buf_init(&out, SIZE_MAX);
    put_u32_big(&out, 0); /* the length of what is between it and the checksum: filled in below */
    pf_buf_put(&out, MAGIC, sizeof MAGIC);
    put_bitmaps(&out, set, scratch);
    uint32_t length = (uint32_t)(out.len - 4);
    for (int i = 0; i < 4; i++) out.ptr[i] = (char)(length >> (24 - 8 * i));
    put_u32_big(&out, (uint32_t)libdeflate_crc32(0, out.ptr + 4, length));
    pf_str blob = pf_arena_str(arena, pf_buf_view(&out));
    pf_buf_clear(&out);
    pf_arena_free(scratch);
    return blob;
}
