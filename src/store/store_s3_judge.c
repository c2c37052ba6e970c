/* SPDX-License-Identifier: MIT */
/* What an answer means: done, to be tried again, or failed and why. One table for the codes that S3 gives. */
#include "store/store_s3.h"

#include "base/clock.h"

#include <string.h>

enum { MAX_SKEW_MS = 15 * 60 * 1000, MAX_ERROR_XML = 64 << 10 };

static const struct known {
    const char *code; /* of S3 */
    enum s3_verdict verdict;
    enum pf_code result;
    const char *text; /* NULL: the server's message */
} KNOWN[] = {
    {"SlowDown", S3_AGAIN_SLOW, PF_THROTTLED, "too many requests for this bucket"},
    {"Throttling", S3_AGAIN_SLOW, PF_THROTTLED, NULL},
    {"RequestLimitExceeded", S3_AGAIN_SLOW, PF_THROTTLED, NULL},
    {"TooManyRequests", S3_AGAIN_SLOW, PF_THROTTLED, NULL},
    {"ServiceUnavailable", S3_AGAIN_SLOW, PF_REMOTE, NULL},
    {"InternalError", S3_AGAIN, PF_REMOTE, NULL},
    {"RequestTimeout", S3_AGAIN, PF_TIMEOUT, NULL},
    {"OperationAborted", S3_AGAIN, PF_REMOTE, NULL},
    {"ConditionalRequestConflict", S3_AGAIN, PF_CONFLICT, "somebody else writes it at the same time"},
    {"BadDigest", S3_AGAIN, PF_CORRUPT, "the server received other bytes than were sent"},
    {"XAmzContentChecksumMismatch", S3_AGAIN, PF_CORRUPT, "the server received other bytes than were sent"},
    {"XAmzContentSHA256Mismatch", S3_AGAIN, PF_CORRUPT, "the server received other bytes than were sent"},
    {"IncompleteBody", S3_AGAIN, PF_REMOTE, NULL},
    {"ExpiredToken", S3_AGAIN_KEYS, PF_DENIED, "the session token has expired: fetch new credentials"},
    {"ExpiredTokenException", S3_AGAIN_KEYS, PF_DENIED, "the session token has expired: fetch new credentials"},
    {"TokenRefreshRequired", S3_AGAIN_KEYS, PF_DENIED, "the session token has expired: fetch new credentials"},
    {"NoSuchKey", S3_FAILED, PF_NOT_FOUND, "no such object"},
    {"NoSuchUpload", S3_FAILED, PF_NOT_FOUND, "no such upload"},
    {"PreconditionFailed", S3_FAILED, PF_CONFLICT, "somebody else changed it"},
    {"NoSuchBucket", S3_FAILED, PF_INVALID, "there is no such bucket: make it, or check --store-url and --s3-endpoint"},
    {"InvalidBucketName", S3_FAILED, PF_INVALID, "that is no name of a bucket: check --store-url"},
    {"InvalidAccessKeyId", S3_FAILED, PF_DENIED, "the server does not know this access key id"},
    {"XAdminUserNotFound", S3_FAILED, PF_DENIED, "the server does not know this access key id"}, /* versitygw */
    {"NoSuchAccessKey", S3_FAILED, PF_DENIED, "the server does not know this access key id"},
    {"InvalidToken", S3_FAILED, PF_DENIED, "the session token does not belong to the access key"},
    {"SignatureDoesNotMatch", S3_FAILED, PF_DENIED,
     "the signature is wrong: the secret access key does not belong to the access key id"},
    {"RequestTimeTooSkewed", S3_FAILED, PF_DENIED, "the clock of this machine is wrong"},
    {"AccessDenied", S3_FAILED, PF_DENIED, "these credentials may not do that here"},
    {"AllAccessDisabled", S3_FAILED, PF_DENIED, NULL},
    {"InvalidObjectState", S3_FAILED, PF_UNSUPPORTED, "it is archived: restore it first"},
    {"NotImplemented", S3_FAILED, PF_UNSUPPORTED, NULL},
    {"EntityTooLarge", S3_FAILED, PF_TOO_LARGE, NULL},
    {"KeyTooLongError", S3_FAILED, PF_INVALID, NULL},
    {"XMinioStorageFull", S3_FAILED, PF_NO_MEMORY, "the server's disk is full"},
};

static const struct known *find_known(pf_str code) {
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        if (pf_str_equal(code, pf_str_from_cstr(KNOWN[i].code))) return &KNOWN[i];
    }
    return NULL;
}

