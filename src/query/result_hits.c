/* SPDX-License-Identifier: MIT */
#include "query/result_hits.h"

#include "base/clock.h"
#include "query/query_log.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS = 256, LOGGED_A_SECOND = 100, ID_BYTES = 64, SQL_BYTES = 1000, NAME_BYTES = 64 };

/* Text of the newest hits, cut where it is long. */
struct noted_hit {
    char id[ID_BYTES], sql[SQL_BYTES], client[NAME_BYTES], user[NAME_BYTES];
    size_t id_bytes, sql_bytes, client_bytes, user_bytes;
    int64_t row_count, took_ns, ended_wall_ms;
};

struct result_hits {
    atomic_llong unlogged;
    struct {
        pthread_mutex_t mutex;
        struct noted_hit records[RECORDS];
        size_t next;
        int64_t second; /* monotonic */
        int logged;     /* in it */
    } locked;
};

struct result_hits *result_hits_new(void) {
    struct result_hits *hits = calloc(1, sizeof *hits);
    if (!hits) abort();
    pthread_mutex_init(&hits->locked.mutex, NULL);
    return hits;
}

struct result_hits *result_hits_free(struct result_hits *hits) {
    if (!hits) return NULL;
    pthread_mutex_destroy(&hits->locked.mutex);
    free(hits);
    return NULL;
}

static size_t copy_cut(char *to, size_t capacity, pf_str text) {
    size_t length = text.len < capacity ? text.len : capacity;
    if (length) memcpy(to, text.ptr, length);
    return length;
}

/* A query that is over, for what prints those. */
static struct running running_of(const struct pf_stack *stack, const struct result_hit *hit, int64_t ended_wall_ms) {
    struct running running = {.id = hit->id,
                              .sql = hit->sql,
                              .client = hit->client,
                              .user = hit->user,
                              .started_wall_ms = ended_wall_ms - hit->took_ns / 1000000,
                              .started_mono_ms = pf_clock_mono_ms() - hit->took_ns / 1000000,
                              .coordinator_id = stack->coordinator_id};
    running.locked.state = QUERY_DONE;
    running.locked.stats = (struct pf_query_stats){.route = PF_ROUTE_CACHE,
                                                   .reason = PF_STR(PF_CACHE_REASON),
                                                   .rows = hit->row_count,
                                                   .wall_us = hit->took_ns / 1000};
    return running;
}

static bool may_log_locked(struct result_hits *hits, int64_t now_ms) {
    if (hits->locked.second != now_ms / 1000) {
        hits->locked.second = now_ms / 1000;
        hits->locked.logged = 0;
    }
    return hits->locked.logged++ < LOGGED_A_SECOND;
}

void result_hits_note(struct pf_stack *stack, const struct result_hit *hit) {
    struct result_hits *hits = stack->hits;
    int64_t now_ms = pf_clock_wall_ms();
    pthread_mutex_lock(&hits->locked.mutex);
    struct noted_hit *noted = &hits->locked.records[hits->locked.next++ % RECORDS];
    noted->id_bytes = copy_cut(noted->id, sizeof noted->id, hit->id);
    noted->sql_bytes = copy_cut(noted->sql, sizeof noted->sql, hit->sql);
    noted->client_bytes = copy_cut(noted->client, sizeof noted->client, hit->client);
    noted->user_bytes = copy_cut(noted->user, sizeof noted->user, hit->user);
    noted->row_count = hit->row_count;
    noted->took_ns = hit->took_ns;
    noted->ended_wall_ms = now_ms;
    bool is_logged = may_log_locked(hits, now_ms);
    pthread_mutex_unlock(&hits->locked.mutex);
    if (!is_logged) {
        atomic_fetch_add(&hits->unlogged, 1);
        return;
    }
    struct running running = running_of(stack, hit, now_ms);
    query_log_query(stack, &running);
}

pf_str result_hits_record(struct pf_stack *stack, pf_str query_id, struct pf_arena *arena) {
    struct result_hits *hits = stack->hits;
    struct result_hit hit = {0};
    int64_t ended_wall_ms = 0;
    pthread_mutex_lock(&hits->locked.mutex);
    for (size_t back = 1; back <= RECORDS && back <= hits->locked.next && !hit.id.len; back++) {
        const struct noted_hit *noted = &hits->locked.records[(hits->locked.next - back) % RECORDS];
        if (!pf_str_equal(query_id, pf_str_from(noted->id, noted->id_bytes))) continue;
        hit.id = pf_arena_str(arena, query_id);
        hit.sql = pf_arena_str(arena, pf_str_from(noted->sql, noted->sql_bytes));
        hit.row_count = noted->row_count;
        hit.took_ns = noted->took_ns;
        ended_wall_ms = noted->ended_wall_ms;
    }
    pthread_mutex_unlock(&hits->locked.mutex);
    if (!hit.id.len) return PF_STR_EMPTY;
    struct running running = running_of(stack, &hit, ended_wall_ms);
    return running_record_json(stack, &running, arena);
}

int64_t result_hits_unlogged(const struct result_hits *hits) {
    return atomic_load(&hits->unlogged);
}
