/* SPDX-License-Identifier: MIT */
#include "iceberg/manifest.h"

void manifest_name_fields(const struct avro_type *record, const struct manifest_field_name *names, size_t count) {
    for (size_t i = 0; i < record->field_count; i++) {
        struct avro_field *field = &record->fields[i];
        for (size_t k = 0; k < count && field->id < 0; k++) {
            if (pf_str_equal(field->name, pf_str_from_cstr(names[k].name))) field->id = names[k].id;
        }
    }
}

/* What the type of a field is when nulls are left aside. */
static const struct avro_type *branch_of_kind(const struct avro_type *type, enum avro_kind kind) {
    if (type->kind == kind) return type;
    for (size_t i = 0; type->kind == AVRO_UNION && i < type->field_count; i++) {
        if (type->fields[i].type->kind == kind) return type->fields[i].type;
    }
    return NULL;
}

static void name_fields(const struct avro_type *root) {
    static const struct manifest_field_name names[] = {{"manifest_path", FIELD_MANIFEST_PATH},
                                                       {"manifest_length", FIELD_MANIFEST_LENGTH},
                                                       {"partition_spec_id", FIELD_SPEC_ID},
                                                       {"content", FIELD_LIST_CONTENT},
                                                       {"sequence_number", FIELD_LIST_SEQUENCE_NUMBER},
                                                       {"min_sequence_number", FIELD_LIST_MIN_SEQUENCE_NUMBER},
                                                       {"added_snapshot_id", FIELD_ADDED_SNAPSHOT_ID},
                                                       {"added_files_count", FIELD_ADDED_FILES},
                                                       {"existing_files_count", FIELD_EXISTING_FILES},
                                                       {"deleted_files_count", FIELD_DELETED_FILES},
                                                       {"added_data_files_count", FIELD_ADDED_FILES},
                                                       {"existing_data_files_count", FIELD_EXISTING_FILES},
                                                       {"deleted_data_files_count", FIELD_DELETED_FILES},
                                                       {"added_rows_count", FIELD_ADDED_ROWS},
                                                       {"existing_rows_count", FIELD_EXISTING_ROWS},
                                                       {"deleted_rows_count", FIELD_DELETED_ROWS},
                                                       {"partitions", FIELD_PARTITIONS},
                                                       {"key_metadata", FIELD_LIST_KEY_METADATA},
                                                       {"first_row_id", FIELD_LIST_FIRST_ROW_ID}};
    static const struct manifest_field_name summary_names[] = {{"contains_null", FIELD_CONTAINS_NULL},
                                                               {"contains_nan", FIELD_CONTAINS_NAN},
                                                               {"lower_bound", FIELD_LOWER_BOUND},
                                                               {"upper_bound", FIELD_UPPER_BOUND}};
    manifest_name_fields(root, names, sizeof names / sizeof *names);
    for (size_t i = 0; i < root->field_count; i++) {
        if (root->fields[i].id != FIELD_PARTITIONS) continue;
        const struct avro_type *list = branch_of_kind(root->fields[i].type, AVRO_ARRAY);
        const struct avro_type *item = list ? branch_of_kind(list->fields[0].type, AVRO_RECORD) : NULL;
        if (item) manifest_name_fields(item, summary_names, sizeof summary_names / sizeof *summary_names);
    }
}

static void read_summary(struct avro_cursor *cursor, const struct avro_type *type, struct pf_field_summary *summary) {
    type = avro_take_branch(cursor, type);
    summary->contains_null = true;
    if (!type) return;
    if (type->kind != AVRO_RECORD) {
        avro_fail(cursor, "a partition summary is no record");
        return;
    }
    for (size_t i = 0; i < type->field_count && !cursor->failed; i++) {
        const struct avro_type *field = type->fields[i].type;
        switch (type->fields[i].id) {
        case FIELD_CONTAINS_NULL:
            if (!avro_take_bool(cursor, field, &summary->contains_null)) summary->contains_null = true;
            break;
        case FIELD_CONTAINS_NAN:
            summary->has_contains_nan = avro_take_bool(cursor, field, &summary->contains_nan);
            break;
        case FIELD_LOWER_BOUND: avro_take_str(cursor, field, &summary->lower); break;
        case FIELD_UPPER_BOUND: avro_take_str(cursor, field, &summary->upper); break;
        default: avro_skip(cursor, field);
        }
    }
}

static void read_summaries(struct avro_cursor *cursor, const struct avro_type *type, struct pf_arena *arena,
                           struct pf_manifest_file *file) {
    struct pf_field_summary *summaries = NULL;
    size_t count = 0, capacity = 0;
    type = avro_take_branch(cursor, type);
    if (!type) return;
    if (type->kind != AVRO_ARRAY) {
        avro_fail(cursor, "partitions are no array");
        return;
    }
    for (size_t n = avro_take_block(cursor); n > 0; n = avro_take_block(cursor)) {
        for (size_t i = 0; i < n && !cursor->failed; i++) {
            struct pf_field_summary summary = {0};
            read_summary(cursor, type->fields[0].type, &summary);
            PF_ARENA_PUSH(arena, summaries, count, capacity) = summary;
        }
    }
    file->partitions = summaries;
    file->partition_count = count;
}

/* -1 where it is null or makes no sense. */
static int64_t take_count(struct avro_cursor *cursor, const struct avro_type *type) {
    int64_t count;
    return avro_take_i64(cursor, type, &count) && count >= 0 ? count : -1;
}

static int64_t take_or(struct avro_cursor *cursor, const struct avro_type *type, int64_t fallback) {
    int64_t number;
    return avro_take_i64(cursor, type, &number) ? number : fallback;
}

