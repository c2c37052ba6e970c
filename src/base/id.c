/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void pf_random_bytes(void *bytes, size_t size_bytes) {
    char *at = bytes;
    while (size_bytes) {
        ssize_t got = getrandom(at, size_bytes, 0);
        if (got < 0) {
            perror("getrandom");
            abort();
        }
        at += got;
        size_bytes -= (size_t)got;
    }
}

pf_str pf_id_ulid(struct pf_arena *arena) {
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char random[16];
    char *text = pf_arena_alloc(arena, 27);
    uint64_t ms = (uint64_t)pf_clock_wall_ms();
    pf_random_bytes(random, sizeof random);
    for (int i = 9; i >= 0; i--, ms >>= 5) text[i] = digits[ms & 31];
    for (int i = 0; i < 16; i++) text[10 + i] = digits[random[i] & 31];
    return (pf_str){text, 26};
}

pf_str pf_id_uuid(struct pf_arena *arena) {
    unsigned char r[16];
    pf_random_bytes(r, sizeof r);
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    return pf_arena_printf(arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1],
                           r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}

int64_t pf_id_random_i63(void) {
    uint64_t number = 0;
    while (number == 0) {
        pf_random_bytes(&number, sizeof number);
        number &= INT64_MAX;
    }
    return (int64_t)number;
}
