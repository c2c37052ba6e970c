/* SPDX-License-Identifier: MIT */
#include "query/scan_splits.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONSTANTS_BYTES = 1 << 20 };

/* ---- keys of equality deletes ---- */

static const struct pf_iceberg_field *top_level(const struct pf_iceberg_schema *schema, int id) {
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].id == id) return &schema->fields[i];
    }
    return NULL;
}

/* In the schema that is read, or else, for a column that was dropped, in the newest one that has it. */
static const struct pf_iceberg_field *find_key_field(const struct lake_table *lake, int id, bool *out_is_dropped) {
    const struct pf_table_metadata *metadata = lake->table->metadata;
    const struct pf_iceberg_field *field = top_level(lake->table->schema, id);
    *out_is_dropped = !field;
    for (size_t i = metadata->schema_count; i > 0 && !field; i--) field = top_level(&metadata->schemas[i - 1], id);
    return field;
}

struct key_list {
    struct task_key *items;
    size_t count, capacity;
    int *dropped;
    size_t dropped_count, dropped_capacity;
};

static enum pf_code add_key(const struct lake_table *lake, int id, struct pf_arena *arena, struct key_list *keys,
                            struct pf_error *err) {
    bool is_dropped;
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->items[i].field_id == id) return PF_OK;
    }
    const struct pf_iceberg_field *field = find_key_field(lake, id, &is_dropped);
    if (!field || field->type->field_count) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "table %.*s has equality deletes by field %d, %s: not supported; rewrite its data files (compaction) "
                "with the engine that wrote them",
                PF_STR_ARG(lake->table->full_name), id,
                field ? "which is nested" : "which is inside another or in no schema of the table");
    }
    struct task_key key = {.field_id = id, .column = field->name};
    PF_TRY(pf_iceberg_type_sql(field->type, arena, &key.type, err));
    if (is_dropped) {
        key.column = pf_iceberg_dropped_column_name(id, arena);
        PF_ARENA_PUSH(arena, keys->dropped, keys->dropped_count, keys->dropped_capacity) = id;
    }
    PF_ARENA_PUSH(arena, keys->items, keys->count, keys->capacity) = key;
    return PF_OK;
}

/* ---- how files are read ---- */

/* The schema that every file's columns become: the input's columns, then the keys under names of their own. */
static enum pf_code read_by_file(const struct lake_table *lake, struct pf_arena *arena, struct stage_input *input,
                                 struct pf_error *err) {
    struct pf_iceberg_schema schema = {.field_count = input->column_count + input->key_count};
    struct pf_iceberg_field *fields = PF_ARENA_ARRAY(arena, struct pf_iceberg_field, schema.field_count);
    for (size_t i = 0; i < input->column_count; i++) {
        const struct pf_iceberg_field *field = pf_iceberg_schema_find(lake->schema, input->columns[i].name);
        if (!field) PF_FAIL(err, PF_BUG, "no column '%.*s'", PF_STR_ARG(input->columns[i].name));
        fields[i] = *field;
    }
    for (size_t i = 0; i < input->key_count; i++) {
        bool is_dropped;
        struct pf_iceberg_field *field = &fields[input->column_count + i];
        *field = *find_key_field(lake, input->keys[i].field_id, &is_dropped);
        field->name = pf_arena_printf(arena, "pf_k%d", input->keys[i].field_id);
    }
    schema.fields = fields;
    input->schema_json = pf_iceberg_schema_json(&schema, arena);
    input->name_mapping = pf_iceberg_name_mapping(lake->table->metadata);
    return PF_OK;
}

