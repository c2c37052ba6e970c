/* SPDX-License-Identifier: MIT */
/* Runs requests to their ends: the one loop behind every operation on S3.
 *
 * A request is waiting, under way (one attempt, or two when the first is late), or over. The loop starts what is due,
 * as many at once as allowed, sleeps until an answer or the next moment at which something is due, and judges answers.
 *
 *   late       a read whose answer takes longer than expected from the answers before is asked for once more on a new
 *              connection; the first of the two wins. Costs a token; each request earns a twentieth.
 *   again      after a failure that may pass: a random wait that doubles, longer when throttled, as long as the server
 *              says if it says so. Costs tokens that only success earns back, so that a server in trouble is not asked
 *              ever more often.
 *   limit      timeout_ms from the request's first attempt on, whatever happens.
 *
 * Both attempts of a read write the same bytes to the same place; that of the loser is stopped before its bytes could
 * come later than the end of the request. */
#include "store/store_s3.h"

#include "base/clock.h"
#include "base/id.h"

#include <string.h>

enum {
    TICK_MS = 200, /* how often a cancellation is looked for */
    CONNECT_MS = 3000,
    STALL_MS = 10000, /* without a byte: a connection that is dead */
    FIRST_WAIT_MS = 50,
    FIRST_SLOW_WAIT_MS = 200,
    MAX_WAIT_MS = 5000,
    MAX_ASKED_WAIT_MS = 10000,
    MAX_DEAF_ATTEMPTS = 4,    /* in a row to a host that does not answer at all */
    MAX_REFUSED_ATTEMPTS = 4, /* checksums that stay wrong */
    MIN_HEDGE_MS = 20
};
static const double RETRY_COST = 5, MAX_RETRY_TOKENS = 500, MAX_HEDGE_TOKENS = 20, HEDGE_SHARE = 0.05;

struct attempt {
    struct running *running;
    struct pf_arena *arena; /* NULL: not under way */
    int64_t started_ms, received;
};

struct running {
    struct run *run;
    struct s3_request *request;
    struct attempt attempts[2]; /* the second is the hedge */
    int64_t first_started_ms, not_before_ms, hedge_at_ms;
    int tries, deaf_tries, refused_tries;
    bool has_new_keys, is_over;
};

struct run {
    struct s3_store *s3;
    struct pf_http_batch *batch;
    struct pf_arena *arena, *answers;
    struct running *items;
    size_t count, in_flight, left;
    size_t first_open; /* all before it are over */
    const struct s3_cancel *cancel;
    size_t failed;
    struct pf_error *err;
};

void s3_add_query(struct s3_request *request, const char *name, pf_str value) {
    if (request->query_count == S3_MAX_FIELDS) return;
    request->query[request->query_count++] = (struct pf_http_field){pf_str_from_cstr(name), value};
}

void s3_add_header(struct s3_request *request, const char *name, pf_str value) {
    if (request->header_count == S3_MAX_FIELDS) return;
    request->headers[request->header_count++] = (struct pf_http_field){pf_str_from_cstr(name), value};
}

/* ---- pace ---- */

static double random_share(void) {
    uint32_t bits;
    pf_random_bytes(&bits, sizeof bits);
    return (double)bits / 4294967296.0;
}

/* Steps towards the 95th percentile: up is 19 times as far as down. */
static void learn(struct s3_store *s3, const struct s3_request *request, const struct pf_http_ended *ended,
                  int64_t took_ms) {
    double first_ms = (double)ended->first_byte_us / 1000, rest_ms = (double)took_ms - first_ms;
    pthread_mutex_lock(&s3->locked.mutex);
    struct s3_pace *pace = &s3->locked.pace;
    double step = pace->first_byte_ms * 0.1;
    pace->first_byte_ms += first_ms > pace->first_byte_ms ? step * 0.95 : -step * 0.05;
    if (pace->first_byte_ms < 1) pace->first_byte_ms = 1;
    if (request->length >= 64 << 10) {
        double rate = (double)request->length / (rest_ms < 0.5 ? 0.5 : rest_ms);
        pace->bytes_per_ms += (rate - pace->bytes_per_ms) * 0.1;
    }
    pthread_mutex_unlock(&s3->locked.mutex);
}

