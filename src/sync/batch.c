/* SPDX-License-Identifier: MIT */
/* Batches of commands: to their nodes and back, as often as it takes.
 *
 * A pass sends every command that is not done to the node that has its slot: to all nodes first, then the replies are
 * read. What a reply says decides: done; send again with our scripts; ask another node; not yet. What is not done
 * after a pass goes into the next, after a pause that doubles and has jitter, until `retry_ms` are over. A command
 * whose connection broke may have been run: it goes into the next pass only if the batch may run twice (every batch
 * but one: see scripts.c). If a command is not done, those of later steps (batch_then) run again after it. */
#include "base/id.h"
#include "sync/topology.h"

#include <errno.h>

enum {
    MAX_BATCH_BYTES = 512 << 20,
    FIRST_PAUSE_MS = 10,
    MAX_PAUSE_MS = 500,
};

/* --- making one --- */

void batch_begin(struct batch *batch, struct pf_sync *sync, bool may_repeat) {
    *batch = (struct batch){.sync = sync, .arena = pf_arena_new(NULL, "redis batch"), .may_repeat = may_repeat};
    pf_buf_init(&batch->bytes, MAX_BATCH_BYTES);
}

static void forget_reply(struct batch *batch, size_t index) {
    freeReplyObject(batch->replies[index]);
    batch->replies[index] = NULL;
    batch->commands[index].is_done = false;
}

void batch_clear(struct batch *batch) {
    for (size_t i = 0; batch->replies && i < batch->count; i++) freeReplyObject(batch->replies[i]);
    pf_buf_clear(&batch->bytes);
    pf_arena_free(batch->arena);
}

void batch_then(struct batch *batch) {
    batch->step++;
}

static void put_word(struct pf_buf *bytes, pf_str word) {
    pf_buf_printf(bytes, "$%zu\r\n", word.len);
    pf_buf_put_str(bytes, word);
    pf_buf_put(bytes, "\r\n", 2);
}

static void end_command(struct batch *batch, int slot) {
    PF_ARENA_PUSH(batch->arena, batch->commands, batch->count, batch->capacity) =
        (struct command){.end = batch->bytes.len, .slot = slot, .step = batch->step};
}

void batch_add(struct batch *batch, const pf_str *words, size_t count) {
    pf_buf_printf(&batch->bytes, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) put_word(&batch->bytes, words[i]);
    end_command(batch, slot_of_command(words, count));
}

/* A cluster must know all keys of a script beforehand: then it runs it where all of them are, or not at all. */
static size_t other_key_count(const struct batch *batch, enum sync_script script) {
    return batch->sync->is_cluster && script_is_of_query(script) ? SCRIPT_OTHER_KEYS : 0;
}

static void put_other_keys(struct batch *batch, pf_str first) {
    pf_str base = pf_str_slice(first, 0, first.len - 1); /* without the q */
    for (size_t i = 0; i < SCRIPT_OTHER_KEYS; i++) {
        put_word(&batch->bytes, pf_arena_printf(batch->arena, "%.*s%s", PF_STR_ARG(base), script_other_keys[i]));
    }
}

void batch_add_script(struct batch *batch, enum sync_script script, const pf_str *keys, size_t key_count,
                      const pf_str *args, size_t arg_count) {
    size_t others = other_key_count(batch, script);
    pf_buf_printf(&batch->bytes, "*%zu\r\n$7\r\nEVALSHA\r\n", 3 + key_count + others + arg_count);
    put_word(&batch->bytes, pf_str_from(batch->sync->scripts[script].sha, 40));
    put_word(&batch->bytes, batch_number(batch, (int64_t)(key_count + others)));
    for (size_t i = 0; i < key_count; i++) put_word(&batch->bytes, keys[i]);
    if (others) put_other_keys(batch, keys[0]);
    for (size_t i = 0; i < arg_count; i++) put_word(&batch->bytes, args[i]);
    end_command(batch, slot_of_key(keys[0]));
}

pf_str batch_number(struct batch *batch, int64_t number) {
    return pf_arena_printf(batch->arena, "%lld", (long long)number);
}

pf_str batch_key(struct batch *batch, pf_str query_id, const char *name) {
    return pf_arena_printf(batch->arena, "%.*s:{%.*s}:%s", PF_STR_ARG(batch->sync->prefix), PF_STR_ARG(query_id), name);
}

/* --- a pass --- */

