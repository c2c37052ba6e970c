/* SPDX-License-Identifier: MIT */
#include "model/model.h"
#include "support/test.h"

TEST(every_price_has_a_name_a_unit_and_a_source) {
    for (int i = 0; i < PF_PRICE_COUNT; i++) {
        const struct pf_price_row *row = pf_price((enum pf_price)i);
        CHECK_TRUE(row->name && row->name[0] && row->unit[0] && row->source[0]);
        CHECK_TRUE(row->dollars > 0);
    }
}

TEST(a_bill_is_the_sum_of_its_parts) {
    /* A thousand functions of 2 GB for 3 s, their invocations, 1000 PUT, 10000 GET, 1 GB through Redis; by hand. */
    struct pf_usage usage = {.gb_s = 6000, .invocations = 1000, .puts = 1000, .gets = 10000, .redis_kb = 1e6};
    CHECK_F64(pf_usage_dollars(&usage), 0.0800004 + 0.0002 + 0.005 + 0.004 + 0.0023, 1e-9);
    struct pf_usage twice = usage;
    pf_usage_add(&twice, &usage);
    CHECK_F64(pf_usage_dollars(&twice), 2 * pf_usage_dollars(&usage), 1e-12);
    CHECK_F64(pf_usage_dollars(&(struct pf_usage){0}), 0, 1e-12);
}

TEST(latencies_rise_with_their_share_and_samples_follow_them) {
    for (int i = 0; i < PF_LATENCY_COUNT; i++) {
        enum pf_latency latency = (enum pf_latency)i;
        struct pf_random random = {42};
        double before = 0, median = pf_latency_quantile(latency, 0.5);
        int above = 0;
        for (int step = 0; step <= 1000; step++) {
            double ms = pf_latency_quantile(latency, step / 1000.0);
            CHECK_TRUE(ms > 0 && ms >= before);
            before = ms;
        }
        for (int n = 0; n < 10000; n++) above += pf_latency_sample(latency, &random) > median;
        CHECK_TRUE(above > 4700 && above < 5300);
        CHECK_TRUE(pf_latency_name(latency)[0] != 0);
    }
    CHECK_F64(pf_latency_quantile(PF_LATENCY_S3_GET, 0.99), 105.5, 1e-9);
}
