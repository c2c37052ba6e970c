/* SPDX-License-Identifier: MIT */
/* EXPLAIN: the route, and for the fleet every stage with its fragment, exchange and reasons. Without running anything
 * the planner is led through all steps with its own estimates in place of counts. */
#include "query/query_internal.h"

#include "base/buf.h"
#include "planner/planner.h"

enum { MAX_STEPS = 1000, FRAGMENT_WIDTH = 110 };

static void put_bytes(struct pf_buf *out, int64_t bytes) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double size = (double)bytes;
    int unit = 0;
    while (size >= 1000 && unit < 4) {
        size /= 1000;
        unit++;
    }
    pf_buf_printf(out, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

/* Long statements are folded at blanks outside of quotes. */
static void put_sql(struct pf_buf *out, pf_str sql, const char *indent) {
    size_t column = 0;
    char quote = 0;
    pf_buf_put_cstr(out, indent);
    for (size_t i = 0; i < sql.len; i++) {
        char c = sql.ptr[i];
        if (quote) {
            if (c == quote) quote = 0;
        } else if (c == '\'' || c == '"') {
            quote = c;
        }
        if (c == '\n' || (c == ' ' && !quote && column > FRAGMENT_WIDTH)) {
            pf_buf_put_char(out, '\n');
            pf_buf_put_cstr(out, indent);
            column = 0;
            continue;
        }
        pf_buf_put_char(out, c);
        column++;
    }
    pf_buf_put_char(out, '\n');
}

static void put_inputs(struct pf_buf *out, const struct pf_fragment *fragment) {
    static const char *const roles[] = {"divided among tasks", "by partition", "whole to every task"};
    for (size_t i = 0; i < fragment->input_count; i++) {
        const struct pf_input *input = &fragment->inputs[i];
        pf_buf_printf(out, "    ${%zu} = ", i);
        if (input->kind == PF_INPUT_SCAN) {
            size_t end = pf_str_find_char(input->scan_name, '@', 0);
            pf_str name = pf_str_slice(input->scan_name, 0, end);
            pf_buf_printf(out, "table %.*s, %s", PF_STR_ARG(name), roles[input->role]);
            if (input->predicate_count) pf_buf_printf(out, ", %zu predicates skip files", input->predicate_count);
        } else {
            pf_buf_printf(out, "stage %d, %s", input->stage_id, roles[input->role]);
        }
        pf_buf_put_char(out, '\n');
    }
}

static void put_stage(struct pf_buf *out, const struct pf_stage *stage, bool is_written) {
    static const char *const exchanges[] = {"gather", "broadcast", "repartition"};
    static const char *const spreads[] = {"one task", "over files", "over partitions"};
    pf_buf_printf(out, "stage %d: %.*s\n", stage->id, PF_STR_ARG(stage->title));
    pf_buf_printf(out, "    runs %s", spreads[stage->spread]);
    if (stage->spread == PF_SPREAD_PARTITIONS) pf_buf_printf(out, " (%d)", stage->input_partition_count);
    pf_buf_printf(out, "; output: %s", is_written ? "written" : exchanges[stage->exchange]);
    if (stage->partition_count > 1) {
        pf_buf_printf(out, " by %.*s into %d partitions", PF_STR_ARG(stage->keys_text), stage->partition_count);
    }
    pf_buf_printf(out, "; about %lld rows, ", (long long)stage->estimated_rows);
    put_bytes(out, stage->estimated_bytes);
    pf_buf_put_char(out, '\n');
    if (stage->single_reason.why.len) {
        pf_buf_printf(out, "    in one place: %.*s\n", PF_STR_ARG(stage->single_reason.why));
    }
    put_inputs(out, &stage->fragment);
    put_sql(out, stage->fragment.sql, "      ");
}

static struct pf_dataset estimate_of(const struct pf_stage *stage) {
    return (struct pf_dataset){.stage_id = stage->id,
                               .partition_count = stage->partition_count,
                               .row_count = stage->estimated_rows,
                               .size_bytes = stage->estimated_bytes,
                               .is_estimate = true};
}

static enum pf_code put_steps(struct pf_query *query, const struct pf_plan *plan, struct pf_buf *out,
                              pf_str *out_reason, struct pf_error *err) {
    struct pf_planner_options options;
    int next_stage_id = 0;
    planner_options(query->stack, &options);
    options.root_is_stage = query->write != NULL;
    for (int i = 0; i < MAX_STEPS; i++) {
        struct pf_step step;
        PF_TRY(pf_planner_next(plan, &options, next_stage_id, query->arena, &step, err));
        if (step.kind == PF_STEP_ONE_PLACE) {
            *out_reason = step.reason.why;
            return PF_OK;
        }
        if (step.kind == PF_STEP_LAST) {
            pf_buf_put_cstr(out, "last: where the coordinator is; its rows are the result\n");
            if (step.reason.why.len) {
                pf_buf_printf(out, "    in one place: %.*s\n", PF_STR_ARG(step.reason.why));
            }
            put_inputs(out, &step.last);
            put_sql(out, step.last.sql, "      ");
            return PF_OK;
        }
        for (size_t s = 0; s < step.stage_count; s++) {
            struct pf_dataset dataset = estimate_of(&step.stages[s]);
            put_stage(out, &step.stages[s], step.kind == PF_STEP_ROOT);
            if (step.kind == PF_STEP_ROOT) continue;
            plan = pf_planner_replace(plan, &step.stages[s], &dataset, query->arena);
            if (step.stages[s].id >= next_stage_id) next_stage_id = step.stages[s].id + 1;
        }
        if (step.kind == PF_STEP_ROOT) return PF_OK;
    }
    PF_FAIL(err, PF_BUG, "planning did not come to an end after %d steps", MAX_STEPS);
}

static enum pf_code explain_local(struct pf_query *query, pf_str reason, struct pf_buf *out, struct pf_error *err) {
    struct pf_session *session = NULL;
    pf_buf_printf(out, "route local: %.*s\n", PF_STR_ARG(reason));
    PF_TRY(define_local_views(query, err));
    PF_TRY(pf_session_open(query->stack->local_engine, &session, err));
    pf_str sql = pf_arena_printf(query->arena, "EXPLAIN %.*s", PF_STR_ARG(query->sql));
    struct pf_rows *rows = NULL;
    const struct pf_chunk *chunk = NULL;
    enum pf_code code = pf_session_query(session, sql, &rows, err);
    if (code == PF_OK) code = pf_rows_next(rows, &chunk, err);
    if (code == PF_OK && chunk && chunk->row_count && chunk->column_count == 2) {
        pf_vec_print(&chunk->columns[1], 0, out);
        pf_buf_put_char(out, '\n');
    }
    pf_rows_close(rows);
    pf_session_close(session);
    return code;
}

enum pf_code explain_plan(struct pf_query *query, struct pf_buf *out, struct pf_error *err) {
    if (query->route != PF_ROUTE_FLEET) return explain_local(query, query->stats.reason, out, err);
    struct pf_plan *plan = NULL;
    pf_str reason = PF_STR_EMPTY;
    size_t start = out->len;
    pf_buf_printf(out, "route fleet: %.*s; up to %d workers\n", PF_STR_ARG(query->stats.reason),
                  query->stack->options.worker_count);
    enum pf_code code = make_plan(query, &plan, err);
    if (code == PF_UNSUPPORTED && err) reason = pf_arena_str(query->arena, pf_str_from_cstr(err->message));
    query->column_name_count = 0;
    if (code == PF_OK) code = put_steps(query, plan, out, &reason, err);
    if (reason.len == 0) return code;
    out->len = start;
    query->route = query->stats.route = PF_ROUTE_LOCAL;
    return explain_local(query, reason, out, err);
}

/* ---- ANALYZE ---- */

static void put_ms(struct pf_buf *out, int64_t us) {
    pf_buf_printf(out, "%.1f ms", (double)us / 1000);
}

static const char *const media[] = {"Redis", "folder", "store"};
static const char *const makes[] = {"strings", "files", "PUTs"}, *const takes[] = {"ranges", "files", "GETs"};

/* Of a stage: where its output went, and from where it read. */
static void put_media(struct pf_buf *out, const struct pf_exchange_use *use) {
    const char *before = " to ";
    for (size_t i = 0; i < sizeof media / sizeof *media; i++) {
        if (!use->media[i].objects) continue;
        pf_buf_printf(out, "%s%s (%lld %s, ", before, media[i], (long long)use->media[i].objects, makes[i]);
        put_bytes(out, use->media[i].written_bytes);
        pf_buf_put_char(out, ')');
        before = " and ";
    }
    before = "; read from ";
    for (size_t i = 0; i < sizeof media / sizeof *media; i++) {
        if (!use->media[i].reads) continue;
        pf_buf_printf(out, "%s%s (%lld %s, ", before, media[i], (long long)use->media[i].reads, takes[i]);
        put_bytes(out, use->media[i].read_bytes);
        pf_buf_put_char(out, ')');
        before = " and ";
    }
}

static void put_exchange(struct pf_buf *out, const struct pf_exchange_use *use) {
    pf_buf_put_cstr(out, "exchange: written");
    put_media(out, use);
    pf_buf_printf(out, "; $%.6f\n", pf_exchange_use_dollars(use));
}

static void put_store(struct pf_buf *out, const struct pf_query_stats *stats) {
    pf_buf_printf(out, "store: %lld requests, ", (long long)stats->store_requests);
    put_bytes(out, stats->store_bytes);
    pf_buf_put_cstr(out, " fetched, ");
    put_bytes(out, stats->store_kept_bytes);
    pf_buf_printf(out, " in memory already; %lld asked twice, %lld tried again\n", (long long)stats->store_hedges,
                  (long long)stats->store_retries);
}

void explain_analyzed(const struct pf_query *query, struct pf_buf *out) {
    const struct pf_query_stats *stats = &query->stats;
    const struct running *running = &query->running;
    pf_buf_printf(out, "route %s: %.*s\n", pf_route_name(query->route), PF_STR_ARG(stats->reason));
    for (size_t i = 0; i < running->locked.stage_count; i++) {
        const struct stage_progress *stage = &running->locked.stages[i];
        pf_buf_printf(out, "stage %d: %.*s\n    %d tasks, %d retries, ", stage->id, PF_STR_ARG(stage->title),
                      stage->tasks, stage->retries);
        put_ms(out, (stage->ended_ms - stage->started_ms) * 1000);
        if (stage->scanned_bytes) {
            pf_buf_printf(out, "; %lld files of ", (long long)stage->scanned_files);
            put_bytes(out, stage->scanned_bytes);
        }
        if (stage->skipped_files) {
            pf_buf_printf(out, " (%lld files with %lld rows skipped)", (long long)stage->skipped_files,
                          (long long)stage->skipped_rows);
        }
        if (stage->reads) pf_buf_printf(out, "; warm: %d of %d reads", stage->warm_reads, stage->reads);
        if (stage->kept_tasks) {
            pf_buf_printf(out, "; at home: %d of %d tasks", stage->home_tasks, stage->kept_tasks);
        }
        pf_buf_printf(out, "; %.*s: %lld rows, ", PF_STR_ARG(stage->exchange), (long long)stage->rows);
        put_bytes(out, stage->bytes);
        put_media(out, &stage->use);
        pf_buf_put_char(out, '\n');
        if (stage->single_reason.len) {
            pf_buf_printf(out, "    in one place: %.*s\n", PF_STR_ARG(stage->single_reason));
        }
    }
    pf_buf_printf(out, "total: %lld rows, ", (long long)stats->rows);
    put_ms(out, stats->wall_us);
    if (stats->plan_us) {
        pf_buf_put_cstr(out, ", of which planning ");
        put_ms(out, stats->plan_us);
    }
    if (query->route == PF_ROUTE_FLEET) {
        pf_buf_printf(out, "; %d workers; exchanged ", stats->worker_count);
        put_bytes(out, stats->exchanged_bytes);
    }
    pf_buf_put_cstr(out, "; files of ");
    put_bytes(out, stats->scanned_bytes);
    pf_buf_put_char(out, '\n');
    if (stats->stage_count) put_exchange(out, &stats->exchange);
    if (stats->store_requests || stats->store_kept_bytes) put_store(out, stats);
}
