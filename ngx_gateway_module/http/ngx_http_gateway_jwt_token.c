/*
 * Copyright (C) the Warren authors
 *
 * Strict reading of a token.  Nothing of it is believed here;
 * ngx_http_gateway_jwt_module.c decides.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_jwt_document.h"


/* beyond 2^53 a number of JSON may already have been rounded by its writer */

#define JWT_TIME_MAX    9007199254740991LL


typedef struct {
    bool                  is_set;
    int64_t               value;
} ngx_http_gateway_jwt_time_t;


struct ngx_http_gateway_jwt_token_s {
    unsigned                      refs;
    unsigned                      alg;

    ngx_http_gateway_jwt_document_t  *header;
    ngx_http_gateway_jwt_document_t  *claims;  /* NULL until they are read */

    ngx_http_gateway_jwt_slice_t  kid;     /* in header; data is NULL: none */
    ngx_http_gateway_jwt_slice_t  typ;     /* the same */
    ngx_http_gateway_jwt_time_t   exp;
    ngx_http_gateway_jwt_time_t   nbf;
    ngx_http_gateway_jwt_time_t   iat;

    size_t                        size;
};


static int jwt_load(const ngx_http_gateway_jwt_slice_t *text,
    unsigned char *buf, size_t size,
    ngx_http_gateway_jwt_document_t **document_r, size_t *cost_r);
static ngx_http_gateway_jwt_member_t jwt_get(
    const ngx_http_gateway_jwt_document_t *document, const char *name);
static const char *jwt_read_header(ngx_http_gateway_jwt_token_t *token);
static bool jwt_is_same(const unsigned char *a, const unsigned char *b,
    size_t len);
static const char *jwt_read_times(ngx_http_gateway_jwt_token_t *token);
static bool jwt_read_time(const ngx_http_gateway_jwt_document_t *claims,
    const char *name, ngx_http_gateway_jwt_time_t *time_r);
static bool jwt_is_string(const ngx_http_gateway_jwt_member_t *value,
    const unsigned char *text, size_t len);
static bool jwt_is_clean(const ngx_http_gateway_jwt_member_t *value,
    bool is_element);


/* all of five letters */

static const struct {
    char      name[6];
    unsigned  alg;
} jwt_names[] = {
    { "ES256", NGX_HTTP_GATEWAY_JWT_ES256 },
    { "RS256", NGX_HTTP_GATEWAY_JWT_RS256 },
    { "EdDSA", NGX_HTTP_GATEWAY_JWT_EDDSA },
    { "PS256", NGX_HTTP_GATEWAY_JWT_PS256 },
    { "HS256", NGX_HTTP_GATEWAY_JWT_HS256 },
    { "ES384", NGX_HTTP_GATEWAY_JWT_ES384 },
    { "ES512", NGX_HTTP_GATEWAY_JWT_ES512 },
    { "RS384", NGX_HTTP_GATEWAY_JWT_RS384 },
    { "RS512", NGX_HTTP_GATEWAY_JWT_RS512 },
    { "PS384", NGX_HTTP_GATEWAY_JWT_PS384 },
    { "PS512", NGX_HTTP_GATEWAY_JWT_PS512 },
    { "HS384", NGX_HTTP_GATEWAY_JWT_HS384 },
    { "HS512", NGX_HTTP_GATEWAY_JWT_HS512 }
};

/* values of the alphabet of base64url; 64 is no member */

static const unsigned char  jwt_alphabet[256] = {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
    64,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
    64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64
};


unsigned
ngx_http_gateway_jwt_algorithm(const unsigned char *name, size_t len)
{
    size_t  i;

    if (len != 5) {
        return 0;
    }

    for (i = 0; i < sizeof(jwt_names) / sizeof(jwt_names[0]); i++) {
        if (memcmp(name, jwt_names[i].name, 5) == 0) {
            return jwt_names[i].alg;
        }
    }

    return 0;
}


