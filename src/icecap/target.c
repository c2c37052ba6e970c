/* SPDX-License-Identifier: MIT */
#include "icecap/target.h"

#include "base/buf.h"

enum { ROW_GROUP_ROWS = 122880, USUAL_FILE_MIB = 512, MAX_COLUMNS_SQL = 64 << 20 };

/* ---- what the table says about its files ---- */

static pf_str property(const struct target *target, const char *key, const char *fallback) {
    return pf_table_metadata_property(target->table->metadata, pf_str_from_cstr(key), pf_str_from_cstr(fallback));
}

static int64_t number_property(const struct target *target, const char *key, int64_t fallback) {
    int64_t number = 0;
    pf_str text = property(target, key, "");
    return pf_str_to_i64(text, &number) && number > 0 ? number : fallback;
}

/* As DuckDB names it; what it can't write becomes zstd. */
static pf_str compression(const struct target *target) {
    static const char *const known[] = {"zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed"};
    pf_str codec = property(target, "write.parquet.compression-codec", "zstd");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (pf_str_equal_nocase(codec, pf_str_from_cstr(known[i]))) return pf_str_from_cstr(known[i]);
    }
    return pf_str_equal_nocase(codec, PF_STR("none")) ? PF_STR("uncompressed") : PF_STR("zstd");
}

/* DuckDB 1.5 asks the Bloom filters of a BLOB for the constant's text, in which bytes beyond ASCII are escaped, and skips
 * row groups that have the value. Writing them is all columns or none. */
static bool has_blobs(const struct pf_iceberg_schema *schema) {
    for (size_t i = 0; i < schema->field_count; i++) {
        enum pf_iceberg_kind kind = schema->fields[i].type->kind;
        if (kind == PF_ICEBERG_BINARY || kind == PF_ICEBERG_FIXED) return true;
    }
    return false;
}

static enum pf_code set_partitions(struct target *target, struct pf_arena *arena, struct pf_error *err) {
    const struct pf_table_metadata *metadata = target->table->metadata;
    const struct pf_partition_spec *spec = pf_table_metadata_spec(metadata, metadata->default_spec_id);
    if (!spec || !spec->field_count) return PF_OK;
    pf_str *partitions = PF_ARENA_ARRAY(arena, pf_str, spec->field_count), path;
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct pf_partition_field *field = &spec->fields[i];
        const struct pf_iceberg_type *type = NULL;
        bool is_void = field->transform.kind == PF_TRANSFORM_VOID;
        if (!is_void && !field_path_sql(target->table->schema, field->source_id, arena, &path, &type)) {
            PF_FAIL(err, PF_UNSUPPORTED, "partition field '%.*s' has no column", PF_STR_ARG(field->name));
        }
        enum pf_code code = transform_sql(&field->transform, type, path, arena, &partitions[i], err);
        if (code != PF_OK) return pf_error_wrap(err, code, "partition field '%.*s'", PF_STR_ARG(field->name));
    }
    target->write.partitions = partitions;
    target->write.partition_count = spec->field_count;
    target->write.is_distributed =
        !pf_str_equal_nocase(property(target, "write.distribution-mode", "hash"), PF_STR("none"));
    return PF_OK;
}

static const struct pf_sort_order *sort_order(const struct pf_table_metadata *metadata) {
    for (size_t i = 0; i < metadata->sort_order_count; i++) {
        if (metadata->sort_orders[i].id == metadata->default_sort_order_id) return &metadata->sort_orders[i];
    }
    return NULL;
}

static enum pf_code set_order(struct target *target, struct pf_arena *arena, struct pf_error *err) {
    const struct pf_sort_order *order = sort_order(target->table->metadata);
    pf_str sql = PF_STR_EMPTY, path, value;
    for (size_t i = 0; order && i < order->field_count; i++) {
        const struct pf_sort_field *field = &order->fields[i];
        const struct pf_iceberg_type *type;
        if (!field_path_sql(target->table->schema, field->source_id, arena, &path, &type)) continue;
        enum pf_code code = transform_sql(&field->transform, type, path, arena, &value, err);
        if (code != PF_OK) return pf_error_wrap(err, code, "the table's sort order");
        sql = pf_arena_printf(arena, "%.*s%s%.*s %s NULLS %s", PF_STR_ARG(sql), sql.len ? ", " : "", PF_STR_ARG(value),
                              field->is_descending ? "DESC" : "ASC", field->is_nulls_first ? "FIRST" : "LAST");
    }
    target->write.order_sql = sql;
    return PF_OK;
}

static enum pf_code check_is_writable(const struct pf_table *table, struct pf_error *err) {
    if (table->metadata->format_version > 3) {
        PF_FAIL(err, PF_UNSUPPORTED, "Iceberg format version %d: versions up to 3 can be written",
                table->metadata->format_version);
    }
    return PF_OK;
}

