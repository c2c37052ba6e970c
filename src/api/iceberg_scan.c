/* SPDX-License-Identifier: MIT */
/* Scans planned for others (REST protocol, Scan Planning).
 *
 * A plan is complete when it is answered, so there are no plans to ask for or to cancel. What does not fit one answer is
 * fetched as a plan task: the request again, with the snapshot that it was answered from and where to go on. So nothing is
 * remembered between the calls, and any server answers any of them. */
#include "api/iceberg_rest.h"

enum { PAGE_TASKS = 20000, MAX_PLAN_BYTES = 512 << 20, MAX_TASK_BYTES = 16 << 20 };

struct scan {
    struct rest_call *call;
    pf_json *request;
    struct pf_table *table;
    const struct pf_filter *filter;
    int *stats_ids;
    size_t stats_count;
    struct pf_file_list files;
    size_t first, end; /* of this answer */
};

/* ---- the request ---- */

static enum pf_code read_id(pf_json *request, const char *key, bool *out_is_there, int64_t *out_id,
                            struct pf_error *err) {
    pf_json *json = pf_json_get(request, key);
    *out_is_there = json && !yyjson_is_null(json);
    if (!*out_is_there) return PF_OK;
    if (!yyjson_is_int(json)) PF_FAIL(err, PF_INVALID, "'%s' is no integer", key);
    return pf_json_need_i64(request, key, "request", out_id, err);
}

static enum pf_code choose_snapshot(struct scan *scan, struct pf_error *err) {
    bool has_snapshot, has_start, has_end;
    int64_t snapshot_id = 0, start_id, end_id;
    PF_TRY(read_id(scan->request, "snapshot-id", &has_snapshot, &snapshot_id, err));
    PF_TRY(read_id(scan->request, "start-snapshot-id", &has_start, &start_id, err));
    PF_TRY(read_id(scan->request, "end-snapshot-id", &has_end, &end_id, err));
    if (has_start || has_end) {
        if (has_snapshot || !has_end) {
            PF_FAIL(err, PF_INVALID,
                    "a scan is either of 'snapshot-id' or of 'start-snapshot-id' and 'end-snapshot-id'");
        }
        PF_FAIL(err, PF_UNSUPPORTED,
                "scans of what was appended between two snapshots are not planned here: plan them in the client");
    }
    if (!has_snapshot) return PF_OK;
    const struct pf_iceberg_schema *current = scan->table->schema;
    enum pf_code code = pf_table_at_snapshot(scan->table, snapshot_id, scan->call->arena, &scan->table, err);
    if (code == PF_NOT_FOUND) PF_FAIL(err, PF_INVALID, "Cannot find snapshot with ID %lld", (long long)snapshot_id);
    if (code != PF_OK) return code;
    if (!pf_json_get_bool(scan->request, "use-snapshot-schema", false)) scan->table->schema = current;
    return PF_OK;
}

static const struct pf_iceberg_field *find_column(const struct scan *scan, pf_str name, bool is_case_sensitive) {
    const struct pf_iceberg_field *field = pf_iceberg_schema_find(scan->table->schema, name);
    return field && is_case_sensitive && !pf_str_equal(field->name, name) ? NULL : field;
}

/* Names that aren't columns at the top are nested ones, whose statistics nobody has to have. */
static enum pf_code read_stats_fields(struct scan *scan, bool is_case_sensitive, struct pf_error *err) {
    pf_json *list = pf_json_get(scan->request, "stats-fields");
    if (!list || yyjson_is_null(list)) return PF_OK;
    if (!yyjson_is_arr(list)) PF_FAIL(err, PF_INVALID, "'stats-fields' is no list of names");
    scan->stats_ids = PF_ARENA_ARRAY(scan->call->arena, int, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        if (!yyjson_is_str(each.value)) PF_FAIL(err, PF_INVALID, "'stats-fields' is no list of names");
        const struct pf_iceberg_field *field =
            find_column(scan, pf_json_as_str(each.value, PF_STR_EMPTY), is_case_sensitive);
        if (field) scan->stats_ids[scan->stats_count++] = field->id;
    }
    return PF_OK;
}

