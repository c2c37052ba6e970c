/* SPDX-License-Identifier: MIT */
/* Objects of the exchange that were left behind: by workers that were killed between an object and its publication, and
 * by coordinators that died. */
#include "query/store_slices_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

enum { MAX_BOOT_ID = 256 };
static const int64_t FOREIGN_AGE_MS = 24 * 3600 * 1000;

/* ---- groups of one process: own-<where>-<pid>-<random> ---- */

/* Equal for processes that see each other's ids: the same run of the same kernel, the same namespace. */
static uint32_t where_are_we(void) {
    char place[PATH_MAX], boot[MAX_BOOT_ID] = "";
    ssize_t length = readlink("/proc/self/ns/pid", place, sizeof place);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    size_t boot_length = file ? fread(boot, 1, sizeof boot, file) : 0;
    if (file) fclose(file);
    XXH64_hash_t hash = XXH64(boot, boot_length, 0);
    return (uint32_t)XXH64(place, length > 0 ? (size_t)length : 0, hash);
}

pf_str store_slices_own_group(struct pf_arena *arena) {
    uint32_t random;
    pf_random_bytes(&random, sizeof random);
    return pf_arena_printf(arena, "own-%08x-%d-%08x", where_are_we(), (int)getpid(), random);
}

static bool is_of_dead_process(pf_str group) {
    unsigned where, random;
    int pid;
    char text[64];
    if (group.len >= sizeof text) return false;
    snprintf(text, sizeof text, "%.*s", PF_STR_ARG(group));
    if (sscanf(text, "own-%8x-%d-%8x", &where, &pid, &random) != 3 || pid <= 0) return false;
    return where == where_are_we() && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* ---- sweeping ---- */

struct sweeping {
    struct store_slices *slices;
    const struct store_slices_sweep *sweep;
    struct pf_store *store;
    struct pf_arena *arena;
    int64_t count;
};

/* Objects below `prefix` that are older. */
static enum pf_code remove_old(struct sweeping *sweeping, pf_str prefix, int64_t older_than_ms, struct pf_error *err) {
    struct pf_store_list_options options = {.prefix = prefix};
    int64_t before_ms = pf_clock_wall_ms() - older_than_ms;
    do {
        struct pf_store_page page;
        size_t count = 0;
        PF_TRY(pf_store_list(sweeping->store, &options, sweeping->arena, &page, err));
        pf_str *keys = PF_ARENA_ARRAY(sweeping->arena, pf_str, page.object_count);
        for (size_t i = 0; i < page.object_count; i++) {
            if (page.objects[i].modified_ms <= before_ms) keys[count++] = page.objects[i].key;
        }
        if (count) PF_TRY(pf_store_delete_many(sweeping->store, keys, count, err));
        sweeping->count += (int64_t)count;
        options.after = page.next_after;
    } while (options.after.len);
    return PF_OK;
}

/* Calls `visit` with each folder below `prefix`, which ends with a slash. */
static enum pf_code each_folder(struct sweeping *sweeping, pf_str prefix,
                                enum pf_code (*visit)(struct sweeping *, pf_str folder, pf_str name, struct pf_error *),
                                struct pf_error *err) {
    struct pf_store_list_options options = {.prefix = prefix, .is_flat = true};
    do {
        struct pf_store_page page;
        PF_TRY(pf_store_list(sweeping->store, &options, sweeping->arena, &page, err));
        for (size_t i = 0; i < page.prefix_count; i++) {
            pf_str folder = page.prefixes[i];
            PF_TRY(visit(sweeping, folder, pf_str_slice(folder, prefix.len, folder.len - 1), err));
        }
        options.after = page.next_after;
    } while (options.after.len);
    return PF_OK;
}

static enum pf_code sweep_query(struct sweeping *sweeping, pf_str folder, pf_str query_id, struct pf_error *err) {
    const struct store_slices_sweep *sweep = sweeping->sweep;
    if (!sweep->is_over(sweep->context, query_id)) return PF_OK;
    return remove_old(sweeping, folder, sweep->older_than_ms, err);
}

static enum pf_code sweep_group(struct sweeping *sweeping, pf_str folder, pf_str group, struct pf_error *err) {
    if (pf_str_equal(group, sweeping->slices->group)) return each_folder(sweeping, folder, sweep_query, err);
    return remove_old(sweeping, folder, is_of_dead_process(group) ? 0 : FOREIGN_AGE_MS, err);
}

enum pf_code store_slices_sweep(struct store_slices *slices, const struct store_slices_sweep *sweep, int64_t *out_count,
                                struct pf_error *err) {
    struct sweeping sweeping = {.slices = slices, .sweep = sweep, .arena = pf_arena_new(NULL, "sweep slices")};
    enum pf_code code = PF_OK;
    for (size_t place = 0; place < slices->store_count; place++) {
        sweeping.store = slices->stores[place];
        for (int digit = 0; digit < SLICES_DIGITS && code == PF_OK; digit++) {
            pf_str prefix = pf_arena_printf(sweeping.arena, SLICES_ROOT "/%x/", (unsigned)digit);
            code = each_folder(&sweeping, prefix, sweep_group, err);
        }
    }
    *out_count = sweeping.count;
    pf_arena_free(sweeping.arena);
    return code;
}
