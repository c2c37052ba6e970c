/* SPDX-License-Identifier: MIT */
/* Metadata on its way to its next state: what the update files share.
 *
 * Lists that change are copied into the arena; what does not change is shared with the base. */
#ifndef PF_ICEBERG_UPDATE_H
#define PF_ICEBERG_UPDATE_H

#include "iceberg/schema.h"

struct update {
    struct pf_arena *arena;
    int64_t now_ms;
    struct pf_table_metadata *next;
    int added_schema_id, added_spec_id, added_order_id; /* of the last one added, for the id -1; -1: none */
    size_t base_snapshot_count;                         /* snapshots behind these were added by this commit */
    bool is_new, is_changed, has_time;                  /* has_time: last_updated_ms is that of a snapshot */
};

/* A field of an update, PF_INVALID if it is missing or no such thing. */
enum pf_code update_need_int(pf_json *json, const char *key, int *out_value, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_need_i64(pf_json *json, const char *key, int64_t *out_value, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_need_str(pf_json *json, const char *key, pf_str *out_value, struct pf_error *err) PF_MUST_CHECK;

/* update_schemas.c: schemas, specs, sort orders. */
enum pf_code update_add_schema(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_set_current_schema(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_remove_schemas(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_add_spec(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_set_default_spec(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_remove_specs(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_add_sort_order(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_set_default_sort_order(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;

/* update_snapshots.c: snapshots and refs. */
enum pf_code update_add_snapshot(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_remove_snapshots(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_set_ref(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code update_remove_ref(struct update *update, pf_json *json, struct pf_error *err) PF_MUST_CHECK;

/* Shared with metadata_read.c. Errors are PF_CORRUPT there, so callers here turn them into PF_INVALID. */
enum pf_code metadata_read_snapshot(pf_json *json, struct pf_arena *arena, struct pf_snapshot *snapshot,
                                    struct pf_error *err) PF_MUST_CHECK;
enum pf_code metadata_read_sort_order(pf_json *json, struct pf_arena *arena, struct pf_sort_order *order,
                                      struct pf_error *err) PF_MUST_CHECK;

/* Parts of metadata as JSON (metadata_write.c). */
void metadata_write_properties(const struct pf_property *properties, size_t count, struct pf_json_out *out);
void metadata_write_spec(const struct pf_partition_spec *spec, struct pf_json_out *out);
void metadata_write_sort_order(const struct pf_sort_order *order, struct pf_json_out *out);
void metadata_write_snapshot(const struct pf_snapshot *snapshot, int format_version, struct pf_json_out *out);
void metadata_write_ref_fields(const struct pf_snapshot_ref *ref, struct pf_json_out *out);

#endif
