/* SPDX-License-Identifier: MIT */
/* Listing, and deleting what was listed: a thousand keys a request. */
#include "store/store_s3.h"

#include <string.h>

enum { MAX_DELETE_XML_BYTES = 4 << 20 };

/* Behind everything that starts with a folded prefix: the last character of Unicode. */
#define LAST_CHARACTER "\xf4\x8f\xbf\xbf"

struct listing {
    struct s3_store *s3;
    const struct pf_store_list_options *options;
    struct pf_arena *arena, *scratch;
    struct pf_store_page page;
    size_t object_capacity, prefix_capacity, limit;
    pf_str token;
    bool is_cut;
};

static size_t found(const struct listing *listing) {
    return listing->page.object_count + listing->page.prefix_count;
}

static struct s3_request list_request(const struct listing *listing) {
    const struct pf_store_list_options *options = listing->options;
    struct pf_arena *scratch = listing->scratch;
    pf_str root = listing->s3->prefix, after = options->after;
    struct s3_request request = {.method = "GET", .is_bucket = true};
    size_t wanted = listing->limit - found(listing);
    s3_add_query(&request, "list-type", PF_STR("2"));
    s3_add_query(&request, "prefix",
                 pf_arena_printf(scratch, "%.*s%.*s", PF_STR_ARG(root), PF_STR_ARG(options->prefix)));
    s3_add_query(&request, "max-keys", pf_arena_printf(scratch, "%zu", wanted < S3_MAX_PAGE ? wanted : S3_MAX_PAGE));
    if (options->is_flat) s3_add_query(&request, "delimiter", PF_STR("/"));
    if (listing->token.len) {
        s3_add_query(&request, "continuation-token", listing->token);
    } else if (after.len) {
        bool is_folded = options->is_flat && pf_str_ends_with(after, PF_STR("/"));
        s3_add_query(&request, "start-after",
                     pf_arena_printf(scratch, "%.*s%.*s%s", PF_STR_ARG(root), PF_STR_ARG(after),
                                     is_folded ? LAST_CHARACTER : ""));
    }
    return request;
}

/* What lies under the store's root; keys that no store may have are passed over (such as "folder/" of consoles). */
static bool take_key(const struct listing *listing, pf_str full, pf_str *out_key) {
    if (!pf_str_starts_with(full, listing->s3->prefix)) return false;
    *out_key = pf_str_slice(full, listing->s3->prefix.len, full.len);
    return pf_store_check_key(*out_key, NULL) == PF_OK;
}

static void take_objects(struct listing *listing, pf_str xml) {
    pf_str contents;
    for (size_t at = 0; pf_xml_find(xml, "Contents", &at, &contents);) {
        struct pf_store_object object = {0};
        if (!take_key(listing, pf_xml_text(contents, "Key", listing->arena), &object.key)) continue;
        if (!pf_str_to_i64(pf_xml_text(contents, "Size", listing->scratch), &object.size_bytes)) continue;
        if (!pf_aws_time_from(pf_xml_text(contents, "LastModified", listing->scratch), &object.modified_ms)) {
            object.modified_ms = 0;
        }
        PF_ARENA_PUSH(listing->arena, listing->page.objects, listing->page.object_count, listing->object_capacity) =
            object;
    }
}

static void take_prefixes(struct listing *listing, pf_str xml) {
    pf_str common, key;
    for (size_t at = 0; pf_xml_find(xml, "CommonPrefixes", &at, &common);) {
        pf_str prefix = pf_xml_text(common, "Prefix", listing->arena);
        bool is_folder = prefix.len && prefix.ptr[prefix.len - 1] == '/';
        if (!is_folder || !take_key(listing, pf_str_slice(prefix, 0, prefix.len - 1), &key)) continue;
        key.len++;
        if (pf_str_equal(key, listing->options->after)) continue;
        PF_ARENA_PUSH(listing->arena, listing->page.prefixes, listing->page.prefix_count, listing->prefix_capacity) =
            key;
    }
}

static enum pf_code list_once(struct listing *listing, struct pf_error *err) {
    struct s3_request request = list_request(listing);
    PF_TRY(s3_run(listing->s3, &request, 1, NULL, listing->scratch, NULL, err));
    pf_str xml = request.reply.body, inner;
    if (!pf_xml_find(xml, "ListBucketResult", NULL, &inner)) {
        PF_FAIL(err, PF_REMOTE, "the answer is no list of objects: is this an S3 endpoint?");
    }
    take_objects(listing, xml);
    take_prefixes(listing, xml);
    listing->is_cut = pf_str_equal(pf_xml_text(xml, "IsTruncated", listing->scratch), PF_STR("true"));
    listing->token = pf_xml_text(xml, "NextContinuationToken", listing->scratch);
    if (listing->is_cut && !listing->token.len) PF_FAIL(err, PF_REMOTE, "a page of the list has no continuation");
    return PF_OK;
}