static int64_t hedge_after_ms(struct s3_store *s3, const struct s3_request *request) {
    pthread_mutex_lock(&s3->locked.mutex);
    const struct s3_pace *pace = &s3->locked.pace;
    double expected_ms = 2 * pace->first_byte_ms;
    if (request->has_target) expected_ms += 2 * (double)request->length / pace->bytes_per_ms;
    pthread_mutex_unlock(&s3->locked.mutex);
    return expected_ms < MIN_HEDGE_MS ? MIN_HEDGE_MS : (int64_t)expected_ms;
}

/* Tokens: false if there are none left. `gain` may be negative. */
static bool take_tokens(struct s3_store *s3, double retry_gain, double hedge_gain) {
    pthread_mutex_lock(&s3->locked.mutex);
    struct s3_pace *pace = &s3->locked.pace;
    bool is_enough = pace->retry_tokens + retry_gain >= 0 && pace->hedge_tokens + hedge_gain >= 0;
    if (is_enough) {
        pace->retry_tokens += retry_gain;
        pace->hedge_tokens += hedge_gain;
        if (pace->retry_tokens > MAX_RETRY_TOKENS) pace->retry_tokens = MAX_RETRY_TOKENS;
        if (pace->hedge_tokens > MAX_HEDGE_TOKENS) pace->hedge_tokens = MAX_HEDGE_TOKENS;
    }
    pthread_mutex_unlock(&s3->locked.mutex);
    return is_enough;
}

/* ---- attempts ---- */

static enum pf_code take_bytes(void *context, int status, pf_str bytes) {
    struct attempt *attempt = context;
    const struct s3_request *request = attempt->running->request;
    atomic_fetch_add(&attempt->running->run->s3->received_bytes, (long long)bytes.len);
    if (status != 206 || (int64_t)bytes.len > request->length - attempt->received) return PF_CORRUPT;
    if (request->target.to) {
        memcpy(request->target.to + attempt->received, bytes.ptr, bytes.len);
    } else {
        enum pf_code code = store_write_at(request->target.fd, bytes, request->offset + attempt->received, NULL);
        if (code != PF_OK) return PF_NO_MEMORY;
    }
    attempt->received += (int64_t)bytes.len;
    return PF_OK;
}

/* A body in pieces on its way. Each attempt has its own: a new one starts from the front. */
struct sending {
    const struct s3_request *request;
    size_t piece, at;
};

static enum pf_code next_bytes(void *context, char *buf, size_t capacity, size_t *out_len, bool *out_end) {
    struct sending *sending = context;
    const struct s3_request *request = sending->request;
    size_t len = 0;
    while (len < capacity && sending->piece < request->piece_count) {
        pf_str rest = pf_str_slice(request->pieces[sending->piece], sending->at, SIZE_MAX);
        size_t take = rest.len < capacity - len ? rest.len : capacity - len;
        if (take) memcpy(buf + len, rest.ptr, take);
        len += take;
        sending->at += take;
        if (take < rest.len) continue;
        sending->piece++;
        sending->at = 0;
    }
    *out_len = len;
    *out_end = sending->piece == request->piece_count;
    return PF_OK;
}

static int64_t left_ms(const struct running *running) {
    int64_t end_ms = running->first_started_ms + running->run->s3->options.timeout_ms;
    int64_t now_ms = pf_clock_mono_ms();
    return end_ms > now_ms ? end_ms - now_ms : 0;
}

