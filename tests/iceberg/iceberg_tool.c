/* SPDX-License-Identifier: MIT */
/* Shows what src/iceberg reads from local tables, and writes local tables, for tests/iceberg/run.
 *
 *   iceberg_tool dump METADATA [snapshot ID] [where COLUMN KIND TYPE TEXT ...]
 *   iceberg_tool create METADATA_UUID < description      prints the path of the first metadata file
 *   iceberg_tool append|replace METADATA SNAPSHOT_ID UUID < description      prints the path of the new one
 *
 * A description is lines of fields with tabs between: location L | uuid U | column NAME TYPE | required NAME TYPE |
 * partition NAME COLUMN TRANSFORM | property KEY VALUE | file PATH SIZE ROWS | cell TYPE TEXT | null |
 * stats PATH MIN MAX NULLS VALUES SIZE NAN; cells and stats belong to the file above them; `-` is "not known". */
#include "base/buf.h"
#include "base/file.h"
#include "iceberg/iceberg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 16, MAX_FILE_BYTES = 1 << 30 };

static struct pf_arena *arena;
static struct pf_error error;

static void must(enum pf_code code) {
    if (code == PF_OK) return;
    printf("{\"error\":{\"code\":\"%s\",\"message\":\"", pf_code_name(code));
    for (const char *at = error.message; *at; at++) printf(*at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    printf("\"}}\n");
    exit(3);
}

static pf_str text_of(const char *text) {
    return pf_str_from_cstr(text);
}

static const char *local_path(pf_str path) {
    if (pf_str_starts_with(path, PF_STR("file://"))) path = pf_str_slice(path, 7, path.len);
    return pf_arena_cstr(arena, path);
}

static pf_str read_object(pf_str path) {
    pf_str bytes;
    must(pf_file_read(local_path(path), MAX_FILE_BYTES, arena, &bytes, &error));
    return bytes;
}

static struct pf_table_metadata *read_table(pf_str path) {
    struct pf_table_metadata *metadata;
    must(pf_table_metadata_read(read_object(path), path, arena, &metadata, &error));
    return metadata;
}

static struct pf_manifest_list read_list(const struct pf_snapshot *snapshot) {
    struct pf_manifest_list list = {0};
    if (!snapshot) return list;
    if (snapshot->manifest_list.len == 0) {
        must(pf_manifest_list_from_paths(snapshot, arena, &list, &error));
        return list;
    }
    must(pf_manifest_list_read(read_object(snapshot->manifest_list), snapshot->manifest_list, arena, &list, &error));
    return list;
}

static struct pf_manifest read_manifest(const struct pf_manifest_file *file, const struct pf_table_metadata *metadata) {
    struct pf_manifest_columns all = {.all = true};
    struct pf_manifest manifest;
    must(pf_manifest_read(read_object(file->path), file, metadata, &all, arena, &manifest, &error));
    return manifest;
}

/* ---- dump ---- */

static void put_hex(struct pf_buf *out, pf_str bytes) {
    if (!bytes.ptr) {
        pf_buf_put_cstr(out, "null");
        return;
    }
    pf_buf_put_char(out, '"');
    for (size_t i = 0; i < bytes.len; i++) pf_buf_printf(out, "%02x", (unsigned char)bytes.ptr[i]);
    pf_buf_put_char(out, '"');
}

/* Live entries of delete manifests, and what is found by them. */
struct deletes {
    const struct pf_data_file **files;
    size_t count, capacity;
    struct pf_delete_index *index;
};

static void put_deletes(struct pf_buf *out, const struct deletes *deletes, const struct pf_data_file *file) {
    const uint32_t *found;
    size_t count;
    if (file->content != PF_FILE_DATA || !deletes->index) return;
    must(pf_delete_index_find(deletes->index, file, arena, &found, &count, &error));
    for (size_t i = 0; i < count; i++) {
        if (i) pf_buf_put_char(out, ',');
        pf_buf_put_json_str(out, deletes->files[found[i]]->path);
    }
}

static void put_file(struct pf_buf *out, const struct pf_data_file *file, bool is_kept, const struct deletes *deletes) {
    pf_buf_put_cstr(out, "{\"deletes\":[");
    if (is_kept) put_deletes(out, deletes, file);
    pf_buf_put_cstr(out, "],\"path\":");
    pf_buf_put_json_str(out, file->path);
    pf_buf_printf(out, ",\"status\":%d,\"content\":%d,\"format\":", file->status, file->content);
    pf_buf_put_json_str(out, file->format);
    pf_buf_printf(out, ",\"kept\":%s,\"spec_id\":%d,\"records\":%lld,\"size\":%lld", is_kept ? "true" : "false",
                  file->spec_id, (long long)file->record_count, (long long)file->size_bytes);
    pf_buf_printf(out, ",\"sequence_number\":%lld,\"snapshot_id\":%lld,\"partition\":[",
                  (long long)file->sequence_number, (long long)file->snapshot_id);
    for (size_t i = 0; i < file->partition_count; i++) {
        if (i) pf_buf_put_char(out, ',');
        put_hex(out, file->partition[i]);
    }
    pf_buf_put_cstr(out, "],\"columns\":{");
    for (size_t i = 0; i < file->column_count; i++) {
        const struct pf_column_stats *stats = &file->columns[i];
        pf_buf_printf(out,
                      "%s\"%d\":{\"size\":%lld,\"values\":%lld,\"nulls\":%lld,\"nans\":%lld,\"lower\":", i ? "," : "",
                      stats->field_id, (long long)stats->size_bytes, (long long)stats->value_count,
                      (long long)stats->null_count, (long long)stats->nan_count);
        put_hex(out, stats->lower);
        pf_buf_put_cstr(out, ",\"upper\":");
        put_hex(out, stats->upper);
        pf_buf_put_char(out, '}');
    }
    pf_buf_put_cstr(out, "}}");
}

static enum pf_predicate_kind kind_of(const char *name) {
    static const char *const names[] = {"=", "!=", "<", "<=", ">", ">=", "in", "null", "not-null"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) return (enum pf_predicate_kind)i;
    }
    fprintf(stderr, "no such predicate: %s\n", name);
    exit(2);
}

