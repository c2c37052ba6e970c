/* SPDX-License-Identifier: MIT */
#include "sync/topology.h"

#include "base/id.h"

#include <string.h>

enum { REFRESH_EVERY_MS = 100, MAX_ASK_MS = 1000 };

/* --- nodes --- */

static struct node *find_or_add_locked(struct pf_sync *sync, pf_str host, int port) {
    for (size_t i = 0; i < sync->locked.node_count; i++) {
        struct node *node = sync->locked.nodes[i];
        if (node->port == port && node->host && pf_str_equal(pf_str_from_cstr(node->host), host)) return node;
    }
    if (sync->locked.node_count == MAX_NODES) return NULL;
    struct node *node = node_new(sync, host, port);
    sync->locked.nodes[sync->locked.node_count++] = node;
    return node;
}

static pf_str host_or(pf_str host, const struct node *from) {
    return host.len ? host : pf_str_from_cstr(from->host);
}

struct node *topology_learn(struct pf_sync *sync, const struct node *from, struct slot_address address, int slot) {
    pthread_mutex_lock(&sync->locked.mutex);
    struct node *node = find_or_add_locked(sync, host_or(address.host, from), address.port);
    if (node && slot != NO_SLOT) sync->locked.owners[slot] = node;
    pthread_mutex_unlock(&sync->locked.mutex);
    return node;
}

struct node *topology_find(struct pf_sync *sync, int slot) {
    if (!sync->is_cluster) return sync->home;
    pthread_mutex_lock(&sync->locked.mutex);
    struct node *node = NULL;
    for (int i = 0; slot == NO_SLOT && !node && i < SLOT_COUNT; i++) node = sync->locked.owners[i];
    if (slot != NO_SLOT) node = sync->locked.owners[slot];
    pthread_mutex_unlock(&sync->locked.mutex);
    return node;
}

/* --- the map --- */

static void install_locked(struct pf_sync *sync, const struct slot_map *map, const struct node *from) {
    memset(sync->locked.owners, 0, sizeof sync->locked.owners);
    for (size_t i = 0; i < map->range_count; i++) {
        const struct slot_range *range = &map->ranges[i];
        struct node *node = find_or_add_locked(sync, host_or(range->master.host, from), range->master.port);
        for (int slot = range->first; slot <= range->last; slot++) sync->locked.owners[slot] = node;
    }
    /* So that they can be asked when all masters are gone. */
    for (size_t i = 0; i < map->replica_count; i++) {
        (void)find_or_add_locked(sync, host_or(map->replicas[i].host, from), map->replicas[i].port);
    }
}

static enum pf_code ask_for_map(struct pf_sync *sync, struct node *node, bool *out_is_cluster, struct pf_error *err) {
    valkeyReply *reply = NULL;
    int64_t limit_ms = sync->command_ms < MAX_ASK_MS ? sync->command_ms : MAX_ASK_MS;
    PF_TRY(node_ask(node, (const pf_str[]){PF_STR("CLUSTER"), PF_STR("SLOTS")}, 2, limit_ms, &reply, err));
    struct pf_arena *arena = pf_arena_new(NULL, "slot map");
    struct slot_map map;
    pf_str text = reply_text(reply);
    enum pf_code code = PF_OK;
    *out_is_cluster = reply->type != VALKEY_REPLY_ERROR;
    bool has_no_cluster = pf_str_find(text, PF_STR("cluster support disabled"), 0) != SIZE_MAX ||
                          pf_str_starts_with(text, PF_STR("ERR unknown"));
    if (reply->type == VALKEY_REPLY_ERROR && !has_no_cluster) {
        code = reply_fail(text, node->label, "CLUSTER SLOTS", err);
    } else if (*out_is_cluster) {
        code = slot_map_read(reply, sync->tls != NULL, arena, &map, err);
    }
    if (code == PF_OK && *out_is_cluster) {
        pthread_mutex_lock(&sync->locked.mutex);
        install_locked(sync, &map, node);
        pthread_mutex_unlock(&sync->locked.mutex);
    }
    freeReplyObject(reply);
    pf_arena_free(arena);
    return code;
}

void topology_refresh(struct pf_sync *sync) {
    if (!sync->is_cluster) return;
    struct node *nodes[MAX_NODES + 1];
    pthread_mutex_lock(&sync->locked.mutex);
    bool is_due = !sync->locked.is_refreshing && pf_clock_mono_ms() - sync->locked.refreshed_ms >= REFRESH_EVERY_MS;
    size_t count = is_due ? sync->locked.node_count : 0;
    memcpy(nodes, sync->locked.nodes, count * sizeof *nodes);
    if (is_due) sync->locked.is_refreshing = true;
    pthread_mutex_unlock(&sync->locked.mutex);
    if (!is_due) return;
    /* From a random one on, so that one with an old map is not asked by everybody for ever. Last what the URL names:
     * by then its name may lead somewhere else. */
    size_t first = count ? (size_t)pf_id_random_i63() % count : 0;
    enum pf_code code = PF_REMOTE;
    bool is_cluster;
    for (size_t i = 0; i < count && code != PF_OK; i++) {
        code = ask_for_map(sync, nodes[(first + i) % count], &is_cluster, NULL);
    }
    if (code != PF_OK) code = ask_for_map(sync, sync->home, &is_cluster, NULL);
    pthread_mutex_lock(&sync->locked.mutex);
    sync->locked.is_refreshing = false;
    sync->locked.refreshed_ms = pf_clock_mono_ms();
    pthread_mutex_unlock(&sync->locked.mutex);
}

/* --- open and close --- */

enum pf_code topology_open(struct pf_sync *sync, struct pf_error *err) {
    bool is_cluster = false;
    sync->home = node_new(sync, pf_str_from_cstr(sync->url.host), sync->url.port);
    sync->home->label = sync->url.label;
    PF_TRY(ask_for_map(sync, sync->home, &is_cluster, err));
    sync->is_cluster = is_cluster;
    if (is_cluster && sync->url.database != 0) {
        PF_FAIL(err, PF_INVALID, "%.*s is a cluster: it has no database %d, only 0", PF_STR_ARG(sync->url.label),
                sync->url.database);
    }
    return PF_OK;
}

void topology_close(struct pf_sync *sync) {
    for (size_t i = 0; i < sync->locked.node_count; i++) node_free(sync->locked.nodes[i]);
    node_free(sync->home);
}
