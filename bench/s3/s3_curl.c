/* SPDX-License-Identifier: MIT */
/* The same with libcurl alone: its multi interface, its own signatures, kept connections; no retries, no hedges, no
 * checks of what comes. See speed.h. */
#include "speed.h"

#include <curl/curl.h>

enum { MAX_PARTS = 10000, MAX_REPLY = 64 << 10 };

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    char *to;         /* where a body goes, or comes from */
    size_t left, got; /* room at `to`; bytes so far */
    char etag[128];
};

static struct speed speed;
static CURLM *multi;
static char credentials[256], reply[MAX_REPLY];
static int64_t requests;

static size_t take(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    size_t length = size * count;
    if (length > transfer->left) return 0;
    memcpy(transfer->to + transfer->got, bytes, length);
    transfer->got += length;
    transfer->left -= length;
    return length;
}

static size_t give(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    size_t length = size * count < transfer->left ? size * count : transfer->left;
    memcpy(bytes, transfer->to + transfer->got, length);
    transfer->got += length;
    transfer->left -= length;
    return length;
}

static size_t drop(char *bytes, size_t size, size_t count, void *context) {
    (void)bytes, (void)context;
    return size * count;
}

static size_t note_header(char *line, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    size_t length = size * count;
    if (length > 6 && strncasecmp(line, "etag: ", 6) == 0 && length - 6 < sizeof transfer->etag) {
        memcpy(transfer->etag, line + 6, length - 6);
        transfer->etag[strcspn(transfer->etag, "\r\n")] = 0;
    }
    return length;
}

/* Ready for one request; `query` may be empty. */
static void prepare(struct transfer *transfer, const char *query) {
    char url[1024];
    if (!transfer->easy) transfer->easy = curl_easy_init();
    curl_easy_reset(transfer->easy);
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    snprintf(url, sizeof url, "%s/%s/%s%s", speed.endpoint, speed.bucket, speed.key, query);
    curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
    curl_easy_setopt(transfer->easy, CURLOPT_AWS_SIGV4, "aws:amz:us-east-1:s3");
    curl_easy_setopt(transfer->easy, CURLOPT_USERPWD, credentials);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_BUFFERSIZE, 128L << 10);
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    if (*speed.ca_path) curl_easy_setopt(transfer->easy, CURLOPT_CAINFO, speed.ca_path);
    /* libcurl 7.88 does not send the hash of an empty body by itself, and S3 asks for it. */
    transfer->headers = curl_slist_append(transfer->headers, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void prepare_get(struct transfer *transfer, int64_t from, int64_t length) {
    char range[64];
    prepare(transfer, "");
    snprintf(range, sizeof range, "%lld-%lld", (long long)from, (long long)(from + length - 1));
    curl_easy_setopt(transfer->easy, CURLOPT_RANGE, range);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer);
    transfer->to = speed.buffer + from;
    transfer->left = (size_t)length;
    transfer->got = 0;
}

