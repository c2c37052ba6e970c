/* SPDX-License-Identifier: MIT */
/* Memory with the lifetime of a unit of work.
 *
 * Arenas form a tree: process -> query -> stage -> attempt, or process -> request. Freeing one frees its children
 * first (last born first), then runs its deferred clean-ups last-in first-out, then returns the memory.
 * Allocation never fails: no memory for small things aborts the process. Large buffers are reserved from a budget
 * (base/budget.h) before they are allocated.
 * Threads: an arena belongs to one thread at a time. Making or freeing a child touches the parent, so a child that
 * another thread will own is made with parent NULL and handed over complete. */
#ifndef PF_BASE_ARENA_H
#define PF_BASE_ARENA_H

#include "base/error.h"

#include <stdarg.h>

struct pf_arena;

/* `name` is for the log and must outlive the arena (a literal). `parent` may be NULL. */
struct pf_arena *pf_arena_new(struct pf_arena *parent, const char *name);
/* NULL is fine. Always NULL, so that `arena = pf_arena_free(arena)` reads well. */
struct pf_arena *pf_arena_free(struct pf_arena *arena);

/* Zeroed, aligned for any type. Size 0 gives a valid pointer. */
void *pf_arena_alloc(struct pf_arena *arena, size_t size_bytes) __attribute__((returns_nonnull, malloc));
#define PF_ARENA_NEW(arena, type) ((type *)pf_arena_alloc((arena), sizeof(type)))
#define PF_ARENA_ARRAY(arena, type, count) ((type *)pf_arena_alloc_array((arena), (count), sizeof(type)))
void *pf_arena_alloc_array(struct pf_arena *arena, size_t count, size_t size_bytes) __attribute__((returns_nonnull));

/* Room for one more element: returns `items` or a copy of twice the size. `*capacity` is in elements. */
void *pf_arena_grow(struct pf_arena *arena, void *items, size_t count, size_t *capacity, size_t size_bytes);
/* Appends: PF_ARENA_PUSH(arena, list->items, list->count, list->capacity) = item;
 * The item must not be computed from the list itself. */
#define PF_ARENA_PUSH(arena, items, count, capacity)                                                                   \
    *((items) = pf_arena_grow((arena), (items), (count), &(capacity), sizeof *(items)), (count)++, &(items)[(count)-1])

pf_str pf_arena_str(struct pf_arena *arena, pf_str s); /* a copy, with a zero byte behind it */
char *pf_arena_cstr(struct pf_arena *arena, pf_str s); /* the same as a C string */
pf_str pf_arena_printf(struct pf_arena *arena, const char *format, ...) PF_PRINTF(2, 3);
pf_str pf_arena_vprintf(struct pf_arena *arena, const char *format, va_list args);

/* `run(what)` is called when the arena is freed. */
void pf_arena_defer(struct pf_arena *arena, void (*run)(void *what), void *what);

size_t pf_arena_used(const struct pf_arena *arena); /* bytes handed out, children not counted */

#endif