/* For answers without a code that we know, such as those of a proxy. */
static struct known by_status(int status) {
    switch (status) {
    case 404: return (struct known){NULL, S3_FAILED, PF_NOT_FOUND, "no such object"};
    case 408: return (struct known){NULL, S3_AGAIN, PF_TIMEOUT, NULL};
    case 412: return (struct known){NULL, S3_FAILED, PF_CONFLICT, "somebody else changed it"};
    case 429:
    case 503: return (struct known){NULL, S3_AGAIN_SLOW, PF_THROTTLED, NULL};
    case 500:
    case 502:
    case 504: return (struct known){NULL, S3_AGAIN, PF_REMOTE, NULL};
    default: return (struct known){NULL, S3_FAILED, pf_code_from_http_status(status), NULL};
    }
}

/* ---- without an answer ---- */

static enum s3_verdict judge_failure(const struct s3_store *s3, const struct pf_http_ended *ended,
                                     struct pf_error *err) {
    const char *said = ended->err.message;
    switch (ended->fault) {
    case PF_HTTP_RESOLVE:
        pf_error_set(err, PF_REMOTE, __FILE__, __LINE__,
                     "the name of the endpoint '%.*s' can't be resolved: check --s3-endpoint, --s3-region and the "
                     "network (%s)",
                     PF_STR_ARG(s3->host), said);
        return S3_AGAIN;
    case PF_HTTP_CONNECT:
        pf_error_set(err, PF_REMOTE, __FILE__, __LINE__, "nothing answers at '%.*s': %s", PF_STR_ARG(s3->base_url),
                     said);
        return S3_AGAIN;
    case PF_HTTP_TLS:
        pf_error_set(err, PF_DENIED, __FILE__, __LINE__,
                     "no TLS connection with '%.*s': %s (an authority of your own is named with --s3-ca-file)",
                     PF_STR_ARG(s3->host), said);
        return S3_FAILED;
    default: break;
    }
    if (ended->code == PF_TOO_LARGE || ended->code == PF_INVALID || ended->code == PF_NO_MEMORY) {
        pf_error_set(err, ended->code, __FILE__, __LINE__, "%s", said);
        return S3_FAILED;
    }
    enum pf_code code = ended->code == PF_TIMEOUT ? PF_TIMEOUT : ended->code == PF_CORRUPT ? PF_CORRUPT : PF_REMOTE;
    pf_error_set(err, code, __FILE__, __LINE__, "%s", said);
    return S3_AGAIN;
}

/* ---- with one ---- */

int64_t s3_total_of(const struct pf_http_reply *reply) {
    pf_str range = pf_http_header(&reply->headers, "Content-Range");
    int64_t total = -1;
    size_t slash = pf_str_find_char(range, '/', 0);
    if (slash == SIZE_MAX || !pf_str_to_i64(pf_str_slice(range, slash + 1, range.len), &total)) return -1;
    return total;
}

/* "bytes 100-199/1234" */
static bool is_our_range(const struct s3_request *request, const struct pf_http_reply *reply) {
    pf_str range = pf_http_header(&reply->headers, "Content-Range");
    int64_t first = -1;
    size_t dash = pf_str_find_char(range, '-', 0);
    if (!pf_str_starts_with(range, PF_STR("bytes ")) || dash == SIZE_MAX) return false;
    return pf_str_to_i64(pf_str_slice(range, 6, dash), &first) && first == request->offset;
}

/* The server's own checksum of the whole object, if it sent one. */
static bool is_checksum_right(const struct pf_http_reply *reply, struct pf_arena *arena) {
    pf_str type = pf_http_header(&reply->headers, "x-amz-checksum-type");
    if (reply->status != 200 || pf_str_equal_nocase(type, PF_STR("COMPOSITE"))) return true;
    for (int kind = PF_S3_CRC32C; kind < PF_S3_NO_CHECKSUM; kind++) {
        pf_str header = checksum_header((enum pf_s3_checksum)kind);
        pf_str sent = pf_http_header(&reply->headers, header.ptr);
        /* "…-3": of three parts, not of the bytes. */
        if (!sent.len || pf_str_find_char(sent, '-', 0) != SIZE_MAX) continue;
        return pf_str_equal(sent, checksum_print((enum pf_s3_checksum)kind, reply->body, arena));
    }
    return true;
}

