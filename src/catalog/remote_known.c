/* SPDX-License-Identifier: MIT */
#include "catalog/remote.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_KNOWN = 512 };

struct seen {
    char *text; /* malloc: name, etag, location, each with a zero behind it; NULL: empty */
    size_t name_bytes, etag_bytes;
    int64_t used; /* turn of the last use */
};

struct remote_known {
    pthread_mutex_t mutex;
    struct seen seen[MAX_KNOWN];
    int64_t turn;
};

struct remote_known *remote_known_new(void) {
    struct remote_known *known = calloc(1, sizeof *known);
    if (!known) abort();
    pthread_mutex_init(&known->mutex, NULL);
    return known;
}

struct remote_known *remote_known_free(struct remote_known *known) {
    if (!known) return NULL;
    for (size_t i = 0; i < MAX_KNOWN; i++) free(known->seen[i].text);
    pthread_mutex_destroy(&known->mutex);
    free(known);
    return NULL;
}

static struct seen *find_locked(struct remote_known *known, pf_str name) {
    for (size_t i = 0; i < MAX_KNOWN; i++) {
        struct seen *seen = &known->seen[i];
        if (seen->text && pf_str_equal(pf_str_from(seen->text, seen->name_bytes), name)) return seen;
    }
    return NULL;
}

static struct seen *oldest_locked(struct remote_known *known) {
    struct seen *oldest = &known->seen[0];
    for (size_t i = 1; i < MAX_KNOWN; i++)
        if (known->seen[i].used < oldest->used) oldest = &known->seen[i];
    return oldest;
}

void remote_known_put(struct remote_known *known, pf_str name, pf_str etag, pf_str metadata_location) {
    size_t size = name.len + etag.len + metadata_location.len + 3;
    char *text = calloc(1, size);
    if (!text) return; /* it is asked for again */
    memcpy(text, name.ptr, name.len);
    memcpy(text + name.len + 1, etag.ptr, etag.len);
    memcpy(text + name.len + etag.len + 2, metadata_location.ptr, metadata_location.len);
    pthread_mutex_lock(&known->mutex);
    struct seen *seen = find_locked(known, name);
    if (!seen) seen = oldest_locked(known);
    free(seen->text);
    *seen = (struct seen){text, name.len, etag.len, ++known->turn};
    pthread_mutex_unlock(&known->mutex);
}

bool remote_known_get(struct remote_known *known, pf_str name, struct pf_arena *arena, pf_str *out_etag,
                      pf_str *out_metadata_location) {
    pthread_mutex_lock(&known->mutex);
    struct seen *seen = find_locked(known, name);
    if (seen) {
        const char *etag = seen->text + seen->name_bytes + 1;
        seen->used = ++known->turn;
        *out_etag = pf_arena_str(arena, pf_str_from(etag, seen->etag_bytes));
        *out_metadata_location = pf_arena_str(arena, pf_str_from_cstr(etag + seen->etag_bytes + 1));
    }
    pthread_mutex_unlock(&known->mutex);
    return seen != NULL;
}
