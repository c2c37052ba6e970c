/* SPDX-License-Identifier: MIT */
/* HTTP events of function URLs, and answers to them; an answer made of what was read is itself readable JSON. */
#include "base/json.h"
#include "fleet/fleet.h"
#include "net/net.h"
#include "support/fuzz.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    pf_str event = pf_str_from((const char *)data, size);
    struct pf_http_request request;
    if (pf_lambda_event_to_request(event, arena, &request, NULL) == PF_OK) {
        struct pf_http_response response = {.status = 200, .headers = request.headers, .body = request.body};
        pf_str answer;
        pf_json *root = NULL;
        assert(pf_lambda_event_from_response(&response, request.is_head, arena, &answer, NULL) == PF_OK);
        assert(pf_json_parse(answer, arena, "answer", &root, NULL) == PF_OK);
    }
    (void)pf_lambda_event_is_http(event);
    struct pf_http_request asked = {.arena = arena, .method = PF_STR("GET"), .target = PF_STR("/")};
    struct pf_http_response given = {.status = 200};
    (void)!pf_lambda_event_to_response(event, &asked, &given, NULL);
    pf_arena_free(arena);
    return 0;
}