static enum s3_verdict judge_success(const struct s3_request *request, const struct pf_http_ended *ended,
                                     struct pf_arena *arena, struct pf_error *err) {
    const struct pf_http_reply *reply = &ended->reply;
    if (request->has_target && (reply->status != 206 || !is_our_range(request, reply))) {
        pf_error_set(err, PF_CORRUPT, __FILE__, __LINE__,
                     "asked for bytes from %lld on, the server answered %d with other ones", (long long)request->offset,
                     reply->status);
        return S3_AGAIN;
    }
    bool is_read = strcmp(request->method, "GET") == 0 && !request->is_bucket && !request->has_target;
    if (is_read && !is_checksum_right(reply, arena)) {
        pf_error_set(err, PF_CORRUPT, __FILE__, __LINE__, "the bytes received do not have the server's checksum");
        return S3_AGAIN;
    }
    /* CompleteMultipartUpload and CopyObject may fail behind a status 200 that was sent to keep the connection alive. */
    pf_str inner;
    if (!is_read && reply->body.len && reply->body.len < MAX_ERROR_XML &&
        pf_xml_find(reply->body, "Error", NULL, &inner) && !pf_xml_find(reply->body, "DeleteResult", NULL, &inner)) {
        pf_error_set(err, PF_REMOTE, __FILE__, __LINE__, "%.*s",
                     PF_STR_ARG(pf_xml_text(reply->body, "Message", arena)));
        return S3_AGAIN;
    }
    return S3_DONE;
}

static int64_t skew_of(const struct pf_http_reply *reply) {
    int64_t server_ms;
    if (!pf_http_date_from(pf_http_header(&reply->headers, "Date"), &server_ms)) return 0;
    return pf_clock_wall_ms() - server_ms;
}

/* The server's sentence, short and without line breaks. */
static pf_str server_message(pf_str xml, struct pf_arena *arena) {
    pf_str text = pf_str_slice(pf_str_trim(pf_xml_text(xml, "Message", arena)), 0, 240);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' || text.ptr[i] == '\r') ((char *)(uintptr_t)text.ptr)[i] = ' ';
    }
    return text;
}

static enum s3_verdict judge_refusal(const struct s3_store *s3, const struct pf_http_reply *reply,
                                     struct pf_arena *arena, struct pf_error *err) {
    pf_str xml = pf_str_slice(reply->body, 0, MAX_ERROR_XML);
    pf_str code = pf_xml_text(xml, "Code", arena), message = server_message(xml, arena);
    pf_str region = pf_xml_text(xml, "Region", arena);
    const struct known *known = find_known(code);
    struct known chosen = known ? *known : by_status(reply->status);
    /* Something is not there, but not the object: nobody may take that for an empty place. */
    if (!known && code.len && chosen.result == PF_NOT_FOUND) chosen = (struct known){NULL, S3_FAILED, PF_INVALID, NULL};
    if (!region.len) region = pf_http_header(&reply->headers, "x-amz-bucket-region");
    bool is_elsewhere = reply->status == 301 || reply->status == 307 ||
                        pf_str_equal(code, PF_STR("AuthorizationHeaderMalformed")) ||
                        pf_str_equal(code, PF_STR("PermanentRedirect"));
    int64_t skew_ms = skew_of(reply);
    if (is_elsewhere && region.len && !pf_str_equal(region, s3->options.region)) {
        pf_error_set(err, PF_INVALID, __FILE__, __LINE__, "the bucket is in region %.*s, not %.*s: set --s3-region",
                     PF_STR_ARG(region), PF_STR_ARG(s3->options.region));
        return S3_FAILED;
    }
    if (reply->status == 403 && (skew_ms > MAX_SKEW_MS || skew_ms < -MAX_SKEW_MS)) {
        pf_error_set(err, PF_DENIED, __FILE__, __LINE__,
                     "the clock of this machine is %lld s %s that of the server, so signatures are refused: set it",
                     (long long)((skew_ms < 0 ? -skew_ms : skew_ms) / 1000), skew_ms > 0 ? "before" : "behind");
        return S3_FAILED;
    }
    if (chosen.text) {
        pf_error_set(err, chosen.result, __FILE__, __LINE__, "%s (%d %.*s)", chosen.text, reply->status,
                     PF_STR_ARG(code));
    } else {
        pf_error_set(err, chosen.result, __FILE__, __LINE__, "the server answered %d %.*s%s%.*s", reply->status,
                     PF_STR_ARG(code), message.len ? ": " : "", PF_STR_ARG(message));
    }
    return chosen.verdict;
}

enum s3_verdict s3_judge(const struct s3_store *s3, const struct s3_request *request, const struct pf_http_ended *ended,
                         struct pf_arena *arena, struct pf_error *err) {
    if (ended->code != PF_OK) return judge_failure(s3, ended, err);
    if (ended->reply.status / 100 == 2) return judge_success(request, ended, arena, err);
    if (ended->reply.status == 416) return S3_DONE; /* the range lies behind the end: the operation knows what to do */
    return judge_refusal(s3, &ended->reply, arena, err);
}
