/*
 * Copyright (C) the Warren authors
 *
 * Reading tokens: base64url by exhaustion, and bytes at random, which must
 * neither be accepted nor touch what is not theirs (valgrind and the
 * sanitizers look on).
 */

#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_jwt_token.h"
#include "tap.h"


static const char  alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


static void test_base64url(void);
static void test_one_spelling(void);
static void test_split(void);
static void test_claims(void);
static void test_random(void);


int
main(void)
{
    test_base64url();
    test_one_spelling();
    test_split();
    test_claims();
    test_random();

    return done();
}


static size_t
encode(char *dst, const void *data, size_t len)
{
    size_t                i, n;
    unsigned              bits;
    uint32_t              acc;
    const unsigned char  *src = data;

    acc = 0;
    bits = 0;

    for (i = 0, n = 0; i < len; i++) {
        acc = (acc << 8 | src[i]) & 0xffffff;
        bits += 8;

        while (bits >= 6) {
            bits -= 6;
            dst[n++] = alphabet[acc >> bits & 63];
        }
    }

    if (bits != 0) {
        dst[n++] = alphabet[acc << (6 - bits) & 63];
    }

    return n;
}


static long
decode(unsigned char *dst, size_t size, const char *text)
{
    return ngx_http_gateway_jwt_base64url(dst, size,
                                          (const unsigned char *) text,
                                          strlen(text));
}


static void
test_base64url(void)
{
    bool           same;
    char           text[8];
    size_t         len, n;
    unsigned       i;
    unsigned char  in[3], out[3];

    is_int(decode(out, 3, ""), 0, "nothing is nothing");
    is_int(decode(out, 3, "A"), -1, "one letter is not a byte");
    is_int(decode(out, 3, "AA=="), -1, "padding is refused");
    is_int(decode(out, 3, "+/+/"), -1, "the ordinary alphabet is refused");
    is_int(decode(out, 3, "AA A"), -1, "blanks are refused");
    is_int(decode(out, 2, "AAAA"), -1, "what is too long is refused");
    is_int(ngx_http_gateway_jwt_base64url(out, 3,
                                  (const unsigned char *) "A\0AA", 4),
           -1, "a zero byte is refused");

    same = true;

    for (len = 1; len <= 3; len++) {
        for (i = 0; i < 65536; i += 7) {
            in[0] = (unsigned char) i;
            in[1] = (unsigned char) (i >> 8);
            in[2] = (unsigned char) (i >> 4);

            n = encode(text, in, len);

            same = same
                   && ngx_http_gateway_jwt_base64url(out, len,
                                    (unsigned char *) text, n) == (long) len
                   && memcmp(in, out, len) == 0;
        }
    }

    ok(same, "what was encoded is decoded to the same bytes");
}


static void
test_one_spelling(void)
{
    char           text[3];
    unsigned       i, j, one, two;
    unsigned char  out[3], seen[256];

    memset(seen, 0, sizeof(seen));
    one = 0;
    two = 0;

    for (i = 0; i < 64; i++) {
        for (j = 0; j < 64; j++) {
            text[0] = alphabet[i];
            text[1] = alphabet[j];
            text[2] = '\0';

            if (decode(out, 3, text) == 1) {
                one++;
                two += seen[out[0]]++;
            }
        }
    }

    is_int(one, 256, "each byte can be spelled");
    is_int(two, 0, "and in one way only");
}


static void
test_split(void)
{
    const char                    *reason;
    ngx_http_gateway_jwt_parts_t   parts;

#define split(text)                                                           \
    ngx_http_gateway_jwt_split((const unsigned char *) text,                  \
                               sizeof(text) - 1, &parts, &reason)

    is_int(split("a.bc.def"), NGX_HTTP_GATEWAY_JWT_FINE, "three segments");
    is_int(parts.header.len, 1, "the first");
    is_int(parts.claims.len, 2, "the second");
    is_int(parts.signature.len, 3, "the third");
    is_int(parts.content.len, 4, "and what is signed");

    is_int(split(""), NGX_HTTP_GATEWAY_JWT_REFUSED, "nothing is refused");
    is_int(split("."), NGX_HTTP_GATEWAY_JWT_REFUSED, "a dot is refused");
    is_int(split(".."), NGX_HTTP_GATEWAY_JWT_REFUSED, "two dots are refused");
    is_int(split("..x"), NGX_HTTP_GATEWAY_JWT_REFUSED,
           "two dots and a letter are refused");
    is_int(split("a.b."), NGX_HTTP_GATEWAY_JWT_REFUSED,
           "no signature is refused");
    is_int(split("a.b.c."), NGX_HTTP_GATEWAY_JWT_REFUSED,
           "a third dot is refused");
}


/* a token with that header and those claims, each read; NULL: refused */

static ngx_http_gateway_jwt_token_t *
make(const char *header, const char *claims)
{
    int                            rc;
    char                           text[8192];
    size_t                         n;
    const char                    *reason;
    ngx_http_gateway_jwt_parts_t   parts;
    ngx_http_gateway_jwt_token_t  *token;

    n = encode(text, header, strlen(header));
    text[n++] = '.';
    n += encode(text + n, claims, strlen(claims));
    text[n++] = '.';
    text[n++] = 'A';
    text[n++] = 'A';

    rc = ngx_http_gateway_jwt_split((unsigned char *) text, n, &parts,
                                    &reason);

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE
        || ngx_http_gateway_jwt_token_new(&parts, &token, &reason)
           != NGX_HTTP_GATEWAY_JWT_FINE)
    {
        return NULL;
    }

    rc = ngx_http_gateway_jwt_token_read_claims(token, &parts, &reason);

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
        ngx_http_gateway_jwt_token_unref(token);
        return NULL;
    }

    return token;
}


