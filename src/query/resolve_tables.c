/* SPDX-License-Identifier: MIT */
/* Names of a statement -> tables of the lake, in two forms: for planning a view over
 * lake_scan('main.orders@<snapshot>.<schema>.<uuid>'), for running here a view over read_parquet (local_views.c). The
 * snapshot in the scan name keeps the two and the tasks in step. */
#include "query/query_internal.h"

#include "query/metadata_tables.h"
#include "query/query_log.h"
#include "query/task.h"
#include "query/time_travel.h"

enum { UUID_BYTES = 8 };

static enum pf_code describe_columns(struct lake_table *lake, struct pf_arena *arena, struct pf_error *err) {
    const struct pf_iceberg_schema *schema = lake->schema;
    lake->column_count = schema->field_count;
    lake->column_names = PF_ARENA_ARRAY(arena, pf_str, schema->field_count);
    lake->column_types = PF_ARENA_ARRAY(arena, pf_str, schema->field_count);
    for (size_t i = 0; i < schema->field_count; i++) {
        lake->column_names[i] = schema->fields[i].name;
        enum pf_code code = pf_iceberg_type_sql(schema->fields[i].type, arena, &lake->column_types[i], err);
        if (code != PF_OK) {
            return pf_error_wrap(err, code, "table %.*s, column '%.*s'", PF_STR_ARG(lake->table->full_name),
                                 PF_STR_ARG(schema->fields[i].name));
        }
    }
    return PF_OK;
}

static enum pf_code choose_schema(struct lake_table *lake, struct pf_arena *arena, struct pf_error *err) {
    lake->schema = lake->table->schema;
    if (!lake->has_lineage) return PF_OK;
    const pf_str names[] = {PF_ROW_ID_COLUMN, PF_ROW_SEQUENCE_COLUMN, PF_FILE_COLUMN, PF_POSITION_COLUMN};
    for (size_t i = 0; i < (lake->has_positions ? 4 : 2); i++) {
        if (!pf_iceberg_schema_find(lake->schema, names[i])) continue;
        PF_FAIL(err, PF_UNSUPPORTED, "table %.*s$%s: the table has a column of its own named %.*s; rename it",
                PF_STR_ARG(lake->table->full_name), lake->has_positions ? "positions" : "rows", PF_STR_ARG(names[i]));
    }
    lake->schema = pf_iceberg_schema_with_lineage(lake->schema, arena);
    if (lake->has_positions) lake->schema = pf_iceberg_schema_with_positions(lake->schema, arena);
    return PF_OK;
}

static const char *tail_of(const struct lake_table *lake) {
    return lake->has_positions ? "$positions" : lake->has_lineage ? "$rows" : "";
}

static bool has_tail(const struct table_name *name) {
    return name->kind.len || name->state.len;
}

/* The state that a statement saw first, if it is to see one only. */
static enum pf_code load_pinned(struct pf_stack *stack, struct pf_table_id id, struct table_pins *pins,
                                struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err) {
    pf_str space = id.space.len ? id.space : PF_DEFAULT_NAMESPACE;
    for (size_t i = 0; pins && i < pins->count; i++) {
        const struct pf_table *table = pins->items[i];
        if (!pf_str_equal_nocase(table->id.space, space) || !pf_str_equal_nocase(table->id.name, id.name)) continue;
        *out_table = PF_ARENA_NEW(arena, struct pf_table);
        **out_table = *table;
        return PF_OK;
    }
    PF_TRY(pf_catalog_load(stack->catalog, id, arena, out_table, err));
    if (pins && pins->is_on) PF_ARENA_PUSH(arena, pins->items, pins->count, pins->capacity) = *out_table;
    return PF_OK;
}

