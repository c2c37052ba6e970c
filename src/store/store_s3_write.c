/* SPDX-License-Identifier: MIT */
/* Writing: one request for what is small, parts side by side for what is not, conditions for what others write too. */
#include "store/store_s3.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum { MAX_COMPLETE_BYTES = 4 << 20 };

static void add_checksum(const struct s3_store *s3, struct s3_request *request, struct pf_arena *arena) {
    enum pf_s3_checksum kind = s3->options.checksum;
    if (kind == PF_S3_NO_CHECKSUM) return;
    s3_add_header(request, checksum_header(kind).ptr, checksum_print(kind, request->body, arena));
}

static struct s3_request put_request(const struct s3_store *s3, pf_str key, pf_str bytes, struct pf_arena *arena) {
    struct s3_request request = {.method = "PUT", .key = key, .body = bytes};
    s3_add_header(&request, "Content-Type", PF_STR("application/octet-stream"));
    add_checksum(s3, &request, arena);
    return request;
}

/* ---- in parts ---- */

static enum pf_code begin_upload(struct s3_store *s3, pf_str key, struct pf_arena *arena, pf_str *out_id,
                                 struct pf_error *err) {
    struct s3_request request = {.method = "POST", .key = key};
    s3_add_query(&request, "uploads", PF_STR_EMPTY);
    s3_add_header(&request, "Content-Type", PF_STR("application/octet-stream"));
    if (s3->options.checksum != PF_S3_NO_CHECKSUM) {
        s3_add_header(&request, "x-amz-checksum-algorithm", checksum_name(s3->options.checksum));
        /* Sums of parts combine to one of the whole only for CRC64NVME among those that we send. */
        bool is_whole = s3->options.checksum == PF_S3_CRC64NVME;
        s3_add_header(&request, "x-amz-checksum-type", is_whole ? PF_STR("FULL_OBJECT") : PF_STR("COMPOSITE"));
    }
    PF_TRY(s3_run(s3, &request, 1, NULL, arena, NULL, err));
    *out_id = pf_xml_text(request.reply.body, "UploadId", arena);
    if (!out_id->len) PF_FAIL(err, PF_REMOTE, "the server began an upload without naming it");
    return PF_OK;
}

static enum pf_code put_parts(struct s3_store *s3, pf_str key, pf_str id, pf_str bytes, struct pf_arena *arena,
                              struct s3_request **out_parts, size_t *out_count, struct pf_error *err) {
    int64_t least = ((int64_t)bytes.len + S3_MAX_PARTS - 1) / S3_MAX_PARTS, part = s3->options.part_bytes;
    if (part < S3_MIN_PART_BYTES) part = S3_MIN_PART_BYTES;
    if (part < least) part = least;
    size_t size = (size_t)part, count = (bytes.len + size - 1) / size;
    struct s3_request *parts = PF_ARENA_ARRAY(arena, struct s3_request, count);
    for (size_t i = 0; i < count; i++) {
        parts[i] = (struct s3_request){.method = "PUT", .key = key};
        parts[i].body = pf_str_slice(bytes, i * size, (i + 1) * size);
        s3_add_query(&parts[i], "partNumber", pf_arena_printf(arena, "%zu", i + 1));
        s3_add_query(&parts[i], "uploadId", id);
        add_checksum(s3, &parts[i], arena);
    }
    PF_TRY(s3_run(s3, parts, count, NULL, arena, NULL, err));
    *out_parts = parts;
    *out_count = count;
    return PF_OK;
}

/* As it was sent with a part: to compute it again would cost as much as the first time. */
static pf_str sent_checksum(const struct s3_request *part, enum pf_s3_checksum kind) {
    pf_str name = checksum_header(kind);
    for (size_t i = 0; i < part->header_count; i++) {
        if (pf_str_equal(part->headers[i].name, name)) return part->headers[i].value;
    }
    return PF_STR_EMPTY;
}

static enum pf_code end_upload(struct s3_store *s3, pf_str key, pf_str id, pf_str bytes, const struct s3_request *parts,
                               size_t count, struct pf_arena *arena, struct pf_error *err) {
    enum pf_s3_checksum kind = s3->options.checksum;
    pf_str element = checksum_element(kind);
    struct pf_buf xml;
    pf_buf_init(&xml, MAX_COMPLETE_BYTES);
    pf_buf_put_cstr(&xml, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < count; i++) {
        pf_buf_put_cstr(&xml, "<Part>");
        if (element.len) {
            pf_buf_printf(&xml, "<%.*s>%.*s</%.*s>", PF_STR_ARG(element), PF_STR_ARG(sent_checksum(&parts[i], kind)),
                          PF_STR_ARG(element));
        }
        pf_buf_put_cstr(&xml, "<ETag>");
        pf_xml_put_text(&xml, pf_http_header(&parts[i].reply.headers, "ETag"));
        pf_buf_printf(&xml, "</ETag><PartNumber>%zu</PartNumber></Part>", i + 1);
    }
    pf_buf_put_cstr(&xml, "</CompleteMultipartUpload>");
    struct s3_request request = {.method = "POST", .key = key, .body = pf_arena_str(arena, pf_buf_view(&xml))};
    pf_buf_clear(&xml);
    s3_add_query(&request, "uploadId", id);
    s3_add_header(&request, "Content-Type", PF_STR("application/xml"));
    if (kind == PF_S3_CRC64NVME) {
        s3_add_header(&request, checksum_header(kind).ptr, checksum_print(kind, bytes, arena));
        s3_add_header(&request, "x-amz-checksum-type", PF_STR("FULL_OBJECT"));
    }
    return s3_run(s3, &request, 1, NULL, arena, NULL, err);
}

