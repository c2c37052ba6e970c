/* SPDX-License-Identifier: MIT */
#include "query/affinity.h"

#include "sync/sync.h"

#include <stdlib.h>
#include <string.h>

/* Points of a worker on the ring: enough for an even spread, few enough to sort for thousands of workers. What they
 * leave uneven, the bound on the load evens out. */
enum { MAX_POINTS_EACH = 64, MIN_POINTS_EACH = 8, POINTS_IN_ALL = 32768 };
enum { ROOM_PERCENT = 125 }; /* of the mean load */
enum { LOCAL_STEAL_MS = 4 }; /* workers of this machine answer within a fraction of a millisecond */

struct point {
    uint64_t place;
    int worker;
};

struct affinity_ring {
    struct point *points;
    size_t point_count, worker_count;
};

/* FNV-1a leaves the high bits of short names alike; the ring is ordered by them. (The finish of SplitMix64.) */
static uint64_t mix(uint64_t value) {
    value += 0x9e3779b97f4a7c15U;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31);
}

uint64_t affinity_key(pf_str path, int64_t first_row) {
    return mix(pf_str_hash(path) ^ mix((uint64_t)first_row));
}

static int by_place(const void *a, const void *b) {
    const struct point *one = a, *other = b;
    if (one->place != other->place) return one->place < other->place ? -1 : 1;
    return one->worker - other->worker;
}

struct affinity_ring *affinity_ring_new(const pf_str *workers, size_t worker_count, struct pf_arena *arena) {
    struct affinity_ring *ring = PF_ARENA_NEW(arena, struct affinity_ring);
    size_t each = POINTS_IN_ALL / worker_count;
    if (each > MAX_POINTS_EACH) each = MAX_POINTS_EACH;
    if (each < MIN_POINTS_EACH) each = MIN_POINTS_EACH;
    ring->worker_count = worker_count;
    ring->points = PF_ARENA_ARRAY(arena, struct point, worker_count * each);
    for (size_t i = 0; i < worker_count; i++) {
        uint64_t place = pf_str_hash(workers[i]);
        for (size_t j = 0; j < each; j++) {
            place = mix(place);
            ring->points[ring->point_count++] = (struct point){place, (int)i};
        }
    }
    qsort(ring->points, ring->point_count, sizeof *ring->points, by_place);
    return ring;
}

/* The first point at or after the key, around the ring. */
static size_t find_point(const struct affinity_ring *ring, uint64_t key) {
    size_t low = 0, high = ring->point_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ring->points[middle].place < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == ring->point_count ? 0 : low;
}

static int64_t weight_of(const struct affinity_item *item) {
    int64_t weight = 0;
    for (size_t i = 0; i < item->file_count; i++) weight += item->files[i].weight;
    return weight;
}

/* Where most of the item belongs, of the workers that have room; -1 if none of its owners has. */
static int choose_owner(const struct affinity_ring *ring, const struct affinity_item *item, const int64_t *loads,
                        int64_t room, int64_t *votes) {
    int best = -1;
    int64_t weight = weight_of(item);
    for (size_t i = 0; i < item->file_count; i++) {
        int owner = ring->points[find_point(ring, item->files[i].key)].worker;
        votes[owner] += item->files[i].weight;
        if (loads[owner] + weight > room) continue;
        if (best < 0 || votes[owner] > votes[best]) best = owner;
    }
    for (size_t i = 0; i < item->file_count; i++) {
        votes[ring->points[find_point(ring, item->files[i].key)].worker] = 0;
    }
    return best;
}

/* The next worker on the ring that has room. The room of all is more than the weight of all; but heavy items may fit
 * nowhere, then it is the least loaded of them. */
static int choose_next(const struct affinity_ring *ring, uint64_t key, int64_t weight, const int64_t *loads,
                       int64_t room) {
    size_t at = find_point(ring, key);
    int least = ring->points[at].worker;
    for (size_t i = 0; i < ring->point_count; i++) {
        int worker = ring->points[(at + i) % ring->point_count].worker;
        if (loads[worker] + weight <= room) return worker;
        if (loads[worker] < loads[least]) least = worker;
    }
    return least;
}

