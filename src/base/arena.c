/* SPDX-License-Identifier: MIT */
/* Arena: a list of blocks, bump allocation in the newest.
 *
 *   arena -> block (current) -> block -> block        blocks double from 4 KiB to 1 MiB
 *         -> cleanup -> cleanup                        run last-in first-out
 *         -> child -> child                            freed before this one
 *
 * A large allocation gets a block of its own behind the current one, so that the rest of the current one is not lost. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK_BYTES = 4096, LAST_BLOCK_BYTES = 1 << 20 };

struct block {
    struct block *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

struct cleanup {
    struct cleanup *next;
    void (*run)(void *what);
    void *what;
};

struct pf_arena {
    const char *name;
    struct pf_arena *parent, *first_child, *next_sibling, *previous_sibling;
    struct block *blocks;
    struct cleanup *cleanups;
    size_t next_block_bytes, used;
};

static void *must_allocate(size_t size_bytes, const char *name) {
    void *memory = calloc(1, size_bytes);
    if (!memory) {
        fprintf(stderr, "out of memory: %zu bytes for arena '%s'\n", size_bytes, name);
        abort();
    }
    return memory;
}

struct pf_arena *pf_arena_new(struct pf_arena *parent, const char *name) {
    struct pf_arena *arena = must_allocate(sizeof *arena, name);
    arena->name = name;
    arena->next_block_bytes = FIRST_BLOCK_BYTES;
    arena->parent = parent;
    if (parent) {
        arena->next_sibling = parent->first_child;
        if (arena->next_sibling) arena->next_sibling->previous_sibling = arena;
        parent->first_child = arena;
    }
    return arena;
}

static void unlink_from_parent(struct pf_arena *arena) {
    if (arena->next_sibling) arena->next_sibling->previous_sibling = arena->previous_sibling;
    if (arena->previous_sibling) {
        arena->previous_sibling->next_sibling = arena->next_sibling;
    } else if (arena->parent) {
        arena->parent->first_child = arena->next_sibling;
    }
}

struct pf_arena *pf_arena_free(struct pf_arena *arena) {
    if (!arena) return NULL;
    while (arena->first_child) pf_arena_free(arena->first_child);
    while (arena->cleanups) {
        struct cleanup *cleanup = arena->cleanups;
        arena->cleanups = cleanup->next;
        cleanup->run(cleanup->what);
    }
    unlink_from_parent(arena);
    while (arena->blocks) {
        struct block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    free(arena);
    return NULL;
}

static struct block *add_block(struct pf_arena *arena, size_t size_bytes) {
    struct block *block = must_allocate(sizeof *block + size_bytes, arena->name);
    block->size = size_bytes;
    return block;
}

void *pf_arena_alloc(struct pf_arena *arena, size_t size_bytes) {
    size_t rounded = (size_bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (rounded < size_bytes) {
        fprintf(stderr, "out of memory: %zu bytes for arena '%s'\n", size_bytes, arena->name);
        abort();
    }
    arena->used += rounded;
    struct block *current = arena->blocks;
    if (!current || current->size - current->used < rounded) {
        if (current && rounded > arena->next_block_bytes / 4) {
            struct block *own = add_block(arena, rounded ? rounded : 1);
            own->used = rounded;
            own->next = current->next;
            current->next = own;
            return own->data;
        }
        size_t size = arena->next_block_bytes > rounded ? arena->next_block_bytes : rounded;
        if (arena->next_block_bytes < LAST_BLOCK_BYTES) arena->next_block_bytes *= 2;
        current = add_block(arena, size);
        current->next = arena->blocks;
        arena->blocks = current;
    }
    void *memory = current->data + current->used;
    current->used += rounded;
    return memory;
}

void *pf_arena_alloc_array(struct pf_arena *arena, size_t count, size_t size_bytes) {
    size_t total;
    if (__builtin_mul_overflow(count, size_bytes, &total)) {
        fprintf(stderr, "out of memory: %zu times %zu bytes for arena '%s'\n", count, size_bytes, arena->name);
        abort();
    }
    return pf_arena_alloc(arena, total);
}

void *pf_arena_grow(struct pf_arena *arena, void *items, size_t count, size_t *capacity, size_t size_bytes) {
    if (count < *capacity) return items;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *larger = pf_arena_alloc_array(arena, wanted, size_bytes);
    if (count) memcpy(larger, items, count * size_bytes);
    *capacity = wanted;
    return larger;
}

char *pf_arena_cstr(struct pf_arena *arena, pf_str s) {
    char *copy = pf_arena_alloc(arena, s.len + 1);
    if (s.len) memcpy(copy, s.ptr, s.len);
    return copy;
}

pf_str pf_arena_str(struct pf_arena *arena, pf_str s) {
    return (pf_str){pf_arena_cstr(arena, s), s.len};
}

pf_str pf_arena_vprintf(struct pf_arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    size_t size = length < 0 ? 0 : (size_t)length;
    char *text = pf_arena_alloc(arena, size + 1);
    vsnprintf(text, size + 1, format, again);
    va_end(again);
    return (pf_str){text, size};
}

pf_str pf_arena_printf(struct pf_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    pf_str text = pf_arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

void pf_arena_defer(struct pf_arena *arena, void (*run)(void *what), void *what) {
    struct cleanup *cleanup = pf_arena_alloc(arena, sizeof *cleanup);
    *cleanup = (struct cleanup){arena->cleanups, run, what};
    arena->cleanups = cleanup;
}

size_t pf_arena_used(const struct pf_arena *arena) {
    return arena->used;
}
