/* SPDX-License-Identifier: MIT */
/* Measured by bench/profile: TPC-H SF10, 2 workers, AMD EPYC, 2 cores, 25 GB, Linux, commit 6c77787, 2026-11-22. */
#include "model/model.h"

const double pf_tpch_profile_scale = 10;

static const struct pf_stage_profile q01_stages[] = {
    {1.0000, 1565.029, 0.007520, 0.154, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q02_stages[] = {
    {0.0233, 5.103, 3.293720, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.0254, 40.981, 0.206496, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.5550, 281.691, 1.213024, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.3962, 286.794, 0.076048, 1.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q03_stages[] = {
    {0.0115, 79.874, 2.403304, 0.998, PF_SPREAD_BROADCAST_OUT, false},
    {0.2114, 384.661, 23.395696, 0.997, PF_SPREAD_REPARTITION_OUT, false},
    {0.7772, 1565.029, 3.649896, 0.990, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q04_stages[] = {
    {0.1393, 384.661, 11.706544, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.0078, 0.000, 4.590280, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.8529, 1565.029, 11.607160, 1.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q05_stages[] = {
    {0.0103, 79.877, 7.869792, 0.998, PF_SPREAD_REPARTITION_OUT, false},
    {0.1520, 384.661, 11.984264, 0.997, PF_SPREAD_REPARTITION_OUT, false},
    {0.8378, 1570.128, 0.001984, 0.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q06_stages[] = {
    {1.0000, 1565.029, 0.000896, 0.000, PF_SPREAD_GATHER_OUT, false},
};

static const struct pf_stage_profile q07_stages[] = {
    {0.0001, 5.102, 0.148472, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.6068, 1565.029, 56.238032, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.2930, 384.661, 20.151360, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0118, 79.876, 2.230016, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0883, 0.000, 0.002560, 1.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q08_stages[] = {
    {0.0101, 79.877, 2.396584, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.0890, 384.661, 10.926632, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.0052, 40.981, 0.108448, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.0003, 5.102, 1.907424, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.8954, 1565.029, 0.001920, 1.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q09_stages[] = {
    {0.0140, 40.981, 0.871088, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.5541, 1565.029, 156.583992, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0478, 384.661, 180.025728, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.2012, 286.793, 280.605072, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.1004, 0.000, 143.539160, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0825, 0.000, 0.037800, 1.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q10_stages[] = {
    {0.0311, 384.661, 9.173136, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.6091, 1565.029, 27.534496, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.3299, 79.876, 72.246688, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0299, 0.000, 0.020968, 1.000, PF_SPREAD_GATHER_OUT, false},
};

static const struct pf_stage_profile q11_stages[] = {
    {0.2943, 286.793, 7.316368, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.7057, 286.793, 0.000896, 0.125, PF_SPREAD_GATHER_OUT, false},
};

static const struct pf_stage_profile q12_stages[] = {
    {0.7385, 1565.029, 4.976856, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.2615, 384.661, 0.001952, 0.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q13_stages[] = {
    {0.5815, 384.661, 237.426416, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0053, 79.874, 12.002768, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.4132, 0.000, 0.002128, 1.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q14_stages[] = {
    {0.8541, 1565.029, 17.984392, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.1459, 40.981, 0.001120, 1.000, PF_SPREAD_GATHER_OUT, false},
};

static const struct pf_stage_profile q15_stages[] = {
    {0.9920, 1565.029, 9.567656, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0043, 0.000, 2.401200, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.0037, 5.100, 7.797504, 1.000, PF_SPREAD_BROADCAST_OUT, false},
};

static const struct pf_stage_profile q16_stages[] = {
    {0.1562, 40.981, 14.425624, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0128, 5.100, 0.000656, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.8310, 281.691, 57.661472, 1.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q17_stages[] = {
    {0.0233, 40.981, 0.017184, 0.970, PF_SPREAD_BROADCAST_OUT, false},
    {0.6045, 1565.029, 1.474360, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.3722, 1565.029, 0.262880, 0.978, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q18_stages[] = {
    {0.2417, 1565.029, 360.038128, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.3961, 0.000, 0.006032, 0.840, PF_SPREAD_BROADCAST_OUT, false},
    {0.1445, 384.661, 0.018696, 0.822, PF_SPREAD_BROADCAST_OUT, false},
    {0.0070, 79.874, 0.041912, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.2107, 1565.029, 0.043432, 0.860, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q19_stages[] = {
    {0.8876, 1565.029, 68.551456, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0238, 40.981, 71.163512, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0886, 0.000, 0.001344, 1.000, PF_SPREAD_GATHER_OUT, false},
};

static const struct pf_stage_profile q20_stages[] = {
    {0.0575, 40.981, 0.173240, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.0930, 281.691, 1.725168, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.8315, 1565.029, 2.737408, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0054, 0.000, 1.881568, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.0108, 0.000, 0.470072, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.0018, 5.102, 0.091944, 1.000, PF_SPREAD_GATHER_OUT, false},
};

static const struct pf_stage_profile q21_stages[] = {
    {0.0318, 384.661, 58.484864, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.2134, 1565.029, 606.932608, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0001, 5.102, 0.120544, 1.000, PF_SPREAD_BROADCAST_OUT, false},
    {0.1715, 0.000, 27.916008, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.0036, 0.000, 11.753560, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.2460, 1565.029, 46.891088, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0028, 0.000, 27.916496, 1.000, PF_SPREAD_REPARTITION_OUT, false},
    {0.0235, 0.000, 26.891968, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.0046, 0.000, 11.322576, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.3029, 1565.029, 29.611136, 1.000, PF_SPREAD_REPARTITION_OUT, false},
};

static const struct pf_stage_profile q22_stages[] = {
    {0.1379, 79.874, 0.001056, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.1374, 79.874, 6.675944, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.0068, 0.000, 1.525912, 1.000, PF_SPREAD_GATHER_OUT, false},
    {0.7179, 384.661, 15.226336, 1.000, PF_SPREAD_REPARTITION_OUT, false},
};

const struct pf_query_profile pf_tpch_profile[PF_TPCH_QUERIES] = {
    {"q01", 3.260, 1.000, q01_stages, 1},
    {"q02", 0.630, 0.900, q02_stages, 4},
    {"q03", 3.300, 1.000, q03_stages, 3},
    {"q04", 2.120, 1.000, q04_stages, 3},
    {"q05", 4.410, 1.000, q05_stages, 3},
    {"q06", 1.460, 1.000, q06_stages, 1},
    {"q07", 4.350, 1.000, q07_stages, 5},
    {"q08", 4.690, 1.000, q08_stages, 5},
    {"q09", 6.910, 1.000, q09_stages, 6},
    {"q10", 4.170, 1.000, q10_stages, 4},
    {"q11", 0.620, 0.947, q11_stages, 2},
    {"q12", 2.000, 0.959, q12_stages, 2},
    {"q13", 4.460, 1.000, q13_stages, 3},
    {"q14", 2.030, 0.900, q14_stages, 2},
    {"q15", 1.930, 1.000, q15_stages, 3},
    {"q16", 0.870, 0.940, q16_stages, 3},
    {"q17", 2.670, 0.908, q17_stages, 3},
    {"q18", 8.090, 1.000, q18_stages, 5},
    {"q19", 3.330, 0.943, q19_stages, 3},
    {"q20", 2.800, 1.000, q20_stages, 6},
    {"q21", 11.770, 1.000, q21_stages, 10},
    {"q22", 1.160, 1.000, q22_stages, 4},
};