static enum pf_code check_select(const struct scan *scan, struct pf_error *err) {
    pf_json *list = pf_json_get(scan->request, "select");
    if (list && !yyjson_is_null(list) && !yyjson_is_arr(list)) PF_FAIL(err, PF_INVALID, "'select' is no list of names");
    return PF_OK;
}

/* ---- the answer ---- */

static void put_deletes(const struct scan *scan, const int64_t *places, size_t count, struct pf_json_out *out) {
    static const struct pf_manifest_columns no_columns = {0};
    struct pf_arena *arena = scan->call->arena;
    const struct pf_data_file **files = PF_ARENA_ARRAY(arena, const struct pf_data_file *, count);
    for (size_t i = 0; i < scan->files.delete_count; i++) {
        if (places[i] >= 0) files[places[i]] = scan->files.deletes[i].entry;
    }
    pf_json_key(out, "delete-files");
    pf_json_open_array(out);
    for (size_t i = 0; i < count; i++) {
        pf_data_file_put_json(files[i], scan->table->metadata, &no_columns, out, arena);
    }
    pf_json_close_array(out);
}

static void put_task(const struct scan *scan, const struct pf_scan_file *file, const int64_t *places,
                     struct pf_json_out *out) {
    struct pf_manifest_columns stats = {.ids = scan->stats_ids, .count = scan->stats_count};
    pf_json_open_object(out);
    pf_json_key(out, "data-file");
    pf_data_file_put_json(file->entry, scan->table->metadata, &stats, out, scan->call->arena);
    if (file->delete_count) {
        pf_json_key(out, "delete-file-references");
        pf_json_open_array(out);
        for (size_t i = 0; i < file->delete_count; i++) pf_json_put_i64(out, places[file->deletes[i]]);
        pf_json_close_array(out);
    }
    pf_json_key(out, "residual-filter");
    pf_filter_put_residual(scan->filter, file->entry, out, scan->call->arena);
    pf_json_close_object(out);
}

/* A delete file is in the answer, once, if a task of the answer refers to it. */
static void put_tasks(const struct scan *scan, struct pf_json_out *out) {
    int64_t *places = PF_ARENA_ARRAY(scan->call->arena, int64_t, scan->files.delete_count);
    size_t used = 0;
    for (size_t i = 0; i < scan->files.delete_count; i++) places[i] = -1;
    for (size_t i = scan->first; i < scan->end; i++) {
        const struct pf_scan_file *file = &scan->files.files[i];
        for (size_t k = 0; k < file->delete_count; k++) {
            if (places[file->deletes[k]] < 0) places[file->deletes[k]] = (int64_t)used++;
        }
    }
    if (used) put_deletes(scan, places, used, out);
    pf_json_key(out, "file-scan-tasks");
    pf_json_open_array(out);
    for (size_t i = scan->first; i < scan->end; i++) put_task(scan, &scan->files.files[i], places, out);
    pf_json_close_array(out);
}

/* What is left of the plan. */
static enum pf_code put_rest(const struct scan *scan, struct pf_json_out *out, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out task;
    pf_str text;
    pf_buf_init(&buf, MAX_TASK_BYTES);
    pf_json_begin(&task, &buf);
    pf_json_open_object(&task);
    pf_json_field_i64(&task, "first", (int64_t)scan->end);
    pf_json_field_i64(&task, "snapshot-id", scan->table->snapshot->id);
    pf_json_field_i64(&task, "schema-id", scan->table->schema->id);
    pf_json_key(&task, "request");
    pf_json_put_value(&task, scan->request);
    pf_json_close_object(&task);
    enum pf_code code = pf_buf_finish(&buf, "plan task", &text, err);
    if (code == PF_OK) {
        pf_json_key(out, "plan-tasks");
        pf_json_open_array(out);
        pf_json_put_str(out, text);
        pf_json_close_array(out);
    }
    pf_buf_clear(&buf);
    return code;
}

static enum pf_code check_files(const struct scan *scan, struct pf_error *err) {
    const struct pf_table_metadata *metadata = scan->table->metadata;
    for (size_t i = scan->first; i < scan->end; i++) {
        const struct pf_scan_file *file = &scan->files.files[i];
        PF_TRY(pf_data_file_check_json(file->entry, metadata, err));
        for (size_t k = 0; k < file->delete_count; k++) {
            PF_TRY(pf_data_file_check_json(scan->files.deletes[file->deletes[k]].entry, metadata, err));
        }
    }
    return PF_OK;
}

