/* SPDX-License-Identifier: MIT */
/* Redis, one server or a cluster: the queue of tasks, leases, events, small values, who is alive, and streams of log
 * entries. Also a redis-server of our own.
 *
 * Payloads are bytes that only the caller understands. All keys of a query carry its hash tag; each of them has a
 * time to live that the coordinator's heartbeat extends, so nothing stays behind for ever. Time is Redis's time.
 * Threads: a pf_sync is shared; each call takes a connection from its pool, calls that wait hold it meanwhile.
 * Failures: PF_REMOTE (connection refused or lost) and PF_TIMEOUT name the server without its password; the next call
 * connects anew. Calls follow a cluster's redirections and go on through a fail-over, for retry_ms (docs/redis.md). */
#ifndef PF_SYNC_SYNC_H
#define PF_SYNC_SYNC_H

#include "base/arena.h"

/* --- a redis-server of our own, gone when this process is --- */

struct pf_redis;

struct pf_redis_options {
    const char *run_path;     /* made if missing, mode 700; holds socket and log; one redis-server per folder */
    int64_t max_memory_bytes; /* 0: no limit. Above it writes fail with PF_NO_MEMORY. */
    int64_t start_ms;         /* 0: 10 s */
    const char *program;      /* NULL: redis-server (or valkey-server) from PATH */
};

/* Returns when it answers. PF_NOT_FOUND if there is no redis-server, PF_CONFLICT if the folder is in use. */
enum pf_code pf_redis_spawn(const struct pf_redis_options *options, struct pf_redis **out_redis, struct pf_error *err)
    PF_MUST_CHECK;
const char *pf_redis_url(const struct pf_redis *redis); /* "unix:///run/path/redis.sock" */
int pf_redis_pid(const struct pf_redis *redis);
bool pf_redis_is_alive(struct pf_redis *redis);
/* A new, empty one at the same URL; ends the old one if it still runs. */
enum pf_code pf_redis_respawn(struct pf_redis *redis, struct pf_error *err) PF_MUST_CHECK;
struct pf_redis *pf_redis_stop(struct pf_redis *redis); /* NULL is fine; returns NULL */

/* --- connection --- */

struct pf_sync;

struct pf_sync_options {
    pf_str url;           /* redis://[[user]:password@]host[:port][/db], rediss://…, unix:///path.sock[?db=n] */
    pf_str log_prefix;    /* of the keys of logs and turns; empty: `prefix` */
    pf_str prefix;        /* of all keys; empty: "pf" */
    int64_t connect_ms;   /* 0: 2 s */
    int64_t command_ms;   /* 0: 5 s; waiting calls add their wait */
    int64_t retry_ms;     /* how long a call goes on when Redis is away or fails over; 0: 15 s, 0 s on a Unix socket;
                            negative: no longer than one more try */
    const char *ca_path;  /* for rediss://; NULL: the system's */
    int max_connections;  /* to one node of it; 0: 256, at least 4 */
    bool allows_insecure; /* another host without TLS or without a password */
};

/* Connects once, to say at once what is wrong: PF_INVALID (url), PF_DENIED (password, or a connection that is not
 * safe), PF_UNSUPPORTED (Redis < 6.2), PF_REMOTE (nobody there). A node of a cluster leads to all of them. */
enum pf_code pf_sync_open(const struct pf_sync_options *options, struct pf_sync **out_sync, struct pf_error *err)
    PF_MUST_CHECK;
struct pf_sync *pf_sync_close(struct pf_sync *sync); /* NULL is fine; returns NULL */
enum pf_code pf_sync_ping(struct pf_sync *sync, struct pf_error *err) PF_MUST_CHECK;

/* What is wrong with a Redis, from its name to its memory: the first that is, or how well it is. */
enum pf_sync_health { PF_SYNC_WELL, PF_SYNC_POOR, PF_SYNC_BROKEN };
struct pf_sync_diagnosis {
    enum pf_sync_health health;
    pf_str text, mend; /* mend: empty if well */
};
/* Waits for a few seconds at most. Writes a few keys, and removes them. */
void pf_sync_diagnose(const struct pf_sync_options *options, struct pf_arena *arena,
                      struct pf_sync_diagnosis *out_diagnosis);

