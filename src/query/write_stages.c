/* SPDX-License-Identifier: MIT */
/* The last stage of a statement that writes: instead of rows for a client its tasks leave Parquet files.
 *
 *   the root of the plan as stages -> each task writes files                          not partitioned, or
 *                                                                                     write.distribution-mode = none
 *   the root of the plan as stages -> by hash of the partition values -> files        else: few files a partition
 *
 * Files are named by query, stage, task and attempt. The first publish of a task wins; a loser removes its own files, and
 * what a dead worker left is removed at the end. */
#include "query/write.h"

#include "base/log.h"
#include "query/run.h"
#include "query/write_json.h"

enum { PARTITIONS_PER_WORKER = 4, MAX_PARTITIONS = 512 };

/* ---- by partitions ---- */

static int partition_count(const struct run *run) {
    int count = run->options.worker_count * PARTITIONS_PER_WORKER;
    return count > MAX_PARTITIONS ? MAX_PARTITIONS : count < 2 ? 2 : count;
}

/* The stage's rows as the table's columns, by hash of the partition values. */
static struct pf_stage shuffled(struct run *run, const struct pf_stage *stage, const struct pf_write *write) {
    struct pf_stage shuffle = *stage;
    struct pf_write columns = {.columns_sql = write->columns_sql, .column_count = write->column_count};
    pf_str keys = PF_STR_EMPTY;
    for (size_t i = 0; i < write->partition_count; i++) {
        keys = pf_arena_printf(run->arena, "%.*s%s%.*s", PF_STR_ARG(keys), i ? ", " : "",
                               PF_STR_ARG(write->partitions[i]));
    }
    shuffle.partition_count = partition_count(run);
    shuffle.exchange = PF_EXCHANGE_REPARTITION;
    shuffle.keys_text = keys;
    shuffle.key_column_count = 0;
    pf_str select = data_files_select_sql(&columns, stage->fragment.sql, run->arena);
    shuffle.fragment.sql =
        pf_arena_printf(run->arena, "SELECT CAST(hash(%.*s) %% %d AS USMALLINT) AS p, w.* FROM (%.*s) AS w",
                        PF_STR_ARG(keys), shuffle.partition_count, PF_STR_ARG(select));
    return shuffle;
}

/* One stage that reads all of them, partition by partition. */
static struct pf_stage gathered(struct run *run, const struct pf_stage *shuffles, size_t count) {
    struct pf_stage stage = {.id = run->next_stage_id,
                             .spread = PF_SPREAD_PARTITIONS,
                             .input_partition_count = shuffles[0].partition_count,
                             .exchange = PF_EXCHANGE_GATHER,
                             .partition_count = 1,
                             .title = PF_STR("write")};
    stage.fragment.inputs = PF_ARENA_ARRAY(run->arena, struct pf_input, count);
    stage.fragment.input_count = count;
    for (size_t i = 0; i < count; i++) {
        stage.fragment.inputs[i] =
            (struct pf_input){.kind = PF_INPUT_DATASET, .role = PF_ROLE_ALIGNED, .stage_id = shuffles[i].id};
        stage.fragment.sql = pf_arena_printf(run->arena, "%.*s%sSELECT * FROM ${%zu}", PF_STR_ARG(stage.fragment.sql),
                                             i ? " UNION ALL " : "", i);
    }
    return stage;
}

/* The columns lose their names on the way. */
static struct pf_write named_again(struct run *run, const struct pf_write *write) {
    struct pf_write named = *write;
    named.columns_sql = PF_STR_EMPTY;
    for (size_t i = 0; i < write->name_count; i++) {
        named.columns_sql =
            pf_arena_printf(run->arena, "%.*s%sk%zu AS %.*s", PF_STR_ARG(named.columns_sql), i ? ", " : "", i,
                            PF_STR_ARG(pf_sql_quote_name(write->names[i], run->arena)));
    }
    named.column_count = write->name_count;
    return named;
}

static bool is_worth_shuffling(const struct pf_stage *stages, size_t count) {
    return count > 1 || stages[0].spread != PF_SPREAD_ONE;
}

