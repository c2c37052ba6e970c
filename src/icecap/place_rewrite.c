/* SPDX-License-Identifier: MIT */
/* Copy on write: what would be written for merge on read tells which files lose rows, and is what they are read with. */
#include "icecap/places.h"

#include <string.h>

struct planning {
    struct icecap_call *call;
    const struct places *places;
    const struct place_deletes *from;
    struct place_rewrite rewrite;
    size_t file_capacity, helper_capacity;
    struct pf_error *err;
};

static bool is_vector(const struct pf_data_file *file) {
    return pf_str_equal(file->format, PF_STR("PUFFIN"));
}

static void take_away(struct planning *planning, const struct pf_data_file *file) {
    struct place_deletes *deletes = &planning->rewrite.deletes;
    PF_ARENA_PUSH(planning->call->arena, deletes->removed, deletes->removed_count, deletes->removed_capacity) = *file;
}

/* The deletes that are there already, and behind them those of this statement. */
static enum pf_code set_deletes(struct planning *planning) {
    const struct pf_file_list *list = &planning->places->list;
    const struct place_deletes *from = planning->from;
    struct pf_arena *arena = planning->call->arena;
    struct pf_delete_file *deletes =
        PF_ARENA_ARRAY(arena, struct pf_delete_file, list->delete_count + from->added_count);
    if (list->delete_count) memcpy(deletes, list->deletes, list->delete_count * sizeof *deletes);
    for (size_t i = 0; i < from->added_count; i++) {
        struct pf_delete_file *delete = &deletes[list->delete_count + i];
        *delete = (struct pf_delete_file){.path = from->added[i].path, .entry = &from->added[i]};
        PF_TRY(pf_catalog_locate(planning->call->catalog, delete->path, arena, &delete->key, &delete->local_path,
                                 planning->err));
        bool is_again = i && pf_str_equal(from->added[i - 1].path, delete->path); /* one Puffin file for several */
        if (!is_again) {
            PF_ARENA_PUSH(arena, planning->rewrite.helpers, planning->rewrite.helper_count, planning->helper_capacity) =
                delete->path;
        }
    }
    planning->rewrite.part.deletes = deletes;
    planning->rewrite.part.delete_count = list->delete_count + from->added_count;
    return PF_OK;
}

/* Does the new delete file have rows of the data file? One of a partition has those of several. */
static bool is_about(const struct pf_data_file *delete, const struct pf_scan_file *file) {
    if (delete->referenced_data_file.len) return pf_str_equal(delete->referenced_data_file, file->path);
    if (delete->spec_id != file->entry->spec_id || delete->partition_count != file->entry->partition_count)
        return false;
    for (size_t i = 0; i < delete->partition_count; i++) {
        pf_str a = delete->partition[i], b = file->entry->partition[i];
        if (!a.ptr != !b.ptr || !pf_str_equal(a, b)) return false;
    }
    return true;
}

static void add_file(struct planning *planning, const struct pf_scan_file *file) {
    const struct pf_file_list *list = &planning->places->list;
    const struct place_deletes *from = planning->from;
    struct pf_file_list *part = &planning->rewrite.part;
    struct pf_scan_file rewritten = *file;
    uint32_t *numbers = PF_ARENA_ARRAY(planning->call->arena, uint32_t, file->delete_count + from->added_count);
    size_t count = 0;
    bool has_vector = false;
    for (size_t i = 0; i < from->added_count; i++) {
        has_vector = has_vector || (is_vector(&from->added[i]) && is_about(&from->added[i], file));
    }
    for (size_t i = 0; i < file->delete_count; i++) {
        const struct pf_data_file *entry = list->deletes[file->deletes[i]].entry;
        bool is_replaced =
            has_vector && entry->content == PF_FILE_POSITION_DELETES; /* its rows are in the new vector */
        if (!is_replaced) numbers[count++] = file->deletes[i];
        bool is_own =
            entry->content == PF_FILE_POSITION_DELETES && pf_str_equal(entry->referenced_data_file, file->path);
        if (is_own) take_away(planning, entry);
    }
    for (size_t i = 0; i < from->added_count; i++) {
        if (is_about(&from->added[i], file)) numbers[count++] = (uint32_t)(list->delete_count + i);
    }
    rewritten.deletes = numbers;
    rewritten.delete_count = count;
    PF_ARENA_PUSH(planning->call->arena, part->files, part->count, planning->file_capacity) = rewritten;
    part->row_count += file->row_count;
    part->size_bytes += file->size_bytes;
    take_away(planning, file->entry);
}

static bool goes_whole(const struct place_deletes *deletes, const struct pf_scan_file *file) {
    for (size_t i = 0; i < deletes->removed_count; i++) {
        const struct pf_data_file *removed = &deletes->removed[i];
        if (removed->content == PF_FILE_DATA && pf_str_equal(removed->path, file->path)) return true;
    }
    return false;
}

enum pf_code places_plan_rewrite(struct icecap_call *call, const struct places *places,
                                 const struct place_deletes *deletes, struct place_rewrite *out_rewrite,
                                 struct pf_error *err) {
    struct planning planning = {.call = call, .places = places, .from = deletes, .err = err};
    PF_TRY(set_deletes(&planning));
    for (size_t i = 0; i < places->list.count; i++) {
        const struct place_file *file = &places->files[i];
        if (!file->rows) continue;
        if (!goes_whole(deletes, file->file)) {
            add_file(&planning, file->file);
            continue;
        }
        take_away(&planning, file->file->entry);
        for (size_t k = 0; k < file->file->delete_count; k++) {
            const struct pf_data_file *entry = places->list.deletes[file->file->deletes[k]].entry;
            bool is_own = entry->content == PF_FILE_POSITION_DELETES &&
                          pf_str_equal(entry->referenced_data_file, file->file->path);
            if (is_own) take_away(&planning, entry);
        }
    }
    *out_rewrite = planning.rewrite;
    return PF_OK;
}
