/* SPDX-License-Identifier: MIT */
#include "sync/slot_map.h"

enum { MAX_PORT = 65535, MAX_RANGES = SLOT_COUNT };

/* CRC16-CCITT (XMODEM): polynomial 0x1021, start 0. */
static unsigned crc16(pf_str bytes) {
    unsigned crc = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned)(unsigned char)bytes.ptr[i] << 8;
        for (int bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
    }
    return crc;
}

int slot_of_key(pf_str key) {
    size_t open = pf_str_find_char(key, '{', 0);
    size_t close = open == SIZE_MAX ? SIZE_MAX : pf_str_find_char(key, '}', open);
    if (close != SIZE_MAX && close > open + 1) key = pf_str_slice(key, open + 1, close);
    return (int)(crc16(key) % SLOT_COUNT);
}

int slot_of_command(const pf_str *words, size_t count) {
    static const char *const keyless[] = {"PING", "INFO", "CLUSTER", "SCRIPT", "ACL", "SCAN"};
    for (size_t i = 0; i < sizeof keyless / sizeof *keyless; i++) {
        if (pf_str_equal(words[0], pf_str_from_cstr(keyless[i]))) return NO_SLOT;
    }
    size_t at = 1;
    if (pf_str_equal(words[0], PF_STR("EVALSHA"))) at = 3;
    if (pf_str_equal(words[0], PF_STR("XREAD"))) {
        while (at < count && !pf_str_equal(words[at], PF_STR("STREAMS"))) at++;
        at++;
    }
    return at < count ? slot_of_key(words[at]) : NO_SLOT;
}

/* --- CLUSTER SLOTS --- */

static bool is_text(const valkeyReply *reply) {
    return reply && (reply->type == VALKEY_REPLY_STRING || reply->type == VALKEY_REPLY_STATUS);
}

static bool read_host(const valkeyReply *reply, struct pf_arena *arena, pf_str *out_host) {
    *out_host = PF_STR_EMPTY;
    if (reply->type == VALKEY_REPLY_NIL) return true;
    if (!is_text(reply) || reply->len > MAX_HOST_BYTES) return false;
    for (size_t i = 0; i < reply->len; i++) {
        if (reply->str[i] <= ' ' || reply->str[i] >= 0x7f) return false;
    }
    pf_str host = pf_str_from(reply->str, reply->len);
    if (!pf_str_equal(host, PF_STR("?"))) *out_host = pf_arena_str(arena, host); /* "?": the name isn't known yet */
    return true;
}

/* [host, port, id, [name, value, …]]; the last one since Redis 7. */
static bool read_address(const valkeyReply *reply, bool wants_names, struct pf_arena *arena,
                         struct slot_address *out_address) {
    if (reply->type != VALKEY_REPLY_ARRAY || reply->elements < 2) return false;
    const valkeyReply *port = reply->element[1];
    if (port->type != VALKEY_REPLY_INTEGER || port->integer < 1 || port->integer > MAX_PORT) return false;
    out_address->port = (int)port->integer;
    if (!read_host(reply->element[0], arena, &out_address->host)) return false;
    const valkeyReply *more = reply->elements > 3 ? reply->element[3] : NULL;
    if (!wants_names || !more || more->type != VALKEY_REPLY_ARRAY) return true;
    for (size_t i = 0; i + 1 < more->elements; i += 2) {
        const valkeyReply *name = more->element[i];
        if (!is_text(name) || !pf_str_equal(pf_str_from(name->str, name->len), PF_STR("hostname"))) continue;
        pf_str host;
        if (read_host(more->element[i + 1], arena, &host) && host.len) out_address->host = host;
    }
    return true;
}

static bool is_slot(const valkeyReply *reply) {
    return reply->type == VALKEY_REPLY_INTEGER && reply->integer >= 0 && reply->integer < SLOT_COUNT;
}

static bool read_range(const valkeyReply *reply, bool wants_names, struct pf_arena *arena, struct slot_range *out_range,
                       struct slot_map *map, size_t *replica_capacity) {
    if (reply->type != VALKEY_REPLY_ARRAY || reply->elements < 3) return false;
    if (!is_slot(reply->element[0]) || !is_slot(reply->element[1])) return false;
    out_range->first = (int)reply->element[0]->integer;
    out_range->last = (int)reply->element[1]->integer;
    if (out_range->first > out_range->last) return false;
    if (!read_address(reply->element[2], wants_names, arena, &out_range->master)) return false;
    for (size_t i = 3; i < reply->elements; i++) {
        struct slot_address replica;
        if (!read_address(reply->element[i], wants_names, arena, &replica)) continue;
        PF_ARENA_PUSH(arena, map->replicas, map->replica_count, *replica_capacity) = replica;
    }
    return true;
}

enum pf_code slot_map_read(const valkeyReply *reply, bool wants_names, struct pf_arena *arena, struct slot_map *out_map,
                           struct pf_error *err) {
    struct slot_map map = {0};
    size_t replica_capacity = 0;
    bool is_fine = reply->type == VALKEY_REPLY_ARRAY && reply->elements <= MAX_RANGES;
    if (is_fine) map.ranges = PF_ARENA_ARRAY(arena, struct slot_range, reply->elements);
    for (size_t i = 0; is_fine && i < reply->elements; i++) {
        is_fine =
            read_range(reply->element[i], wants_names, arena, &map.ranges[map.range_count++], &map, &replica_capacity);
    }
    if (!is_fine) PF_FAIL(err, PF_REMOTE, "the answer to CLUSTER SLOTS makes no sense");
    *out_map = map;
    return PF_OK;
}

/* --- redirections --- */

bool slot_redirect_read(pf_str text, bool *out_is_ask, int *out_slot, struct slot_address *out_address) {
    pf_str word, slot_text;
    int64_t slot = -1, port = -1;
    if (!pf_str_next(&text, ' ', &word) || !pf_str_next(&text, ' ', &slot_text)) return false;
    bool is_ask = pf_str_equal(word, PF_STR("ASK"));
    if (!is_ask && !pf_str_equal(word, PF_STR("MOVED"))) return false;
    size_t colon = SIZE_MAX; /* the last one: addresses of IP version 6 have more */
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ':') colon = i;
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f) return false;
    }
    if (colon == SIZE_MAX || colon > MAX_HOST_BYTES) return false;
    if (!pf_str_to_i64(slot_text, &slot) || slot < 0 || slot >= SLOT_COUNT) return false;
    if (!pf_str_to_i64(pf_str_slice(text, colon + 1, text.len), &port) || port < 1 || port > MAX_PORT) return false;
    pf_str host = pf_str_slice(text, 0, colon);
    *out_is_ask = is_ask;
    *out_slot = (int)slot;
    *out_address = (struct slot_address){pf_str_equal(host, PF_STR("?")) ? PF_STR_EMPTY : host, (int)port};
    return true;
}