/* What became of a pass. The worst thing that happened is in `code` and `err`. */
struct pass {
    struct batch *batch;
    int64_t wait_ms;
    struct pf_deadline deadline;
    const char *what;
    struct pf_error *err;
    enum pf_code code;
    bool is_hopeless;     /* trying again is of no use, or could do harm */
    bool has_lost_a_link; /* a connection could not be made, or broke */
    bool needs_map, needs_pause;
};

/* The part of a pass that goes to one node. */
struct part {
    struct node *node;
    struct connection connection;
    bool is_sent;
};

static void fail_pass(struct pass *pass, enum pf_code code) {
    pass->code = code;
    if (code == PF_DENIED || code == PF_INVALID || code == PF_NO_MEMORY || code == PF_BUG) pass->is_hopeless = true;
}

static bool is_of_part(const struct pass *pass, const struct part *part, struct node *const *targets, size_t index) {
    return targets[index] == part->node && !pass->batch->commands[index].is_done;
}

/* The node does not know our scripts (it is new, or they were flushed): sends them and then command `index` again. */
static bool repeat_with_scripts(struct pass *pass, struct part *part, size_t index) {
    struct batch *batch = pass->batch;
    valkeyContext *context = part->connection.context;
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const char *argv[] = {"SCRIPT", "LOAD", batch->sync->scripts[i].source.ptr};
        size_t lengths[] = {6, 4, batch->sync->scripts[i].source.len};
        if (valkeyAppendCommandArgv(context, 3, argv, lengths) != VALKEY_OK) return false;
    }
    size_t start = index > 0 ? batch->commands[index - 1].end : 0;
    valkeyAppendFormattedCommand(context, batch->bytes.ptr + start, batch->commands[index].end - start);
    freeReplyObject(batch->replies[index]);
    batch->replies[index] = NULL;
    for (int i = 0; i <= SCRIPT_COUNT; i++) {
        void *reply = NULL;
        if (valkeyGetReply(context, &reply) != VALKEY_OK) return false;
        if (i == SCRIPT_COUNT) {
            batch->replies[index] = reply;
        } else {
            freeReplyObject(reply);
        }
    }
    atomic_fetch_add(&batch->sync->round_trips, 1);
    atomic_fetch_add(&batch->sync->commands, SCRIPT_COUNT + 1);
    return true;
}

static void follow_redirect(struct pass *pass, const struct part *part, size_t index) {
    struct pf_sync *sync = pass->batch->sync;
    struct command *command = &pass->batch->commands[index];
    struct slot_address address;
    bool is_ask = false;
    int slot = NO_SLOT;
    atomic_fetch_add(&sync->redirections, 1);
    if (!slot_redirect_read(reply_text(pass->batch->replies[index]), &is_ask, &slot, &address) || !part->node->host) {
        pass->needs_map = pass->needs_pause = true;
        return;
    }
    struct node *node = topology_learn(sync, part->node, address, is_ask ? NO_SLOT : slot);
    if (is_ask) command->ask = node;
    if (!is_ask) pass->needs_map = true;
}

/* The reply to command `index` is here: is the command done? False: the connection is of no use any more. */
static bool judge_reply(struct pass *pass, struct part *part, size_t index) {
    struct batch *batch = pass->batch;
    enum reply_fate fate = reply_fate(batch->replies[index]);
    if (fate == REPLY_NEEDS_SCRIPTS) {
        if (!repeat_with_scripts(pass, part, index)) return false;
        fate = reply_fate(batch->replies[index]);
    }
    batch->commands[index].is_done = fate == REPLY_IS_FINAL;
    if (fate == REPLY_IS_FINAL) return true;
    fail_pass(pass, reply_fail(reply_text(batch->replies[index]), part->node->label, pass->what, pass->err));
    if (fate == REPLY_IS_REDIRECT) {
        follow_redirect(pass, part, index);
    } else {
        pass->needs_map = pass->needs_pause = true;
    }
    forget_reply(batch, index);
    return true;
}

