/* SPDX-License-Identifier: MIT */
/* The second tier of a worker's memory: columns of data files that are read again and again, decoded.
 *
 * The first tier is the files' bytes. What a warm query still pays for is decompressing and decoding them; a table in
 * the engine's memory, compressed as DuckDB compresses its own, costs a fifth of that to read
 * (docs/decisions/0004-hot-columns.md has the figures).
 *
 * Owned and used by the worker's thread alone. */
#ifndef PF_QUERY_HOT_COLUMNS_H
#define PF_QUERY_HOT_COLUMNS_H

#include "engine/engine.h"
#include "query/task_files.h"

/* The attached database that holds the tables: pf_engine_options.memory_database. */
#define HOT_DATABASE "hot"

struct hot_columns;

/* `files` (may be NULL): where files are objects and not paths that can be opened. `budget_bytes` is what the tables may take, as they are held, and what one may take while it is built. The session
 * outlives them. */
struct hot_columns *hot_columns_new(struct pf_session *session, const struct task_files_options *files,
                                    int64_t budget_bytes);
struct hot_columns *hot_columns_free(struct hot_columns *hot); /* NULL is fine */

/* Sets `held_as` (in `arena`) of each split of the task's scans that needs no file any more, and empties it for the others. Reads
 * of files are counted, and once they have cost more than building would, a table is built: at most one a task.
 * Splits that a table can't stand for (deleted rows, files read by their own schema, lineage) are left alone. Fails with PF_CANCELLED alone: whatever else goes wrong, the files are
 * there. */
enum pf_code hot_columns_prepare(struct hot_columns *hot, struct stage_message *stage, struct task_message *task,
                                 struct pf_arena *arena, struct pf_error *err) PF_MUST_CHECK;

/* Drops all tables: the memory is needed for a task. */
void hot_columns_drop_all(struct hot_columns *hot);

struct hot_columns_stats {
    int64_t held_bytes, table_count, builds, hits, reads; /* hits and reads are of splits */
};
void hot_columns_get_stats(const struct hot_columns *hot, struct hot_columns_stats *out_stats);

#endif