static void put_schema(struct pf_buf *out, const struct pf_table_metadata *metadata,
                       const struct pf_iceberg_schema *schema) {
    struct pf_read_mapping mapping = {0};
    pf_buf_put_cstr(out, ",\"columns\":[");
    for (size_t i = 0; i < schema->field_count; i++) {
        pf_str sql;
        must(pf_iceberg_type_sql(schema->fields[i].type, arena, &sql, &error));
        pf_buf_printf(out, "%s[%d,", i ? "," : "", schema->fields[i].id);
        pf_buf_put_json_str(out, schema->fields[i].name);
        pf_buf_put_char(out, ',');
        pf_buf_put_json_str(out, sql);
        pf_buf_put_char(out, ']');
    }
    enum pf_code code = pf_iceberg_read_mapping(metadata, schema, NULL, 0, arena, &mapping, &error);
    pf_buf_printf(out, "],\"mapping_code\":\"%s\",\"by_name\":%s,\"by_file\":%s,\"mapping\":", pf_code_name(code),
                  mapping.is_by_name ? "true" : "false", mapping.is_by_file ? "true" : "false");
    pf_buf_put_json_str(out, mapping.schema_sql);
    pf_buf_put_cstr(out, ",\"field_ids\":");
    pf_buf_put_json_str(out, pf_iceberg_field_ids_sql(schema, arena));
}

static void dump(int argc, char **argv) {
    struct pf_table_metadata *metadata = read_table(text_of(argv[0]));
    const struct pf_snapshot *snapshot = pf_table_metadata_current_snapshot(metadata);
    struct pf_predicate predicates[8];
    size_t predicate_count = 0;
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "snapshot") == 0) {
            snapshot = pf_table_metadata_snapshot(metadata, strtoll(argv[i + 1], NULL, 10));
            i += 2;
            continue;
        }
        struct pf_literal *literal = PF_ARENA_NEW(arena, struct pf_literal);
        *literal = (struct pf_literal){text_of(argv[i + 3]), text_of(argv[i + 4])};
        predicates[predicate_count++] = (struct pf_predicate){text_of(argv[i + 1]), kind_of(argv[i + 2]), literal, 1};
        i += 5;
    }
    const struct pf_iceberg_schema *schema = pf_table_metadata_schema_of(metadata, snapshot);
    struct pf_pruner *pruner = pf_pruner_new(metadata, schema, predicates, predicate_count, arena);
    struct pf_manifest_list list = read_list(snapshot);
    struct pf_buf out;
    const char *separator = "";
    pf_buf_init(&out, MAX_FILE_BYTES);
    pf_buf_printf(&out, "{\"snapshot\":%lld,\"version\":%d", (long long)(snapshot ? snapshot->id : -1),
                  metadata->format_version);
    put_schema(&out, metadata, schema);
    pf_buf_put_cstr(&out, ",\"files\":[");
    struct deletes deletes = {0};
    for (size_t i = 0; i < list.count; i++) {
        if (list.manifests[i].content != PF_MANIFEST_DELETES) continue;
        struct pf_manifest manifest = read_manifest(&list.manifests[i], metadata);
        for (size_t k = 0; k < manifest.count; k++) {
            if (manifest.files[k].status == PF_ENTRY_DELETED) continue;
            PF_ARENA_PUSH(arena, deletes.files, deletes.count, deletes.capacity) = &manifest.files[k];
        }
    }
    must(pf_delete_index_new(metadata, deletes.files, deletes.count, arena, &deletes.index, &error));
    for (size_t i = 0; i < list.count; i++) {
        struct pf_manifest manifest = read_manifest(&list.manifests[i], metadata);
        bool keeps_manifest = pf_pruner_keeps_manifest(pruner, &list.manifests[i]);
        for (size_t k = 0; k < manifest.count; k++) {
            const struct pf_data_file *file = &manifest.files[k];
            if (file->status != PF_ENTRY_DELETED) must(pf_data_file_check(file, PF_STR("t"), snapshot->id, &error));
            pf_buf_put_cstr(&out, separator);
            put_file(&out, file,
                     keeps_manifest && file->status != PF_ENTRY_DELETED && pf_pruner_keeps_file(pruner, file),
                     &deletes);
            separator = ",";
        }
    }
    pf_buf_put_cstr(&out, "]}");
    printf("%.*s\n", PF_STR_ARG(pf_buf_view(&out)));
    pf_buf_clear(&out);
}