static bool send_part(struct pass *pass, struct part *part, struct node *const *targets) {
    struct batch *batch = pass->batch;
    valkeyContext *context = part->connection.context;
    int64_t limit_ms = batch->sync->command_ms + pass->wait_ms, left_ms = pf_deadline_left_ms(pass->deadline) + 1;
    if (!connection_set_limit(&part->connection, limit_ms < left_ms ? limit_ms : left_ms)) return false;
    for (size_t i = 0; i < batch->count; i++) {
        if (!is_of_part(pass, part, targets, i)) continue;
        size_t start = i > 0 ? batch->commands[i - 1].end : 0, length = batch->commands[i].end - start;
        if (batch->commands[i].ask && valkeyAppendCommand(context, "ASKING") != VALKEY_OK) return false;
        if (valkeyAppendFormattedCommand(context, batch->bytes.ptr + start, length) != VALKEY_OK) return false;
    }
    for (int is_written = 0; !is_written;) {
        if (valkeyBufferWrite(context, &is_written) != VALKEY_OK) return false;
    }
    atomic_fetch_add(&batch->sync->round_trips, 1);
    return true;
}

static bool receive_one(struct pass *pass, struct part *part, size_t index) {
    struct batch *batch = pass->batch;
    void *reply = NULL;
    if (batch->commands[index].ask) {
        if (valkeyGetReply(part->connection.context, &reply) != VALKEY_OK) return false;
        freeReplyObject(reply);
        batch->commands[index].ask = NULL;
        reply = NULL;
    }
    if (valkeyGetReply(part->connection.context, &reply) != VALKEY_OK) return false;
    batch->replies[index] = reply;
    atomic_fetch_add(&batch->sync->commands, 1);
    return true;
}

/* All replies are read before the first is judged: judging may send more. */
static bool receive_part(struct pass *pass, struct part *part, struct node *const *targets, bool *out_is_wrong) {
    struct batch *batch = pass->batch;
    *out_is_wrong = false;
    for (size_t i = 0; i < batch->count; i++) {
        if (is_of_part(pass, part, targets, i) && !receive_one(pass, part, i)) return false;
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (!is_of_part(pass, part, targets, i)) continue;
        if (reply_fate(batch->replies[i]) == REPLY_IS_NOT_HERE) *out_is_wrong = true;
        if (!judge_reply(pass, part, i)) return false;
    }
    return true;
}

static void lose_part(struct pass *pass, struct part *part, int errno_value, struct node *const *targets) {
    struct batch *batch = pass->batch;
    fail_pass(pass, connection_fail(part->node, part->connection.context, errno_value, pass->what, pass->err));
    node_discard(part->node, part->connection);
    for (size_t i = 0; i < batch->count; i++) {
        if (is_of_part(pass, part, targets, i)) forget_reply(batch, i);
    }
    pass->has_lost_a_link = pass->needs_map = true;
    if (!batch->may_repeat) pass->is_hopeless = true;
    atomic_fetch_add(&batch->sync->failures, 1);
}

static void start_part(struct pass *pass, struct part *part, struct node *const *targets) {
    enum pf_code code = node_take(part->node, pass->wait_ms > 0, pass->deadline, &part->connection, pass->err);
    if (code != PF_OK) {
        fail_pass(pass, code);
        pass->has_lost_a_link = pass->needs_map = true;
        atomic_fetch_add(&pass->batch->sync->failures, 1);
        return;
    }
    errno = 0;
    part->is_sent = send_part(pass, part, targets);
    if (!part->is_sent) lose_part(pass, part, errno, targets);
}

static void end_part(struct pass *pass, struct part *part, struct node *const *targets) {
    bool is_wrong = false;
    errno = 0;
    if (!receive_part(pass, part, targets, &is_wrong)) {
        lose_part(pass, part, errno, targets);
    } else if (is_wrong) {
        node_discard(part->node, part->connection);
    } else {
        node_give(part->node, part->connection);
    }
}

static void run_parts(struct pass *pass, struct node *const *targets) {
    struct batch *batch = pass->batch;
    struct part *parts = PF_ARENA_ARRAY(batch->arena, struct part, batch->count);
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        size_t part = 0;
        while (part < count && parts[part].node != targets[i]) part++;
        if (targets[i] && part == count) parts[count++].node = targets[i];
    }
    for (size_t i = 0; i < count; i++) start_part(pass, &parts[i], targets);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].is_sent) end_part(pass, &parts[i], targets);
    }
}

