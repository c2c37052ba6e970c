/* SPDX-License-Identifier: MIT */
/* Small whole files: configuration, schemas, test inputs. Objects of the lake go through store/. */
#ifndef PF_BASE_FILE_H
#define PF_BASE_FILE_H

#include "base/arena.h"

/* PF_TOO_LARGE over `max_bytes`. */
enum pf_code pf_file_read(const char *path, size_t max_bytes, struct pf_arena *arena, pf_str *out_bytes,
                          struct pf_error *err) PF_MUST_CHECK;
/* A whole file as bytes, for as long as it is mapped; an empty one is PF_STR_EMPTY. */
struct pf_mapped_file {
    pf_str bytes;
};
enum pf_code pf_file_map(const char *path, struct pf_mapped_file *out_file, struct pf_error *err) PF_MUST_CHECK;
void pf_file_unmap(struct pf_mapped_file *file);
/* Over a temporary file and a rename; not synced to disk. */
enum pf_code pf_file_write(const char *path, pf_str bytes, struct pf_error *err) PF_MUST_CHECK;
/* Like mkdir -p. */
enum pf_code pf_file_make_directories(const char *path, struct pf_error *err) PF_MUST_CHECK;
/* Like rm -rf; does not follow links. A path that isn't there is fine. */
enum pf_code pf_file_remove_tree(const char *path, struct pf_error *err) PF_MUST_CHECK;

#endif