static void
test_claims(void)
{
    int64_t                        number;
    const unsigned char           *name;
    ngx_http_gateway_jwt_slice_t   s;
    ngx_http_gateway_jwt_token_t  *token;

    token = make("{\"alg\":\"ES256\",\"kid\":\"k\"}",
                 "{\"exp\":100,\"nbf\":50,\"sub\":\"anna\","
                 "\"aud\":[\"x\",\"shop\"]}");

    if (!ok(token != NULL, "a token is read")) {
        return;
    }

    name = (const unsigned char *) "sub";

    is_int(ngx_http_gateway_jwt_token_alg(token), NGX_HTTP_GATEWAY_JWT_ES256,
           "with its algorithm");
    is_int(ngx_http_gateway_jwt_token_kid(token).len, 1, "and its kid");
    is_int(ngx_http_gateway_jwt_token_claim(token, name, 3, &s, &number),
           NGX_HTTP_GATEWAY_JWT_STRING, "and its subject");
    is_int(ngx_http_gateway_jwt_token_claim(token, name, 2, &s, &number),
           NGX_HTTP_GATEWAY_JWT_ABSENT, "names are whole");
    is_int(ngx_http_gateway_jwt_token_claim(token,
                                   (const unsigned char *) "s\0b", 3, &s,
                                   &number),
           NGX_HTTP_GATEWAY_JWT_ABSENT, "a name with a zero byte finds none");
    ok(ngx_http_gateway_jwt_token_has(token, "aud",
                                      (const unsigned char *) "shop", 4),
       "an element of a list is found");
    ok(!ngx_http_gateway_jwt_token_has(token, "aud",
                                       (const unsigned char *) "shop", 3),
       "a part of it is not");

    is_str(ngx_http_gateway_jwt_token_check_time(token, 99, 0, 0), NULL,
           "the last second before exp is fine");
    is_str(ngx_http_gateway_jwt_token_check_time(token, 100, 0, 0),
           "the token has expired", "exp itself is too late");
    is_str(ngx_http_gateway_jwt_token_check_time(token, 109, 10, 0), NULL,
           "but for the leeway");
    is_str(ngx_http_gateway_jwt_token_check_time(token, 110, 10, 0),
           "the token has expired", "which ends as well");
    is_str(ngx_http_gateway_jwt_token_check_time(token, 50, 0, 0), NULL,
           "nbf itself is early enough");
    is_str(ngx_http_gateway_jwt_token_check_time(token, 49, 0, 0),
           "the token is not valid yet", "a second before it is not");

    ngx_http_gateway_jwt_token_unref(ngx_http_gateway_jwt_token_ref(token));
    is_int(ngx_http_gateway_jwt_token_kid(token).len, 1,
           "a token lives until its last owner leaves");
    ngx_http_gateway_jwt_token_unref(token);
    ngx_http_gateway_jwt_token_unref(NULL);
}


/* headers and claims with bytes changed at random, and bytes at random */

static void
test_random(void)
{
    char                           header[64], claims[128];
    size_t                         i, len;
    unsigned                       n, accepted;
    unsigned char                 *text;
    const char                    *reason;
    ngx_http_gateway_jwt_parts_t   parts;
    ngx_http_gateway_jwt_token_t  *token;

    srandom(7);
    accepted = 0;

    for (n = 0; n < 20000; n++) {
        strcpy(header, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"one\"}");
        strcpy(claims, "{\"sub\":\"anna\",\"exp\":9999999999,\"a\":[1,{\"b\":"
                       "null}],\"scope\":\"a b\"}");

        header[random() % (long) strlen(header)] = (char) (random() % 255 + 1);
        claims[random() % (long) strlen(claims)] = (char) (random() % 255 + 1);

        token = make(header, claims);
        accepted += token != NULL;
        ngx_http_gateway_jwt_token_unref(token);
    }

    ok(accepted > 0 && accepted < 20000,
       "tokens with two bytes changed are read or refused");

    accepted = 0;

    for (n = 0; n < 20000; n++) {
        len = (size_t) (random() % 200);

        /* of that size exactly, so that a byte too many is noticed */

        text = malloc(len + 1);

        for (i = 0; i < len; i++) {
            text[i] = (unsigned char) (random() % 5 ? alphabet[random() % 64]
                                                    : "..=\0+"[random() % 5]);
        }

        text = realloc(text, len ? len : 1);

        if (ngx_http_gateway_jwt_split(text, len, &parts, &reason)
            == NGX_HTTP_GATEWAY_JWT_FINE
            && ngx_http_gateway_jwt_token_new(&parts, &token, &reason)
               == NGX_HTTP_GATEWAY_JWT_FINE)
        {
            accepted++;
            ngx_http_gateway_jwt_token_unref(token);
        }

        free(text);
    }

    is_int(accepted, 0, "letters at random are no token");
}
