/* SPDX-License-Identifier: MIT */
/* The tables of a statement as views over read_parquet, for running it here.
 *
 * Where the store has files, a view is good for as long as the table has that snapshot. Elsewhere its files are those in
 * memory: the query holds them, with the columns that its plan reads; all columns where there is no plan to tell. Two
 * queries on one snapshot hold the same files under the same paths, so their views are the same. */
#include "query/query_internal.h"

#include "query/describe_files.h"
#include "query/metadata_tables.h"
#include "query/scan_splits.h"
#include "query/task_files.h"

#include <string.h>

/* What the plan reads of one table. */
struct scan_columns {
    const struct lake_table *lake;
    bool *is_read; /* by column */
};

struct local_reads {
    struct scan_columns *tables;
    size_t count;
};

/* ---- which columns ---- */

static void note_scan(const struct local_reads *reads, const struct pf_op *op) {
    for (size_t t = 0; t < reads->count; t++) {
        const struct scan_columns *table = &reads->tables[t];
        if (!pf_str_equal(table->lake->scan_name, op->scan_name)) continue;
        for (uint32_t i = 0; i < op->column_count; i++) {
            for (size_t c = 0; c < table->lake->column_count; c++) {
                if (pf_str_equal(table->lake->column_names[c], op->column_names[i])) table->is_read[c] = true;
            }
        }
    }
}

static void note_scans(const struct local_reads *reads, const struct pf_op *op) {
    if (op->kind == PF_OP_SCAN) note_scan(reads, op);
    for (uint32_t i = 0; i < op->child_count; i++) note_scans(reads, op->children[i]);
}

static void note_all(const struct local_reads *reads) {
    for (size_t t = 0; t < reads->count; t++) {
        memset(reads->tables[t].is_read, true, reads->tables[t].lake->column_count * sizeof(bool));
    }
}

static struct local_reads no_reads(const struct lake_tables *tables, struct pf_arena *arena) {
    struct local_reads reads = {PF_ARENA_ARRAY(arena, struct scan_columns, tables->count), tables->count};
    for (size_t i = 0; i < tables->count; i++) {
        reads.tables[i].lake = &tables->items[i];
        reads.tables[i].is_read = PF_ARENA_ARRAY(arena, bool, tables->items[i].column_count);
    }
    return reads;
}

/* ---- the view of one table ---- */

static enum pf_code make_input(struct pf_stack *stack, const struct lake_table *lake, struct pf_arena *arena,
                               struct stage_input *out_input, struct pf_error *err) {
    struct pf_file_list *files = PF_ARENA_NEW(arena, struct pf_file_list);
    struct stage_input input = {.kind = PF_INPUT_SCAN, .role = PF_ROLE_WHOLE};
    struct split_source source;
    PF_TRY(plan_lake_files(stack, lake, NULL, 0, arena, files, err));
    input.column_count = lake->column_count;
    input.columns = PF_ARENA_ARRAY(arena, struct task_column, lake->column_count);
    for (size_t i = 0; i < lake->column_count; i++) input.columns[i] = lake_column(lake, i);
    PF_TRY(scan_source_open(lake, files, arena, &input, &source, err));
    scan_take_all(&source, arena, &input.splits, &input.split_count, &input.deletes);
    *out_input = input;
    return PF_OK;
}

static enum pf_code view_sql(struct pf_stack *stack, const struct lake_table *lake, struct stage_input *input,
                             struct pf_arena *arena, pf_str *out_sql, struct pf_error *err) {
    struct stage_message stage = {.sql = PF_STR("SELECT * FROM ${0}"), .inputs = input, .input_count = 1}, described;
    struct task_input nothing = {0};
    struct task_message task = {.inputs = &nothing, .input_count = 1}, described_task;
    struct pf_session *session;
    if (lake->tail_sql.len) {
        stage.sql = pf_arena_printf(arena, "SELECT * FROM ${0} UNION ALL BY NAME (%.*s)", PF_STR_ARG(lake->tail_sql));
    }
    PF_TRY(pf_session_open(stack->local_engine, &session, err));
    enum pf_code code = describe_files(session, &stage, &task, arena, &described, &described_task, err);
    pf_session_close(session);
    PF_TRY(code);
    return task_render_sql(&described, &described_task, PF_STR_EMPTY, arena, out_sql, err);
}