static void prepare_part(struct transfer *transfer, const char *upload, int64_t number, int64_t from, int64_t length) {
    char query[512];
    snprintf(query, sizeof query, "?partNumber=%lld&uploadId=%s", (long long)number, upload);
    prepare(transfer, query);
    curl_easy_setopt(transfer->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_UPLOAD_BUFFERSIZE, 128L << 10);
    curl_easy_setopt(transfer->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)length);
    curl_easy_setopt(transfer->easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(transfer->easy, CURLOPT_READDATA, transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(transfer->easy, CURLOPT_HEADERFUNCTION, note_header);
    curl_easy_setopt(transfer->easy, CURLOPT_HEADERDATA, transfer);
    transfer->to = speed.buffer + from;
    transfer->left = (size_t)length;
    transfer->got = 0;
}

/* `count` requests that `begin` prepares and `end` looks at, as many at once as asked for. */
static bool run_all(int64_t count, void (*begin)(struct transfer *, int64_t), void (*end)(struct transfer *, int64_t)) {
    struct transfer *transfers = calloc((size_t)speed.parallel, sizeof *transfers);
    int64_t *numbers = calloc((size_t)speed.parallel, sizeof *numbers), started = 0, left = count;
    bool is_good = transfers && numbers;
    for (int64_t i = 0; is_good && i < speed.parallel && started < count; i++) {
        begin(&transfers[i], numbers[i] = started++);
        curl_multi_add_handle(multi, transfers[i].easy);
    }
    while (is_good && left) {
        int running, waiting;
        curl_multi_perform(multi, &running);
        bool is_idle = true;
        for (CURLMsg *message; (message = curl_multi_info_read(multi, &waiting));) {
            struct transfer *transfer = NULL;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
            if (message->data.result != CURLE_OK) {
                fprintf(stderr, "s3_curl: %s\n", curl_easy_strerror(message->data.result));
                is_good = false;
            }
            curl_multi_remove_handle(multi, transfer->easy);
            int64_t at = transfer - transfers;
            if (end) end(transfer, numbers[at]);
            requests++;
            left--;
            is_idle = false;
            if (!is_good || started == count) continue;
            begin(transfer, numbers[at] = started++);
            curl_multi_add_handle(multi, transfer->easy);
        }
        if (is_idle) curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    for (int64_t i = 0; transfers && i < speed.parallel; i++) {
        curl_easy_cleanup(transfers[i].easy);
        curl_slist_free_all(transfers[i].headers);
    }
    free(transfers);
    free(numbers);
    return is_good;
}

static void begin_range(struct transfer *transfer, int64_t number) {
    prepare_get(transfer, speed_place(&speed, number), speed.bytes);
}

static void begin_piece(struct transfer *transfer, int64_t number) {
    int64_t from = number * SPEED_PART_BYTES, left = speed.size - from;
    prepare_get(transfer, from, left < SPEED_PART_BYTES ? left : SPEED_PART_BYTES);
}

/* ---- writing ---- */

static char upload_id[256], (*etags)[128];

static void begin_part(struct transfer *transfer, int64_t number) {
    int64_t from = number * SPEED_PART_BYTES, left = speed.size - from;
    prepare_part(transfer, upload_id, number + 1, from, left < SPEED_PART_BYTES ? left : SPEED_PART_BYTES);
}

static void end_part(struct transfer *transfer, int64_t number) {
    memcpy(etags[number], transfer->etag, sizeof transfer->etag);
}

/* POST with a small body; the answer is in `reply`. */
static bool post(const char *query, const char *body) {
    struct transfer transfer = {.to = reply, .left = sizeof reply - 1};
    prepare(&transfer, query);
    curl_easy_setopt(transfer.easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(transfer.easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(transfer.easy, CURLOPT_WRITEDATA, &transfer);
    CURLcode code = curl_easy_perform(transfer.easy);
    reply[transfer.got] = 0;
    requests++;
    curl_easy_cleanup(transfer.easy);
    curl_slist_free_all(transfer.headers);
    if (code != CURLE_OK) fprintf(stderr, "s3_curl: POST %s: %s\n", query, curl_easy_strerror(code));
    return code == CURLE_OK;
}

static bool write_once(void) {
    int64_t parts = (speed.size + SPEED_PART_BYTES - 1) / SPEED_PART_BYTES;
    char query[512];
    if (!post("?uploads=", "")) return false;
    const char *id = strstr(reply, "<UploadId>");
    if (!id || sscanf(id, "<UploadId>%255[^<]", upload_id) != 1) return false;
    if (!run_all(parts, begin_part, end_part)) return false;
    char *xml = malloc((size_t)parts * 256 + 128), *at = xml;
    at += sprintf(at, "<CompleteMultipartUpload>");
    for (int64_t i = 0; i < parts; i++) {
        at += sprintf(at, "<Part><ETag>%s</ETag><PartNumber>%lld</PartNumber></Part>", etags[i], (long long)i + 1);
    }
    sprintf(at, "</CompleteMultipartUpload>");
    snprintf(query, sizeof query, "?uploadId=%s", upload_id);
    bool is_good = post(query, xml);
    free(xml);
    return is_good;
}

static bool run(void) {
    if (speed_is(&speed, "read")) return run_all(speed.count, begin_range, NULL);
    bool is_good = true;
    for (int64_t i = 0; is_good && i < speed.count; i++) {
        is_good = speed_is(&speed, "write")
                      ? write_once()
                      : run_all((speed.size + SPEED_PART_BYTES - 1) / SPEED_PART_BYTES, begin_piece, NULL);
    }
    return is_good;
}

int main(int argc, char **argv) {
    if (!speed_open(argc, argv, &speed)) return 2;
    snprintf(credentials, sizeof credentials, "%s:%s", getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"));
    etags = calloc(MAX_PARTS, sizeof *etags);
    curl_global_init(CURL_GLOBAL_ALL);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 64L);
    speed_begin(&speed);
    int status = run() ? speed_end(&speed, requests) : 1;
    curl_multi_cleanup(multi);
    free(etags);
    free(speed.buffer);
    return status;
}