/* ---- create, append, replace ---- */

struct description {
    pf_str location, uuid;
    struct pf_sql_column columns[64];
    size_t column_count;
    pf_str partitions[16][3];
    size_t partition_count;
    struct pf_property properties[16];
    size_t property_count;
    struct pf_data_file files[1024];
    pf_str cells[1024][16];
    struct pf_stats_text stats[1024][64];
    size_t stats_count[1024];
    size_t file_count;
};

static int64_t number_of(pf_str text) {
    int64_t number;
    return pf_str_to_i64(text, &number) ? number : -1;
}

static pf_str known(pf_str text) {
    return pf_str_equal(text, PF_STR("-")) ? PF_STR_EMPTY : text;
}

static void add_cell(struct description *all, const struct pf_table_metadata *metadata, pf_str type, pf_str text) {
    struct pf_data_file *file = &all->files[all->file_count - 1];
    if (!metadata) return; /* a table that is only being created has no files */
    const struct pf_partition_field *field =
        &pf_table_metadata_spec(metadata, metadata->default_spec_id)->fields[file->partition_count];
    const struct pf_iceberg_field *source =
        pf_iceberg_schema_find_id(pf_table_metadata_current_schema(metadata), field->source_id);
    struct pf_literal literal = {type, text};
    pf_str *cell = &all->cells[all->file_count - 1][file->partition_count++];
    file->partition = all->cells[all->file_count - 1];
    if (type.len) must(pf_transform_apply(&field->transform, source->type, literal, arena, cell, &error));
}

static void read_line(struct description *all, const struct pf_table_metadata *metadata, pf_str *f) {
    if (pf_str_equal(f[0], PF_STR("location"))) all->location = f[1];
    if (pf_str_equal(f[0], PF_STR("uuid"))) all->uuid = f[1];
    bool is_required = pf_str_equal(f[0], PF_STR("required"));
    if (is_required || pf_str_equal(f[0], PF_STR("column"))) {
        all->columns[all->column_count++] = (struct pf_sql_column){f[1], f[2], is_required};
    }
    if (pf_str_equal(f[0], PF_STR("partition"))) {
        memcpy(all->partitions[all->partition_count++], f + 1, 3 * sizeof *f);
    }
    if (pf_str_equal(f[0], PF_STR("property"))) {
        all->properties[all->property_count++] = (struct pf_property){f[1], f[2]};
    }
    if (pf_str_equal(f[0], PF_STR("file"))) {
        all->files[all->file_count++] = (struct pf_data_file){
            .path = f[1], .size_bytes = number_of(f[2]), .record_count = number_of(f[3]), .sort_order_id = -1};
    }
    if (pf_str_equal(f[0], PF_STR("cell"))) add_cell(all, metadata, f[1], f[2]);
    if (pf_str_equal(f[0], PF_STR("null"))) add_cell(all, metadata, PF_STR_EMPTY, PF_STR_EMPTY);
    if (pf_str_equal(f[0], PF_STR("stats"))) {
        size_t file = all->file_count - 1;
        all->stats[file][all->stats_count[file]++] = (struct pf_stats_text){
            .path = f[1],
            .min = known(f[2]),
            .max = known(f[3]),
            .null_count = number_of(f[4]),
            .value_count = number_of(f[5]),
            .size_bytes = number_of(f[6]),
            .has_has_nan = !pf_str_equal(f[7], PF_STR("-")),
            .has_nan = pf_str_equal(f[7], PF_STR("true")),
        };
    }
}