/* A name with a tail that is no table's own name is that of a table in another state, or of its metadata. */
static enum pf_code load_table(struct pf_stack *stack, struct pf_table_id id, struct table_pins *pins,
                               struct pf_arena *arena, struct lake_table *lake, struct pf_error *err) {
    struct table_name name = split_table_name(id.name);
    if (find_part(pins, id, arena, lake)) return PF_OK;
    enum pf_code code = load_pinned(stack, id, pins, arena, &lake->table, err);
    if (code == PF_OK) lake->view_name = lake->table->id.name;
    if (code != PF_NOT_FOUND || !has_tail(&name)) return code;
    PF_TRY(load_pinned(stack, (struct pf_table_id){id.space, name.table}, pins, arena, &lake->table, err));
    if (name.state.len) PF_TRY(table_in_state(lake->table, name.state, arena, &lake->table, err));
    lake->has_positions = pf_str_equal_nocase(name.kind, PF_STR("positions"));
    lake->has_lineage = lake->has_positions || pf_str_equal_nocase(name.kind, PF_STR("rows"));
    if (!lake->has_lineage) lake->kind = name.kind;
    lake->view_name = id.name;
    return PF_OK;
}

static enum pf_code count_rows(struct pf_stack *stack, struct lake_table *lake, struct pf_error *err) {
    if (!lake->files) return pf_catalog_totals(stack->catalog, lake->table, &lake->totals, err);
    lake->totals =
        (struct pf_table_totals){lake->files->row_count, lake->files->size_bytes, (int64_t)lake->files->count, false};
    return PF_OK;
}

static enum pf_code add_table(struct pf_stack *stack, struct pf_table_id id, bool with_tail, struct table_pins *pins,
                              struct pf_arena *arena, struct lake_tables *tables, size_t *capacity,
                              struct pf_error *err) {
    struct lake_table lake = {0};
    struct system_tail tail = {0};
    enum log_kind kind;
    if (with_tail && system_table_kind(id, &kind)) {
        PF_TRY(system_table_open(stack, kind, arena, &tail, err));
        lake.table = tail.table;
        lake.view_name = lake.table->id.name;
        lake.tail_sql = tail.reader_sql;
    } else {
        PF_TRY(load_table(stack, id, pins, arena, &lake, err));
    }
    for (size_t i = 0; i < tables->count; i++) {
        bool is_known = pf_str_equal(tables->items[i].table->full_name, lake.table->full_name) &&
                        pf_str_equal(tables->items[i].view_name, lake.view_name);
        if (is_known) return PF_OK;
    }
    long long snapshot_id = lake.table->snapshot ? lake.table->snapshot->id : 0;
    if (lake.kind.len) {
        tables->has_metadata_tables = true;
        lake.scan_name = pf_arena_printf(arena, "%.*s$%.*s@%lld.%.*s", PF_STR_ARG(lake.table->full_name),
                                         PF_STR_ARG(lake.kind), snapshot_id, PF_STR_ARG(lake.table->metadata_path));
    } else {
        PF_TRY(count_rows(stack, &lake, err));
        PF_TRY(choose_schema(&lake, arena, err));
        PF_TRY(describe_columns(&lake, arena, err));
        /* A table that was dropped and made anew is another one. */
        pf_str uuid = pf_str_slice(lake.table->metadata->table_uuid, 0, UUID_BYTES);
        pf_str part = lake.files ? lake.view_name : PF_STR_EMPTY;
        lake.scan_name =
            pf_arena_printf(arena, "%.*s%s%.*s@%lld.%d.%.*s", PF_STR_ARG(lake.table->full_name), tail_of(&lake),
                            PF_STR_ARG(part), snapshot_id, lake.table->schema->id, PF_STR_ARG(uuid));
    }
    if (lake.tail_sql.len) {
        lake.scan_name = pf_arena_printf(arena, "%.*s+%.*s", PF_STR_ARG(lake.scan_name), PF_STR_ARG(tail.last_id));
        lake.totals.row_count += tail.row_count;
        lake.totals.is_exact = false;
    }
    tables->size_bytes += lake.totals.size_bytes;
    lake.view_change = PF_ARENA_NEW(arena, uint64_t);
    PF_ARENA_PUSH(arena, tables->items, tables->count, *capacity) = lake;
    return PF_OK;
}

