/* SPDX-License-Identifier: MIT */
/* What a table's metadata says, as tables: SELECT * FROM t$snapshots. Named and shaped after those of Iceberg's engines;
 * docs/formats/catalog.md lists their columns. Each is a view over one JSON text, made when it is asked for. */
#include "query/metadata_tables.h"

#include "base/buf.h"
#include "base/json.h"
#include "query/task.h"

#include <stdio.h>

enum { MAX_VIEW_BYTES = 512 << 20 };

struct writer {
    struct pf_stack *stack;
    const struct pf_table *table;
    struct pf_arena *arena;
    struct pf_json_out *out;
    struct pf_error *err;
};

struct kind {
    const char *name, *columns; /* as from_json wants them */
    enum pf_code (*write)(struct writer *writer);
};

/* ---- pieces ---- */

static void put_i64(struct pf_json_out *out, const char *key, int64_t value, bool is_there) {
    pf_json_key(out, key);
    if (is_there) {
        pf_json_put_i64(out, value);
    } else {
        pf_json_put_null(out);
    }
}

static void put_time(struct pf_json_out *out, const char *key, int64_t timestamp_ms) {
    pf_json_field_i64(out, key, timestamp_ms);
}

static void put_str(struct pf_json_out *out, const char *key, pf_str value) {
    pf_json_key(out, key);
    if (value.len) {
        pf_json_put_str(out, value);
    } else {
        pf_json_put_null(out);
    }
}

/* {"name": "text"}: partition values as text. */
static void put_partition(struct writer *writer, const struct pf_data_file *file) {
    const struct pf_table_metadata *metadata = writer->table->metadata;
    const struct pf_partition_spec *spec = pf_table_metadata_spec(metadata, file->spec_id);
    pf_json_key(writer->out, "partition");
    pf_json_open_object(writer->out);
    for (size_t i = 0; spec && i < file->partition_count && i < spec->field_count; i++) {
        pf_str text = pf_partition_value_text(metadata, &spec->fields[i], file->partition[i], writer->arena);
        put_str(writer->out, pf_arena_cstr(writer->arena, spec->fields[i].name), text);
    }
    pf_json_close_object(writer->out);
}

static bool is_ancestor(const struct pf_table_metadata *metadata, int64_t id) {
    const struct pf_snapshot *at = pf_table_metadata_current_snapshot(metadata);
    for (size_t i = 0; at && i <= metadata->snapshot_count; i++) {
        if (at->id == id) return true;
        at = at->parent_id < 0 ? NULL : pf_table_metadata_snapshot(metadata, at->parent_id);
    }
    return false;
}

/* ---- from the metadata alone ---- */

static enum pf_code write_snapshots(struct writer *writer) {
    const struct pf_table_metadata *metadata = writer->table->metadata;
    for (size_t i = 0; i < metadata->snapshot_count; i++) {
        const struct pf_snapshot *snapshot = &metadata->snapshots[i];
        pf_json_open_object(writer->out);
        put_time(writer->out, "committed_at", snapshot->timestamp_ms);
        pf_json_field_i64(writer->out, "snapshot_id", snapshot->id);
        put_i64(writer->out, "parent_id", snapshot->parent_id, snapshot->parent_id >= 0);
        put_str(writer->out, "operation", snapshot->operation);
        put_str(writer->out, "manifest_list", snapshot->manifest_list);
        pf_json_key(writer->out, "summary");
        pf_json_open_object(writer->out);
        for (size_t k = 0; k < snapshot->summary_count; k++) {
            pf_json_field_str(writer->out, pf_arena_cstr(writer->arena, snapshot->summary[k].key),
                              snapshot->summary[k].value);
        }
        pf_json_close_object(writer->out);
        put_i64(writer->out, "schema_id", snapshot->schema_id, snapshot->schema_id >= 0);
        pf_json_close_object(writer->out);
    }
    return PF_OK;
}

