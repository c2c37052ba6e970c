/* SPDX-License-Identifier: MIT */
/* Which worker a task should go to: the one that is likely to hold its files in memory.
 *
 * Consistent hashing with bounded load (Mirrokni, Thorup, Zadimoghaddam: "Consistent Hashing with Bounded Loads", 2018):
 * each file belongs to a worker by its name alone, so every query and every coordinator sends it to the same one; a
 * worker that comes or goes moves few files; none gets more than a quarter above its share. A task has several files:
 * it goes where most of its rows belong, as far as that worker has room. */
#ifndef PF_QUERY_AFFINITY_H
#define PF_QUERY_AFFINITY_H

#include "query/make_tasks.h"

/* --- pure --- */

struct affinity_ring;

/* Of workers by name, in any order; at least one. The names are not copied. */
struct affinity_ring *affinity_ring_new(const pf_str *workers, size_t worker_count, struct pf_arena *arena);

struct affinity_file {
    uint64_t key; /* affinity_key */
    int64_t weight;
};

struct affinity_item {
    const struct affinity_file *files;
    size_t file_count;
};

uint64_t affinity_key(pf_str path, int64_t first_row);

/* For each item the index of its worker, in `out_workers`. Items without files get -1. */
void affinity_place(const struct affinity_ring *ring, const struct affinity_item *items, size_t count,
                    struct pf_arena *arena, int *out_workers);

/* What a worker has read lately, in little memory: a file may be forgotten when many others were read. */
enum { SEEN_SLOTS = 4096 };
struct seen_files {
    uint64_t keys[SEEN_SLOTS]; /* 0: none */
};
/* Counts the files that a task reads by itself, and those of them that were seen before; then they all were. */
void seen_files_count(struct seen_files *seen, const struct task_message *task, int *out_files, int *out_warm);

/* --- with the registry --- */

/* A worker for each task of the list, empty for those that read no files of their own; NULL if there is no choice. */
enum pf_code place_tasks(struct pf_stack *stack, const struct task_list *list, struct pf_arena *arena,
                         pf_str **out_workers, struct pf_error *err) PF_MUST_CHECK;
/* For how long tasks are kept: what it takes to claim one from a worker that is there, several times over. */
int64_t affinity_steal_ms(const struct pf_stack *stack);

#endif