static enum pf_code fill(struct icecap_call *call, struct target *target, struct pf_error *err) {
    pf_str folder;
    PF_TRY(check_is_writable(target->table, err));
    PF_TRY(pf_table_data_prefix(call->catalog, target->table, call->arena, &folder, err));
    target->write = (struct pf_write){
        .prefix = pf_arena_printf(call->arena, "%.*s/%.*s-", PF_STR_ARG(folder), PF_STR_ARG(pf_query_id(call->query))),
        .compression = compression(target),
        .file_size_bytes = number_property(target, "write.target-file-size-bytes", (int64_t)USUAL_FILE_MIB << 20),
        .row_group_rows = ROW_GROUP_ROWS,
        .has_bloom_filters = !has_blobs(target->table->schema),
        .spreads_files = pf_table_metadata_spreads_files(target->table->metadata),
    };
    PF_TRY(set_partitions(target, call->arena, err));
    return set_order(target, call->arena, err);
}

enum pf_code target_open_staged(struct icecap_call *call, struct pf_table *table, struct target *out_target,
                                struct pf_error *err) {
    *out_target = (struct target){.table = table, .is_new = true};
    call->outcome->object = table->full_name;
    enum pf_code code = fill(call, out_target, err);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "table %.*s", PF_STR_ARG(table->full_name));
}

enum pf_code target_open(struct icecap_call *call, const struct head_name *name, struct target *out_target,
                         struct pf_error *err) {
    *out_target = (struct target){0};
    call->outcome->object = name->text;
    struct pf_table_id id = {name->space, name->name};
    PF_TRY(pf_catalog_load(call->catalog, id, call->arena, &out_target->table, err));
    /* Rows go in with the schema of now, whatever snapshot is read. */
    out_target->table->schema = pf_table_metadata_current_schema(out_target->table->metadata);
    call->outcome->object = out_target->table->full_name;
    enum pf_code code = fill(call, out_target, err);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "table %.*s", PF_STR_ARG(out_target->table->full_name));
}

/* ---- once ---- */

bool target_find_done(struct icecap_call *call, const struct pf_table *table) {
    const struct pf_snapshot *snapshot = pf_table_find_mark(table, ICECAP_MARK, pf_query_id(call->query));
    if (!snapshot) return false;
    int64_t rows = pf_snapshot_summary_i64(snapshot, PF_STR("added-records"));
    int64_t files = pf_snapshot_summary_i64(snapshot, PF_STR("added-data-files"));
    call->outcome->has_count = true;
    call->outcome->row_count = rows < 0 ? 0 : rows;
    call->outcome->file_count = files < 0 ? 0 : files;
    call->outcome->snapshot_id = snapshot->id;
    return true;
}

/* ---- columns ---- */

/* A default in metadata is a JSON value in the spec's single-value form: its text casts to the type. */
static enum pf_code default_text(const struct pf_iceberg_field *field, struct pf_arena *arena, pf_str *out_sql,
                                 struct pf_error *err) {
    pf_json *value = NULL;
    PF_TRY(pf_json_parse(field->write_default, arena, "a default", &value, err));
    if (field->type->field_count) {
        PF_FAIL(err, PF_UNSUPPORTED, "the default of column '%.*s' has a nested type: name the column in the statement",
                PF_STR_ARG(field->name));
    }
    pf_str text = pf_json_as_str(value, field->write_default);
    bool is_bytes = field->type->kind == PF_ICEBERG_BINARY || field->type->kind == PF_ICEBERG_FIXED;
    *out_sql = pf_arena_printf(arena, is_bytes ? "unhex(%.*s)" : "%.*s", PF_STR_ARG(pf_sql_quote_text(text, arena)));
    return PF_OK;
}

enum pf_code target_default_sql(struct icecap_call *call, const struct target *target,
                                const struct pf_iceberg_field *field, pf_str *out_sql, struct pf_error *err) {
    pf_str type, text = PF_STR("NULL");
    PF_TRY(pf_iceberg_type_sql(field->type, call->arena, &type, err));
    if (field->write_default.len) {
        PF_TRY(default_text(field, call->arena, &text, err));
    } else if (field->is_required) {
        PF_FAIL(err, PF_INVALID,
                "column '%.*s' of table %.*s is NOT NULL and has no default: the statement must give it",
                PF_STR_ARG(field->name), PF_STR_ARG(target->table->full_name));
    }
    *out_sql = pf_arena_printf(call->arena, "CAST(%.*s AS %.*s)", PF_STR_ARG(text), PF_STR_ARG(type));
    return PF_OK;
}

static enum pf_code put_column(struct icecap_call *call, struct pf_buf *sql, const struct target *target,
                               const struct pf_iceberg_field *field, pf_str source, struct pf_error *err) {
    pf_str value, type, name = pf_sql_quote_name(field->name, call->arena);
    if (!source.len) {
        PF_TRY(target_default_sql(call, target, field, &value, err));
    } else {
        PF_TRY(pf_iceberg_type_sql(field->type, call->arena, &type, err));
        value = pf_arena_printf(call->arena, "CAST(%.*s AS %.*s)", PF_STR_ARG(source), PF_STR_ARG(type));
    }
    if (field->is_required && source.len) {
        pf_str message = pf_arena_printf(call->arena, "NOT NULL constraint failed: column '%.*s' of table %.*s",
                                         PF_STR_ARG(field->name), PF_STR_ARG(target->table->full_name));
        pf_buf_printf(sql, "coalesce(%.*s, error(%.*s)) AS %.*s", PF_STR_ARG(value),
                      PF_STR_ARG(pf_sql_quote_text(message, call->arena)), PF_STR_ARG(name));
        return PF_OK;
    }
    pf_buf_printf(sql, "%.*s AS %.*s", PF_STR_ARG(value), PF_STR_ARG(name));
    return PF_OK;
}