/* By name, by field id or by file; by file only if it is for the sake of a column that is wanted. */
static enum pf_code choose_reading(const struct lake_table *lake, const struct key_list *keys, struct pf_arena *arena,
                                   struct stage_input *input, struct pf_error *err) {
    const struct pf_table_metadata *metadata = lake->table->metadata;
    struct pf_read_mapping mapping;
    pf_str *wanted = PF_ARENA_ARRAY(arena, pf_str, input->column_count + keys->count + 1);
    size_t wanted_count = 0;
    for (size_t i = 0; i < input->column_count; i++) wanted[wanted_count++] = input->columns[i].name;
    for (size_t i = 0; i < keys->count; i++) wanted[wanted_count++] = keys->items[i].column;
    PF_TRY(pf_iceberg_read_mapping(metadata, lake->schema, NULL, 0, arena, &mapping, err));
    if (mapping.is_by_file) {
        PF_TRY(pf_iceberg_read_mapping(metadata, lake->schema, wanted, wanted_count, arena, &mapping, err));
    }
    if (mapping.is_by_file) return read_by_file(lake, arena, input, err);
    if (keys->dropped_count) {
        PF_TRY(pf_iceberg_read_mapping_dropped(metadata, lake->schema, keys->dropped, keys->dropped_count, arena,
                                               &mapping, err));
        if (mapping.is_by_file) return read_by_file(lake, arena, input, err);
    }
    input->read_options = PF_STR_EMPTY;
    if (!mapping.is_by_name) {
        input->read_options = pf_arena_printf(arena, ", schema := %.*s", PF_STR_ARG(mapping.schema_sql));
    }
    return PF_OK;
}

/* ---- the source ---- */