struct pf_sync_counters {
    int64_t commands, round_trips, connects, failures, retries, redirections;
};
void pf_sync_count(struct pf_sync *sync, struct pf_sync_counters *out_counters);
/* What the server has done since it started, as it says itself; of a cluster one node's. */
struct pf_sync_server {
    int64_t bytes; /* in and out */
    double cpu_s;
};
enum pf_code pf_sync_server(struct pf_sync *sync, struct pf_sync_server *out_server, struct pf_error *err)
    PF_MUST_CHECK;

/* --- a query, seen by its coordinator --- */

struct pf_sync_query_options {
    pf_str record_json; /* as of now; may be empty */
    pf_str job;         /* all that another coordinator needs to take the query over; empty: it can't be */
    pf_str coordinator_id;
    int64_t ttl_ms;               /* of record and keys; 0: 1 h */
    int64_t coordinator_lease_ms; /* 0: 10 s */
    int max_attempts;             /* failures and lost leases of one task until it is final; 0: 3 */
};

/* PF_CONFLICT if the id is open already. */
enum pf_code pf_sync_query_begin(struct pf_sync *sync, pf_str query_id, const struct pf_sync_query_options *options,
                                 struct pf_error *err) PF_MUST_CHECK;
/* The record outlives the query: it is there until its time to live is over. */
enum pf_code pf_sync_record_put(struct pf_sync *sync, pf_str query_id, pf_str record_json, int64_t ttl_ms,
                                struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_sync_record_get(struct pf_sync *sync, pf_str query_id, struct pf_arena *arena, pf_str *out_record_json,
                                struct pf_error *err) PF_MUST_CHECK;
/* From any process: pending tasks vanish, running ones learn it with their heartbeat, the coordinator gets an event.
 * PF_NOT_FOUND if no such query is open. */
enum pf_code pf_sync_query_cancel(struct pf_sync *sync, pf_str query_id, struct pf_error *err) PF_MUST_CHECK;
/* Deletes all of the query but its record. PF_OK also if it is gone already. PF_CONFLICT: `coordinator_id` (empty:
 * whoever) has lost it to another one. */
enum pf_code pf_sync_query_end(struct pf_sync *sync, pf_str query_id, pf_str coordinator_id, struct pf_error *err)
    PF_MUST_CHECK;
/* As given to pf_sync_query_begin; empty if it was. PF_NOT_FOUND if the query is gone. */
enum pf_code pf_sync_query_job(struct pf_sync *sync, pf_str query_id, struct pf_arena *arena, pf_str *out_job,
                               struct pf_error *err) PF_MUST_CHECK;
/* Queries whose coordinator's lease is over. */
enum pf_code pf_sync_lapsed(struct pf_sync *sync, struct pf_arena *arena, pf_str **out_query_ids, size_t *out_count,
                            struct pf_error *err) PF_MUST_CHECK;

/* Extends the coordinator's lease and the life of all keys. While it is in force nobody sweeps the query; once it is
 * over workers take no tasks of it, and another coordinator may take it over by calling this with its own id.
 * PF_CONFLICT: another one has it. PF_NOT_FOUND: the query is gone. */
enum pf_code pf_sync_coordinator_heartbeat(struct pf_sync *sync, pf_str query_id, pf_str coordinator_id,
                                           int64_t lease_ms, bool *out_cancelled, struct pf_error *err) PF_MUST_CHECK;

enum { PF_SYNC_STEAL_MS = 15 };

struct pf_sync_stage {
    int id;
    pf_str coordinator_id; /* empty: no matter who has the query */
    pf_str payload;        /* what its tasks share */
    const pf_str *tasks;   /* payload of task i; empty: not queued */
    const pf_str *workers; /* task i is kept for this one for a while; empty, or NULL for all: for nobody */
    int64_t steal_ms;      /* for that long; then idle workers take of what is left. 0: PF_SYNC_STEAL_MS */
    int task_count;
    int first_attempt; /* of each; 0: 1 */
    pf_str mark;       /* what its tasks are, in short */
    bool replaces;     /* there may be an older one of that id: its payload and mark are forgotten, its tasks stay */
};
/* Stores the stage and queues those of its tasks that were never queued. If it `replaces`, also those that were: their
 * results are of no use any more and forgotten; nothing else happens to what waits or runs. The same call may be
 * repeated after a failure. PF_NOT_FOUND if the query is gone, PF_CANCELLED if it is cancelled, PF_CONFLICT if another coordinator has
 * it, PF_INVALID if a stage with another mark is there and it doesn't `replace` it. */
enum pf_code pf_sync_stage_push(struct pf_sync *sync, pf_str query_id, const struct pf_sync_stage *stage,
                                struct pf_error *err) PF_MUST_CHECK;

/* Another attempt of a task that runs; nothing happens if it doesn't. PF_NOT_FOUND if there is no such task. */
enum pf_code pf_sync_speculate(struct pf_sync *sync, pf_str query_id, int stage_id, int task_id, struct pf_error *err)
    PF_MUST_CHECK;

enum pf_sync_event_kind {
    PF_SYNC_DONE,      /* payload: the result of the attempt that won */
    PF_SYNC_FAILED,    /* code, message; is_final: the task will not be tried again */
    PF_SYNC_LOST,      /* the lease ran out or the worker died; is_final as above */
    PF_SYNC_CANCELLED, /* somebody cancelled the query */
};

struct pf_sync_event {
    enum pf_sync_event_kind kind;
    int stage_id, task_id, attempt; /* attempts count from 1 */
    bool is_final;
    enum pf_code code;
    pf_str message, worker_id, payload;
    int64_t took_ms; /* PF_SYNC_DONE: from claim to publish */
};

/* Where a reader of events stands. All zero: at the first event of the query, so a coordinator that takes over sees
 * everything again. */
struct pf_sync_cursor {
    char id[44];
};

/* Waits up to `wait_ms` for events after the cursor and moves it. No events: PF_OK with count 0.
 * PF_NOT_FOUND if the query is gone. */
enum pf_code pf_sync_wait_events(struct pf_sync *sync, pf_str query_id, struct pf_sync_cursor *cursor, int64_t wait_ms,
                                 struct pf_arena *arena, struct pf_sync_event **out_events, size_t *out_count,
                                 struct pf_error *err) PF_MUST_CHECK;

/* Queues again what was claimed and whose lease ran out (also as event PF_SYNC_LOST), and wakes workers for whatever
 * waits: for tasks whose wake-ups were lost with a worker, or that were kept for one that does not come. By the
 * coordinator, when the time of pf_sync_stage.steal_ms is over and then once per second or so. `out_count` is of
 * what was lost, `out_waiting` of what waits then; both may be NULL. */
enum pf_code pf_sync_expire(struct pf_sync *sync, pf_str query_id, int *out_count, int *out_waiting,
                            struct pf_error *err) PF_MUST_CHECK;

struct pf_sync_running {
    int stage_id, task_id, attempt;
    int64_t age_ms; /* since it was claimed */
    pf_str worker_id;
};
/* What runs now, and how many tasks wait. */
enum pf_code pf_sync_running(struct pf_sync *sync, pf_str query_id, struct pf_arena *arena,
                             struct pf_sync_running **out_running, size_t *out_count, int *out_waiting,
                             struct pf_error *err) PF_MUST_CHECK;

/* --- a worker --- */

struct pf_sync_claim {
    pf_str query_id, worker_id, payload;
    int stage_id, task_id, attempt;
};

/* Waits up to `wait_ms` for a task; it is ours until the lease is over. Between queries tasks are taken in turn.
 * PF_NOT_FOUND: none in that time. */
enum pf_code pf_sync_claim(struct pf_sync *sync, pf_str worker_id, int64_t wait_ms, int64_t lease_ms,
                           struct pf_arena *arena, struct pf_sync_claim *out_claim, struct pf_error *err) PF_MUST_CHECK;
/* What pf_sync_stage_push stored; workers keep it for the next tasks of the stage. PF_NOT_FOUND if the query ended. */
enum pf_code pf_sync_stage_payload(struct pf_sync *sync, pf_str query_id, int stage_id, struct pf_arena *arena,
                                   pf_str *out_payload, struct pf_error *err) PF_MUST_CHECK;
/* Extends the lease. `*out_cancelled`: stop working on it — the query is over, the lease was lost, or another attempt
 * has published. */
enum pf_code pf_sync_heartbeat(struct pf_sync *sync, const struct pf_sync_claim *claim, int64_t lease_ms,
                               bool *out_cancelled, struct pf_error *err) PF_MUST_CHECK;
/* The first publish of a task wins, even from an attempt whose lease ran out. PF_CONFLICT: another attempt has won;
 * PF_CANCELLED: the query is over. In both cases what the attempt made is garbage. */
enum pf_code pf_sync_publish(struct pf_sync *sync, const struct pf_sync_claim *claim, pf_str result_payload,
                             struct pf_error *err) PF_MUST_CHECK;
/* Publishes, and in the same round trip claims the next task if one is there at once: else `out_next` has no query id,
 * and pf_sync_claim waits for one. With PF_CONFLICT and PF_CANCELLED, too, the next task is ours. */
enum pf_code pf_sync_publish_and_claim(struct pf_sync *sync, const struct pf_sync_claim *claim, pf_str result_payload,
                                       int64_t lease_ms, struct pf_arena *arena, struct pf_sync_claim *out_next,
                                       struct pf_error *err) PF_MUST_CHECK;
/* Gives the task back: queued as next attempt if `failure` is retryable by its code or `is_retryable`, and it failed
 * less often than max_attempts; else final. The coordinator sees an event either way. */
enum pf_code pf_sync_fail(struct pf_sync *sync, const struct pf_sync_claim *claim, const struct pf_error *failure,
                          bool is_retryable, struct pf_error *err) PF_MUST_CHECK;

/* --- who is alive --- */

struct pf_sync_worker {
    pf_str id, facts_json;
    int64_t left_ms; /* until it counts as gone */
};
enum pf_code pf_sync_worker_register(struct pf_sync *sync, pf_str worker_id, pf_str facts_json, int64_t ttl_ms,
                                     struct pf_error *err) PF_MUST_CHECK;
/* PF_NOT_FOUND: it was gone; register again. */
enum pf_code pf_sync_worker_refresh(struct pf_sync *sync, pf_str worker_id, int64_t ttl_ms, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code pf_sync_worker_remove(struct pf_sync *sync, pf_str worker_id, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_sync_worker_list(struct pf_sync *sync, struct pf_arena *arena, struct pf_sync_worker **out_workers,
                                 size_t *out_count, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_sync_worker_count(struct pf_sync *sync, int *out_count, struct pf_error *err) PF_MUST_CHECK;
/* For a worker known to be dead: removes it and queues all its tasks again at once. `out_count` may be NULL. */
enum pf_code pf_sync_release_worker(struct pf_sync *sync, pf_str worker_id, int *out_count, struct pf_error *err)
    PF_MUST_CHECK;
/* Ends queries whose coordinator's lease has been over for `grace_ms`; each of them is named to one caller only. */
enum pf_code pf_sync_sweep(struct pf_sync *sync, int64_t grace_ms, struct pf_arena *arena, pf_str **out_query_ids,
                           size_t *out_count, struct pf_error *err) PF_MUST_CHECK;

/* --- small values of a query: gone with it, or after `ttl_ms` --- */

enum { PF_SYNC_MAX_SMALL_BYTES = 4 << 20 };

/* PF_TOO_LARGE over the maximum. Replaces what was there. PF_NOT_FOUND or PF_CANCELLED if the query is over. */
enum pf_code pf_sync_put_small(struct pf_sync *sync, pf_str query_id, pf_str key, pf_str bytes, int64_t ttl_ms,
                               struct pf_error *err) PF_MUST_CHECK;

struct pf_sync_range {
    pf_str key;
    int64_t offset, length; /* length -1: to the end */
    pf_str bytes;           /* filled in */
};
enum pf_code pf_sync_drop_small(struct pf_sync *sync, pf_str query_id, pf_str key, struct pf_error *err) PF_MUST_CHECK;
/* All of them in one round trip. PF_NOT_FOUND names the first that is not there or is shorter than asked for. */
enum pf_code pf_sync_get_small(struct pf_sync *sync, pf_str query_id, struct pf_sync_range *ranges, size_t count,
                               struct pf_arena *arena, struct pf_error *err) PF_MUST_CHECK;

/* --- logs: streams of JSON documents, of limited length --- */

enum { PF_SYNC_LOG_MAX_BATCH = 500 };

struct pf_sync_log_batch {
    pf_str log;            /* its name */
    pf_str writer_id;      /* of this process, at this time */
    int64_t number;        /* of the batch, from 1; each writer's one after the other */
    const pf_str *entries; /* JSON */
    size_t count;          /* at most PF_SYNC_LOG_MAX_BATCH */
    int64_t max_entries;   /* about so many stay; the oldest go */
};
/* Once only, however often it is repeated with the same writer and number (within an hour). `*out_dropped`: old entries
 * that had to go; may be NULL. */
enum pf_code pf_sync_log_append(struct pf_sync *sync, const struct pf_sync_log_batch *batch, int64_t *out_dropped,
                                struct pf_error *err) PF_MUST_CHECK;

struct pf_sync_log_entry {
    pf_str id; /* grows with each entry; compare with pf_sync_log_compare */
    pf_str json;
};
/* A name that is this log's as long as the server keeps it: ids of logs with different names have nothing in common. */
enum pf_code pf_sync_log_identity(struct pf_sync *sync, pf_str log, struct pf_arena *arena, pf_str *out_identity,
                                  struct pf_error *err) PF_MUST_CHECK;
/* Up to `max` entries after the id (empty: from the first). */
enum pf_code pf_sync_log_read(struct pf_sync *sync, pf_str log, pf_str after_id, size_t max, struct pf_arena *arena,
                              struct pf_sync_log_entry **out_entries, size_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;
int pf_sync_log_compare(pf_str id, pf_str other); /* empty is before all */
/* Removes the entries up to this one, included. */
enum pf_code pf_sync_log_trim(struct pf_sync *sync, pf_str log, pf_str id, struct pf_error *err) PF_MUST_CHECK;
/* How many there are, and the age of the first; 0 and 0 if there are none. */
enum pf_code pf_sync_log_backlog(struct pf_sync *sync, pf_str log, int64_t *out_count, int64_t *out_age_ms,
                                 struct pf_error *err) PF_MUST_CHECK;

/* A task that one process at a time does: is it ours, from now on for `ttl_ms`? A hint, not a lock: who is slow may
 * find that another has taken over. */
enum pf_code pf_sync_take_turn(struct pf_sync *sync, pf_str name, pf_str owner_id, int64_t ttl_ms, bool *out_is_ours,
                               struct pf_error *err) PF_MUST_CHECK;

/* --- named values: there until they are deleted, changed only by who knows what is there --- */

enum { PF_SYNC_MAX_VALUE_BYTES = 4 << 20, PF_SYNC_MAX_VALUE_CHANGES = 256 };

/* A set of values lives under "<log prefix>:{<set>}:", so in one place of a cluster. PF_NOT_FOUND. */
enum pf_code pf_sync_value_get(struct pf_sync *sync, pf_str set, pf_str name, struct pf_arena *arena, pf_str *out_text,
                               pf_str *out_version, struct pf_error *err) PF_MUST_CHECK;
struct pf_sync_value_change {
    pf_str name;
    pf_str expected_version; /* empty: there is no such value */
    pf_str text;
    bool is_drop;
};
/* All or none. PF_CONFLICT names a value that is another by now, PF_NOT_FOUND one to be dropped that is gone. Safe to
 * repeat: a call that went through before its answer got lost does not meet itself. `out_version` (may be NULL): of all
 * that were put. Versions are never used twice. */
enum pf_code pf_sync_values_change(struct pf_sync *sync, pf_str set, const struct pf_sync_value_change *changes,
                                   size_t count, struct pf_arena *arena, pf_str *out_version, struct pf_error *err)
    PF_MUST_CHECK;
/* The names that begin so, in the order of their bytes. */
enum pf_code pf_sync_value_names(struct pf_sync *sync, pf_str set, pf_str prefix, struct pf_arena *arena,
                                 pf_str **out_names, size_t *out_count, struct pf_error *err) PF_MUST_CHECK;

#endif
