/* SPDX-License-Identifier: MIT */
#include "iceberg/manifest.h"

#define PATH_AND_SPEC                                                                                                  \
    "{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":["                                                     \
    "{\"name\":\"manifest_path\",\"type\":\"string\",\"field-id\":500},"                                               \
    "{\"name\":\"manifest_length\",\"type\":\"long\",\"field-id\":501},"                                               \
    "{\"name\":\"partition_spec_id\",\"type\":\"int\",\"field-id\":502},"

#define PARTITIONS                                                                                                     \
    "{\"name\":\"partitions\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":"         \
    "\"r508\","                                                                                                        \
    "\"fields\":[{\"name\":\"contains_null\",\"type\":\"boolean\",\"field-id\":509},"                                  \
    "{\"name\":\"contains_nan\",\"type\":[\"null\",\"boolean\"],\"default\":null,\"field-id\":518},"                   \
    "{\"name\":\"lower_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":510},"                      \
    "{\"name\":\"upper_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":511}]},"                    \
    "\"element-id\":508}],\"default\":null,\"field-id\":507},"

#define KEY_METADATA "{\"name\":\"key_metadata\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":519}"

/* Counts are optional in version 1. */
#define OLD_COUNT(name, type, id)                                                                                      \
    "{\"name\":\"" name "\",\"type\":[\"null\",\"" type "\"],\"default\":null,\"field-id\":" id "},"
static const char list_schema_v1[] = PATH_AND_SPEC
    "{\"name\":\"added_snapshot_id\",\"type\":\"long\",\"field-id\":503}," OLD_COUNT("added_files_count", "int", "504")
        OLD_COUNT("existing_files_count", "int", "505") OLD_COUNT("deleted_files_count", "int", "506")
            PARTITIONS OLD_COUNT("added_rows_count", "long", "512") OLD_COUNT("existing_rows_count", "long", "513")
                OLD_COUNT("deleted_rows_count", "long", "514") KEY_METADATA "]}";

#define LIST_FIELDS                                                                                                    \
    PATH_AND_SPEC "{\"name\":\"content\",\"type\":\"int\",\"field-id\":517},"                                          \
                  "{\"name\":\"sequence_number\",\"type\":\"long\",\"field-id\":515},"                                 \
                  "{\"name\":\"min_sequence_number\",\"type\":\"long\",\"field-id\":516},"                             \
                  "{\"name\":\"added_snapshot_id\",\"type\":\"long\",\"field-id\":503},"                               \
                  "{\"name\":\"added_files_count\",\"type\":\"int\",\"field-id\":504},"                                \
                  "{\"name\":\"existing_files_count\",\"type\":\"int\",\"field-id\":505},"                             \
                  "{\"name\":\"deleted_files_count\",\"type\":\"int\",\"field-id\":506},"                              \
                  "{\"name\":\"added_rows_count\",\"type\":\"long\",\"field-id\":512},"                                \
                  "{\"name\":\"existing_rows_count\",\"type\":\"long\",\"field-id\":513},"                             \
                  "{\"name\":\"deleted_rows_count\",\"type\":\"long\",\"field-id\":514}," PARTITIONS KEY_METADATA

static const char list_schema_v2[] = LIST_FIELDS "]}";
static const char list_schema_v3[] =
    LIST_FIELDS ",{\"name\":\"first_row_id\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":520}]}";

static void put_optional_bytes(struct pf_buf *out, pf_str bytes) {
    avro_put_long(out, bytes.ptr != NULL);
    if (bytes.ptr) avro_put_bytes(out, bytes);
}

static void put_summaries(const struct pf_manifest_file *file, struct pf_buf *out) {
    avro_put_long(out, file->partitions != NULL);
    if (!file->partitions) return;
    if (file->partition_count) avro_put_long(out, (int64_t)file->partition_count);
    for (size_t i = 0; i < file->partition_count; i++) {
        const struct pf_field_summary *summary = &file->partitions[i];
        pf_buf_put_char(out, summary->contains_null);
        avro_put_long(out, summary->has_contains_nan);
        if (summary->has_contains_nan) pf_buf_put_char(out, summary->contains_nan);
        put_optional_bytes(out, summary->lower);
        put_optional_bytes(out, summary->upper);
    }
    avro_put_long(out, 0);
}

/* Counts that a v1 list left open are required here; a count that is too small would make readers skip the manifest,
 * so "unknown" becomes one. */
static int64_t known(int64_t count) {
    return count < 0 ? 1 : count;
}

static void put_old_count(struct pf_buf *out, int64_t count) {
    avro_put_long(out, count >= 0);
    if (count >= 0) avro_put_long(out, count);
}

