/* SPDX-License-Identifier: MIT */
#include "fleet/event_body.h"

/* --- base64 (RFC 4648 section 4) --- */

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static enum pf_code base64_decode(pf_str text, struct pf_arena *arena, pf_str *out_bytes, struct pf_error *err) {
    while (text.len && text.ptr[text.len - 1] == '=') text.len--;
    char *bytes = pf_arena_alloc(arena, text.len);
    size_t length = 0;
    unsigned held = 0;
    int held_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i]);
        if (value < 0) PF_FAIL(err, PF_INVALID, "the event's body is not base64");
        held = held << 6 | (unsigned)value;
        held_bits += 6;
        if (held_bits >= 8) {
            held_bits -= 8;
            bytes[length++] = (char)(held >> held_bits & 0xff);
        }
        held &= 0xffff;
    }
    *out_bytes = pf_str_from(bytes, length);
    return PF_OK;
}

static void put_base64(struct pf_buf *out, pf_str bytes) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        unsigned a = (unsigned char)bytes.ptr[i];
        unsigned b = left > 1 ? (unsigned char)bytes.ptr[i + 1] : 0;
        unsigned c = left > 2 ? (unsigned char)bytes.ptr[i + 2] : 0;
        char four[4] = {letters[a >> 2], letters[(a & 3) << 4 | b >> 4],
                        left > 1 ? letters[(b & 15) << 2 | c >> 6] : '=', left > 2 ? letters[c & 63] : '='};
        pf_buf_put(out, four, 4);
    }
}

/* Would it come back the same from a JSON string? */
static bool is_text(pf_str bytes) {
    for (size_t i = 0; i < bytes.len;) {
        unsigned char c = (unsigned char)bytes.ptr[i++];
        int more = c < 0x80                ? 0
                   : c >= 0xc2 && c < 0xe0 ? 1
                   : c >= 0xe0 && c < 0xf0 ? 2
                   : c >= 0xf0 && c < 0xf5 ? 3
                                           : -1;
        if (more < 0 || i + (size_t)more > bytes.len || c == 0) return false;
        unsigned char second = more ? (unsigned char)bytes.ptr[i] : 0;
        if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) ||
            (c == 0xf4 && second > 0x8f)) {
            return false;
        }
        for (; more > 0; more--) {
            if (((unsigned char)bytes.ptr[i++] & 0xc0) != 0x80) return false;
        }
    }
    return true;
}

enum pf_code event_body_read(pf_json *event, struct pf_arena *arena, pf_str *out_body, struct pf_error *err) {
    pf_str body = pf_json_get_str(event, "body", PF_STR_EMPTY);
    if (pf_json_get_bool(event, "isBase64Encoded", false)) return base64_decode(body, arena, out_body, err);
    *out_body = body;
    return PF_OK;
}

void event_body_put(struct pf_json_out *out, pf_str body) {
    bool is_plain = is_text(body);
    pf_json_field_bool(out, "isBase64Encoded", !is_plain);
    pf_json_key(out, "body");
    if (is_plain) {
        pf_json_put_str(out, body);
    } else {
        struct pf_buf encoded;
        pf_buf_init(&encoded, 2 * body.len + 16);
        pf_buf_put_char(&encoded, '"');
        put_base64(&encoded, body);
        pf_buf_put_char(&encoded, '"');
        pf_json_put_raw(out, pf_buf_view(&encoded));
        pf_buf_clear(&encoded);
    }
}
