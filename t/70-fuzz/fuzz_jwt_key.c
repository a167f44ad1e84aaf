/*
 * Copyright (C) the Warren authors
 *
 * Sets of keys, as a file or a URL may have them, and signatures checked with
 * whatever was taken.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_jwt_key.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* {"alg":"..."}.{}.AAAA of each kind of key */

static const char  *tokens[] = {
    "eyJhbGciOiJFUzI1NiJ9.e30.", "eyJhbGciOiJFZERTQSJ9.e30.",
    "eyJhbGciOiJQUzI1NiJ9.e30.", "eyJhbGciOiJIUzI1NiJ9.e30."
};


static void
verify(const ngx_http_gateway_jwt_keys_t *keys, const char *begin)
{
    char                           text[128];
    size_t                         len;
    const char                    *reason;
    ngx_http_gateway_jwt_parts_t   parts;
    ngx_http_gateway_jwt_token_t  *token;

    /* 64 bytes, as one algorithm wants them */

    len = strlen(begin);
    memcpy(text, begin, len);
    memset(text + len, 'B', 85);
    text[len + 85] = 'A';
    len += 86;

    if (ngx_http_gateway_jwt_split((const uint8_t *) text, len, &parts,
                                   &reason)
        != NGX_HTTP_GATEWAY_JWT_FINE
        || ngx_http_gateway_jwt_token_new(&parts, &token, &reason)
           != NGX_HTTP_GATEWAY_JWT_FINE)
    {
        abort();
    }

    if (ngx_http_gateway_jwt_keys_verify(keys, token, &parts, &reason)
        == NGX_HTTP_GATEWAY_JWT_FINE)
    {
        /* nobody signed that */

        abort();
    }

    ngx_http_gateway_jwt_token_unref(token);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                           rc, takes_secrets;
    char                          error[NGX_HTTP_GATEWAY_JWT_KEYS_ERROR];
    size_t                        i;
    ngx_http_gateway_jwt_keys_t  *keys;

    for (takes_secrets = 0; takes_secrets < 2; takes_secrets++) {
        rc = ngx_http_gateway_jwt_keys_new("set", data, size, takes_secrets,
                                           &keys, error);

        if (rc == NGX_HTTP_GATEWAY_JWT_REFUSED && error[0] == '\0') {
            abort();
        }

        if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
            continue;
        }

        if (ngx_http_gateway_jwt_keys_number(keys) == 0
            || ngx_http_gateway_jwt_keys_algorithms(keys) == 0
            || (!takes_secrets && (ngx_http_gateway_jwt_keys_algorithms(keys)
                                   & NGX_HTTP_GATEWAY_JWT_HS)))
        {
            abort();
        }

        for (i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
            verify(keys, tokens[i]);
        }

        ngx_http_gateway_jwt_keys_unref(keys);
    }

    return 0;
}