static enum pf_code shuffle_and_write(struct run *run, const struct pf_stage *stages, size_t count,
                                      const struct pf_write *write, struct pf_error *err) {
    struct stage_run **made = NULL;
    struct pf_stage *shuffles = PF_ARENA_ARRAY(run->arena, struct pf_stage, count);
    for (size_t i = 0; i < count; i++) {
        shuffles[i] = shuffled(run, &stages[i], write);
        if (shuffles[i].id >= run->next_stage_id) run->next_stage_id = shuffles[i].id + 1;
    }
    PF_TRY(run_stages(run, shuffles, count, NULL, &made, err));
    struct pf_stage *last = PF_ARENA_NEW(run->arena, struct pf_stage);
    struct pf_write *named = PF_ARENA_NEW(run->arena, struct pf_write);
    *last = gathered(run, shuffles, count);
    *named = named_again(run, write);
    run->next_stage_id++;
    return run_stages(run, last, 1, named, &made, err);
}

static struct pf_stage *titled(struct run *run, const struct pf_stage *stages, size_t count) {
    struct pf_stage *copies = PF_ARENA_ARRAY(run->arena, struct pf_stage, count);
    for (size_t i = 0; i < count; i++) {
        copies[i] = stages[i];
        copies[i].title = pf_arena_printf(run->arena, "%.*s, write", PF_STR_ARG(stages[i].title));
        if (copies[i].id >= run->next_stage_id) run->next_stage_id = copies[i].id + 1;
    }
    return copies;
}

enum pf_code write_root(struct run *run, const struct pf_stage *stages, size_t count, struct pf_error *err) {
    struct pf_query *query = run->query;
    const struct pf_write *write = query->write;
    struct stage_run **made = NULL;
    if (write->partition_count && write->is_distributed && is_worth_shuffling(stages, count)) {
        return shuffle_and_write(run, stages, count, write, err);
    }
    return run_stages(run, titled(run, stages, count), count, write, &made, err);
}

enum pf_code write_collect(const struct run *run, struct data_files *files, struct pf_error *err) {
    for (size_t i = 0; run && i < run->stage_count; i++) {
        const struct stage_run *stage = run->stages[i];
        for (size_t k = 0; stage->list.message.write && k < stage->output.count; k++) {
            if (!stage->tasks[k].is_done) continue;
            PF_TRY(written_decode(stage->output.outputs_json[k], run->query->arena, files, err));
        }
    }
    return PF_OK;
}

/* ---- what nobody refers to ---- */

/* "<stage>-<task>.<attempt>.…": what write_task.c calls them. Other files of the statement are none of ours. */
static bool is_of_attempt(pf_str name) {
    size_t at = 0;
    while (at < name.len && name.ptr[at] >= '0' && name.ptr[at] <= '9') at++;
    if (at == 0 || at == name.len || name.ptr[at++] != '-') return false;
    size_t task = at;
    while (at < name.len && name.ptr[at] >= '0' && name.ptr[at] <= '9') at++;
    return at > task && at < name.len && name.ptr[at] == '.';
}

static bool is_wanted(const struct pf_query *query, const struct data_files *files, pf_str key) {
    pf_str uri = pf_store_uri(query->stack->store, key, query->arena);
    for (size_t i = 0; i < files->count; i++) {
        if (pf_str_equal(files->items[i].path, uri)) return true;
    }
    return false;
}

static enum pf_code sweep(struct pf_query *query, pf_str prefix, const struct data_files *files, struct pf_error *err) {
    struct pf_store *store = query->stack->store;
    struct pf_store_list_options options = {.prefix = prefix};
    do {
        struct pf_store_page page = {0};
        PF_TRY(pf_store_list(store, &options, query->arena, &page, err));
        for (size_t i = 0; i < page.object_count; i++) {
            pf_str key = page.objects[i].key;
            if (!is_of_attempt(pf_str_slice(key, prefix.len, key.len)) || is_wanted(query, files, key)) continue;
            PF_TRY(pf_store_delete(store, key, err));
        }
        options.after = page.next_after;
    } while (options.after.len);
    return PF_OK;
}

void write_sweep(struct pf_query *query, pf_str prefix, const struct data_files *files) {
    struct pf_error err;
    bool may_have_left = query->stats.retry_count || query->stats.extra_attempts || query->is_resumed;
    if (!may_have_left || sweep(query, prefix, files, &err) == PF_OK) return;
    pf_log_failure(PF_LOG_WARN, "tolerated: files of attempts that lost could not be removed", &err);
}