static enum pf_code add_all_tables(struct pf_stack *stack, struct pf_arena *arena, struct lake_tables *tables,
                                   size_t *capacity, struct pf_error *err) {
    pf_str *spaces = NULL, *names = NULL;
    size_t space_count = 0, name_count = 0;
    PF_TRY(pf_catalog_list_namespaces(stack->catalog, arena, &spaces, &space_count, err));
    for (size_t i = 0; i < space_count; i++) {
        PF_TRY(pf_catalog_list_tables(stack->catalog, spaces[i], arena, &names, &name_count, err));
        for (size_t j = 0; j < name_count; j++) {
            enum pf_code code =
                add_table(stack, (struct pf_table_id){spaces[i], names[j]}, false, NULL, arena, tables, capacity, err);
            if (code != PF_OK && code != PF_NOT_FOUND) return code; /* not found: dropped meanwhile */
        }
    }
    return PF_OK;
}

static bool may_be_ours(const struct pf_table_name *name) {
    if (name->catalog.len && !pf_str_equal_nocase(name->catalog, PF_STR("memory"))) return false;
    return !pf_str_equal_nocase(name->schema, PF_STR("information_schema")) &&
           !pf_str_equal_nocase(name->schema, PF_STR("pg_catalog"));
}

enum pf_code resolve_tables(struct pf_stack *stack, const struct pf_statement *statement, bool all,
                            struct table_pins *pins, struct pf_arena *arena, struct lake_tables *out_tables,
                            struct pf_error *err) {
    struct lake_tables tables = {0};
    size_t capacity = 0;
    if (all) PF_TRY(add_all_tables(stack, arena, &tables, &capacity, err));
    for (size_t i = 0; i < statement->table_count && !all; i++) {
        const struct pf_table_name *name = &statement->tables[i];
        if (!may_be_ours(name)) continue;
        struct pf_table_id id = {name->schema, name->name};
        struct table_name parts = split_table_name(name->name);
        struct pf_table_id base = {name->schema, has_tail(&parts) ? parts.table : name->name};
        bool exists = false;
        enum pf_code code = add_table(stack, id, true, pins, arena, &tables, &capacity, err);
        /* A CTE, a view of DuckDB, or unknown: the binder says so. A table without its metadata is another matter. */
        if (code == PF_INVALID) continue;
        if (code == PF_NOT_FOUND && pf_catalog_exists(stack->catalog, base, &exists, NULL) == PF_OK && !exists) {
            PF_TRY(forget_views(stack, id, err));
            continue;
        }
        PF_TRY(code);
    }
    *out_tables = tables;
    return PF_OK;
}

struct task_column lake_column(const struct lake_table *lake, size_t at) {
    return (struct task_column){lake->column_names[at], lake->column_types[at], lake->schema->fields[at].id};
}

const struct lake_table *find_lake_table(const struct lake_tables *tables, pf_str scan_name) {
    for (size_t i = 0; i < tables->count; i++) {
        if (pf_str_equal(tables->items[i].scan_name, scan_name)) return &tables->items[i];
    }
    return NULL;
}

enum pf_code define_planner_tables(struct pf_stack *stack, const struct lake_tables *tables, struct pf_error *err) {
    for (size_t i = 0; i < tables->count; i++) {
        const struct lake_table *lake = &tables->items[i];
        if (lake->kind.len) continue; /* read here */
        struct pf_table_shape shape = {
            .schema = lake->table->id.space,
            .name = lake->view_name,
            .scan_name = lake->scan_name,
            .column_names = lake->column_names,
            .column_types = lake->column_types,
            .column_count = lake->column_count,
            .row_count = lake->totals.row_count,
        };
        PF_TRY(pf_engine_define_table(stack->planner_engine, &shape, err));
    }
    return PF_OK;
}
