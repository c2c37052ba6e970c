/* SPDX-License-Identifier: MIT */
/* Between a task and the store: the files that its scans read become paths that the engine can open, with the columns
 * and rows that are read and nothing else fetched. Just before the statement, and for as long as it runs. */
#ifndef PF_QUERY_TASK_FILES_H
#define PF_QUERY_TASK_FILES_H

#include "query/task.h"
#include "store/store.h"

struct task_files {
    struct stage_message stage; /* copies in which paths stand for URIs */
    struct task_message task;
    struct pf_cache_hold *hold;
    struct task_reads reads;
};

struct task_files_options {
    struct pf_store *store;
    struct pf_cache *cache;
    bool (*is_cancelled)(void *context);
    void *context;
};

/* Files outside the store stay as they are. The result is good until task_files_release. */
enum pf_code task_files_acquire(const struct task_files_options *options, const struct stage_message *stage,
                                const struct task_message *task, struct pf_arena *arena, struct task_files *out_files,
                                struct pf_error *err) PF_MUST_CHECK;
void task_files_release(struct task_files *files); /* also of one that is all zeros */
void task_reads_add(struct task_reads *sum, const struct task_reads *more);

#endif
