/* SPDX-License-Identifier: MIT */
#include "model/model.h"
#include "support/test.h"

#include <math.h>

static const struct pf_stage_profile two_stages[] = {
    {0.9, 2000, 10, 1, PF_SPREAD_REPARTITION_OUT, false},
    {0.1, 0, 1, 0, PF_SPREAD_GATHER_OUT, false},
};
static const struct pf_query_profile scan = {"scan", 20, 1, two_stages, 2};

static struct pf_prediction predict(struct pf_test *test, double scale, const struct pf_fleet_model *model) {
    struct pf_prediction one = {0};
    CHECK_OK(pf_predict_query(&scan, scale, model, &one, &test->err));
    return one;
}

TEST(the_same_seed_gives_the_same_answer) {
    struct pf_fleet_model model;
    pf_fleet_model_default(&model);
    model.workers = 200;
    struct pf_prediction one = predict(test, 1000, &model), again = predict(test, 1000, &model);
    CHECK_F64(one.seconds, again.seconds, 0);
    CHECK_F64(one.dollars, again.dollars, 0);
    model.seed = 2;
    CHECK_TRUE(predict(test, 1000, &model).seconds != one.seconds);
}

TEST(no_query_is_faster_than_its_work_allows) {
    struct pf_fleet_model model;
    pf_fleet_model_default(&model);
    for (model.workers = 1; model.workers <= 1024; model.workers *= 4) {
        struct pf_prediction one = predict(test, 1000, &model);
        double cpu_s = 20 * 1000 / pf_tpch_profile_scale, vcpus = model.memory_mb / 1769.0;
        CHECK_TRUE(one.seconds >= cpu_s / (vcpus * model.workers));
        CHECK_TRUE(one.usage.gb_s * 1024 / model.memory_mb * vcpus >= cpu_s * 0.999);
        CHECK_TRUE(one.workers_used <= model.workers);
    }
}

TEST(more_workers_are_faster_and_more_data_is_slower) {
    struct pf_fleet_model model;
    pf_fleet_model_default(&model);
    model.slow_tasks = 0;
    model.workers = 16;
    struct pf_prediction few = predict(test, 1000, &model);
    model.workers = 256;
    struct pf_prediction many = predict(test, 1000, &model);
    CHECK_TRUE(many.seconds < few.seconds / 4);
    CHECK_TRUE(predict(test, 10000, &model).seconds > 2 * many.seconds);
    CHECK_TRUE(predict(test, 10000, &model).dollars > 5 * many.dollars);
}

TEST(cold_starts_bad_hosts_and_one_medium_cost_something) {
    struct pf_fleet_model model;
    pf_fleet_model_default(&model);
    model.workers = 512;
    struct pf_prediction plain = predict(test, 1000, &model);
    model.is_cold = true;
    CHECK_TRUE(predict(test, 1000, &model).seconds > plain.seconds);
    model.function_copies = 1;
    model.workers = 2048; /* more than one function may start at once */
    CHECK_TRUE(predict(test, 20000, &model).seconds > 10);
    pf_fleet_model_default(&model);
    model.workers = 512;
    model.slow_tasks = 0.05;
    model.slow_factor = 20;
    struct pf_prediction helped = predict(test, 1000, &model);
    model.speculates = false;
    CHECK_TRUE(helped.second_attempts > 0);
    CHECK_TRUE(predict(test, 1000, &model).seconds > helped.seconds);
    pf_fleet_model_default(&model);
    model.workers = 512;
    model.medium = PF_MEDIUM_REDIS_ONLY;
    struct pf_prediction redis = predict(test, 1000, &model);
    model.medium = PF_MEDIUM_S3_ONLY;
    struct pf_prediction s3 = predict(test, 1000, &model);
    CHECK_TRUE(redis.usage.puts == 0 && s3.usage.puts > 0);
    CHECK_TRUE(s3.usage.redis_kb < redis.usage.redis_kb);
}

TEST(redis_is_the_limit_when_tasks_are_tiny) {
    struct pf_fleet_model model;
    pf_fleet_model_default(&model);
    model.workers = 4096;
    model.task_s = 0.002;
    model.redis_us = 1000;
    struct pf_prediction one = predict(test, 1000, &model);
    CHECK_TRUE(one.seconds >= (double)one.tasks * 1e-3);
    CHECK_TRUE(one.claim_p99_ms > 100);
}

TEST(the_best_fleet_is_no_worse_than_others) {
    struct pf_fleet_model model;
    pf_fleet_model_default(&model);
    model.workers = 1024;
    struct pf_prediction best, one;
    CHECK_OK(pf_predict_best(&scan, 1000, &model, &best, &test->err));
    for (model.workers = 1; model.workers <= 1024; model.workers *= 2) {
        CHECK_OK(pf_predict_query(&scan, 1000, &model, &one, &test->err));
        CHECK_TRUE(best.seconds * best.dollars <= one.seconds * one.dollars * (1 + 1e-12));
    }
}

TEST(the_profile_has_all_queries) {
    struct pf_fleet_model model;
    pf_fleet_model_default(&model);
    model.workers = 128;
    for (int i = 0; i < PF_TPCH_QUERIES; i++) {
        const struct pf_query_profile *query = &pf_tpch_profile[i];
        struct pf_prediction one;
        double shares = 0;
        for (size_t s = 0; s < query->stage_count; s++) shares += query->stages[s].cpu_share;
        CHECK_TRUE(query->cpu_s > 0 && query->stage_count > 0);
        CHECK_F64(shares, 1, 0.01);
        CHECK_OK(pf_predict_query(query, 100, &model, &one, &test->err));
        CHECK_TRUE(isfinite(one.seconds) && one.seconds > 0 && one.dollars > 0);
    }
}

TEST(refuses_models_that_make_no_sense) {
    struct pf_fleet_model model;
    struct pf_prediction one;
    pf_fleet_model_default(&model);
    model.workers = 0;
    CHECK_FAILS(pf_predict_query(&scan, 1, &model, &one, &test->err), PF_INVALID, "workers");
    CHECK_FAILS(pf_predict_best(&scan, 1, &model, &one, &test->err), PF_INVALID, "workers");
    pf_fleet_model_default(&model);
    model.memory_mb = 64;
    CHECK_FAILS(pf_predict_query(&scan, 1, &model, &one, &test->err), PF_INVALID, "memory");
    pf_fleet_model_default(&model);
    CHECK_FAILS(pf_predict_query(&scan, 0, &model, &one, &test->err), PF_INVALID, "scale");
}