static enum pf_code start_attempt(struct running *running, bool is_hedge, struct pf_error *err) {
    struct run *run = running->run;
    struct attempt *attempt = &running->attempts[is_hedge];
    struct pf_arena *arena = pf_arena_new(NULL, "s3 attempt");
    struct pf_http_call call;
    enum pf_code code = s3_sign(run->s3, running->request, arena, &call, err);
    if (code == PF_OK) {
        call.connect_ms = CONNECT_MS;
        call.stall_ms = STALL_MS;
        call.timeout_ms = left_ms(running) + 1;
        if (running->request->has_target) {
            call.on_body = take_bytes;
            call.context = attempt;
        }
        if (running->request->pieces) {
            struct sending *sending = PF_ARENA_NEW(arena, struct sending);
            sending->request = running->request;
            call.body_stream = (struct pf_http_stream){
                .next = next_bytes, .context = sending, .size_bytes = running->request->piece_bytes};
        }
        *attempt = (struct attempt){running, arena, pf_clock_mono_ms(), 0};
        code = pf_http_batch_start(run->batch, &call, is_hedge, attempt, arena, err);
    }
    if (code != PF_OK) {
        attempt->arena = pf_arena_free(arena);
        return code;
    }
    run->in_flight++;
    atomic_fetch_add(&run->s3->requests, 1);
    atomic_fetch_add(&run->s3->sent_bytes, (long long)running->request->body.len + running->request->piece_bytes);
    return PF_OK;
}

static void stop_attempt(struct run *run, struct attempt *attempt) {
    if (!attempt->arena) return;
    pf_http_batch_stop(run->batch, attempt);
    attempt->arena = pf_arena_free(attempt->arena);
    run->in_flight--;
}

static enum pf_code start(struct running *running, struct pf_error *err) {
    int64_t now_ms = pf_clock_mono_ms();
    if (!running->tries++) running->first_started_ms = now_ms;
    PF_TRY(start_attempt(running, false, err));
    running->hedge_at_ms = INT64_MAX;
    if (running->request->may_hedge && !running->run->s3->options.no_hedging) {
        running->hedge_at_ms = now_ms + hedge_after_ms(running->run->s3, running->request);
    }
    return PF_OK;
}

/* Only where the first is the slow one: a hedge that can't be had is no failure. */
static void start_hedge(struct running *running) {
    struct s3_store *s3 = running->run->s3;
    running->hedge_at_ms = INT64_MAX;
    if (!take_tokens(s3, 0, -1)) return;
    if (start_attempt(running, true, NULL) == PF_OK) atomic_fetch_add(&s3->hedges, 1);
}

static bool is_under_way(const struct running *running) {
    return running->attempts[0].arena || running->attempts[1].arena;
}

/* ---- ends ---- */

static void keep_answer(struct running *running, const struct pf_http_reply *reply) {
    struct pf_arena *arena = running->run->answers;
    struct pf_http_reply *kept = &running->request->reply;
    *kept = (struct pf_http_reply){.status = reply->status, .body = pf_arena_str(arena, reply->body)};
    for (size_t i = 0; i < reply->headers.count; i++) {
        const struct pf_http_field *field = &reply->headers.items[i];
        pf_http_fields_add(&kept->headers, arena, pf_arena_str(arena, field->name), pf_arena_str(arena, field->value));
    }
}

static int64_t wait_before_retry(const struct running *running, enum s3_verdict verdict,
                                 const struct pf_http_ended *ended) {
    int64_t asked_s, most_ms = verdict == S3_AGAIN_SLOW ? FIRST_SLOW_WAIT_MS : FIRST_WAIT_MS;
    pf_str header = ended->code == PF_OK ? pf_http_header(&ended->reply.headers, "Retry-After") : PF_STR_EMPTY;
    if (pf_str_to_i64(header, &asked_s) && asked_s > 0) {
        return asked_s * 1000 < MAX_ASKED_WAIT_MS ? asked_s * 1000 : MAX_ASKED_WAIT_MS;
    }
    for (int i = 1; i < running->tries && most_ms < MAX_WAIT_MS; i++) most_ms *= 2;
    if (most_ms > MAX_WAIT_MS) most_ms = MAX_WAIT_MS;
    double share = verdict == S3_AGAIN_SLOW ? 0.5 + random_share() / 2 : random_share();
    return (int64_t)(share * (double)most_ms);
}

