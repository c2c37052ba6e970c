/* SPDX-License-Identifier: MIT */
/* What servers and files hand to aws/: XML, ini, dates. */
#include "aws/aws.h"

#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    pf_str text = pf_str_from((const char *)data, size), inner, value;
    int64_t ms;
    for (size_t at = 0; pf_xml_find(text, "Contents", &at, &inner);) pf_xml_text(inner, "Key", arena);
    pf_xml_text(text, "Code", arena);
    pf_ini_has_section(text, PF_STR("default"));
    if (pf_ini_find(text, PF_STR("default"), PF_STR("region"), &value)) pf_arena_str(arena, value);
    pf_aws_time_from(text, &ms);
    pf_http_date_from(text, &ms);
    pf_arena_free(arena);
    return 0;
}