enum pf_code s3_list(struct pf_store *store, const struct pf_store_list_options *options, struct pf_arena *arena,
                     struct pf_store_page *out_page, struct pf_error *err) {
    struct listing listing = {.s3 = s3_of(store), .options = options, .arena = arena};
    listing.limit = options->limit ? options->limit : S3_MAX_PAGE;
    listing.scratch = pf_arena_new(NULL, "s3 list");
    enum pf_code code = PF_OK;
    do code = list_once(&listing, err);
    while (code == PF_OK && listing.is_cut && found(&listing) < listing.limit);
    pf_arena_free(listing.scratch);
    if (code != PF_OK) return code;
    struct pf_store_page *page = &listing.page;
    if (listing.is_cut) {
        pf_str last_object = page->object_count ? page->objects[page->object_count - 1].key : PF_STR_EMPTY;
        pf_str last_prefix = page->prefix_count ? page->prefixes[page->prefix_count - 1] : PF_STR_EMPTY;
        page->next_after = pf_str_compare(last_object, last_prefix) > 0 ? last_object : last_prefix;
    }
    *out_page = *page;
    return PF_OK;
}

/* ---- deleting many ---- */

static enum pf_code delete_keys(struct s3_store *s3, const pf_str *keys, size_t count, struct pf_arena *arena,
                                struct pf_error *err) {
    struct pf_buf xml;
    pf_buf_init(&xml, MAX_DELETE_XML_BYTES);
    pf_buf_put_cstr(&xml, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for (size_t i = 0; i < count; i++) {
        pf_buf_put_cstr(&xml, "<Object><Key>");
        pf_xml_put_text(&xml, s3->prefix);
        pf_xml_put_text(&xml, keys[i]);
        pf_buf_put_cstr(&xml, "</Key></Object>");
    }
    pf_buf_put_cstr(&xml, "</Delete>");
    struct s3_request request = {.method = "POST", .is_bucket = true};
    request.body = pf_arena_str(arena, pf_buf_view(&xml));
    pf_buf_clear(&xml);
    s3_add_query(&request, "delete", PF_STR_EMPTY);
    s3_add_header(&request, "Content-Type", PF_STR("application/xml"));
    /* One is required here, whatever is sent elsewhere. */
    s3_add_header(&request, "x-amz-checksum-crc32c", checksum_print(PF_S3_CRC32C, request.body, arena));
    PF_TRY(s3_run(s3, &request, 1, NULL, arena, NULL, err));
    pf_str failure;
    if (!pf_xml_find(request.reply.body, "Error", NULL, &failure)) return PF_OK;
    pf_str code = pf_xml_text(failure, "Code", arena);
    PF_FAIL(err, pf_str_equal(code, PF_STR("AccessDenied")) ? PF_DENIED : PF_REMOTE, "'%.*s' is still there: %.*s %.*s",
            PF_STR_ARG(pf_xml_text(failure, "Key", arena)), PF_STR_ARG(code),
            PF_STR_ARG(pf_str_slice(pf_xml_text(failure, "Message", arena), 0, 200)));
}

enum pf_code s3_delete_many(struct pf_store *store, const pf_str *keys, size_t count, struct pf_error *err) {
    enum pf_code code = PF_OK;
    for (size_t at = 0; at < count && code == PF_OK; at += S3_MAX_PAGE) {
        struct pf_arena *scratch = pf_arena_new(NULL, "s3 delete many");
        code = delete_keys(s3_of(store), keys + at, count - at < S3_MAX_PAGE ? count - at : S3_MAX_PAGE, scratch, err);
        pf_arena_free(scratch);
    }
    return code;
}

static enum pf_code delete_page(struct s3_store *s3, const struct pf_store_page *page, struct pf_arena *arena,
                                struct pf_error *err) {
    pf_str *keys = PF_ARENA_ARRAY(arena, pf_str, page->object_count);
    for (size_t i = 0; i < page->object_count; i++) keys[i] = page->objects[i].key;
    return delete_keys(s3, keys, page->object_count, arena, err);
}

enum pf_code s3_delete_prefix(struct pf_store *store, pf_str prefix, int64_t *out_count, struct pf_error *err) {
    int64_t count = 0;
    enum pf_code code = PF_OK;
    for (bool is_more = true; is_more && code == PF_OK;) {
        struct pf_arena *scratch = pf_arena_new(NULL, "s3 delete prefix");
        struct pf_store_list_options options = {.prefix = prefix, .limit = S3_MAX_PAGE};
        struct pf_store_page page = {0};
        code = s3_list(store, &options, scratch, &page, err);
        if (code == PF_OK && page.object_count) code = delete_page(s3_of(store), &page, scratch, err);
        if (code == PF_OK) count += (int64_t)page.object_count;
        is_more = page.next_after.len > 0;
        pf_arena_free(scratch);
    }
    if (out_count) *out_count = count;
    return code;
}
