/*
 * Copyright (C) the Warren authors
 *
 * Tokens: as they are sent, and with a header and claims that are JSON at
 * random, asked for all that a location may ask.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_jwt_claim.h"


/* what the first line of an input may have for a header */

#define HEADER_MAX  2048


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static size_t
encode(uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t    i, n;
    unsigned  bits;
    uint32_t  acc;

    static const char  alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    acc = 0;
    bits = 0;

    for (i = 0, n = 0; i < len; i++) {
        acc = (acc << 8 | src[i]) & 0xffffff;
        bits += 8;

        while (bits >= 6) {
            bits -= 6;
            dst[n++] = (uint8_t) alphabet[acc >> bits & 63];
        }
    }

    if (bits != 0) {
        dst[n++] = (uint8_t) alphabet[acc << (6 - bits) & 63];
    }

    return n;
}


/* name: of a claim, or a path */

static void
ask(const ngx_http_gateway_jwt_token_t *token, const char *name)
{
    int                            op, is_met[2];
    char                           buf[64];
    size_t                         i, len;
    int64_t                        n;
    const uint8_t                 *text;
    ngx_http_gateway_jwt_path_t    path;
    ngx_http_gateway_jwt_kind_e    kind;
    ngx_http_gateway_jwt_slice_t   s;
    ngx_http_gateway_jwt_value_t   value[2];

    len = strlen(name);
    text = (const uint8_t *) name;

    kind = ngx_http_gateway_jwt_token_claim(token, text, len, &s, &n);

    if (kind == NGX_HTTP_GATEWAY_JWT_STRING) {
        for (i = 0; i < s.len; i++) {
            if (s.data[i] < 0x20 || s.data[i] == 0x7f) {
                abort();
            }
        }

    } else if (kind == NGX_HTTP_GATEWAY_JWT_STRINGS) {
        for (i = 0; i < (size_t) n; i++) {
            s = ngx_http_gateway_jwt_token_element(token, text, len, i);

            if (s.len == 0 || memchr(s.data, ' ', s.len) != NULL) {
                abort();
            }
        }
    }

    if (ngx_http_gateway_jwt_path(text, len, buf, &path) != 0) {
        return;
    }

    ngx_http_gateway_jwt_value((const uint8_t *) "5", 1, &value[0]);
    ngx_http_gateway_jwt_value((const uint8_t *) "", 0, &value[1]);

    for (op = NGX_HTTP_GATEWAY_JWT_OP_IS; op <= NGX_HTTP_GATEWAY_JWT_OP_GE;
         op++)
    {
        is_met[0] = ngx_http_gateway_jwt_claim_meets(token, &path,
                                     (ngx_http_gateway_jwt_op_e) op, value, 1);
        is_met[1] = ngx_http_gateway_jwt_claim_meets(token, &path,
                                 (ngx_http_gateway_jwt_op_e) op, &value[1], 1);

        /* an empty value meets nothing, and an absent claim neither */

        if (is_met[1] || (is_met[0] && path.n == 1
                          && kind == NGX_HTTP_GATEWAY_JWT_ABSENT))
        {
            abort();
        }
    }
}


static void
look(const uint8_t *text, size_t len)
{
    const char                    *reason;
    ngx_http_gateway_jwt_parts_t   parts;
    ngx_http_gateway_jwt_token_t  *token;

    if (ngx_http_gateway_jwt_split(text, len, &parts, &reason)
        != NGX_HTTP_GATEWAY_JWT_FINE
        || ngx_http_gateway_jwt_token_new(&parts, &token, &reason)
           != NGX_HTTP_GATEWAY_JWT_FINE)
    {
        return;
    }

    if (ngx_http_gateway_jwt_token_alg(token) == 0) {
        abort();
    }

    (void) ngx_http_gateway_jwt_token_is_type(token,
                                              (const uint8_t *) "at+jwt", 6);

    if (ngx_http_gateway_jwt_token_read_claims(token, &parts, &reason)
        == NGX_HTTP_GATEWAY_JWT_FINE)
    {
        (void) ngx_http_gateway_jwt_token_check_time(token, 1700000000, 30,
                                                     3600);
        (void) ngx_http_gateway_jwt_token_has(token, "aud",
                                              (const uint8_t *) "shop", 4);
        ask(token, "sub");
        ask(token, "scope");
        ask(token, "n");
        ask(token, "/a/0/b");
        ask(token, "/a/b");
    }

    ngx_http_gateway_jwt_token_unref(token);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          n, rest;
    uint8_t        *text;
    const uint8_t  *end;

    look(data, size);

    end = size ? memchr(data, '\n', size) : NULL;

    if (end == NULL || end - data > HEADER_MAX) {
        return 0;
    }

    rest = size - (size_t) (end + 1 - data);
    text = malloc(size * 2 + 16);

    if (text == NULL) {
        abort();
    }

    n = encode(text, data, (size_t) (end - data));
    text[n++] = '.';
    n += encode(text + n, end + 1, rest);
    memcpy(text + n, ".AA", 3);

    look(text, n + 3);
    free(text);

    return 0;
}
