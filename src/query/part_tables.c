/* SPDX-License-Identifier: MIT */
/* A part of a table under a name of its own: some of its files, each with deletes that need not be the table's. What a
 * statement rewrites is read that way, here and on workers. */
#include "query/query_internal.h"

void pf_query_define_part(struct pf_query *query, pf_str name, const struct pf_table *table,
                          const struct pf_file_list *files) {
    query->pins.part_name = name;
    query->pins.part_table = table;
    query->pins.part_files = files;
}

void pf_query_forget_part(struct pf_query *query) {
    struct table_pins *pins = &query->pins;
    if (!pins->part_files) return;
    query_close_rows(query);
    enum pf_code code =
        forget_views(query->stack, (struct pf_table_id){pins->part_table->id.space, pins->part_name}, NULL);
    (void)code; /* nobody asks for that name again */
    pins->part_files = NULL;
}

bool find_part(const struct table_pins *pins, struct pf_table_id id, struct pf_arena *arena, struct lake_table *lake) {
    if (!pins || !pins->part_files || !pf_str_equal(id.name, pins->part_name)) return false;
    lake->table = PF_ARENA_NEW(arena, struct pf_table);
    *lake->table = *pins->part_table;
    lake->files = pins->part_files;
    lake->has_lineage = true;
    lake->view_name = pins->part_name;
    return true;
}

enum pf_code plan_lake_files(struct pf_stack *stack, const struct lake_table *lake,
                             const struct pf_predicate *predicates, size_t predicate_count, struct pf_arena *arena,
                             struct pf_file_list *out_list, struct pf_error *err) {
    if (!lake->files) {
        return pf_catalog_plan_files(stack->catalog, lake->table, predicates, predicate_count, arena, out_list, err);
    }
    *out_list = *lake->files;
    return PF_OK;
}