static enum pf_code abort_upload(struct s3_store *s3, pf_str key, pf_str id, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 abort");
    struct s3_request request = {.method = "DELETE", .key = key};
    s3_add_query(&request, "uploadId", id);
    enum pf_code code = s3_run(s3, &request, 1, NULL, scratch, NULL, err);
    pf_arena_free(scratch);
    return code == PF_NOT_FOUND ? PF_OK : code;
}

static enum pf_code put_in_parts(struct s3_store *s3, pf_str key, pf_str bytes, struct pf_arena *arena,
                                 struct pf_error *err) {
    pf_str id;
    struct s3_request *parts = NULL;
    size_t count = 0;
    PF_TRY(begin_upload(s3, key, arena, &id, err));
    enum pf_code code = put_parts(s3, key, id, bytes, arena, &parts, &count, err);
    if (code == PF_OK) code = end_upload(s3, key, id, bytes, parts, count, arena, err);
    if (code == PF_OK) return PF_OK;
    struct pf_error ignored;
    if (abort_upload(s3, key, id, &ignored) != PF_OK) {
        pf_log_failure(PF_LOG_DEBUG, "an upload that failed is left for the sweep", &ignored);
    }
    return code;
}

/* ---- whole ---- */

enum pf_code s3_put(struct pf_store *store, pf_str key, pf_str bytes, bool is_temporary, struct pf_error *err) {
    (void)is_temporary;
    struct s3_store *s3 = s3_of(store);
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 put");
    enum pf_code code;
    if ((int64_t)bytes.len > 2 * s3->options.part_bytes && bytes.len > 2 * (size_t)S3_MIN_PART_BYTES) {
        code = put_in_parts(s3, key, bytes, scratch, err);
    } else {
        struct s3_request request = put_request(s3, key, bytes, scratch);
        code = s3_run(s3, &request, 1, NULL, scratch, NULL, err);
    }
    pf_arena_free(scratch);
    return code;
}

/* ---- in pieces ---- */

/* One request whatever the size: the pieces are not joined anywhere, so it takes no memory, and costs one request. */
enum pf_code s3_put_pieces(struct pf_store *store, pf_str key, const pf_str *pieces, size_t count,
                           struct pf_error *err) {
    struct s3_store *s3 = s3_of(store);
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 put pieces");
    struct s3_request request = {.method = "PUT", .key = key, .pieces = pieces, .piece_count = count};
    for (size_t i = 0; i < count; i++) request.piece_bytes += (int64_t)pieces[i].len;
    if (!s3->is_tls) request.piece_hash = checksum_sha256_hex(pieces, count, scratch);
    s3_add_header(&request, "Content-Type", PF_STR("application/octet-stream"));
    enum pf_s3_checksum kind = s3->options.checksum;
    if (kind != PF_S3_NO_CHECKSUM) {
        s3_add_header(&request, checksum_header(kind).ptr, checksum_print_pieces(kind, pieces, count, scratch));
    }
    enum pf_code code = PF_OK;
    if (request.piece_bytes > 0) {
        code = s3_run(s3, &request, 1, NULL, scratch, NULL, err);
    } else {
        code = s3_put(store, key, PF_STR_EMPTY, true, err);
    }
    pf_arena_free(scratch);
    return code;
}

/* ---- under a condition ---- */

/* An answer that never came, or a refusal after one that never came: our bytes are there, or they are not. */
static enum pf_code find_out(struct s3_store *s3, pf_str key, pf_str bytes, enum pf_code failed, struct pf_arena *arena,
                             pf_str *out_etag, struct pf_error *err) {
    pf_str found, etag;
    struct pf_error ignored;
    enum pf_code code = s3_get_versioned(&s3->store, key, arena, &found, &etag, &ignored);
    if (code == PF_OK && pf_str_equal(found, bytes)) {
        *out_etag = etag;
        return PF_OK;
    }
    if (failed == PF_CONFLICT) return failed;
    if (code == PF_OK || code == PF_NOT_FOUND) {
        return pf_error_wrap(err, failed, "it was not written, or replaced at once");
    }
    return pf_error_wrap(err, failed, "the outcome is unknown");
}

