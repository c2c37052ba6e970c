/* SPDX-License-Identifier: MIT */
#include "query/result_cache.h"

#include "base/buf.h"
#include "base/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { BUCKETS = 8192, ENTRY_OVERHEAD = 64, RESULT_SHARE = 8, STATEMENT_SHARE = 64, DRAFT_SHARE = 4, KEY_PARTS = 3 };

enum entry_kind { ENTRY_RESULT, ENTRY_STATEMENT, ENTRY_STATE };

/* One block of memory with all that it points to, but for the bytes of a result. */
struct entry {
    struct entry *next_in_bucket, *newer, *older;
    uint64_t key_hash;
    enum entry_kind kind;
    pf_str key;
    int64_t size_bytes;
    int references; /* by the mutex, as all above but for kind and key */
    bool is_listed;
};

struct pf_result {
    struct entry entry;
    struct result_cache *cache;
    pf_str hash, bytes;
    int64_t row_count;
};

struct statement_entry {
    struct entry entry;
    struct known_statement known;
};

struct state_entry {
    struct entry entry;
    pf_str path;
    int64_t seen_ms; /* monotonic */
};

struct pf_result_draft {
    struct result_cache *cache;
    char hash[PF_DIGEST_CHARS];
    const char *format;
    struct pf_buf bytes;
    int64_t reserved_bytes; /* of the cache's drafts */
    bool is_given_up;
};

struct result_cache {
    int64_t limit_bytes, stale_ms;
    atomic_llong hits, misses, unkeepable, kept, evicted, too_large;
    struct {
        pthread_mutex_t mutex;
        struct entry *buckets[BUCKETS];
        struct entry *newest, *oldest;
        int64_t size_bytes, draft_bytes, result_count;
    } locked;
};

struct result_cache *result_cache_new(int64_t limit_bytes, int64_t stale_ms) {
    struct result_cache *cache = calloc(1, sizeof *cache);
    if (!cache) abort();
    cache->limit_bytes = limit_bytes;
    cache->stale_ms = stale_ms;
    pthread_mutex_init(&cache->locked.mutex, NULL);
    return cache;
}

/* ---- entries ---- */

/* "kind, parts": the parts have lengths, so that no two lists of parts make one key. */
static pf_str make_key(struct pf_buf *buf, enum entry_kind kind, const pf_str *parts, size_t count) {
    pf_buf_put_char(buf, (char)kind);
    for (size_t i = 0; i < count; i++) {
        pf_buf_put(buf, &parts[i].len, sizeof parts[i].len);
        pf_buf_put_str(buf, parts[i]);
    }
    return pf_buf_view(buf);
}

static uint64_t hash_of(pf_str key) {
    return XXH3_64bits(key.ptr, key.len);
}

/* With room for `more_bytes` behind the key; the caller fills them. */
static void *new_entry(size_t struct_bytes, pf_str key, enum entry_kind kind, size_t more_bytes, char **out_more) {
    char *memory = calloc(1, struct_bytes + key.len + more_bytes);
    if (!memory) return NULL;
    struct entry *entry = (struct entry *)(void *)memory;
    memcpy(memory + struct_bytes, key.ptr, key.len);
    entry->key = pf_str_from(memory + struct_bytes, key.len);
    entry->key_hash = hash_of(key);
    entry->kind = kind;
    entry->size_bytes = (int64_t)(struct_bytes + key.len + more_bytes + ENTRY_OVERHEAD);
    *out_more = memory + struct_bytes + key.len;
    return memory;
}

static void free_entry(struct entry *entry) {
    if (entry->kind == ENTRY_RESULT) free((void *)(uintptr_t)((struct pf_result *)(void *)entry)->bytes.ptr);
    free(entry);
}

static struct entry *find_locked(struct result_cache *cache, pf_str key, uint64_t hash) {
    struct entry *entry = cache->locked.buckets[hash % BUCKETS];
    while (entry && !(entry->key_hash == hash && pf_str_equal(entry->key, key))) entry = entry->next_in_bucket;
    return entry;
}