void affinity_place(const struct affinity_ring *ring, const struct affinity_item *items, size_t count,
                    struct pf_arena *arena, int *out_workers) {
    int64_t *loads = PF_ARENA_ARRAY(arena, int64_t, ring->worker_count), total = 0;
    int64_t *votes = PF_ARENA_ARRAY(arena, int64_t, ring->worker_count);
    int64_t heaviest = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t weight = weight_of(&items[i]);
        total += weight;
        if (weight > heaviest) heaviest = weight;
    }
    int64_t room = total / (int64_t)ring->worker_count * ROOM_PERCENT / 100 + 1;
    if (room < heaviest) room = heaviest; /* whoever has nothing has room for one */
    for (size_t i = 0; i < count; i++) {
        out_workers[i] = -1;
        if (items[i].file_count == 0) continue;
        int64_t weight = weight_of(&items[i]);
        int worker = choose_owner(ring, &items[i], loads, room, votes);
        if (worker < 0) worker = choose_next(ring, items[i].files[0].key, weight, loads, room);
        loads[worker] += weight;
        out_workers[i] = worker;
    }
}

void seen_files_count(struct seen_files *seen, const struct task_message *task, int *out_files, int *out_warm) {
    *out_files = *out_warm = 0;
    for (size_t i = 0; i < task->input_count; i++) {
        for (size_t j = 0; j < task->inputs[i].split_count; j++) {
            const struct task_split *split = &task->inputs[i].splits[j];
            uint64_t key = affinity_key(split->path, split->first_row) | 1;
            uint64_t *slot = &seen->keys[(key >> 1) % SEEN_SLOTS];
            (*out_files)++;
            *out_warm += *slot == key;
            *slot = key;
        }
    }
}

/* ---- with the registry ---- */

static size_t count_splits(const struct task_message *task) {
    size_t count = 0;
    for (size_t i = 0; i < task->input_count; i++) count += task->inputs[i].split_count;
    return count;
}

/* Splits of a stage are cut alike: one counts as much as another. */
static struct affinity_item item_of(const struct task_message *task, struct pf_arena *arena) {
    struct affinity_item item = {.file_count = count_splits(task)};
    struct affinity_file *files = PF_ARENA_ARRAY(arena, struct affinity_file, item.file_count);
    size_t at = 0;
    for (size_t i = 0; i < task->input_count; i++) {
        for (size_t j = 0; j < task->inputs[i].split_count; j++) {
            const struct task_split *split = &task->inputs[i].splits[j];
            files[at++] = (struct affinity_file){affinity_key(split->path, split->first_row), 1};
        }
    }
    item.files = files;
    return item;
}

static void choose_workers(const struct task_list *list, const struct pf_sync_worker *alive, size_t alive_count,
                           struct pf_arena *scratch, struct pf_arena *arena, pf_str *out_workers) {
    pf_str *names = PF_ARENA_ARRAY(scratch, pf_str, alive_count);
    struct affinity_item *items = PF_ARENA_ARRAY(scratch, struct affinity_item, list->count);
    int *places = PF_ARENA_ARRAY(scratch, int, list->count);
    for (size_t i = 0; i < alive_count; i++) names[i] = alive[i].id;
    for (size_t i = 0; i < list->count; i++) items[i] = item_of(&list->tasks[i], scratch);
    affinity_place(affinity_ring_new(names, alive_count, scratch), items, list->count, scratch, places);
    for (size_t i = 0; i < list->count; i++) {
        out_workers[i] = places[i] < 0 ? PF_STR_EMPTY : pf_arena_str(arena, names[places[i]]);
    }
}

enum pf_code place_tasks(struct pf_stack *stack, const struct task_list *list, struct pf_arena *arena,
                         pf_str **out_workers, struct pf_error *err) {
    struct pf_sync_worker *alive = NULL;
    size_t alive_count = 0, with_files = 0;
    *out_workers = NULL;
    for (size_t i = 0; i < list->count; i++) with_files += count_splits(&list->tasks[i]) > 0;
    if (with_files == 0) return PF_OK;
    struct pf_arena *scratch = pf_arena_new(NULL, "affinity");
    enum pf_code code = pf_sync_worker_list(stack->sync, scratch, &alive, &alive_count, err);
    if (code == PF_OK && alive_count > 1) {
        *out_workers = PF_ARENA_ARRAY(arena, pf_str, list->count);
        choose_workers(list, alive, alive_count, scratch, arena, *out_workers);
    }
    pf_arena_free(scratch);
    return code;
}

int64_t affinity_steal_ms(const struct pf_stack *stack) {
    bool is_local = pf_str_starts_with(stack->options.store_url, PF_STR("file:"));
    return is_local ? LOCAL_STEAL_MS : PF_SYNC_STEAL_MS;
}