long
ngx_http_gateway_jwt_base64url(unsigned char *dst, size_t size,
    const unsigned char *src, size_t len)
{
    size_t         i, n;
    unsigned       bits;
    uint32_t       acc;
    unsigned char  value, a, b, c, d;

    if (len % 4 == 1 || len / 4 * 3 + (len % 4 * 3) / 4 > size) {
        return -1;
    }

    /* most of it four at a time; the bit of 64 is in no other value */

    for (i = 0, n = 0; i + 4 <= len; i += 4, n += 3) {
        a = jwt_alphabet[src[i]];
        b = jwt_alphabet[src[i + 1]];
        c = jwt_alphabet[src[i + 2]];
        d = jwt_alphabet[src[i + 3]];

        if ((a | b | c | d) & 64) {
            return -1;
        }

        dst[n] = (unsigned char) (a << 2 | b >> 4);
        dst[n + 1] = (unsigned char) (b << 4 | c >> 2);
        dst[n + 2] = (unsigned char) (c << 6 | d);
    }

    acc = 0;
    bits = 0;

    for ( /* void */ ; i < len; i++) {
        value = jwt_alphabet[src[i]];

        if (value == 64) {
            return -1;
        }

        acc = acc << 6 | value;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            dst[n++] = (unsigned char) (acc >> bits);
            acc &= (1U << bits) - 1;
        }
    }

    return acc == 0 ? (long) n : -1;
}