enum pf_code s3_put_if(struct pf_store *store, pf_str key, pf_str expected_etag, pf_str bytes, struct pf_arena *arena,
                       pf_str *out_etag, struct pf_error *err) {
    struct s3_store *s3 = s3_of(store);
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 put if");
    struct s3_request request = put_request(s3, key, bytes, scratch);
    request.is_conditional = true;
    s3_add_header(&request, expected_etag.len ? "If-Match" : "If-None-Match",
                  expected_etag.len ? expected_etag : PF_STR("*"));
    int64_t retries_before = atomic_load(&s3->retries);
    enum pf_code code = s3_run(s3, &request, 1, NULL, scratch, NULL, err);
    pf_str etag = code == PF_OK ? pf_http_header(&request.reply.headers, "ETag") : PF_STR_EMPTY;
    if (code == PF_NOT_FOUND && expected_etag.len)
        code = pf_error_set(err, PF_CONFLICT, __FILE__, __LINE__, "it was deleted");
    if (code == PF_CONFLICT && !expected_etag.len) {
        code = pf_error_set(err, PF_CONFLICT, __FILE__, __LINE__, "it exists already");
    }
    bool is_open = pf_code_is_retryable(code) || (code == PF_CONFLICT && atomic_load(&s3->retries) != retries_before);
    if (is_open) code = find_out(s3, key, bytes, code, scratch, &etag, err);
    if (code == PF_OK && out_etag) *out_etag = pf_arena_str(arena, etag);
    pf_arena_free(scratch);
    return code;
}

/* ---- deleting ---- */

static enum pf_code delete_one(struct s3_store *s3, pf_str key, pf_str expected_etag, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 delete");
    struct s3_request request = {.method = "DELETE", .key = key};
    if (expected_etag.len) s3_add_header(&request, "If-Match", expected_etag);
    enum pf_code code = s3_run(s3, &request, 1, NULL, scratch, NULL, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code s3_delete(struct pf_store *store, pf_str key, struct pf_error *err) {
    enum pf_code code = delete_one(s3_of(store), key, PF_STR_EMPTY, err);
    return code == PF_NOT_FOUND ? PF_OK : code;
}

/* Servers older than conditional deletes pass over If-Match: the object is looked at before, so that only a change in
 * between goes unseen by them. */
enum pf_code s3_delete_if(struct pf_store *store, pf_str key, pf_str expected_etag, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 delete if");
    pf_str bytes, etag;
    enum pf_code code = s3_get_versioned(store, key, scratch, &bytes, &etag, err);
    if (code == PF_OK && !pf_str_equal(etag, expected_etag)) {
        code = pf_error_set(err, PF_CONFLICT, __FILE__, __LINE__, "somebody else changed it");
    }
    pf_arena_free(scratch);
    PF_TRY(code);
    return delete_one(s3_of(store), key, expected_etag, err);
}

/* ---- sweeping ---- */

static enum pf_code sweep_page(struct s3_store *s3, pf_str xml, int64_t older_than_ms, struct pf_arena *arena,
                               int64_t *count, struct pf_error *err) {
    pf_str upload;
    int64_t now_ms = pf_clock_wall_ms(), begun_ms;
    for (size_t at = 0; pf_xml_find(xml, "Upload", &at, &upload);) {
        pf_str key = pf_xml_text(upload, "Key", arena), id = pf_xml_text(upload, "UploadId", arena);
        if (!pf_aws_time_from(pf_xml_text(upload, "Initiated", arena), &begun_ms)) continue;
        if (now_ms - begun_ms < older_than_ms || !pf_str_starts_with(key, s3->prefix)) continue;
        PF_TRY(abort_upload(s3, pf_str_slice(key, s3->prefix.len, key.len), id, err));
        ++*count;
    }
    return PF_OK;
}

enum pf_code s3_sweep(struct pf_store *store, int64_t older_than_ms, int64_t *out_count, struct pf_error *err) {
    struct s3_store *s3 = s3_of(store);
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 sweep");
    pf_str key_marker = PF_STR_EMPTY, id_marker = PF_STR_EMPTY;
    int64_t count = 0;
    enum pf_code code = PF_OK;
    for (bool is_cut = true; is_cut && code == PF_OK;) {
        struct s3_request request = {.method = "GET", .is_bucket = true};
        s3_add_query(&request, "uploads", PF_STR_EMPTY);
        if (s3->prefix.len) s3_add_query(&request, "prefix", s3->prefix);
        if (key_marker.len) s3_add_query(&request, "key-marker", key_marker);
        if (id_marker.len) s3_add_query(&request, "upload-id-marker", id_marker);
        code = s3_run(s3, &request, 1, NULL, scratch, NULL, err);
        if (code == PF_OK) code = sweep_page(s3, request.reply.body, older_than_ms, scratch, &count, err);
        key_marker = pf_xml_text(request.reply.body, "NextKeyMarker", scratch);
        id_marker = pf_xml_text(request.reply.body, "NextUploadIdMarker", scratch);
        is_cut =
            pf_str_equal(pf_xml_text(request.reply.body, "IsTruncated", scratch), PF_STR("true")) && key_marker.len;
    }
    pf_arena_free(scratch);
    if (out_count) *out_count = count;
    return code;
}
