/* SPDX-License-Identifier: MIT */
/* Listing a tree in the order of keys.
 *
 * Keys are compared as whole byte strings, and '/' sorts behind '-' and '.', so a folder is ordered as its name with
 * the slash: "a-b", "a.txt", "a/x". Folders without objects are not seen. */
#include "store/store_directory.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFAULT_PAGE = 1000 };

struct entry {
    pf_str key; /* of a folder: with a slash at the end */
    bool is_folder;
    struct stat info;
};

struct walk {
    struct pf_store *store;
    const struct pf_store_list_options *options;
    size_t limit;
    struct pf_arena *arena; /* of the page */
    struct pf_store_page page;
    size_t object_capacity, prefix_capacity;
    pf_str last; /* added last */
    bool is_full;
};

static int compare_entries(const void *a, const void *b) {
    return pf_str_compare(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

/* The entries of the folder `folder` ("" or "a/b/"), sorted; a folder that isn't there has none. */
static enum pf_code read_folder(struct pf_store *store, pf_str folder, struct pf_arena *arena,
                                struct entry **out_entries, size_t *out_count, struct pf_error *err) {
    *out_entries = NULL;
    *out_count = 0;
    char path[DIRECTORY_PATH_BYTES];
    PF_TRY(directory_path(store, folder, path, err));
    DIR *directory = opendir(path);
    if (!directory && (errno == ENOENT || errno == ENOTDIR)) return PF_OK;
    if (!directory) return directory_fail(err, errno, "open", path);
    size_t capacity = 0;
    for (struct dirent *found; (found = readdir(directory));) {
        pf_str name = pf_str_from_cstr(found->d_name);
        struct entry entry = {0};
        if (pf_store_check_key(name, NULL) != PF_OK) continue;
        if (fstatat(dirfd(directory), found->d_name, &entry.info, 0) != 0) continue; /* gone meanwhile */
        entry.is_folder = S_ISDIR(entry.info.st_mode);
        if (!entry.is_folder && !S_ISREG(entry.info.st_mode)) continue;
        entry.key =
            pf_arena_printf(arena, "%.*s%.*s%s", PF_STR_ARG(folder), PF_STR_ARG(name), entry.is_folder ? "/" : "");
        PF_ARENA_PUSH(arena, *out_entries, *out_count, capacity) = entry;
    }
    closedir(directory);
    if (*out_count) qsort(*out_entries, *out_count, sizeof **out_entries, compare_entries);
    return PF_OK;
}

static bool has_object(struct pf_store *store, pf_str folder) {
    struct pf_arena *scratch = pf_arena_new(NULL, "list");
    struct entry *entries;
    size_t count;
    bool found = false;
    if (read_folder(store, folder, scratch, &entries, &count, NULL) == PF_OK) {
        for (size_t i = 0; i < count && !found; i++) found = !entries[i].is_folder;
        for (size_t i = 0; i < count && !found; i++) {
            if (entries[i].is_folder) found = has_object(store, entries[i].key);
        }
    }
    pf_arena_free(scratch);
    return found;
}

static void add(struct walk *walk, const struct entry *entry) {
    if (walk->page.object_count + walk->page.prefix_count == walk->limit) {
        walk->is_full = true;
        return;
    }
    pf_str key = pf_arena_str(walk->arena, entry->key);
    walk->last = key;
    if (entry->is_folder) {
        PF_ARENA_PUSH(walk->arena, walk->page.prefixes, walk->page.prefix_count, walk->prefix_capacity) = key;
        return;
    }
    PF_ARENA_PUSH(walk->arena, walk->page.objects, walk->page.object_count, walk->object_capacity) =
        (struct pf_store_object){
            .key = key,
            .size_bytes = entry->info.st_size,
            .modified_ms = (int64_t)entry->info.st_mtim.tv_sec * 1000 + entry->info.st_mtim.tv_nsec / 1000000,
        };
}

static enum pf_code walk_folder(struct walk *walk, pf_str folder, struct pf_error *err);

static enum pf_code visit(struct walk *walk, const struct entry *entry, struct pf_error *err) {
    pf_str prefix = walk->options->prefix, after = walk->options->after;
    bool is_inside = pf_str_starts_with(entry->key, prefix);
    if (!is_inside && !(entry->is_folder && pf_str_starts_with(prefix, entry->key))) return PF_OK;
    bool is_folded = entry->is_folder && is_inside && entry->key.len > prefix.len && walk->options->is_flat;
    if (after.len && pf_str_compare(entry->key, after) <= 0) {
        /* Behind us, but for the folder that `after` lies in. */
        if (!entry->is_folder || is_folded || !pf_str_starts_with(after, entry->key)) return PF_OK;
    }
    if (!entry->is_folder) {
        add(walk, entry);
        return PF_OK;
    }
    if (!is_folded) return walk_folder(walk, entry->key, err);
    if (has_object(walk->store, entry->key)) add(walk, entry);
    return PF_OK;
}

static enum pf_code walk_folder(struct walk *walk, pf_str folder, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "list");
    struct entry *entries;
    size_t count;
    enum pf_code code = read_folder(walk->store, folder, scratch, &entries, &count, err);
    for (size_t i = 0; code == PF_OK && i < count && !walk->is_full; i++) code = visit(walk, &entries[i], err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code directory_list(struct pf_store *store, const struct pf_store_list_options *options, struct pf_arena *arena,
                            struct pf_store_page *out_page, struct pf_error *err) {
    struct walk walk = {
        .store = store, .options = options, .limit = options->limit ? options->limit : DEFAULT_PAGE, .arena = arena};
    /* From the deepest folder that the prefix fixes. */
    size_t slash = options->prefix.len;
    while (slash && options->prefix.ptr[slash - 1] != '/') slash--;
    PF_TRY(walk_folder(&walk, pf_str_slice(options->prefix, 0, slash), err));
    if (walk.is_full) walk.page.next_after = walk.last;
    *out_page = walk.page;
    return PF_OK;
}

static enum pf_code delete_listed(struct pf_store *store, pf_str prefix, int64_t *out_count, struct pf_error *err) {
    for (;;) {
        struct pf_arena *scratch = pf_arena_new(NULL, "delete");
        struct pf_store_page page = {0};
        enum pf_code code =
            directory_list(store, &(struct pf_store_list_options){.prefix = prefix}, scratch, &page, err);
        for (size_t i = 0; code == PF_OK && i < page.object_count; i++) {
            code = directory_delete(store, page.objects[i].key, err);
            if (code == PF_OK) (*out_count)++;
        }
        bool is_last = !page.next_after.len;
        pf_arena_free(scratch);
        if (code != PF_OK || is_last) return code;
    }
}

enum pf_code directory_delete_prefix(struct pf_store *store, pf_str prefix, int64_t *out_count, struct pf_error *err) {
    int64_t count = 0;
    PF_TRY(delete_listed(store, prefix, &count, err));
    if (out_count) *out_count = count;
    if (prefix.ptr[prefix.len - 1] != '/') return PF_OK;
    /* Folders that others made and left empty. */
    char path[DIRECTORY_PATH_BYTES];
    pf_str folder = pf_str_slice(prefix, 0, prefix.len - 1);
    PF_TRY(directory_path(store, folder, path, err));
    PF_TRY(pf_file_remove_tree(path, err));
    directory_prune_parents(store, folder);
    return PF_OK;
}