static int take_id(struct avro_cursor *cursor, const struct avro_type *type) {
    int64_t id = take_or(cursor, type, -1);
    if (id < -1 || id > INT32_MAX) avro_fail(cursor, "an id out of range");
    return (int)id;
}

static void read_entry(struct avro_cursor *cursor, const struct avro_type *root, struct pf_arena *arena,
                       struct pf_manifest_file *file) {
    int64_t content = 0;
    *file = (struct pf_manifest_file){.size_bytes = -1,
                                      .added_snapshot_id = -1,
                                      .added_files = -1,
                                      .existing_files = -1,
                                      .deleted_files = -1,
                                      .added_rows = -1,
                                      .existing_rows = -1,
                                      .deleted_rows = -1,
                                      .first_row_id = -1};
    for (size_t i = 0; i < root->field_count && !cursor->failed; i++) {
        const struct avro_type *type = root->fields[i].type;
        switch (root->fields[i].id) {
        case FIELD_MANIFEST_PATH: avro_take_str(cursor, type, &file->path); break;
        case FIELD_MANIFEST_LENGTH: file->size_bytes = take_count(cursor, type); break;
        case FIELD_SPEC_ID: file->spec_id = take_id(cursor, type); break;
        case FIELD_LIST_CONTENT: content = take_or(cursor, type, 0); break;
        case FIELD_LIST_SEQUENCE_NUMBER: file->sequence_number = take_or(cursor, type, 0); break;
        case FIELD_LIST_MIN_SEQUENCE_NUMBER: file->min_sequence_number = take_or(cursor, type, 0); break;
        case FIELD_ADDED_SNAPSHOT_ID: file->added_snapshot_id = take_or(cursor, type, -1); break;
        case FIELD_ADDED_FILES: file->added_files = take_count(cursor, type); break;
        case FIELD_EXISTING_FILES: file->existing_files = take_count(cursor, type); break;
        case FIELD_DELETED_FILES: file->deleted_files = take_count(cursor, type); break;
        case FIELD_ADDED_ROWS: file->added_rows = take_count(cursor, type); break;
        case FIELD_EXISTING_ROWS: file->existing_rows = take_count(cursor, type); break;
        case FIELD_DELETED_ROWS: file->deleted_rows = take_count(cursor, type); break;
        case FIELD_PARTITIONS: read_summaries(cursor, type, arena, file); break;
        case FIELD_LIST_KEY_METADATA: avro_take_str(cursor, type, &file->key_metadata); break;
        case FIELD_LIST_FIRST_ROW_ID: file->first_row_id = take_or(cursor, type, -1); break;
        default: avro_skip(cursor, type);
        }
    }
    if (file->path.len == 0) avro_fail(cursor, "a manifest without a path");
    if (content < 0 || content > 1) avro_fail(cursor, "a manifest of unknown content");
    file->content = content == 1 ? PF_MANIFEST_DELETES : PF_MANIFEST_DATA;
}

static enum pf_code read_list(pf_str bytes, struct pf_arena *arena, struct pf_manifest_list *list,
                              struct pf_error *err) {
    struct avro_file file;
    struct avro_cursor cursor;
    size_t count, capacity = 0;
    PF_TRY(avro_file_open(bytes, arena, &file, err));
    if (file.schema->kind != AVRO_RECORD) PF_FAIL(err, PF_CORRUPT, "the Avro schema is no record");
    name_fields(file.schema);
    for (;;) {
        PF_TRY(avro_file_next_block(&file, arena, &count, &cursor, err));
        if (count == 0) return PF_OK;
        for (size_t i = 0; i < count; i++) {
            struct pf_manifest_file entry;
            read_entry(&cursor, file.schema, arena, &entry);
            if (cursor.failed) PF_FAIL(err, PF_CORRUPT, "entry %zu: %s", list->count, cursor.failed);
            PF_ARENA_PUSH(arena, list->manifests, list->count, capacity) = entry;
        }
    }
}

enum pf_code pf_manifest_list_read(pf_str bytes, pf_str path, struct pf_arena *arena, struct pf_manifest_list *out_list,
                                   struct pf_error *err) {
    struct pf_manifest_list list = {0};
    enum pf_code code = read_list(bytes, arena, &list, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "read manifest list '%.*s'", PF_STR_ARG(path));
    *out_list = list;
    return PF_OK;
}

enum pf_code pf_manifest_list_from_paths(const struct pf_snapshot *snapshot, struct pf_arena *arena,
                                         struct pf_manifest_list *out_list, struct pf_error *err) {
    if (snapshot->manifest_list.len) {
        PF_FAIL(err, PF_INVALID, "snapshot %lld has a manifest list: read that", (long long)snapshot->id);
    }
    struct pf_manifest_list list = {
        .manifests = PF_ARENA_ARRAY(arena, struct pf_manifest_file, snapshot->manifest_count),
        .count = snapshot->manifest_count,
    };
    for (size_t i = 0; i < list.count; i++) {
        list.manifests[i] = (struct pf_manifest_file){.path = snapshot->manifests[i],
                                                      .size_bytes = -1,
                                                      .spec_id = -1,
                                                      .added_snapshot_id = snapshot->id,
                                                      .added_files = -1,
                                                      .existing_files = -1,
                                                      .deleted_files = -1,
                                                      .added_rows = -1,
                                                      .existing_rows = -1,
                                                      .deleted_rows = -1,
                                                      .first_row_id = -1};
    }
    *out_list = list;
    return PF_OK;
}

bool pf_manifest_file_is_dead(const struct pf_manifest_file *file) {
    return file->added_files == 0 && file->existing_files == 0;
}