/* Whether the request may be tried once more; if not, `err` says why besides what went wrong. */
static bool may_retry(struct running *running, enum s3_verdict verdict, const struct pf_http_ended *ended,
                      enum pf_code *code, struct pf_error *err) {
    struct s3_store *s3 = running->run->s3;
    if (verdict == S3_FAILED) return false;
    /* A conditional write that may have been done: only an answer that says otherwise allows another. */
    if (running->request->is_conditional && ended->code != PF_OK && ended->fault != PF_HTTP_RESOLVE &&
        ended->fault != PF_HTTP_CONNECT) {
        return false;
    }
    if (verdict == S3_AGAIN_KEYS) {
        if (running->has_new_keys) return false;
        running->has_new_keys = true;
        s3_drop_keys(s3);
        return true;
    }
    bool is_deaf = ended->fault == PF_HTTP_RESOLVE || ended->fault == PF_HTTP_CONNECT;
    running->deaf_tries = is_deaf ? running->deaf_tries + 1 : 0;
    if (*code == PF_CORRUPT) running->refused_tries++;
    if (running->deaf_tries >= MAX_DEAF_ATTEMPTS || running->refused_tries >= MAX_REFUSED_ATTEMPTS) return false;
    int64_t wait_ms = wait_before_retry(running, verdict, ended);
    running->not_before_ms = pf_clock_mono_ms() + wait_ms;
    if (left_ms(running) <= wait_ms) {
        *code = pf_error_wrap(err, PF_TIMEOUT, "given up after %d attempts in %lld ms", running->tries,
                              (long long)s3->options.timeout_ms);
        return false;
    }
    if (!take_tokens(s3, -RETRY_COST, 0)) {
        *code = pf_error_wrap(err, *code, "given up after %d attempts: too many requests fail here", running->tries);
        return false;
    }
    return true;
}

static void succeed(struct running *running, struct attempt *attempt, const struct pf_http_ended *ended) {
    struct run *run = running->run;
    struct s3_request *request = running->request;
    if (request->may_hedge) learn(run->s3, request, ended, pf_clock_mono_ms() - attempt->started_ms);
    if (attempt == &running->attempts[1]) atomic_fetch_add(&run->s3->hedges_won, 1);
    take_tokens(run->s3, 1, HEDGE_SHARE);
    if (!request->has_target) atomic_fetch_add(&run->s3->received_bytes, (long long)ended->reply.body.len);
    keep_answer(running, &ended->reply);
    running->is_over = true;
    run->left--;
    if (request->on_done) request->on_done(request);
}

static bool is_too_short(const struct s3_request *request, const struct attempt *attempt,
                         const struct pf_http_ended *ended) {
    return request->has_target && ended->code == PF_OK && ended->reply.status == 206 &&
           attempt->received < request->length;
}

