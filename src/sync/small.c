/* SPDX-License-Identifier: MIT */
/* Small values: slices that are too small to be worth an object. */
#include "sync/connection.h"

enum { MAX_KEY_BYTES = 256, DEFAULT_TTL_MS = 3600 * 1000 };

static enum pf_code value_key(struct batch *batch, pf_str query_id, pf_str key, pf_str *out_key, struct pf_error *err) {
    if (key.len == 0 || key.len > MAX_KEY_BYTES) {
        PF_FAIL(err, PF_INVALID, "the key of a small value must have 1 to %d bytes", MAX_KEY_BYTES);
    }
    *out_key = pf_arena_printf(batch->arena, "%.*s:{%.*s}:v:%.*s", PF_STR_ARG(batch->sync->prefix),
                               PF_STR_ARG(query_id), PF_STR_ARG(key));
    return PF_OK;
}

enum pf_code pf_sync_put_small(struct pf_sync *sync, pf_str query_id, pf_str key, pf_str bytes, int64_t ttl_ms,
                               struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    if (bytes.len > PF_SYNC_MAX_SMALL_BYTES) {
        PF_FAIL(err, PF_TOO_LARGE, "small value '%.*s' has %zu bytes, the limit is %d", PF_STR_ARG(key), bytes.len,
                PF_SYNC_MAX_SMALL_BYTES);
    }
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str name;
    pf_str ttl = batch_number(&batch, ttl_ms > 0 ? ttl_ms : DEFAULT_TTL_MS);
    enum pf_code code = value_key(&batch, query_id, key, &name, err);
    if (code == PF_OK) {
        BATCH_SCRIPT(&batch, SCRIPT_SMALL, batch_key(&batch, query_id, "q"), key, bytes, ttl);
        code = batch_run(&batch, 0, "write a small value", err);
    }
    if (code == PF_OK) code = check_state(batch.replies[0], query_id, err);
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_drop_small(struct pf_sync *sync, pf_str query_id, pf_str key, struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str name;
    enum pf_code code = value_key(&batch, query_id, key, &name, err);
    if (code == PF_OK) {
        BATCH_ADD(&batch, PF_STR("UNLINK"), name);
        BATCH_ADD(&batch, PF_STR("SREM"), batch_key(&batch, query_id, "vals"), key);
        code = batch_run(&batch, 0, "remove a small value", err);
    }
    batch_clear(&batch);
    return code;
}

static enum pf_code add_range(struct batch *batch, pf_str query_id, const struct pf_sync_range *range,
                              struct pf_error *err) {
    pf_str name;
    if (range->offset < 0 || range->length < -1) {
        PF_FAIL(err, PF_INVALID, "small value '%.*s': negative range", PF_STR_ARG(range->key));
    }
    PF_TRY(value_key(batch, query_id, range->key, &name, err));
    if (range->length == -1 && range->offset == 0) {
        BATCH_ADD(batch, PF_STR("GET"), name);
    } else if (range->length == 0) {
        BATCH_ADD(batch, PF_STR("GETRANGE"), name, PF_STR("1"), PF_STR("0"));
    } else {
        int64_t last = range->length == -1 ? -1 : range->offset + range->length - 1;
        BATCH_ADD(batch, PF_STR("GETRANGE"), name, batch_number(batch, range->offset), batch_number(batch, last));
    }
    return PF_OK;
}

enum pf_code pf_sync_get_small(struct pf_sync *sync, pf_str query_id, struct pf_sync_range *ranges, size_t count,
                               struct pf_arena *arena, struct pf_error *err) {
    if (count == 0) return PF_OK;
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    enum pf_code code = PF_OK;
    for (size_t i = 0; code == PF_OK && i < count; i++) code = add_range(&batch, query_id, &ranges[i], err);
    if (code == PF_OK) code = batch_run(&batch, 0, "read small values", err);
    for (size_t i = 0; code == PF_OK && i < count; i++) {
        pf_str bytes = reply_text(batch.replies[i]);
        bool is_whole = ranges[i].length == -1 ? !reply_is_nil(batch.replies[i]) && (ranges[i].offset == 0 || bytes.len)
                                               : bytes.len == (size_t)ranges[i].length;
        if (!is_whole) {
            code = pf_error_set(err, PF_NOT_FOUND, __FILE__, __LINE__, "small value '%.*s' of query %.*s is not there",
                                PF_STR_ARG(ranges[i].key), PF_STR_ARG(query_id));
        }
    }
    for (size_t i = 0; code == PF_OK && i < count; i++)
        ranges[i].bytes = pf_arena_str(arena, reply_text(batch.replies[i]));
    batch_clear(&batch);
    return code;
}