static enum pf_code write_history(struct writer *writer) {
    const struct pf_table_metadata *metadata = writer->table->metadata;
    for (size_t i = 0; i < metadata->snapshot_log_count; i++) {
        const struct pf_log_entry *entry = &metadata->snapshot_log[i];
        const struct pf_snapshot *snapshot = pf_table_metadata_snapshot(metadata, entry->snapshot_id);
        pf_json_open_object(writer->out);
        put_time(writer->out, "made_current_at", entry->timestamp_ms);
        pf_json_field_i64(writer->out, "snapshot_id", entry->snapshot_id);
        put_i64(writer->out, "parent_id", snapshot ? snapshot->parent_id : -1, snapshot && snapshot->parent_id >= 0);
        pf_json_field_bool(writer->out, "is_current_ancestor", is_ancestor(metadata, entry->snapshot_id));
        pf_json_close_object(writer->out);
    }
    return PF_OK;
}

static enum pf_code write_refs(struct writer *writer) {
    const struct pf_table_metadata *metadata = writer->table->metadata;
    for (size_t i = 0; i < metadata->ref_count; i++) {
        const struct pf_snapshot_ref *ref = &metadata->refs[i];
        pf_json_open_object(writer->out);
        pf_json_field_str(writer->out, "name", ref->name);
        pf_json_field_str(writer->out, "type", ref->is_branch ? PF_STR("BRANCH") : PF_STR("TAG"));
        pf_json_field_i64(writer->out, "snapshot_id", ref->snapshot_id);
        put_i64(writer->out, "max_reference_age_in_ms", ref->max_ref_age_ms, ref->max_ref_age_ms >= 0);
        put_i64(writer->out, "min_snapshots_to_keep", ref->min_snapshots_to_keep, ref->min_snapshots_to_keep >= 0);
        put_i64(writer->out, "max_snapshot_age_in_ms", ref->max_snapshot_age_ms, ref->max_snapshot_age_ms >= 0);
        pf_json_close_object(writer->out);
    }
    return PF_OK;
}

/* ---- from manifests ---- */

static enum pf_code write_manifests(struct writer *writer) {
    const struct pf_manifest_list *list;
    PF_TRY(pf_catalog_manifest_list(writer->stack->catalog, writer->table, writer->arena, &list, writer->err));
    for (size_t i = 0; i < list->count; i++) {
        const struct pf_manifest_file *file = &list->manifests[i];
        pf_json_open_object(writer->out);
        pf_json_field_i64(writer->out, "content", file->content);
        pf_json_field_str(writer->out, "path", file->path);
        pf_json_field_i64(writer->out, "length", file->size_bytes);
        pf_json_field_i64(writer->out, "partition_spec_id", file->spec_id);
        pf_json_field_i64(writer->out, "added_snapshot_id", file->added_snapshot_id);
        pf_json_field_i64(writer->out, "sequence_number", file->sequence_number);
        put_i64(writer->out, "added_files_count", file->added_files, file->added_files >= 0);
        put_i64(writer->out, "existing_files_count", file->existing_files, file->existing_files >= 0);
        put_i64(writer->out, "deleted_files_count", file->deleted_files, file->deleted_files >= 0);
        put_i64(writer->out, "added_rows_count", file->added_rows, file->added_rows >= 0);
        put_i64(writer->out, "existing_rows_count", file->existing_rows, file->existing_rows >= 0);
        put_i64(writer->out, "deleted_rows_count", file->deleted_rows, file->deleted_rows >= 0);
        pf_json_close_object(writer->out);
    }
    return PF_OK;
}

static void put_file(struct writer *writer, const struct pf_data_file *file) {
    struct pf_json_out *out = writer->out;
    pf_json_field_i64(out, "content", file->content);
    pf_json_field_str(out, "file_path", file->path);
    pf_json_field_str(out, "file_format", file->format);
    pf_json_field_i64(out, "spec_id", file->spec_id);
    put_partition(writer, file);
    pf_json_field_i64(out, "record_count", file->record_count);
    pf_json_field_i64(out, "file_size_in_bytes", file->size_bytes);
    put_i64(out, "sort_order_id", file->sort_order_id, file->sort_order_id >= 0);
    pf_json_key(out, "equality_ids");
    pf_json_open_array(out);
    for (size_t i = 0; i < file->equality_id_count; i++) pf_json_put_i64(out, file->equality_ids[i]);
    pf_json_close_array(out);
    put_str(out, "referenced_data_file", file->referenced_data_file);
    put_i64(out, "content_offset", file->content_offset, file->content_offset >= 0);
    put_i64(out, "content_size_in_bytes", file->content_size_bytes, file->content_size_bytes >= 0);
    put_i64(out, "first_row_id", file->first_row_id, file->first_row_id >= 0);
}

