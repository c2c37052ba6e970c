/* SPDX-License-Identifier: MIT */
/* A directory as a store: shared by the files that read, write and list it.
 *
 *   ROOT/part/part/part              objects
 *   ROOT/.puffindb/tmp/<pid>-<ulid>  objects being written: renamed or linked into place, swept when left behind
 *   ROOT/.puffindb/locks/<00..ff>    flock(2): held while an object of that hash is compared and replaced */
#ifndef PF_STORE_STORE_DIRECTORY_H
#define PF_STORE_STORE_DIRECTORY_H

#include "store/store_internal.h"

enum { DIRECTORY_PATH_BYTES = 4096 };

struct directory_store {
    struct pf_store store;
    pf_str root;  /* absolute, no links in it, no slash at the end */
    pf_str alias; /* the same as the opener wrote it, made absolute */
};

static inline const struct directory_store *directory_of(const struct pf_store *store) {
    return (const struct directory_store *)store;
}

/* ROOT/relative as a C string; PF_INVALID if it is too long. */
enum pf_code directory_path(const struct pf_store *store, pf_str relative, char path[DIRECTORY_PATH_BYTES],
                            struct pf_error *err) PF_MUST_CHECK;
/* An errno as a code and a sentence with the mend. */
enum pf_code directory_fail(struct pf_error *err, int errno_value, const char *doing, const char *path);
/* Hash and length: equal exactly when the bytes are. */
pf_str directory_etag(pf_str bytes, struct pf_arena *arena);
enum pf_code directory_read_whole(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_bytes,
                                  struct pf_error *err) PF_MUST_CHECK;

/* store_directory_write.c */
enum pf_code directory_put(struct pf_store *store, pf_str key, pf_str bytes, bool is_temporary, struct pf_error *err);
enum pf_code directory_put_if(struct pf_store *store, pf_str key, pf_str expected_etag, pf_str bytes,
                              struct pf_arena *arena, pf_str *out_etag, struct pf_error *err);
enum pf_code directory_delete(struct pf_store *store, pf_str key, struct pf_error *err);
enum pf_code directory_delete_if(struct pf_store *store, pf_str key, pf_str expected_etag, struct pf_error *err);
enum pf_code directory_make(struct pf_store *store, pf_str prefix, struct pf_arena *arena, pf_str *out_path,
                            struct pf_error *err);
enum pf_code directory_sync(struct pf_store *store, pf_str key, struct pf_error *err);
enum pf_code directory_sweep(struct pf_store *store, int64_t older_than_ms, int64_t *out_count, struct pf_error *err);
/* Removes the parents of `key` that are empty now, up to the root. */
void directory_prune_parents(struct pf_store *store, pf_str key);

/* store_directory_list.c */
enum pf_code directory_list(struct pf_store *store, const struct pf_store_list_options *options, struct pf_arena *arena,
                            struct pf_store_page *out_page, struct pf_error *err);
enum pf_code directory_delete_prefix(struct pf_store *store, pf_str prefix, int64_t *out_count, struct pf_error *err);

#endif