/* The node of each command up to `step` that is not done, NULL for the others. False: somebody's is not known. */
static bool find_targets(struct pass *pass, int step, struct node **targets, bool *out_is_one_node) {
    struct batch *batch = pass->batch;
    struct node *only = NULL;
    *out_is_one_node = true;
    for (size_t i = 0; i < batch->count; i++) {
        const struct command *command = &batch->commands[i];
        targets[i] = NULL;
        if (command->is_done || command->step > step) continue;
        targets[i] = command->ask ? command->ask : topology_find(batch->sync, command->slot);
        if (!targets[i]) {
            fail_pass(pass, pf_error_set(pass->err, PF_REMOTE, __FILE__, __LINE__,
                                         "%s on %.*s: no node of the cluster has hash slot %d; see `redis-cli "
                                         "--cluster check`",
                                         pass->what, PF_STR_ARG(batch->sync->url.label), command->slot));
            pass->needs_map = pass->needs_pause = true;
            return false;
        }
        if (only && only != targets[i]) *out_is_one_node = false;
        only = targets[i];
    }
    return true;
}

static int first_step_to_do(const struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->commands[i].is_done) return batch->commands[i].step;
    }
    return batch->step + 1;
}

static void redo_later_steps(struct batch *batch) {
    int step = first_step_to_do(batch);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->commands[i].is_done && batch->commands[i].step > step) forget_reply(batch, i);
    }
}

/* One node gets all steps at once: it runs them in order. */
static void run_pass(struct pass *pass) {
    struct batch *batch = pass->batch;
    struct node **targets = PF_ARENA_ARRAY(batch->arena, struct node *, batch->count);
    for (int step = 0; step <= batch->step; step++) {
        bool is_one_node = false;
        if (first_step_to_do(batch) > step) continue;
        bool can_send_all = find_targets(pass, batch->step, targets, &is_one_node) && is_one_node;
        if (can_send_all) step = batch->step;
        if (!can_send_all && !find_targets(pass, step, targets, &is_one_node)) return;
        run_parts(pass, targets);
        if (first_step_to_do(batch) <= step) break;
    }
    redo_later_steps(batch);
}

/* --- all of it --- */

static enum pf_code check_replies(const struct batch *batch, const char *what, struct pf_error *err) {
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->replies[i]->type == VALKEY_REPLY_ERROR) {
            return reply_fail(reply_text(batch->replies[i]), batch->sync->url.label, what, err);
        }
    }
    return PF_OK;
}

/* Between half of it and all of it, so that those who failed together don't come back together. */
static void pause_before_retry(int try, struct pf_deadline deadline) {
    int64_t pause_ms = try < 6 ? FIRST_PAUSE_MS << try : MAX_PAUSE_MS
        ;
    if (pause_ms > MAX_PAUSE_MS) pause_ms = MAX_PAUSE_MS;
    pause_ms = pause_ms / 2 + pf_id_random_i63() % (pause_ms / 2 + 1);
    int64_t left_ms = pf_deadline_left_ms(deadline);
    pf_clock_sleep_ms(pause_ms < left_ms ? pause_ms : left_ms);
}

enum pf_code batch_run(struct batch *batch, int64_t wait_ms, const char *what, struct pf_error *err) {
    struct pf_sync *sync = batch->sync;
    pf_str all;
    PF_TRY(pf_buf_finish(&batch->bytes, what, &all, err));
    batch->replies = PF_ARENA_ARRAY(batch->arena, valkeyReply *, batch->count);
    struct pf_deadline retry_until = pf_deadline_in(sync->retry_ms);
    struct pf_deadline deadline = pf_deadline_in(sync->command_ms + wait_ms + sync->retry_ms);
    for (int try = 0;; try++) {
        struct pass pass = {
            .batch = batch, .wait_ms = wait_ms, .deadline = deadline, .what = what, .err = err, .code = PF_OK};
        run_pass(&pass);
        if (first_step_to_do(batch) > batch->step) return check_replies(batch, what, err);
        if (pass.is_hopeless) return pass.code;
        /* A connection of the pool that broke: a new one, at once, even where there is no time for more. */
        bool is_free = try == 0 && pass.has_lost_a_link && pass.code == PF_REMOTE;
        bool is_redirected = !pass.has_lost_a_link && !pass.needs_pause;
        if (!is_free && pf_deadline_left_ms(is_redirected ? deadline : retry_until) == 0) return pass.code;
        atomic_fetch_add(&sync->retries, 1);
        if (pass.needs_map) topology_refresh(sync);
        if (pass.needs_pause || (pass.has_lost_a_link && !is_free)) pause_before_retry(try, retry_until);
    }
}
