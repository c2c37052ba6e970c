/* SPDX-License-Identifier: MIT */
#include "iceberg/manifest.h"

static const char list_schema[] =
    "{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":["
    "{\"name\":\"manifest_path\",\"type\":\"string\",\"field-id\":500},"
    "{\"name\":\"manifest_length\",\"type\":\"long\",\"field-id\":501},"
    "{\"name\":\"partition_spec_id\",\"type\":\"int\",\"field-id\":502},"
    "{\"name\":\"content\",\"type\":\"int\",\"field-id\":517},"
    "{\"name\":\"sequence_number\",\"type\":\"long\",\"field-id\":515},"
    "{\"name\":\"min_sequence_number\",\"type\":\"long\",\"field-id\":516},"
    "{\"name\":\"added_snapshot_id\",\"type\":\"long\",\"field-id\":503},"
    "{\"name\":\"added_files_count\",\"type\":\"int\",\"field-id\":504},"
    "{\"name\":\"existing_files_count\",\"type\":\"int\",\"field-id\":505},"
    "{\"name\":\"deleted_files_count\",\"type\":\"int\",\"field-id\":506},"
    "{\"name\":\"added_rows_count\",\"type\":\"long\",\"field-id\":512},"
    "{\"name\":\"existing_rows_count\",\"type\":\"long\",\"field-id\":513},"
    "{\"name\":\"deleted_rows_count\",\"type\":\"long\",\"field-id\":514},"
    "{\"name\":\"partitions\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"r508\","
    "\"fields\":[{\"name\":\"contains_null\",\"type\":\"boolean\",\"field-id\":509},"
    "{\"name\":\"contains_nan\",\"type\":[\"null\",\"boolean\"],\"default\":null,\"field-id\":518},"
    "{\"name\":\"lower_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":510},"
    "{\"name\":\"upper_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":511}]},"
    "\"element-id\":508}],\"default\":null,\"field-id\":507},"
    "{\"name\":\"key_metadata\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":519}]}";

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

static void put_manifest(const struct pf_manifest_file *file, struct pf_buf *out) {
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
}

enum pf_code manifest_list_write(const struct pf_manifest_list *list, int64_t snapshot_id, int64_t parent_id,
                                 int64_t sequence_number, struct pf_arena *arena, pf_str *out_bytes,
                                 struct pf_error *err) {
    struct avro_writer writer;
    pf_str id = pf_arena_printf(arena, "%lld", (long long)snapshot_id);
    struct avro_meta meta[] = {
        {PF_STR("snapshot-id"), id},
        {PF_STR("parent-snapshot-id"),
         parent_id == -1 ? PF_STR("null") : pf_arena_printf(arena, "%lld", (long long)parent_id)},
        {PF_STR("sequence-number"), pf_arena_printf(arena, "%lld", (long long)sequence_number)},
        {PF_STR("format-version"), PF_STR("2")},
    };
    avro_writer_open(&writer, pf_str_from_cstr(list_schema), meta, sizeof meta / sizeof *meta, id);
    for (size_t i = 0; i < list->count; i++) {
        put_manifest(&list->manifests[i], &writer.block);
        avro_writer_end_record(&writer);
    }
    return avro_writer_close(&writer, arena, out_bytes, err);
}