static enum pf_code take_end(struct run *run, struct pf_http_ended *ended, struct pf_error *err) {
    struct attempt *attempt = ended->tag, *other;
    struct running *running = attempt->running;
    struct s3_request *request = running->request;
    struct pf_error why = {0};
    other = attempt == &running->attempts[0] ? &running->attempts[1] : &running->attempts[0];
    run->in_flight--;
    enum s3_verdict verdict = s3_judge(run->s3, request, ended, attempt->arena, &why);
    if (verdict == S3_DONE && is_too_short(request, attempt, ended)) {
        verdict = S3_FAILED;
        pf_error_set(&why, PF_CORRUPT, __FILE__, __LINE__, "the object ends %lld bytes too early",
                     (long long)(request->length - attempt->received));
    }
    enum pf_code code = PF_OK;
    if (verdict == S3_DONE) {
        succeed(running, attempt, ended);
        stop_attempt(run, other);
    } else if (verdict == S3_FAILED || !other->arena) {
        if (verdict == S3_AGAIN_SLOW) atomic_fetch_add(&run->s3->throttled, 1);
        code = why.code;
        if (may_retry(running, verdict, ended, &code, &why)) {
            atomic_fetch_add(&run->s3->retries, 1);
            code = PF_OK;
        }
    } /* else the other attempt may still win */
    attempt->arena = pf_arena_free(attempt->arena);
    if (code == PF_OK) return PF_OK;
    run->failed = (size_t)(running - run->items);
    if (err) *err = why;
    return code;
}

/* ---- the loop ---- */

static enum pf_code start_what_is_due(struct run *run, int64_t *out_next_ms, struct pf_error *err) {
    int64_t now_ms = pf_clock_mono_ms(), next_ms = now_ms + TICK_MS * 5;
    while (run->first_open < run->count && run->items[run->first_open].is_over) run->first_open++;
    for (size_t i = run->first_open; i < run->count; i++) {
        struct running *running = &run->items[i];
        if (running->is_over) continue;
        bool has_room = run->in_flight < (size_t)run->s3->options.in_flight;
        if (!is_under_way(running)) {
            bool is_due = running->not_before_ms <= now_ms;
            if (is_due && has_room) {
                run->failed = i;
                PF_TRY(start(running, err));
            }
            if (!is_due && running->not_before_ms < next_ms) next_ms = running->not_before_ms;
            if (is_due && !has_room) break; /* those behind it have none either */
        }
        if (running->hedge_at_ms <= now_ms && is_under_way(running)) start_hedge(running);
        if (is_under_way(running) && running->hedge_at_ms < next_ms) next_ms = running->hedge_at_ms;
    }
    *out_next_ms = next_ms;
    return PF_OK;
}

static enum pf_code loop(struct run *run, struct pf_error *err) {
    while (run->left) {
        int64_t next_ms;
        struct pf_http_ended ended;
        PF_TRY(start_what_is_due(run, &next_ms, err));
        if (run->cancel && run->cancel->is_cancelled && run->cancel->is_cancelled(run->cancel->context)) {
            PF_FAIL(err, PF_CANCELLED, "cancelled");
        }
        int64_t wait_ms = next_ms - pf_clock_mono_ms();
        if (run->cancel && wait_ms > TICK_MS) wait_ms = TICK_MS;
        if (wait_ms < 1) wait_ms = 1;
        if (!run->in_flight) {
            pf_clock_sleep_ms(wait_ms);
        } else if (pf_http_batch_wait(run->batch, wait_ms, &ended)) {
            PF_TRY(take_end(run, &ended, err));
        }
    }
    return PF_OK;
}

enum pf_code s3_run(struct s3_store *s3, struct s3_request *requests, size_t count, const struct s3_cancel *cancel,
                    struct pf_arena *arena, size_t *out_failed, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 run");
    struct run run = {.s3 = s3, .arena = scratch, .answers = arena, .count = count, .left = count, .cancel = cancel};
    run.items = PF_ARENA_ARRAY(scratch, struct running, count);
    for (size_t i = 0; i < count; i++) run.items[i] = (struct running){.run = &run, .request = &requests[i]};
    enum pf_code code = pf_http_batch_open(s3->client, scratch, &run.batch, err);
    if (code == PF_OK) code = loop(&run, err);
    for (size_t i = 0; i < count; i++) {
        stop_attempt(&run, &run.items[i].attempts[0]);
        stop_attempt(&run, &run.items[i].attempts[1]);
    }
    pf_http_batch_close(run.batch);
    if (code != PF_OK && out_failed) *out_failed = run.failed;
    pf_arena_free(scratch);
    return code;
}