static void put_manifest_v1(const struct pf_manifest_file *file, struct pf_buf *out) {
    avro_put_bytes(out, file->path);
    avro_put_long(out, file->size_bytes);
    avro_put_long(out, file->spec_id);
    avro_put_long(out, file->added_snapshot_id);
    put_old_count(out, file->added_files);
    put_old_count(out, file->existing_files);
    put_old_count(out, file->deleted_files);
    put_summaries(file, out);
    put_old_count(out, file->added_rows);
    put_old_count(out, file->existing_rows);
    put_old_count(out, file->deleted_rows);
    put_optional_bytes(out, file->key_metadata.len ? file->key_metadata : PF_STR_EMPTY);
}

static void put_manifest(const struct pf_manifest_file *file, int format_version, struct pf_buf *out) {
    avro_put_bytes(out, file->path);
    avro_put_long(out, file->size_bytes);
    avro_put_long(out, file->spec_id);
    avro_put_long(out, file->content);
    avro_put_long(out, file->sequence_number);
    avro_put_long(out, file->min_sequence_number);
    avro_put_long(out, file->added_snapshot_id);
    avro_put_long(out, known(file->added_files));
    avro_put_long(out, known(file->existing_files));
    avro_put_long(out, known(file->deleted_files));
    avro_put_long(out, known(file->added_rows));
    avro_put_long(out, known(file->existing_rows));
    avro_put_long(out, known(file->deleted_rows));
    put_summaries(file, out);
    put_optional_bytes(out, file->key_metadata.len ? file->key_metadata : PF_STR_EMPTY);
    if (format_version < 3) return;
    bool has_row_id = file->content == PF_MANIFEST_DATA && file->first_row_id >= 0;
    avro_put_long(out, has_row_id);
    if (has_row_id) avro_put_long(out, file->first_row_id);
}

/* Spec, First Row ID Assignment: room for all rows of the manifest, whether or not their files have ids already. */
static int64_t assign_row_ids(struct pf_manifest_list *list, int64_t next_row_id) {
    for (size_t i = 0; i < list->count; i++) {
        struct pf_manifest_file *file = &list->manifests[i];
        if (file->content != PF_MANIFEST_DATA || file->first_row_id >= 0) continue;
        file->first_row_id = next_row_id;
        next_row_id +=
            (file->added_rows > 0 ? file->added_rows : 0) + (file->existing_rows > 0 ? file->existing_rows : 0);
    }
    return next_row_id;
}

static size_t make_meta(const struct manifest_list_write *write, struct pf_arena *arena, struct avro_meta meta[5]) {
    size_t count = 0;
    meta[count++] =
        (struct avro_meta){PF_STR("snapshot-id"), pf_arena_printf(arena, "%lld", (long long)write->snapshot_id)};
    meta[count++] = (struct avro_meta){
        PF_STR("parent-snapshot-id"),
        write->parent_id == -1 ? PF_STR("null") : pf_arena_printf(arena, "%lld", (long long)write->parent_id)};
    if (write->format_version > 1) {
        meta[count++] = (struct avro_meta){PF_STR("sequence-number"),
                                           pf_arena_printf(arena, "%lld", (long long)write->sequence_number)};
    }
    if (write->format_version > 2) {
        meta[count++] =
            (struct avro_meta){PF_STR("first-row-id"), pf_arena_printf(arena, "%lld", (long long)write->first_row_id)};
    }
    meta[count++] = (struct avro_meta){PF_STR("format-version"), pf_arena_printf(arena, "%d", write->format_version)};
    return count;
}

enum pf_code manifest_list_write(struct pf_manifest_list *list, const struct manifest_list_write *write,
                                 struct pf_arena *arena, pf_str *out_bytes, int64_t *out_next_row_id,
                                 struct pf_error *err) {
    static const char *const schemas[] = {list_schema_v1, list_schema_v2, list_schema_v3};
    struct avro_writer writer;
    struct avro_meta meta[5];
    size_t meta_count = make_meta(write, arena, meta);
    *out_next_row_id = write->format_version >= 3 ? assign_row_ids(list, write->first_row_id) : -1;
    avro_writer_open(&writer, pf_str_from_cstr(schemas[write->format_version - 1]), meta, meta_count, meta[0].value);
    for (size_t i = 0; i < list->count; i++) {
        if (write->format_version == 1) {
            put_manifest_v1(&list->manifests[i], &writer.block);
        } else {
            put_manifest(&list->manifests[i], write->format_version, &writer.block);
        }
        avro_writer_end_record(&writer);
    }
    return avro_writer_close(&writer, arena, out_bytes, err);
}
