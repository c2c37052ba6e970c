/* SPDX-License-Identifier: MIT */
/* The policy: an object of the exchange goes through Redis if that is cheaper.
 *
 * Where the other medium is a store, cheap means dollars (src/model/prices.c): an object of n slices costs one PUT and n
 * GETs there, and in Redis its bytes, once in and once out. With the list prices a slice may have 87 KB for its GET,
 * and an object 1,087 KB for its PUT. That is fast, too: Redis answers in a fraction of what S3 takes to its first byte.
 * Where it is a folder on the same host nothing costs dollars, and a file is there as soon as a string; only making,
 * opening and mapping one is dearer than a round trip, which pays up to some tens of KB. */
#include "query/exchange_media.h"

#include "query/small_slices.h"
#include "query/store_slices.h"
#include "sync/sync.h"

enum { MAX_URLS = 16, LOCAL_SMALL_BYTES = 64 << 10 };

/* ---- options ---- */

enum pf_code exchange_media_read(pf_str text, pf_str store_url, struct pf_arena *arena,
                                 struct exchange_media *out_media, struct pf_error *err) {
    pf_str url;
    *out_media = (struct exchange_media){.urls = PF_ARENA_ARRAY(arena, pf_str, MAX_URLS)};
    /* auto: all workers are on this host. */
    if (!text.len || pf_str_equal(text, PF_STR("auto")) || pf_str_equal(text, PF_STR("folder"))) return PF_OK;
    if (pf_str_equal(text, PF_STR("store"))) text = store_url;
    while (text.len && pf_str_next(&text, ',', &url)) {
        url = pf_str_trim(url);
        bool is_good = pf_str_starts_with(url, PF_STR("s3://")) || pf_str_starts_with(url, PF_STR("file:///"));
        if (!is_good) {
            PF_FAIL(err, PF_INVALID, "exchange URL '%.*s': give auto, folder, store, or s3://bucket/prefix",
                    PF_STR_ARG(url));
        }
        if (out_media->url_count == MAX_URLS) PF_FAIL(err, PF_INVALID, "more than %d exchange URLs", MAX_URLS);
        out_media->urls[out_media->url_count++] = pf_arena_str(arena, url);
    }
    return PF_OK;
}

void exchange_media_to_json(const struct exchange_media *media, struct pf_json_out *out) {
    pf_json_open_object(out);
    pf_json_field_str(out, "path", media->path);
    pf_json_key(out, "urls");
    pf_json_open_array(out);
    for (size_t i = 0; i < media->url_count; i++) pf_json_put_str(out, media->urls[i]);
    pf_json_close_array(out);
    pf_json_field_str(out, "group", media->group);
    pf_json_field_i64(out, "redis", media->redis);
    pf_json_close_object(out);
}

enum pf_code exchange_media_from_json(pf_json *json, struct pf_arena *arena, struct exchange_media *out_media,
                                      struct pf_error *err) {
    int64_t redis = pf_json_get_i64(json, "redis", PF_EXCHANGE_REDIS_AUTO);
    pf_json *urls = pf_json_get(json, "urls");
    pf_str path;
    PF_TRY(pf_json_need_str(json, "path", "worker event", &path, err));
    struct exchange_media media = {
        .path = pf_arena_str(arena, path),
        .urls = PF_ARENA_ARRAY(arena, pf_str, pf_json_count(urls)),
        .group = pf_arena_str(arena, pf_json_get_str(json, "group", PF_STR_EMPTY)),
        .redis = redis >= 0 && redis <= PF_EXCHANGE_REDIS_ALL ? (enum pf_exchange_redis)redis : PF_EXCHANGE_REDIS_AUTO,
    };
    for (struct pf_json_each each = pf_json_each(urls); pf_json_next(&each);) {
        media.urls[media.url_count++] = pf_arena_str(arena, pf_json_as_str(each.value, PF_STR_EMPTY));
    }
    *out_media = media;
    return PF_OK;
}

void exchange_media_options(const struct exchange_media *media, struct small_slices *small, struct store_slices *store,
                            struct pf_exchange_options *out_options) {
    pf_exchange_default_options(out_options);
    out_options->small_max_bytes = PF_SYNC_MAX_SMALL_BYTES;
    out_options->small = small_slices_io(small);
    if (media->redis == PF_EXCHANGE_REDIS_NONE) out_options->small.put = NULL;
    out_options->small_only = media->redis == PF_EXCHANGE_REDIS_ALL;
    if (!media->url_count) {
        out_options->directory = media->path;
        out_options->small_object_bytes = LOCAL_SMALL_BYTES;
        return;
    }
    out_options->scratch_directory = media->path;
    out_options->store = store_slices_io(store);
    out_options->small_object_bytes = pf_price_worth_bytes(PF_PRICE_S3_PUT);
    out_options->small_slice_bytes = pf_price_worth_bytes(PF_PRICE_S3_GET);
    out_options->codec = PF_CODEC_ZSTD;
}

/* ---- use ---- */

_Static_assert(PF_MEDIUM_COUNT * sizeof(struct pf_medium_use) == sizeof(struct pf_exchange_use), "one for each medium");

void exchange_use_add_output(struct pf_exchange_use *use, const struct pf_exchange_output *output) {
    for (size_t i = 0; i < output->object_count; i++) {
        struct pf_medium_use *medium = &use->media[output->objects[i].medium];
        medium->objects++;
        medium->written_bytes += output->objects[i].size_bytes;
    }
}

void exchange_use_add_reads(struct pf_exchange_use *use, const struct pf_exchange_reads *reads) {
    for (int i = 0; i < PF_MEDIUM_COUNT; i++) {
        use->media[i].reads += reads->ranges[i];
        use->media[i].read_bytes += reads->bytes[i];
    }
}

void exchange_use_add(struct pf_exchange_use *sum, const struct pf_exchange_use *more) {
    for (int i = 0; i < PF_MEDIUM_COUNT; i++) {
        sum->media[i].objects += more->media[i].objects;
        sum->media[i].written_bytes += more->media[i].written_bytes;
        sum->media[i].reads += more->media[i].reads;
        sum->media[i].read_bytes += more->media[i].read_bytes;
    }
}

double pf_exchange_use_dollars(const struct pf_exchange_use *use) {
    const struct pf_medium_use *redis = &use->media[PF_MEDIUM_SMALL], *store = &use->media[PF_MEDIUM_STORE];
    struct pf_usage usage = {
        .puts = (double)store->objects,
        .gets = (double)store->reads,
        .redis_kb = (double)(redis->written_bytes + redis->read_bytes) / 1e3,
    };
    return pf_usage_dollars(&usage);
}
