/* SPDX-License-Identifier: MIT */
/* What a server tells of itself. */
#include "sync/connection.h"

#include <stdlib.h>

static double field_of(pf_str info, pf_str name) {
    pf_str line;
    while (pf_str_next(&info, '\n', &line)) {
        pf_str key, rest = pf_str_trim(line);
        if (!pf_str_next(&rest, ':', &key) || !pf_str_equal(key, name)) continue;
        char text[64];
        snprintf(text, sizeof text, "%.*s", PF_STR_ARG(rest));
        return strtod(text, NULL);
    }
    return 0;
}

enum pf_code pf_sync_server(struct pf_sync *sync, struct pf_sync_server *out_server, struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("INFO"), PF_STR("stats"));
    BATCH_ADD(&batch, PF_STR("INFO"), PF_STR("cpu"));
    enum pf_code code = batch_run(&batch, 0, "ask for statistics", err);
    if (code == PF_OK) {
        pf_str stats = reply_text(batch.replies[0]), cpu = reply_text(batch.replies[1]);
        out_server->bytes = (int64_t)(field_of(stats, PF_STR("total_net_input_bytes")) +
                                      field_of(stats, PF_STR("total_net_output_bytes")));
        out_server->cpu_s = field_of(cpu, PF_STR("used_cpu_sys")) + field_of(cpu, PF_STR("used_cpu_user"));
    }
    batch_clear(&batch);
    return code;
}