static enum pf_code each_entry(struct writer *writer, bool with_deleted,
                               void (*put)(struct writer *writer, const struct pf_data_file *file)) {
    const struct pf_manifest *const *manifests;
    size_t count;
    PF_TRY(pf_catalog_manifests(writer->stack->catalog, writer->table, writer->arena, &manifests, &count, writer->err));
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < manifests[i]->count; k++) {
            const struct pf_data_file *file = &manifests[i]->files[k];
            if (file->status == PF_ENTRY_DELETED && !with_deleted) continue;
            pf_json_open_object(writer->out);
            put(writer, file);
            pf_json_close_object(writer->out);
        }
    }
    return PF_OK;
}

static enum pf_code write_files(struct writer *writer) {
    return each_entry(writer, false, put_file);
}

static void put_entry(struct writer *writer, const struct pf_data_file *file) {
    pf_json_field_i64(writer->out, "status", file->status);
    put_i64(writer->out, "snapshot_id", file->snapshot_id, file->snapshot_id >= 0);
    put_i64(writer->out, "sequence_number", file->sequence_number, file->sequence_number >= 0);
    put_i64(writer->out, "file_sequence_number", file->file_sequence_number, file->file_sequence_number >= 0);
    put_file(writer, file);
}

static enum pf_code write_entries(struct writer *writer) {
    return each_entry(writer, true, put_entry);
}

#define FILE_COLUMNS                                                                                                   \
    "\"content\":\"INTEGER\",\"file_path\":\"VARCHAR\",\"file_format\":\"VARCHAR\",\"spec_id\":\"INTEGER\","           \
    "\"partition\":\"MAP(VARCHAR, VARCHAR)\",\"record_count\":\"BIGINT\",\"file_size_in_bytes\":\"BIGINT\","           \
    "\"sort_order_id\":\"INTEGER\",\"equality_ids\":[\"INTEGER\"],\"referenced_data_file\":\"VARCHAR\","               \
    "\"content_offset\":\"BIGINT\",\"content_size_in_bytes\":\"BIGINT\",\"first_row_id\":\"BIGINT\""

static const struct kind kinds[] = {
    {"snapshots",
     "\"committed_at\":\"BIGINT\",\"snapshot_id\":\"BIGINT\",\"parent_id\":\"BIGINT\",\"operation\":\"VARCHAR\","
     "\"manifest_list\":\"VARCHAR\",\"summary\":\"MAP(VARCHAR, VARCHAR)\",\"schema_id\":\"INTEGER\"",
     write_snapshots},
    {"history",
     "\"made_current_at\":\"BIGINT\",\"snapshot_id\":\"BIGINT\",\"parent_id\":\"BIGINT\","
     "\"is_current_ancestor\":\"BOOLEAN\"",
     write_history},
    {"refs",
     "\"name\":\"VARCHAR\",\"type\":\"VARCHAR\",\"snapshot_id\":\"BIGINT\",\"max_reference_age_in_ms\":\"BIGINT\","
     "\"min_snapshots_to_keep\":\"BIGINT\",\"max_snapshot_age_in_ms\":\"BIGINT\"",
     write_refs},
    {"manifests",
     "\"content\":\"INTEGER\",\"path\":\"VARCHAR\",\"length\":\"BIGINT\",\"partition_spec_id\":\"INTEGER\","
     "\"added_snapshot_id\":\"BIGINT\",\"sequence_number\":\"BIGINT\",\"added_files_count\":\"BIGINT\","
     "\"existing_files_count\":\"BIGINT\",\"deleted_files_count\":\"BIGINT\",\"added_rows_count\":\"BIGINT\","
     "\"existing_rows_count\":\"BIGINT\",\"deleted_rows_count\":\"BIGINT\"",
     write_manifests},
    {"files", FILE_COLUMNS, write_files},
    {"entries",
     "\"status\":\"INTEGER\",\"snapshot_id\":\"BIGINT\",\"sequence_number\":\"BIGINT\","
     "\"file_sequence_number\":\"BIGINT\"," FILE_COLUMNS,
     write_entries},
    {"partitions", FILE_COLUMNS, write_files},
};

