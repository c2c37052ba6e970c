/* SPDX-License-Identifier: MIT */
/* Plan JSON in few words, for the planner's unit tests. */
#ifndef PF_TESTS_UNIT_PLANNER_PLANS_H
#define PF_TESTS_UNIT_PLANNER_PLANS_H

#define REF(index, type)                                                                                               \
    "{\"expression_class\":\"BOUND_REF\",\"type\":\"BOUND_REF\",\"return_type\":{\"id\":\"" type                       \
    "\"},\"index\":" #index "}"
#define CONSTANT(type, value)                                                                                          \
    "{\"expression_class\":\"BOUND_CONSTANT\",\"type\":\"VALUE_CONSTANT\",\"value\":{\"type\":" type                   \
    ",\"is_null\":false,\"value\":" value "}}"
#define COMPARE(type, left, right)                                                                                     \
    "{\"expression_class\":\"BOUND_COMPARISON\",\"type\":\"" type "\",\"left\":" left ",\"right\":" right "}"
/* Table main.NAME@1 with columns k BIGINT, g VARCHAR. */
#define SCAN(name)                                                                                                     \
    "{\"type\":\"LOGICAL_GET\",\"name\":\"lake_scan\",\"parameters\":[{\"type\":{\"id\":\"VARCHAR\"},\"is_null\":"     \
    "false,\"value\":\"main." name "@1\"}],\"returned_types\":[{\"id\":\"BIGINT\"},{\"id\":\"VARCHAR\"}],\"names\":["  \
    "\"k\",\"g\"],\"column_indexes\":[{\"index\":0},{\"index\":1}]}"
#define OP(type, fields, child) "{\"type\":\"LOGICAL_" type "\"," fields ",\"children\":[" child "]}"
#define FILTER(condition, child) OP("FILTER", "\"expressions\":[" condition "]", child)
#define PROJECT(exprs, child) OP("PROJECTION", "\"expressions\":[" exprs "]", child)
#define COUNT_BY_G(child)                                                                                              \
    OP("AGGREGATE_AND_GROUP_BY",                                                                                       \
       "\"groups\":[" REF(1, "VARCHAR") "],\"grouping_sets\":[[0]],\"expressions\":[{\"expression_class\":"            \
                                        "\"BOUND_AGGREGATE\",\"name\":\"count_star\",\"return_type\":{\"id\":"         \
                                        "\"BIGINT\"},\"aggregate_type\":"                                              \
                                        "\"NON_DISTINCT\"}]",                                                          \
       child)
#define JOIN(kind, left, right)                                                                                        \
    OP("COMPARISON_JOIN",                                                                                              \
       "\"join_type\":\"" kind "\",\"conditions\":[{\"left\":" REF(0, "BIGINT") ",\"right\":" REF(                     \
           0, "BIGINT") ",\"comparison\":\"COMPARE_EQUAL\"}]",                                                         \
       left "," right)
#define PLAN(root) "{\"error\":false,\"plans\":[" root "]}"

#endif