static int compare_ids(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static enum pf_code convert_delete(const struct lake_table *lake, const struct pf_delete_file *file,
                                   struct pf_arena *arena, struct key_list *keys, struct task_delete *delete,
                                   struct pf_error *err) {
    const struct pf_data_file *entry = file->entry;
    *delete = (struct task_delete){
        .path = file->local_path.len ? file->local_path : file->path,
        .offset = entry->content_offset,
        .size_bytes = entry->content_size_bytes,
        .row_count = entry->record_count,
        .sequence_number = entry->sequence_number,
        .scope = file->scope,
    };
    if (entry->content == PF_FILE_POSITION_DELETES) {
        bool is_vector = pf_str_equal(entry->format, PF_STR("PUFFIN"));
        delete->kind = is_vector ? TASK_DELETE_VECTOR : TASK_DELETE_POSITIONS;
        return PF_OK;
    }
    delete->kind = TASK_DELETE_EQUALITY;
    delete->field_id_count = entry->equality_id_count;
    delete->field_ids = PF_ARENA_ARRAY(arena, int, entry->equality_id_count);
    if (!entry->equality_id_count) {
        PF_FAIL(err, PF_CORRUPT, "table %.*s: equality delete file '%.*s' names no columns",
                PF_STR_ARG(lake->table->full_name), PF_STR_ARG(entry->path));
    }
    memcpy(delete->field_ids, entry->equality_ids, entry->equality_id_count * sizeof(int));
    qsort(delete->field_ids, entry->equality_id_count, sizeof(int), compare_ids);
    for (size_t i = 0; i < entry->equality_id_count; i++) {
        PF_TRY(add_key(lake, delete->field_ids[i], arena, keys, err));
    }
    return PF_OK;
}

/* Deletes are found by the number of a file and of a row, which read_parquet gives under these names. */
static enum pf_code check_names(const struct lake_table *lake, struct pf_error *err) {
    for (size_t i = 0; i < lake->column_count; i++) {
        pf_str name = lake->column_names[i];
        bool is_taken =
            pf_str_equal_nocase(name, PF_STR("file_index")) || pf_str_equal_nocase(name, PF_STR("file_row_number"));
        if (!is_taken) continue;
        PF_FAIL(err, PF_UNSUPPORTED,
                "table %.*s has deleted rows and a column named %.*s: not supported; rename the column, or compact "
                "the table",
                PF_STR_ARG(lake->table->full_name), PF_STR_ARG(name));
    }
    return PF_OK;
}

enum pf_code scan_source_open(const struct lake_table *lake, const struct pf_file_list *files, struct pf_arena *arena,
                              struct stage_input *input, struct split_source *out_source, struct pf_error *err) {
    struct split_source source = {.files = files, .metadata = lake->table->metadata};
    struct key_list keys = {0};
    if (files->delete_count) {
        PF_TRY(check_names(lake, err));
        source.deletes.items = PF_ARENA_ARRAY(arena, struct task_delete, files->delete_count);
        source.deletes.count = files->delete_count;
        for (size_t i = 0; i < files->delete_count; i++) {
            PF_TRY(convert_delete(lake, &files->deletes[i], arena, &keys, &source.deletes.items[i], err));
        }
        input->keys = keys.items;
        input->key_count = keys.count;
    }
    input->has_lineage = lake->has_lineage;
    PF_TRY(choose_reading(lake, &keys, arena, input, err));
    source.has_constants = input->schema_json.len > 0;
    source.has_more = source.has_constants || lake->has_lineage;
    source.arena = arena;
    *out_source = source;
    return PF_OK;
}

/* ---- splits ---- */

/* Values of identity fields of the file's partition. Bytes have no text that casts back: they are left out. */
static pf_str constants_of(const struct split_source *source, const struct pf_data_file *file) {
    const struct pf_partition_spec *spec = pf_table_metadata_spec(source->metadata, file->spec_id);
    struct pf_buf buf;
    struct pf_json_out json;
    size_t count = 0;
    pf_buf_init(&buf, MAX_CONSTANTS_BYTES);
    pf_json_begin(&json, &buf);
    pf_json_open_object(&json);
    for (size_t i = 0; spec && i < spec->field_count && i < file->partition_count; i++) {
        const struct pf_partition_field *field = &spec->fields[i];
        char key[16];
        const struct pf_iceberg_type *type = pf_table_metadata_type_of(source->metadata, field->source_id);
        bool is_bytes = type && (type->kind == PF_ICEBERG_BINARY || type->kind == PF_ICEBERG_FIXED);
        if (field->transform.kind != PF_TRANSFORM_IDENTITY || !type || is_bytes) continue;
        pf_str text = pf_partition_value_text(source->metadata, field, file->partition[i], source->arena);
        snprintf(key, sizeof key, "%d", field->source_id);
        pf_json_key(&json, key);
        if (file->partition[i].ptr) {
            pf_json_put_str(&json, text);
        } else {
            pf_json_put_null(&json);
        }
        count++;
    }
    pf_json_close_object(&json);
    pf_str text = count && !buf.failed ? pf_arena_str(source->arena, pf_buf_view(&buf)) : PF_STR_EMPTY;
    pf_buf_clear(&buf);
    return text;
}

struct task_split scan_split(const struct split_source *source, const struct pf_scan_file *file, int64_t first_row,
                             int64_t last_row) {
    struct task_split split = {
        .path = file->local_path.len ? file->local_path : file->path,
        .first_row = first_row,
        .last_row = last_row,
        .size_bytes = file->size_bytes,
    };
    if (source->has_more || file->delete_count) {
        split.data_path = file->path;
        split.sequence_number = file->entry->sequence_number;
        split.first_row_id = file->entry->first_row_id;
        if (source->has_constants) split.constants_json = constants_of(source, file->entry);
    }
    if (source->deletes.count && file->delete_count) {
        split.deletes = (uint32_t *)(uintptr_t)file->deletes;
        split.delete_count = file->delete_count;
        split.scope = file->scope;
    }
    return split;
}

struct task_deletes scan_take_deletes(const struct split_source *source, struct task_split *splits, size_t count,
                                      struct pf_arena *arena) {
    struct task_deletes taken = {0};
    size_t capacity = 0, wanted = 0;
    for (size_t i = 0; i < count; i++) wanted += splits[i].delete_count;
    if (!wanted) return taken;
    uint32_t *numbers = PF_ARENA_ARRAY(arena, uint32_t, source->deletes.count); /* 1 + the new one; 0: not taken */
    for (size_t i = 0; i < count; i++) {
        uint32_t *renumbered = PF_ARENA_ARRAY(arena, uint32_t, splits[i].delete_count);
        for (size_t k = 0; k < splits[i].delete_count; k++) {
            uint32_t number = splits[i].deletes[k];
            if (!numbers[number]) {
                PF_ARENA_PUSH(arena, taken.items, taken.count, capacity) = source->deletes.items[number];
                numbers[number] = (uint32_t)taken.count;
            }
            renumbered[k] = numbers[number] - 1;
        }
        splits[i].deletes = renumbered;
    }
    return taken;
}

void scan_take_all(const struct split_source *source, struct pf_arena *arena, struct task_split **out_splits,
                   size_t *out_count, struct task_deletes *out_deletes) {
    size_t count = source->files->count;
    struct task_split *splits = PF_ARENA_ARRAY(arena, struct task_split, count);
    for (size_t i = 0; i < count; i++) splits[i] = scan_split(source, &source->files->files[i], 0, -1);
    *out_deletes = scan_take_deletes(source, splits, count, arena);
    *out_splits = splits;
    *out_count = count;
}
