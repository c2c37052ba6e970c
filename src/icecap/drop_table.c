/* SPDX-License-Identifier: MIT */
/* DROP TABLE [IF EXISTS] table [PURGE | CASCADE | RESTRICT]: the name goes; with PURGE the files do, too. */
#include "icecap/statement.h"

struct drop_table {
    struct head_name name;
    bool if_exists, purge;
};

static enum pf_code parse(struct head *head, void **out_parsed, struct pf_error *err) {
    struct drop_table *drop = PF_ARENA_NEW(head->arena, struct drop_table);
    PF_TRY(head_need(head, "drop table", err));
    drop->if_exists = head_take_words(head, "if exists");
    PF_TRY(head_need_table(head, &drop->name, err));
    drop->purge = head_take(head, "purge");
    if (!head_take(head, "cascade")) (void)head_take(head, "restrict"); /* nothing depends on a table */
    *out_parsed = drop;
    return head_need_end(head, err);
}

static enum pf_code run(struct icecap_call *call, const void *parsed, struct pf_error *err) {
    const struct drop_table *drop = parsed;
    struct pf_error why;
    call->outcome->object = drop->name.text;
    enum pf_code code =
        pf_catalog_drop(call->catalog, (struct pf_table_id){drop->name.space, drop->name.name}, drop->purge, &why);
    if (code == PF_NOT_FOUND && drop->if_exists) return PF_OK;
    if (code != PF_OK && err) *err = why;
    return code;
}

static enum pf_code explain(struct icecap_call *call, const void *parsed, struct pf_buf *out, struct pf_error *err) {
    const struct drop_table *drop = parsed;
    (void)call;
    (void)err;
    return icecap_explain_line(out, drop->purge ? "drop table, with its files," : "drop table", drop->name.text);
}

const struct icecap_statement icecap_drop_table = {"drop", "table", "DROP TABLE", parse, run, explain};
