/* SPDX-License-Identifier: MIT */
#include "query/write_task.h"

#include "base/file.h"
#include "base/log.h"
#include "query/write_json.h"

/* "<query>/<stage>/<task>.<attempt>.<ulid>" becomes a name: the statement's prefix has the query already. */
static pf_str attempt_name(const struct task_run *run, struct pf_arena *arena) {
    size_t slash = pf_str_find_char(run->key, '/', 0);
    pf_str rest = slash == SIZE_MAX ? run->key : pf_str_slice(run->key, slash + 1, run->key.len);
    char *name = pf_arena_cstr(arena, rest);
    for (size_t i = 0; i < rest.len; i++) {
        if (name[i] == '/') name[i] = '-';
    }
    return pf_str_from(name, rest.len);
}

static void remove_attempt(const struct task_run *run, pf_str prefix, const struct data_files *files) {
    struct pf_error err;
    enum pf_code code = data_files_remove(run->files.store, files, &err); /* spread ones are not below the prefix */
    if (code == PF_OK) code = pf_store_delete_prefix(run->files.store, prefix, NULL, &err);
    if (code != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "tolerated: files of a failed attempt could not be removed", &err);
    }
}

enum pf_code write_task_files(const struct task_run *run, pf_str fragment, struct data_files *out_files,
                              struct pf_arena *arena, struct pf_error *err) {
    const struct pf_write *write = run->stage->write;
    struct pf_store *store = run->files.store;
    pf_str name = attempt_name(run, arena), folder = data_files_folder(write->prefix);
    pf_str prefix = pf_arena_printf(arena, "%.*s%.*s", PF_STR_ARG(write->prefix), PF_STR_ARG(name));
    struct data_copy copy = {.session = run->session, .write = write, .source_sql = fragment};
    copy.file_prefix = pf_str_slice(prefix, folder.len + 1, prefix.len);
    bool is_scratch = false;
    PF_TRY(data_files_directory(store, folder, run->write_path, name, arena, &copy.directory, &is_scratch, err));
    enum pf_code code = data_files_copy(&copy, arena, out_files, err);
    if (code == PF_OK) {
        struct data_publication publication = {.store = store,
                                               .scratch = is_scratch ? copy.directory : PF_STR_EMPTY,
                                               .key_folder = folder,
                                               .is_spread = write->spreads_files > 0};
        code = data_files_publish(&publication, out_files, arena, err);
    }
    if (is_scratch) (void)!pf_file_remove_tree(copy.directory.ptr, NULL);
    if (code != PF_OK) remove_attempt(run, prefix, out_files);
    return code;
}

void write_task_drop(struct pf_store *store, const struct task_result *result, struct pf_arena *arena) {
    struct data_files files = {0};
    struct pf_error err;
    enum pf_code code = written_decode(result->output_json, arena, &files, &err);
    if (code == PF_OK) code = data_files_remove(store, &files, &err);
    if (code != PF_OK) pf_log_failure(PF_LOG_WARN, "tolerated: files that nobody needs could not be removed", &err);
}