/* Fetches what is read of the table; the paths go into `input`. */
static enum pf_code fetch_table(struct pf_query *query, const struct scan_columns *table, struct stage_input *input,
                                struct pf_error *err) {
    struct stage_input narrow = *input;
    struct task_input nothing = {0};
    struct stage_message stage = {.inputs = &narrow, .input_count = 1};
    struct task_message task = {.inputs = &nothing, .input_count = 1};
    struct task_files files;
    narrow.columns = PF_ARENA_ARRAY(query->arena, struct task_column, input->column_count);
    narrow.column_count = 0;
    for (size_t i = 0; i < input->column_count; i++) {
        if (table->is_read[i]) narrow.columns[narrow.column_count++] = input->columns[i];
    }
    PF_TRY(query_acquire_files(query, &stage, &task, &files, err));
    input->splits = files.stage.inputs[0].splits;
    input->deletes = files.stage.inputs[0].deletes;
    return PF_OK;
}

/* ---- defining ---- */

/* Tables whose names differ in case only have one view, as DuckDB sees it. */
static struct defined_view *find_view_locked(const struct pf_stack *stack, const struct lake_table *lake) {
    for (size_t i = 0; i < stack->view_count; i++) {
        struct defined_view *view = &stack->views[i];
        bool is_it =
            pf_str_equal_nocase(view->space, lake->table->id.space) && pf_str_equal_nocase(view->name, lake->view_name);
        if (is_it) return view;
    }
    return NULL;
}

uint64_t local_view_change_locked(const struct pf_stack *stack, const struct lake_table *lake) {
    const struct defined_view *view = find_view_locked(stack, lake);
    return view ? view->change : 0;
}

/* `mark` says what the view shows: two with the same mark are the same. */
static enum pf_code define_locked(struct pf_stack *stack, const struct lake_table *lake, pf_str mark, pf_str sql,
                                  struct pf_error *err) {
    struct defined_view *view = find_view_locked(stack, lake);
    PF_TRY(pf_engine_define_view(stack->local_engine, lake->table->id.space, lake->view_name, sql, err));
    if (!view) {
        view = &PF_ARENA_PUSH(stack->arena, stack->views, stack->view_count, stack->view_capacity);
        view->space = pf_arena_str(stack->arena, lake->table->id.space);
        view->name = pf_arena_str(stack->arena, lake->view_name);
    }
    view->mark = pf_arena_str(stack->arena, mark);
    *lake->view_change = view->change = ++stack->view_change;
    return PF_OK;
}

static bool is_defined_locked(struct pf_stack *stack, const struct lake_table *lake, pf_str mark) {
    const struct defined_view *view = find_view_locked(stack, lake);
    bool is_defined = view && pf_str_equal(view->mark, mark);
    if (is_defined) *lake->view_change = view->change;
    return is_defined;
}

static enum pf_code define_over_files_locked(struct pf_stack *stack, const struct lake_table *lake,
                                             struct pf_arena *arena, struct pf_error *err) {
    struct stage_input input;
    pf_str sql;
    if (is_defined_locked(stack, lake, lake->scan_name)) return PF_OK;
    if (lake->kind.len) {
        PF_TRY(metadata_table_sql(stack, lake->table, lake->kind, arena, &sql, err));
    } else {
        PF_TRY(make_input(stack, lake, arena, &input, err));
        PF_TRY(view_sql(stack, lake, &input, arena, &sql, err));
    }
    return define_locked(stack, lake, lake->scan_name, sql, err);
}

static enum pf_code define_over_memory(struct pf_query *query, const struct scan_columns *table, struct pf_error *err) {
    struct pf_stack *stack = query->stack;
    struct stage_input input;
    pf_str sql;
    PF_TRY(make_input(stack, table->lake, query->arena, &input, err));
    PF_TRY(fetch_table(query, table, &input, err));
    PF_TRY(view_sql(stack, table->lake, &input, query->arena, &sql, err));
    pf_str mark = pf_arena_printf(query->arena, "%.*s#%016llx", PF_STR_ARG(table->lake->scan_name),
                                  (unsigned long long)pf_str_hash(sql));
    pthread_mutex_lock(&stack->start_mutex);
    enum pf_code code = PF_OK;
    if (!is_defined_locked(stack, table->lake, mark)) code = define_locked(stack, table->lake, mark, sql, err);
    pthread_mutex_unlock(&stack->start_mutex);
    return code;
}

