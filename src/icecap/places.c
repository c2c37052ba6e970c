/* SPDX-License-Identifier: MIT */
#include "icecap/places.h"

#include <stdlib.h>

static int compare_files(const void *a, const void *b) {
    const struct place_file *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

enum pf_code places_open(struct icecap_call *call, const struct pf_table *table, struct places *out_places,
                         struct pf_error *err) {
    struct places places = {.arena = call->arena, .table = table};
    PF_TRY(pf_catalog_plan_files(call->catalog, table, NULL, 0, call->arena, &places.list, err));
    places.files = PF_ARENA_ARRAY(call->arena, struct place_file, places.list.count);
    for (size_t i = 0; i < places.list.count; i++) {
        const struct pf_scan_file *file = &places.list.files[i];
        places.files[i] = (struct place_file){pf_iceberg_file_number(file->path), file, NULL};
    }
    if (places.list.count) qsort(places.files, places.list.count, sizeof *places.files, compare_files);
    for (size_t i = 1; i < places.list.count; i++) {
        if (places.files[i].number != places.files[i - 1].number) continue;
        PF_FAIL(err, PF_UNSUPPORTED,
                "table %.*s: files '%.*s' and '%.*s' have the same number, so their rows can't be told apart; compact "
                "the table",
                PF_STR_ARG(table->full_name), PF_STR_ARG(places.files[i].file->path),
                PF_STR_ARG(places.files[i - 1].file->path));
    }
    *out_places = places;
    return PF_OK;
}

enum pf_code places_add(struct places *places, int64_t number, int64_t position, bool *out_is_new,
                        struct pf_error *err) {
    struct place_file wanted = {.number = number};
    struct place_file *file = places->last < places->list.count ? &places->files[places->last] : NULL;
    if (!file || file->number != number) {
        file = places->list.count ? bsearch(&wanted, places->files, places->list.count, sizeof wanted, compare_files)
                                  : NULL;
    }
    if (!file || position < 0 || position >= file->file->row_count) {
        PF_FAIL(err, PF_CORRUPT, "table %.*s: row %lld of %.*s is not in the table",
                PF_STR_ARG(places->table->full_name), (long long)position,
                PF_STR_ARG(file ? file->file->path : PF_STR("an unknown file")));
    }
    places->last = (size_t)(file - places->files);
    if (!file->rows) file->rows = pf_row_set_new(places->arena);
    *out_is_new = pf_row_set_add(file->rows, position);
    places->row_count += *out_is_new;
    return PF_OK;
}

static enum pf_code take(void *context, const struct pf_chunk *chunk, struct pf_error *err) {
    struct places *places = context;
    const int64_t *numbers = chunk->columns[0].data, *positions = chunk->columns[1].data;
    bool is_new;
    for (uint64_t i = 0; i < chunk->row_count; i++) {
        PF_TRY(places_add(places, numbers[i], positions[i], &is_new, err));
    }
    return PF_OK;
}

enum pf_code places_read(struct icecap_call *call, struct places *places, struct pf_error *err) {
    return pf_query_read(call->query, take, places, err);
}