static const char PARTITIONS[] =
    "SELECT partition, spec_id, CAST(sum(record_count) FILTER (content = 0) AS BIGINT) AS record_count, "
    "count(*) FILTER (content = 0) AS file_count, CAST(sum(file_size_in_bytes) FILTER (content = 0) AS BIGINT) AS "
    "total_data_file_size_in_bytes, count(*) FILTER (content = 1) AS position_delete_file_count, "
    "count(*) FILTER (content = 2) AS equality_delete_file_count FROM (";

static const struct kind *find_kind(pf_str name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (pf_str_equal_nocase(name, pf_str_from_cstr(kinds[i].name))) return &kinds[i];
    }
    return NULL;
}

bool metadata_table_is_known(pf_str kind) {
    return find_kind(kind) != NULL;
}

/* Times travel as milliseconds. */
static pf_str select_list(const struct kind *kind) {
    if (kind->write == write_snapshots)
        return PF_STR("* REPLACE (make_timestamptz(committed_at * 1000) AS committed_at)");
    if (kind->write == write_history) {
        return PF_STR("* REPLACE (make_timestamptz(made_current_at * 1000) AS made_current_at)");
    }
    return PF_STR("*");
}

enum pf_code metadata_table_sql(struct pf_stack *stack, const struct pf_table *table, pf_str name,
                                struct pf_arena *arena, pf_str *out_sql, struct pf_error *err) {
    const struct kind *kind = find_kind(name);
    bool is_partitions = kind && pf_str_equal(pf_str_from_cstr(kind->name), PF_STR("partitions"));
    if (!kind) {
        PF_FAIL(err, PF_NOT_FOUND,
                "table %.*s has no metadata table '%.*s': there are rows, snapshots, history, refs, manifests, files, "
                "entries and partitions",
                PF_STR_ARG(table->full_name), PF_STR_ARG(name));
    }
    struct pf_buf json, sql;
    struct pf_json_out out;
    struct pf_arena *scratch = pf_arena_new(NULL, "metadata table");
    struct writer writer = {stack, table, scratch, &out, err};
    pf_buf_init(&json, MAX_VIEW_BYTES);
    pf_buf_init(&sql, MAX_VIEW_BYTES);
    pf_json_begin(&out, &json);
    pf_json_open_array(&out);
    enum pf_code code = kind->write(&writer);
    pf_json_close_array(&out);
    if (code == PF_OK && json.failed) code = pf_error_set(err, PF_TOO_LARGE, __FILE__, __LINE__, "too many rows");
    if (code == PF_OK) {
        pf_str list = select_list(kind), text;
        if (is_partitions) pf_buf_put_cstr(&sql, PARTITIONS);
        pf_buf_printf(&sql, "SELECT %.*s FROM (SELECT unnest(from_json(", PF_STR_ARG(list));
        pf_buf_put_str(&sql, pf_sql_quote_text(pf_buf_view(&json), scratch));
        pf_buf_printf(&sql, ", '[{%s}]'), max_depth := 2))", kind->columns);
        if (is_partitions) pf_buf_put_cstr(&sql, ") GROUP BY ALL");
        code = pf_buf_finish(&sql, "metadata table", &text, err);
        if (code == PF_OK) *out_sql = pf_arena_str(arena, text);
    }
    pf_buf_clear(&sql);
    pf_buf_clear(&json);
    pf_arena_free(scratch);
    if (code == PF_OK) return PF_OK;
    return pf_error_wrap(err, code, "table %.*s$%s", PF_STR_ARG(table->full_name), kind->name);
}
