/* SPDX-License-Identifier: MIT */
/* What a fuzz target defines, in tests/fuzz/<module>_<what>_fuzz.c: parse the bytes, never crash, return 0.
 * Its corpus, if any: tests/fuzz/corpus/<module>_<what>/. */
#ifndef PF_TESTS_SUPPORT_FUZZ_H
#define PF_TESTS_SUPPORT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