void target_set_names(struct target *target, const struct pf_iceberg_schema *schema, struct pf_arena *arena) {
    pf_str *names = PF_ARENA_ARRAY(arena, pf_str, schema->field_count);
    for (size_t i = 0; i < schema->field_count; i++) names[i] = schema->fields[i].name;
    target->write.names = names;
    target->write.name_count = schema->field_count;
    target->write.field_ids_sql = pf_iceberg_field_ids_sql(schema, arena);
}

enum pf_code target_set_columns(struct icecap_call *call, struct target *target, const struct target_source *sources,
                                size_t column_count, struct pf_error *err) {
    const struct pf_iceberg_schema *schema = target->table->schema;
    struct pf_buf sql;
    pf_str text;
    pf_buf_init(&sql, MAX_COLUMNS_SQL);
    enum pf_code code = PF_OK;
    for (size_t i = 0; i < schema->field_count && code == PF_OK; i++) {
        if (i) pf_buf_put_cstr(&sql, ", ");
        code = put_column(call, &sql, target, &schema->fields[i], sources[i].sql, err);
    }
    if (code == PF_OK) code = pf_buf_finish(&sql, "the columns of a table", &text, err);
    target_set_names(target, schema, call->arena);
    if (code == PF_OK) {
        target->write.columns_sql = pf_arena_str(call->arena, text);
        target->write.column_count = column_count;
    }
    pf_buf_clear(&sql);
    return code;
}

/* ---- rows, and the commit ---- */

static enum pf_code commit(struct icecap_call *call, struct target *target, const struct pf_data_file *files,
                           size_t count, struct pf_table **out_table, struct pf_error *err) {
    struct pf_mark mark = {.name = ICECAP_MARK, .after = pf_query_id(call->query), .is_unique = true};
    if (count) {
        return pf_catalog_append_marked(call->catalog, target->table, files, count, &mark, call->arena, out_table, err);
    }
    if (target->is_new) {
        return pf_catalog_create_staged(call->catalog, target->table, call->arena, out_table, err);
    }
    *out_table = NULL; /* no rows, no snapshot */
    return PF_OK;
}

static enum pf_code write_and_commit(struct icecap_call *call, struct target *target, struct pf_error *err) {
    struct pf_written_file *written = NULL;
    struct pf_table *after = NULL;
    size_t count = 0;
    target->is_written = true;
    PF_TRY(pf_query_write(call->query, &target->write, &written, &count, err));
    struct pf_data_file *files = PF_ARENA_ARRAY(call->arena, struct pf_data_file, count);
    struct pf_outcome outcome = *call->outcome;
    outcome.has_count = true;
    outcome.file_count = (int64_t)count;
    outcome.row_count = 0;
    for (size_t i = 0; i < count; i++) {
        PF_TRY(pf_written_file_entry(&written[i], target->table->metadata, call->arena, &files[i], err));
        outcome.row_count += written[i].row_count;
    }
    enum pf_code code = commit(call, target, files, count, &after, err);
    target->must_keep = code == PF_REMOTE;
    PF_TRY(code);
    outcome.snapshot_id = after && after->snapshot && count ? after->snapshot->id : 0;
    *call->outcome = outcome;
    return PF_OK;
}

enum pf_code target_append(struct icecap_call *call, struct target *target, struct pf_error *err) {
    enum pf_code code = write_and_commit(call, target, err);
    if (code != PF_OK && target->is_written && !target->must_keep) {
        pf_query_remove_files(call->query, target->write.prefix);
    }
    return code;
}

void target_explain(const struct target *target, struct pf_buf *out) {
    const struct pf_write *write = &target->write;
    pf_buf_printf(out, "write: table %.*s, Parquet with %.*s, files of up to %lld MiB",
                  PF_STR_ARG(target->table->full_name), PF_STR_ARG(write->compression),
                  (long long)(write->file_size_bytes >> 20));
    for (size_t i = 0; i < write->partition_count; i++) {
        pf_buf_printf(out, "%s%.*s", i ? ", " : "; partitioned by ", PF_STR_ARG(write->partitions[i]));
    }
    if (write->partition_count) {
        pf_buf_put_cstr(out, write->is_distributed ? " (rows of a partition meet in one task)"
                                                   : " (every task writes files of its own)");
    }
    if (write->order_sql.len) pf_buf_printf(out, "; each file sorted by %.*s", PF_STR_ARG(write->order_sql));
    pf_buf_put_cstr(out, "; one commit\n");
}