static enum pf_code answer(struct scan *scan, bool is_plan, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    bool is_last = scan->files.count - scan->first <= PAGE_TASKS;
    scan->end = is_last ? scan->files.count : scan->first + PAGE_TASKS;
    PF_TRY(check_files(scan, err));
    pf_buf_init(&buf, MAX_PLAN_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    if (is_plan) pf_json_field_str(&out, "status", PF_STR("completed"));
    enum pf_code code = is_last ? PF_OK : put_rest(scan, &out, err);
    if (code != PF_OK) {
        pf_buf_clear(&buf);
        return code;
    }
    put_tasks(scan, &out);
    pf_json_close_object(&out);
    return rest_answer(scan->call, &buf, err);
}

/* ---- endpoints ---- */

static enum pf_code plan_files(struct scan *scan, struct pf_error *err) {
    struct rest_call *call = scan->call;
    bool is_case_sensitive = pf_json_get_bool(scan->request, "case-sensitive", true);
    PF_TRY(check_select(scan, err));
    PF_TRY(read_stats_fields(scan, is_case_sensitive, err));
    PF_TRY(pf_filter_read(pf_json_get(scan->request, "filter"), scan->table->metadata, scan->table->schema,
                          is_case_sensitive, call->arena, &scan->filter, err));
    if (!scan->table->snapshot) return PF_OK;
    return pf_catalog_plan_filtered(call->catalog, scan->table, scan->filter, scan->stats_ids, scan->stats_count,
                                    call->arena, &scan->files, err);
}

static enum pf_code load(struct rest_call *call, struct pf_table **out_table, struct pf_error *err) {
    struct pf_table_id id = {call->space, call->name};
    PF_TRY(rest_need_body(call, err));
    return pf_catalog_load_exact(call->catalog, id, call->arena, out_table, err);
}

enum pf_code rest_plan_scan(struct rest_call *call, struct pf_error *err) {
    struct scan scan = {.call = call, .request = call->body};
    PF_TRY(load(call, &scan.table, err));
    PF_TRY(choose_snapshot(&scan, err));
    PF_TRY(plan_files(&scan, err));
    return answer(&scan, true, err);
}

static enum pf_code no_such_task(struct rest_call *call, struct pf_error *err) {
    call->not_found_type = "NoSuchPlanTaskException";
    PF_FAIL(err, PF_NOT_FOUND, "there is no such plan task: plan the scan again");
}

enum pf_code rest_fetch_scan_tasks(struct rest_call *call, struct pf_error *err) {
    struct scan scan = {.call = call};
    pf_str text;
    pf_json *task;
    PF_TRY(load(call, &scan.table, err));
    PF_TRY(pf_json_need_str(call->body, "plan-task", "request", &text, err));
    if (pf_json_parse(text, call->arena, "plan task", &task, NULL) != PF_OK) return no_such_task(call, err);
    int64_t first = pf_json_get_i64(task, "first", -1), snapshot_id = pf_json_get_i64(task, "snapshot-id", -1);
    int64_t schema_id = pf_json_get_i64(task, "schema-id", -1);
    scan.request = pf_json_get(task, "request");
    const struct pf_iceberg_schema *schema = NULL;
    for (size_t i = 0; i < scan.table->metadata->schema_count; i++) {
        if (scan.table->metadata->schemas[i].id == schema_id) schema = &scan.table->metadata->schemas[i];
    }
    if (first < 0 || !schema || !yyjson_is_obj(scan.request) ||
        pf_table_at_snapshot(scan.table, snapshot_id, call->arena, &scan.table, NULL) != PF_OK) {
        return no_such_task(call, err);
    }
    scan.table->schema = schema;
    PF_TRY(plan_files(&scan, err));
    if ((uint64_t)first > scan.files.count) return no_such_task(call, err);
    scan.first = (size_t)first;
    return answer(&scan, false, err);
}

enum pf_code rest_no_plan(struct rest_call *call, struct pf_error *err) {
    call->not_found_type = "NoSuchPlanIdException";
    PF_FAIL(err, PF_NOT_FOUND, "there is no such plan: plans are complete when they are answered");
}
