/* SPDX-License-Identifier: MIT */
/* Bodies of the REST protocol: {"create":…,"requirements":…,"updates":…,"view":…}. What comes out is valid metadata. */
#include "iceberg/iceberg.h"
#include "support/fuzz.h"

#include <assert.h>

static void check_is_valid(const struct pf_table_metadata *metadata, struct pf_arena *arena) {
    struct pf_table_metadata *again;
    pf_str json;
    if (pf_table_metadata_write(metadata, arena, &json, NULL) != PF_OK) return;
    enum pf_code code = pf_table_metadata_read(json, PF_STR("m"), arena, &again, NULL);
    assert(code == PF_OK);
}

static void change_view(pf_json *root, struct pf_arena *arena) {
    pf_str json, next, uuid;
    if (pf_view_metadata_from_request(pf_json_get(root, "view"), PF_STR("u"), PF_STR("s3://b/v"), 1, arena, &json,
                                      NULL) != PF_OK) {
        return;
    }
    enum pf_code code = pf_view_metadata_check(json, arena, &uuid, NULL);
    assert(code == PF_OK);
    if (pf_view_metadata_change(json, pf_json_get(root, "requirements"), pf_json_get(root, "updates"), 2, arena, &next,
                                NULL) == PF_OK) {
        code = pf_view_metadata_check(next, arena, &uuid, NULL);
        assert(code == PF_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    struct pf_table_metadata *table = NULL, *next;
    pf_json *root;
    if (pf_json_parse(pf_str_from((const char *)data, size), arena, "body", &root, NULL) == PF_OK) {
        pf_json *updates = pf_json_get(root, "updates");
        if (pf_table_metadata_from_request(pf_json_get(root, "create"), PF_STR("9c12d441-03fe-4693-9a96-a0705ddf69c1"),
                                           PF_STR("s3://b/t"), 1, arena, &table, NULL) == PF_OK) {
            check_is_valid(table, arena);
            (void)!pf_table_check_requirements(table, pf_json_get(root, "requirements"), NULL);
        }
        if (pf_table_apply_updates(table, updates, 2, arena, &next, NULL) == PF_OK) check_is_valid(next, arena);
        change_view(root, arena);
    }
    pf_arena_free(arena);
    return 0;
}