static enum pf_code define_all(struct pf_query *query, const struct local_reads *reads, struct pf_error *err) {
    for (size_t i = 0; i < reads->count; i++) {
        const struct lake_table *lake = reads->tables[i].lake;
        if (!lake->kind.len) {
            PF_TRY(define_over_memory(query, &reads->tables[i], err));
            continue;
        }
        pthread_mutex_lock(&query->stack->start_mutex);
        enum pf_code code = define_over_files_locked(query->stack, lake, query->arena, err);
        pthread_mutex_unlock(&query->stack->start_mutex);
        PF_TRY(code);
    }
    return PF_OK;
}

/* A statement that can't be planned is bound first, with nothing fetched but footers: most are misspelt. */
static enum pf_code check_binds(struct pf_query *query, struct pf_error *err) {
    const struct pf_column *columns;
    size_t count;
    struct pf_session *session = NULL;
    PF_TRY(pf_session_open(query->stack->local_engine, &session, err));
    enum pf_code code = pf_session_result_columns(session, query->sql, query->arena, &columns, &count, err);
    pf_session_close(session);
    /* PIVOT and the like are several statements in one: they can't be bound without being run. */
    bool is_several =
        code != PF_OK && pf_str_find(pf_str_from_cstr(err->message), PF_STR("multiple statements"), 0) != SIZE_MAX;
    return is_several ? PF_OK : code;
}

enum pf_code define_local_views(struct pf_query *query, struct pf_error *err) {
    struct pf_stack *stack = query->stack;
    const struct lake_tables *tables = &query->tables;
    enum pf_code code = PF_OK;
    if (!tables->count) return PF_OK;
    if (pf_store_has_files(stack->store)) {
        pthread_mutex_lock(&stack->start_mutex);
        for (size_t i = 0; i < tables->count && code == PF_OK; i++) {
            code = define_over_files_locked(stack, &tables->items[i], query->arena, err);
        }
        pthread_mutex_unlock(&stack->start_mutex);
        return code;
    }
    struct pf_plan *plan = NULL;
    struct local_reads reads = no_reads(tables, query->arena);
    if (!query->is_select) return define_all(query, &reads, err);
    code = make_plan(query, &plan, err);
    query->column_name_count = 0;
    if (code == PF_CANCELLED || code == PF_TIMEOUT) return code;
    if (code == PF_OK) {
        note_scans(&reads, plan->root);
        return define_all(query, &reads, err);
    }
    PF_TRY(define_all(query, &reads, err));
    PF_TRY(check_binds(query, err));
    note_all(&reads);
    return define_all(query, &reads, err);
}

/* ---- views that others define ---- */

bool local_views_stayed(struct pf_query *query) {
    struct pf_stack *stack = query->stack;
    bool stayed = true;
    pthread_mutex_lock(&stack->start_mutex);
    for (size_t i = 0; i < query->tables.count && stayed; i++) {
        const struct lake_table *lake = &query->tables.items[i];
        stayed = local_view_change_locked(stack, lake) == *lake->view_change;
    }
    pthread_mutex_unlock(&stack->start_mutex);
    return stayed;
}

/* ---- tables that are gone ---- */

enum pf_code forget_views(struct pf_stack *stack, struct pf_table_id id, struct pf_error *err) {
    pf_str space = id.space.len ? id.space : PF_DEFAULT_NAMESPACE;
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&stack->start_mutex);
    for (size_t i = 0; i < stack->view_count; i++) {
        struct defined_view *view = &stack->views[i];
        if (!pf_str_equal_nocase(view->space, space) || !pf_str_equal_nocase(view->name, id.name)) continue;
        *view = stack->views[--stack->view_count];
        break;
    }
    if (stack->local_engine) code = pf_engine_drop_view(stack->local_engine, space, id.name, err);
    if (code == PF_OK && stack->planner_engine) {
        code = pf_engine_drop_view(stack->planner_engine, space, id.name, err);
    }
    pthread_mutex_unlock(&stack->start_mutex);
    return code;
}