int
ngx_http_gateway_jwt_split(const unsigned char *token, size_t len,
    ngx_http_gateway_jwt_parts_t *parts, const char **reason_r)
{
    const unsigned char  *first, *second, *last;

    if (len > NGX_HTTP_GATEWAY_JWT_TOKEN_MAX) {
        *reason_r = "the token is too long";
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    last = token + len;
    *reason_r = "the token has not three segments";

    first = len ? memchr(token, '.', len) : NULL;

    if (first == NULL) {
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    second = memchr(first + 1, '.', (size_t) (last - first - 1));

    if (second == NULL
        || memchr(second + 1, '.', (size_t) (last - second - 1)) != NULL)
    {
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    parts->header.data = token;
    parts->header.len = (size_t) (first - token);

    parts->claims.data = first + 1;
    parts->claims.len = (size_t) (second - first - 1);

    parts->signature.data = second + 1;
    parts->signature.len = (size_t) (last - second - 1);

    parts->content.data = token;
    parts->content.len = (size_t) (second - token);

    if (parts->header.len == 0 || parts->claims.len == 0
        || parts->signature.len == 0)
    {
        *reason_r = "a segment of the token is empty";
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    *reason_r = NULL;

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


int
ngx_http_gateway_jwt_token_new(const ngx_http_gateway_jwt_parts_t *parts,
    ngx_http_gateway_jwt_token_t **token_r, const char **reason_r)
{
    int                            rc;
    unsigned char                  buf[NGX_HTTP_GATEWAY_JWT_HEADER_MAX];
    ngx_http_gateway_jwt_token_t  *token;

    *token_r = NULL;
    *reason_r = NULL;

    token = calloc(1, sizeof(ngx_http_gateway_jwt_token_t));
    if (token == NULL) {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    token->refs = 1;
    token->size = sizeof(ngx_http_gateway_jwt_token_t);

    rc = jwt_load(&parts->header, buf, sizeof(buf), &token->header,
                  &token->size);

    if (rc == NGX_HTTP_GATEWAY_JWT_REFUSED) {
        *reason_r = "the header of the token is not valid";

    } else if (rc == NGX_HTTP_GATEWAY_JWT_FINE) {
        *reason_r = jwt_read_header(token);

        if (*reason_r != NULL) {
            rc = NGX_HTTP_GATEWAY_JWT_REFUSED;
        }
    }

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
        ngx_http_gateway_jwt_token_unref(token);
        return rc;
    }

    *token_r = token;

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


int
ngx_http_gateway_jwt_token_read_claims(ngx_http_gateway_jwt_token_t *token,
    const ngx_http_gateway_jwt_parts_t *parts, const char **reason_r)
{
    int             rc;
    unsigned char   buf[NGX_HTTP_GATEWAY_JWT_TOKEN_MAX];

    *reason_r = NULL;

    rc = jwt_load(&parts->claims, buf, sizeof(buf), &token->claims,
                  &token->size);

    if (rc == NGX_HTTP_GATEWAY_JWT_REFUSED) {
        *reason_r = "the claims of the token are not valid";
    }

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
        return rc;
    }

    *reason_r = jwt_read_times(token);

    return *reason_r == NULL ? NGX_HTTP_GATEWAY_JWT_FINE
                             : NGX_HTTP_GATEWAY_JWT_REFUSED;
}


/* decodes and parses a segment, and adds what it takes to *cost_r */

static int
jwt_load(const ngx_http_gateway_jwt_slice_t *text, unsigned char *buf,
    size_t size, ngx_http_gateway_jwt_document_t **document_r, size_t *cost_r)
{
    int     rc;
    long    len;
    size_t  cost;

    len = ngx_http_gateway_jwt_base64url(buf, size, text->data, text->len);

    if (len == -1) {
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    rc = ngx_http_gateway_jwt_document_new(buf, (size_t) len, document_r,
                                           &cost);

    if (rc == NGX_HTTP_GATEWAY_JWT_FINE) {
        *cost_r += cost;
    }

    return rc;
}


static ngx_http_gateway_jwt_member_t
jwt_get(const ngx_http_gateway_jwt_document_t *document, const char *name)
{
    return ngx_http_gateway_jwt_document_get(document,
                                             (const unsigned char *) name,
                                             strlen(name));
}


static const char *
jwt_read_header(ngx_http_gateway_jwt_token_t *token)
{
    ngx_http_gateway_jwt_member_t  value;

    value = jwt_get(token->header, "crit");

    if (value.kind != NGX_HTTP_GATEWAY_JWT_VALUE_ABSENT) {
        return "the token demands an extension (crit)";
    }

    value = jwt_get(token->header, "typ");

    if (value.kind != NGX_HTTP_GATEWAY_JWT_VALUE_ABSENT) {

        if (value.kind != NGX_HTTP_GATEWAY_JWT_VALUE_STRING) {
            return "the type of the token is not a string";
        }

        token->typ = value.string;
    }

    value = jwt_get(token->header, "alg");

    if (value.kind != NGX_HTTP_GATEWAY_JWT_VALUE_STRING) {
        return "the token names no algorithm";
    }

    token->alg = ngx_http_gateway_jwt_algorithm(value.string.data,
                                                value.string.len);

    if (token->alg == 0) {
        return "the algorithm of the token is not supported";
    }

    value = jwt_get(token->header, "kid");

    if (value.kind == NGX_HTTP_GATEWAY_JWT_VALUE_ABSENT) {
        return NULL;
    }

    if (value.kind != NGX_HTTP_GATEWAY_JWT_VALUE_STRING) {
        return "the kid of the token is not a string";
    }

    token->kid = value.string;

    return NULL;
}


static const char *
jwt_read_times(ngx_http_gateway_jwt_token_t *token)
{
    if (!jwt_read_time(token->claims, "exp", &token->exp)) {
        return "exp is not a time";
    }

    if (!jwt_read_time(token->claims, "nbf", &token->nbf)) {
        return "nbf is not a time";
    }

    if (!jwt_read_time(token->claims, "iat", &token->iat)) {
        return "iat is not a time";
    }

    return NULL;
}


static bool
jwt_read_time(const ngx_http_gateway_jwt_document_t *claims, const char *name,
    ngx_http_gateway_jwt_time_t *time_r)
{
    ngx_http_gateway_jwt_member_t  value;

    value = jwt_get(claims, name);

    time_r->is_set = (value.kind != NGX_HTTP_GATEWAY_JWT_VALUE_ABSENT);
    time_r->value = 0;

    if (!time_r->is_set) {
        return true;
    }

    if (value.kind == NGX_HTTP_GATEWAY_JWT_VALUE_INTEGER) {
        time_r->value = value.integer;

    } else if (value.kind == NGX_HTTP_GATEWAY_JWT_VALUE_REAL) {

        /* also false for what is not a number */

        if (!(value.real >= -(double) JWT_TIME_MAX
              && value.real <= (double) JWT_TIME_MAX))
        {
            return false;
        }

        time_r->value = (int64_t) value.real;

        if ((double) time_r->value != value.real) {
            return false;
        }

    } else {
        return false;
    }

    return time_r->value >= -JWT_TIME_MAX && time_r->value <= JWT_TIME_MAX;
}


ngx_http_gateway_jwt_token_t *
ngx_http_gateway_jwt_token_ref(ngx_http_gateway_jwt_token_t *token)
{
    token->refs++;

    return token;
}


void
ngx_http_gateway_jwt_token_unref(ngx_http_gateway_jwt_token_t *token)
{
    if (token == NULL || --token->refs != 0) {
        return;
    }

    ngx_http_gateway_jwt_document_free(token->header);
    ngx_http_gateway_jwt_document_free(token->claims);

    free(token);
}


unsigned
ngx_http_gateway_jwt_token_alg(const ngx_http_gateway_jwt_token_t *token)
{
    return token->alg;
}


ngx_http_gateway_jwt_slice_t
ngx_http_gateway_jwt_token_kid(const ngx_http_gateway_jwt_token_t *token)
{
    return token->kid;
}


int
ngx_http_gateway_jwt_token_is_type(const ngx_http_gateway_jwt_token_t *token,
    const unsigned char *name, size_t len)
{
    static const char     prefix[] = "application/";
    const size_t          n = sizeof(prefix) - 1;

    size_t                typ_len;
    const unsigned char  *typ;

    typ = token->typ.data;
    typ_len = token->typ.len;

    if (typ == NULL || len == 0) {
        return typ == NULL && len == 0;
    }

    if (typ_len > n && jwt_is_same((const unsigned char *) prefix, typ, n)) {
        typ += n;
        typ_len -= n;
    }

    if (len > n && jwt_is_same((const unsigned char *) prefix, name, n)) {
        name += n;
        len -= n;
    }

    return typ_len == len && jwt_is_same(name, typ, len);
}


/* without regard to case, of ASCII */

static bool
jwt_is_same(const unsigned char *a, const unsigned char *b, size_t len)
{
    size_t         i;
    unsigned char  x, y;

    for (i = 0; i < len; i++) {
        x = a[i];
        y = b[i];

        if (x >= 'A' && x <= 'Z') {
            x = (unsigned char) (x | 0x20);
        }

        if (y >= 'A' && y <= 'Z') {
            y = (unsigned char) (y | 0x20);
        }

        if (x != y) {
            return false;
        }
    }

    return true;
}


const struct json_t *
ngx_http_gateway_jwt_token_claims(const ngx_http_gateway_jwt_token_t *token)
{
    return token->claims != NULL
           ? ngx_http_gateway_jwt_document_json(token->claims) : NULL;
}


size_t
ngx_http_gateway_jwt_token_size(const ngx_http_gateway_jwt_token_t *token)
{
    return token->size;
}


const char *
ngx_http_gateway_jwt_token_check_time(
    const ngx_http_gateway_jwt_token_t *token, int64_t now, int64_t leeway,
    int64_t max)
{
    if (!token->exp.is_set) {
        return "the token has no exp";
    }

    if (now - leeway >= token->exp.value) {
        return "the token has expired";
    }

    if (token->nbf.is_set && now + leeway < token->nbf.value) {
        return "the token is not valid yet";
    }

    if (max != 0 && token->exp.value - now > max + leeway) {
        return "the token is valid for too long";
    }

    return NULL;
}


int
ngx_http_gateway_jwt_token_iat(const ngx_http_gateway_jwt_token_t *token,
    int64_t *iat_r)
{
    *iat_r = token->iat.value;

    return token->iat.is_set;
}


int
ngx_http_gateway_jwt_token_has(const ngx_http_gateway_jwt_token_t *token,
    const char *name, const unsigned char *value, size_t len)
{
    size_t                         i;
    ngx_http_gateway_jwt_member_t  claim, item;

    claim = jwt_get(token->claims, name);

    if (claim.kind != NGX_HTTP_GATEWAY_JWT_VALUE_ARRAY) {
        return jwt_is_string(&claim, value, len);
    }

    for (i = 0; i < claim.n; i++) {
        item = ngx_http_gateway_jwt_document_item(token->claims, &claim, i);

        if (jwt_is_string(&item, value, len)) {
            return 1;
        }
    }

    return 0;
}


static bool
jwt_is_string(const ngx_http_gateway_jwt_member_t *value,
    const unsigned char *text, size_t len)
{
    return value->kind == NGX_HTTP_GATEWAY_JWT_VALUE_STRING
           && value->string.len == len
           && memcmp(value->string.data, text, len) == 0;
}


ngx_http_gateway_jwt_kind_e
ngx_http_gateway_jwt_token_claim(const ngx_http_gateway_jwt_token_t *token,
    const unsigned char *name, size_t len,
    ngx_http_gateway_jwt_slice_t *string_r, int64_t *number_r)
{
    size_t                         i;
    ngx_http_gateway_jwt_member_t  claim, item;

    if (token->claims == NULL) {
        return NGX_HTTP_GATEWAY_JWT_ABSENT;
    }

    claim = ngx_http_gateway_jwt_document_get(token->claims, name, len);

    if (claim.kind == NGX_HTTP_GATEWAY_JWT_VALUE_ABSENT) {
        return NGX_HTTP_GATEWAY_JWT_ABSENT;
    }

    if (claim.kind == NGX_HTTP_GATEWAY_JWT_VALUE_INTEGER) {
        *number_r = claim.integer;
        return NGX_HTTP_GATEWAY_JWT_INTEGER;
    }

    if (jwt_is_clean(&claim, false)) {
        *string_r = claim.string;
        return NGX_HTTP_GATEWAY_JWT_STRING;
    }

    if (claim.kind != NGX_HTTP_GATEWAY_JWT_VALUE_ARRAY) {
        return NGX_HTTP_GATEWAY_JWT_OTHER;
    }

    for (i = 0; i < claim.n; i++) {
        item = ngx_http_gateway_jwt_document_item(token->claims, &claim, i);

        if (!jwt_is_clean(&item, true)) {
            return NGX_HTTP_GATEWAY_JWT_OTHER;
        }
    }

    *number_r = (int64_t) claim.n;

    return NGX_HTTP_GATEWAY_JWT_STRINGS;
}


ngx_http_gateway_jwt_slice_t
ngx_http_gateway_jwt_token_element(const ngx_http_gateway_jwt_token_t *token,
    const unsigned char *name, size_t len, size_t i)
{
    ngx_http_gateway_jwt_member_t  claim;

    claim = ngx_http_gateway_jwt_document_get(token->claims, name, len);
    claim = ngx_http_gateway_jwt_document_item(token->claims, &claim, i);

    return claim.string;
}


static bool
jwt_is_clean(const ngx_http_gateway_jwt_member_t *value, bool is_element)
{
    size_t                i, len;
    const unsigned char  *p;

    if (value->kind != NGX_HTTP_GATEWAY_JWT_VALUE_STRING) {
        return false;
    }

    p = value->string.data;
    len = value->string.len;

    if (is_element && len == 0) {
        return false;
    }

    for (i = 0; i < len; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f || (is_element && p[i] == ' ')) {
            return false;
        }
    }

    return true;
}