static void unlink_use_locked(struct result_cache *cache, struct entry *entry) {
    *(entry->newer ? &entry->newer->older : &cache->locked.newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->locked.oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void use_locked(struct result_cache *cache, struct entry *entry) {
    entry->older = cache->locked.newest;
    if (entry->older) entry->older->newer = entry;
    cache->locked.newest = entry;
    if (!cache->locked.oldest) cache->locked.oldest = entry;
}

/* Out of the cache; one that is nobody's any more goes onto the list `unused`. */
static void unlist_locked(struct result_cache *cache, struct entry *entry, struct entry **unused) {
    struct entry **link = &cache->locked.buckets[entry->key_hash % BUCKETS];
    while (*link != entry) link = &(*link)->next_in_bucket;
    *link = entry->next_in_bucket;
    unlink_use_locked(cache, entry);
    entry->is_listed = false;
    cache->locked.size_bytes -= entry->size_bytes;
    cache->locked.result_count -= entry->kind == ENTRY_RESULT;
    if (entry->references) return;
    entry->next_in_bucket = *unused;
    *unused = entry;
}

static void free_entries(struct entry *entries) {
    while (entries) {
        struct entry *entry = entries;
        entries = entry->next_in_bucket;
        free_entry(entry);
    }
}

static struct entry *acquire(struct result_cache *cache, enum entry_kind kind, const pf_str *parts, size_t count) {
    struct pf_buf buf;
    pf_buf_init(&buf, SIZE_MAX / 2);
    pf_str key = make_key(&buf, kind, parts, count);
    uint64_t hash = hash_of(key);
    pthread_mutex_lock(&cache->locked.mutex);
    struct entry *entry = find_locked(cache, key, hash);
    if (entry) {
        entry->references++;
        unlink_use_locked(cache, entry);
        use_locked(cache, entry);
    }
    pthread_mutex_unlock(&cache->locked.mutex);
    pf_buf_clear(&buf);
    return entry;
}

static void release(struct result_cache *cache, struct entry *entry) {
    pthread_mutex_lock(&cache->locked.mutex);
    assert(entry->references > 0);
    bool is_unused = --entry->references == 0 && !entry->is_listed;
    pthread_mutex_unlock(&cache->locked.mutex);
    if (is_unused) free_entry(entry);
}

/* In the place of one with the same key. */
static void add(struct result_cache *cache, struct entry *entry) {
    struct entry *unused = NULL;
    pthread_mutex_lock(&cache->locked.mutex);
    struct entry *before = find_locked(cache, entry->key, entry->key_hash);
    if (before) unlist_locked(cache, before, &unused);
    struct entry **bucket = &cache->locked.buckets[entry->key_hash % BUCKETS];
    entry->next_in_bucket = *bucket;
    *bucket = entry;
    entry->is_listed = true;
    use_locked(cache, entry);
    cache->locked.size_bytes += entry->size_bytes;
    cache->locked.result_count += entry->kind == ENTRY_RESULT;
    while (cache->locked.size_bytes > cache->limit_bytes && cache->locked.oldest != entry) {
        if (cache->locked.oldest->kind == ENTRY_RESULT) atomic_fetch_add(&cache->evicted, 1);
        unlist_locked(cache, cache->locked.oldest, &unused);
    }
    pthread_mutex_unlock(&cache->locked.mutex);
    free_entries(unused);
}

struct result_cache *result_cache_free(struct result_cache *cache) {
    if (!cache) return NULL;
    struct entry *unused = NULL;
    pthread_mutex_lock(&cache->locked.mutex);
    while (cache->locked.oldest) {
        assert(cache->locked.oldest->references == 0);
        unlist_locked(cache, cache->locked.oldest, &unused);
    }
    pthread_mutex_unlock(&cache->locked.mutex);
    free_entries(unused);
    pthread_mutex_destroy(&cache->locked.mutex);
    free(cache);
    return NULL;
}

/* ---- statements ---- */

static void statement_parts(pf_str text, enum pf_route route, pf_str parts[KEY_PARTS]) {
    parts[0] = pf_str_from_cstr(pf_route_name(route));
    parts[1] = text;
}

const struct known_statement *result_cache_find_statement(struct result_cache *cache, pf_str text,
                                                          enum pf_route route) {
    pf_str parts[KEY_PARTS];
    statement_parts(text, route, parts);
    struct statement_entry *found = (void *)acquire(cache, ENTRY_STATEMENT, parts, 2);
    return found ? &found->known : NULL;
}

void result_cache_release_statement(struct result_cache *cache, const struct known_statement *statement) {
    char *known = (char *)(uintptr_t)statement;
    release(cache, (struct entry *)(void *)(known - offsetof(struct statement_entry, known)));
}

static pf_str copy_text(char **memory, pf_str text) {
    char *to = *memory;
    if (text.len) memcpy(to, text.ptr, text.len);
    *memory += text.len;
    return pf_str_from(to, text.len);
}

void result_cache_note_statement(struct result_cache *cache, pf_str text, enum pf_route route,
                                 const struct known_statement *statement) {
    struct pf_buf buf;
    pf_str parts[KEY_PARTS];
    size_t count = statement->table_count, text_bytes = statement->fingerprint.len;
    statement_parts(text, route, parts);
    for (size_t i = 0; i < count; i++) text_bytes += statement->tables[i].space.len + statement->tables[i].name.len;
    pf_buf_init(&buf, SIZE_MAX / 2);
    pf_str key = make_key(&buf, ENTRY_STATEMENT, parts, 2);
    key.len = key.len <= (size_t)(cache->limit_bytes / STATEMENT_SHARE) ? key.len : 0;
    /* The key comes before the tables: they must lie where pointers may. */
    size_t tables_bytes = (count + 1) * sizeof(struct pf_table_id);
    char *more;
    struct statement_entry *entry =
        key.len ? new_entry(sizeof *entry, key, ENTRY_STATEMENT, tables_bytes + text_bytes, &more) : NULL;
    pf_buf_clear(&buf);
    if (!entry) return;
    size_t align = sizeof(struct pf_table_id) / 2;
    struct pf_table_id *tables = (void *)(((uintptr_t)more + align - 1) / align * align);
    more = (char *)(tables + count);
    for (size_t i = 0; i < count; i++) {
        tables[i].space = copy_text(&more, statement->tables[i].space);
        tables[i].name = copy_text(&more, statement->tables[i].name);
    }
    entry->known = (struct known_statement){copy_text(&more, statement->fingerprint), tables, count};
    add(cache, &entry->entry);
}

/* ---- states of tables ---- */

bool result_cache_find_state(struct result_cache *cache, struct pf_table_id id, struct pf_arena *arena,
                             pf_str *out_path) {
    if (cache->stale_ms <= 0) return false;
    struct state_entry *found = (void *)acquire(cache, ENTRY_STATE, (pf_str[]){id.space, id.name}, 2);
    if (!found) return false;
    bool is_fresh = pf_clock_mono_ms() - found->seen_ms < cache->stale_ms;
    if (is_fresh) *out_path = pf_arena_str(arena, found->path);
    release(cache, &found->entry);
    return is_fresh;
}

void result_cache_note_state(struct result_cache *cache, struct pf_table_id id, pf_str path) {
    if (cache->stale_ms <= 0) return;
    struct pf_buf buf;
    char *more;
    pf_buf_init(&buf, SIZE_MAX / 2);
    pf_str key = make_key(&buf, ENTRY_STATE, (pf_str[]){id.space, id.name}, 2);
    struct state_entry *entry = new_entry(sizeof *entry, key, ENTRY_STATE, path.len, &more);
    pf_buf_clear(&buf);
    if (!entry) return;
    entry->path = copy_text(&more, path);
    entry->seen_ms = pf_clock_mono_ms();
    add(cache, &entry->entry);
}

/* ---- results ---- */

struct pf_result *result_cache_find(struct result_cache *cache, pf_str hash, const char *format) {
    return (void *)acquire(cache, ENTRY_RESULT, (pf_str[]){pf_str_from_cstr(format), hash}, 2);
}

void pf_result_get_facts(const struct pf_result *result, struct pf_result_facts *out_facts) {
    *out_facts = (struct pf_result_facts){result->hash, result->bytes, result->row_count};
}

struct pf_result *pf_result_release(struct pf_result *result) {
    if (result) release(result->cache, &result->entry);
    return NULL;
}

struct pf_result_draft *result_cache_draft(struct result_cache *cache, const struct result_draft_options *options) {
    struct pf_result_draft *draft = calloc(1, sizeof *draft);
    if (!draft) return NULL;
    assert(options->hash.len == sizeof draft->hash);
    draft->cache = cache;
    draft->format = options->format;
    memcpy(draft->hash, options->hash.ptr, sizeof draft->hash);
    pf_buf_init(&draft->bytes, (size_t)(cache->limit_bytes / RESULT_SHARE));
    return draft;
}

size_t pf_result_room(const struct pf_result_draft *draft) {
    return draft && !draft->is_given_up ? draft->bytes.max_bytes - draft->bytes.len : 0;
}

static bool reserve_draft(struct pf_result_draft *draft, int64_t more_bytes) {
    struct result_cache *cache = draft->cache;
    pthread_mutex_lock(&cache->locked.mutex);
    bool is_fine = cache->locked.draft_bytes + more_bytes <= cache->limit_bytes / DRAFT_SHARE;
    if (is_fine) cache->locked.draft_bytes += more_bytes;
    pthread_mutex_unlock(&cache->locked.mutex);
    if (is_fine) draft->reserved_bytes += more_bytes;
    return is_fine;
}

static void free_draft(struct pf_result_draft *draft) {
    pthread_mutex_lock(&draft->cache->locked.mutex);
    draft->cache->locked.draft_bytes -= draft->reserved_bytes;
    pthread_mutex_unlock(&draft->cache->locked.mutex);
    pf_buf_clear(&draft->bytes);
    free(draft);
}

void pf_result_add(struct pf_result_draft *draft, pf_str bytes) {
    if (!draft || draft->is_given_up) return;
    bool is_reserved = reserve_draft(draft, (int64_t)bytes.len);
    if (is_reserved) pf_buf_put_str(&draft->bytes, bytes);
    if (is_reserved && !draft->bytes.failed) return;
    draft->is_given_up = true;
    atomic_fetch_add(&draft->cache->too_large, 1);
    pf_buf_clear(&draft->bytes);
}

struct pf_result_draft *pf_result_abandon(struct pf_result_draft *draft) {
    if (draft) free_draft(draft);
    return NULL;
}

struct pf_result *pf_result_keep(struct pf_result_draft *draft, int64_t row_count) {
    struct pf_result *result = NULL;
    struct pf_buf buf;
    char *more, *bytes = NULL;
    if (!draft) return NULL;
    struct result_cache *cache = draft->cache;
    pf_str hash = pf_str_from(draft->hash, sizeof draft->hash);
    pf_buf_init(&buf, SIZE_MAX / 2);
    pf_str key = make_key(&buf, ENTRY_RESULT, (pf_str[]){pf_str_from_cstr(draft->format), hash}, 2);
    if (!draft->is_given_up) result = new_entry(sizeof *result, key, ENTRY_RESULT, hash.len, &more);
    if (result) bytes = realloc(draft->bytes.ptr, draft->bytes.len ? draft->bytes.len : 1);
    pf_buf_clear(&buf);
    if (bytes) {
        result->cache = cache;
        result->hash = copy_text(&more, hash);
        result->bytes = pf_str_from(bytes, draft->bytes.len);
        result->row_count = row_count;
        result->entry.size_bytes += (int64_t)draft->bytes.len;
        result->entry.references = 1;
        pf_buf_init(&draft->bytes, 0); /* its memory is the result's */
        atomic_fetch_add(&cache->kept, 1);
        add(cache, &result->entry);
    } else {
        free(result);
        result = NULL;
    }
    free_draft(draft);
    return result;
}

/* ---- counters ---- */

void result_cache_count(struct result_cache *cache, enum result_event event) {
    atomic_llong *const counters[] = {
        [RESULT_HIT] = &cache->hits, [RESULT_MISS] = &cache->misses, [RESULT_UNKEEPABLE] = &cache->unkeepable};
    atomic_fetch_add(counters[event], 1);
}

void result_cache_get_counters(struct result_cache *cache, struct pf_result_counters *out_counters) {
    pthread_mutex_lock(&cache->locked.mutex);
    out_counters->size_bytes = cache->locked.size_bytes;
    out_counters->results = cache->locked.result_count;
    pthread_mutex_unlock(&cache->locked.mutex);
    out_counters->limit_bytes = cache->limit_bytes;
    out_counters->hits = atomic_load(&cache->hits);
    out_counters->misses = atomic_load(&cache->misses);
    out_counters->unkeepable = atomic_load(&cache->unkeepable);
    out_counters->kept = atomic_load(&cache->kept);
    out_counters->evicted = atomic_load(&cache->evicted);
    out_counters->too_large = atomic_load(&cache->too_large);
}
