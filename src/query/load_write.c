/* SPDX-License-Identifier: MIT */
/* The files of a load, and how far they are. */
#include "query/load.h"

#include "base/clock.h"
#include "query/task.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ROW_GROUP_ROWS = 122880, PROGRESS_EVERY_MS = 100 };

/* ---- progress ---- */

struct watch {
    const struct load_write *write;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool is_over; /* under the mutex */
};

static void *report_progress(void *context) {
    struct watch *watch = context;
    const struct load_write *write = watch->write;
    pthread_mutex_lock(&watch->mutex);
    while (!watch->is_over) {
        int64_t until_ms = pf_clock_wall_ms() + PROGRESS_EVERY_MS;
        struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
        pthread_cond_timedwait(&watch->ended, &watch->mutex, &until);
        if (watch->is_over) break;
        double share = pf_session_progress(write->session);
        if (share < 0 || share > 1) continue;
        write->on_progress(write->context, share, (int64_t)(share * (double)write->expected_rows));
    }
    pthread_mutex_unlock(&watch->mutex);
    return NULL;
}

/* ---- COPY ---- */

bool load_has_blobs(const struct pf_iceberg_schema *schema) {
    for (size_t i = 0; i < schema->field_count; i++) {
        enum pf_iceberg_kind kind = schema->fields[i].type->kind;
        if (kind == PF_ICEBERG_BINARY || kind == PF_ICEBERG_FIXED) return true;
    }
    return false;
}

static enum pf_code run_copy(const struct load_write *load, struct pf_arena *arena, struct data_files *files,
                             struct pf_error *err) {
    struct pf_write write = {
        .field_ids_sql = pf_iceberg_field_ids_sql(load->table->schema, arena),
        .compression = PF_STR("zstd"),
        .file_size_bytes = load->file_size_bytes,
        .row_group_rows = ROW_GROUP_ROWS,
        .has_bloom_filters = !load_has_blobs(load->table->schema),
    };
    struct data_copy copy = {.session = load->session,
                             .write = &write,
                             .source_sql = load->select_sql,
                             .directory = load->directory,
                             .file_prefix = load->file_prefix};
    return data_files_copy(&copy, arena, files, err);
}

enum pf_code load_write_files(const struct load_write *write, struct pf_arena *arena, struct data_files *out_files,
                              struct pf_error *err) {
    struct watch watch = {.write = write};
    pthread_t watcher;
    pthread_mutex_init(&watch.mutex, NULL);
    pthread_cond_init(&watch.ended, NULL);
    bool is_watched = write->on_progress && pthread_create(&watcher, NULL, report_progress, &watch) == 0;
    enum pf_code code = run_copy(write, arena, out_files, err);
    pthread_mutex_lock(&watch.mutex);
    watch.is_over = true;
    pthread_cond_signal(&watch.ended);
    pthread_mutex_unlock(&watch.mutex);
    if (is_watched) pthread_join(watcher, NULL);
    pthread_cond_destroy(&watch.ended);
    pthread_mutex_destroy(&watch.mutex);
    return code;
}