static struct description *read_description(const struct pf_table_metadata *metadata) {
    struct description *all = PF_ARENA_NEW(arena, struct description);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        pf_str fields[MAX_FIELDS] = {{0}}, rest = pf_arena_str(arena, pf_str_trim(pf_str_from(line, (size_t)length)));
        for (size_t i = 0; i < MAX_FIELDS && pf_str_next(&rest, '\t', &fields[i]); i++) continue;
        read_line(all, metadata, fields);
    }
    free(line);
    return all;
}

static void write_object(pf_str path, pf_str bytes) {
    const char *local = local_path(path);
    char *folder = pf_arena_cstr(arena, text_of(local));
    *strrchr(folder, '/') = 0;
    must(pf_file_make_directories(folder, &error));
    must(pf_file_write(local, bytes, &error));
}

static void create(char **argv) {
    struct description *all = read_description(NULL);
    struct pf_iceberg_schema schema;
    struct pf_table_metadata *metadata;
    struct pf_partition_field fields[16] = {{0}};
    struct pf_partition_spec spec = {.fields = fields, .field_count = all->partition_count};
    struct pf_table_create request = {.uuid = all->uuid,
                                      .location = all->location,
                                      .schema = &schema,
                                      .spec = &spec,
                                      .properties = all->properties,
                                      .property_count = all->property_count,
                                      .now_ms = 1700000000000};
    pf_str json;
    must(pf_iceberg_schema_from_sql(all->columns, all->column_count, arena, &schema, &request.last_column_id, &error));
    for (size_t i = 0; i < all->partition_count; i++) {
        fields[i].name = all->partitions[i][0];
        fields[i].source_id = pf_iceberg_schema_find(&schema, all->partitions[i][1])->id;
        must(pf_transform_parse(all->partitions[i][2], &fields[i].transform, &error));
    }
    must(pf_table_metadata_create(&request, arena, &metadata, &error));
    must(pf_table_metadata_write(metadata, arena, &json, &error));
    pf_str path = pf_table_metadata_next_path(metadata, PF_STR_EMPTY, text_of(argv[0]), arena);
    write_object(path, json);
    printf("%.*s\n", PF_STR_ARG(path));
}

static void append(bool is_replace, char **argv) {
    pf_str path = text_of(argv[0]);
    struct pf_table_metadata *metadata = read_table(path);
    struct description *all = read_description(metadata);
    struct pf_manifest_list list = read_list(pf_table_metadata_current_snapshot(metadata));
    struct pf_data_file *replaced = NULL;
    size_t replaced_count = 0, capacity = 0;
    for (size_t i = 0; is_replace && i < list.count; i++) {
        struct pf_manifest manifest = read_manifest(&list.manifests[i], metadata);
        for (size_t k = 0; k < manifest.count; k++) {
            if (manifest.files[k].status == PF_ENTRY_DELETED) continue;
            PF_ARENA_PUSH(arena, replaced, replaced_count, capacity) = manifest.files[k];
        }
    }
    for (size_t i = 0; i < all->file_count; i++) {
        must(pf_data_file_set_stats(&all->files[i], metadata, all->stats[i], all->stats_count[i], arena, &error));
    }
    struct pf_property engine = {PF_STR("engine-name"), PF_STR("puffindb")};
    struct pf_append request = {.metadata = metadata,
                                .metadata_path = path,
                                .manifests = &list,
                                .files = all->files,
                                .file_count = all->file_count,
                                .is_replace = is_replace,
                                .replaced = replaced,
                                .replaced_count = replaced_count,
                                .snapshot_id = strtoll(argv[1], NULL, 10),
                                .now_ms = metadata->last_updated_ms + 1000,
                                .commit_uuid = text_of(argv[2]),
                                .metadata_uuid = text_of(argv[2]),
                                .summary = &engine,
                                .summary_count = 1};
    struct pf_commit commit;
    must(pf_iceberg_append(&request, arena, &commit, &error));
    for (size_t i = 0; i < commit.object_count; i++) write_object(commit.objects[i].path, commit.objects[i].bytes);
    printf("%.*s\n", PF_STR_ARG(commit.metadata_path));
}

int main(int argc, char **argv) {
    arena = pf_arena_new(NULL, "iceberg_tool");
    if (argc >= 3 && strcmp(argv[1], "dump") == 0) {
        dump(argc - 2, argv + 2);
    } else if (argc == 3 && strcmp(argv[1], "create") == 0) {
        create(argv + 2);
    } else if (argc == 5 && (strcmp(argv[1], "append") == 0 || strcmp(argv[1], "replace") == 0)) {
        append(strcmp(argv[1], "replace") == 0, argv + 2);
    } else {
        fprintf(stderr, "usage: iceberg_tool dump|create|append|replace ...\n");
        return 2;
    }
    arena = pf_arena_free(arena);
    return 0;
}
