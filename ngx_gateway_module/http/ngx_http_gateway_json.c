/*
 * Copyright (C) the Warren authors
 *
 * A strict scan of JSON.  What a worker says is a part of an answer; were it
 * not one value exactly, it could end its member and begin another.
 */

#include <stdint.h>
#include <string.h>

#include "ngx_http_gateway_json.h"


typedef enum {
    /* a value must come */
    sw_value = 0,
    /* after "[": a value or the end */
    sw_first_item,
    /* after "{": a name or the end */
    sw_first_name,
    /* after a comma in an object: a name must come */
    sw_name,
    /* after a value inside something: a comma or the end of it */
    sw_after,
    /* after the outermost value: only blanks */
    sw_end
} ngx_http_gateway_json_state_e;


typedef struct {
    const unsigned char           *p;
    const unsigned char           *last;
    ngx_http_gateway_json_state_e  state;
    unsigned                       depth;

    /* bit n: level n is an object */
    uint64_t                       objects;
} ngx_http_gateway_json_t;


static int ngx_http_gateway_json_token(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_value(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_after(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_open(ngx_http_gateway_json_t *j,
    int is_object);
static int ngx_http_gateway_json_close(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_member(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_word(ngx_http_gateway_json_t *j,
    const char *word);
static int ngx_http_gateway_json_number(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_digits(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_string(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_escape(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_hex4(ngx_http_gateway_json_t *j);
static int ngx_http_gateway_json_utf8(ngx_http_gateway_json_t *j);


int
ngx_http_gateway_json_is_valid(const unsigned char *text, size_t len)
{
    ngx_http_gateway_json_t  j;

    if (len == 0) {
        return 0;
    }

    memset(&j, 0, sizeof(ngx_http_gateway_json_t));

    j.p = text;
    j.last = text + len;

    for ( ;; ) {

        while (j.p < j.last
               && (*j.p == ' ' || *j.p == '\t' || *j.p == '\n'
                   || *j.p == '\r'))
        {
            j.p++;
        }

        if (j.p == j.last) {
            return j.state == sw_end;
        }

        if (!ngx_http_gateway_json_token(&j)) {
            return 0;
        }
    }
}


static int
ngx_http_gateway_json_token(ngx_http_gateway_json_t *j)
{
    switch (j->state) {

    case sw_first_item:
        if (*j->p == ']') {
            return ngx_http_gateway_json_close(j);
        }

        return ngx_http_gateway_json_value(j);

    case sw_value:
        return ngx_http_gateway_json_value(j);

    case sw_first_name:
        if (*j->p == '}') {
            return ngx_http_gateway_json_close(j);
        }

        return ngx_http_gateway_json_member(j);

    case sw_name:
        return ngx_http_gateway_json_member(j);

    case sw_after:
        return ngx_http_gateway_json_after(j);

    default: /* sw_end */
        return 0;
    }
}


static int
ngx_http_gateway_json_value(ngx_http_gateway_json_t *j)
{
    if (*j->p == '{' || *j->p == '[') {
        return ngx_http_gateway_json_open(j, *j->p == '{');
    }

    j->state = j->depth ? sw_after : sw_end;

    switch (*j->p) {

    case '"':
        return ngx_http_gateway_json_string(j);

    case 't':
        return ngx_http_gateway_json_word(j, "true");

    case 'f':
        return ngx_http_gateway_json_word(j, "false");

    case 'n':
        return ngx_http_gateway_json_word(j, "null");

    default:
        return ngx_http_gateway_json_number(j);
    }
}


static int
ngx_http_gateway_json_open(ngx_http_gateway_json_t *j, int is_object)
{
    if (j->depth == NGX_HTTP_GATEWAY_JSON_DEPTH) {
        return 0;
    }

    j->objects <<= 1;
    j->objects |= (is_object != 0);
    j->depth++;
    j->p++;
    j->state = is_object ? sw_first_name : sw_first_item;

    return 1;
}


static int
ngx_http_gateway_json_close(ngx_http_gateway_json_t *j)
{
    j->objects >>= 1;
    j->depth--;
    j->p++;
    j->state = j->depth ? sw_after : sw_end;

    return 1;
}


static int
ngx_http_gateway_json_after(ngx_http_gateway_json_t *j)
{
    int  is_object;

    is_object = j->objects & 1;

    if (*j->p == ',') {
        j->p++;
        j->state = is_object ? sw_name : sw_value;
        return 1;
    }

    return *j->p == (is_object ? '}' : ']') && ngx_http_gateway_json_close(j);
}


/* a name and its colon */

static int
ngx_http_gateway_json_member(ngx_http_gateway_json_t *j)
{
    if (*j->p != '"' || !ngx_http_gateway_json_string(j)) {
        return 0;
    }

    while (j->p < j->last
           && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n'
               || *j->p == '\r'))
    {
        j->p++;
    }

    if (j->p == j->last || *j->p != ':') {
        return 0;
    }

    j->p++;
    j->state = sw_value;

    return 1;
}


static int
ngx_http_gateway_json_word(ngx_http_gateway_json_t *j, const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (j->last - j->p) < len || memcmp(j->p, word, len) != 0) {
        return 0;
    }

    j->p += len;

    return 1;
}


/* what stands behind it is judged as the next token */

static int
ngx_http_gateway_json_number(ngx_http_gateway_json_t *j)
{
    if (*j->p == '-') {
        j->p++;
    }

    if (j->p < j->last && *j->p == '0') {
        j->p++;

    } else if (!ngx_http_gateway_json_digits(j)) {
        return 0;
    }

    if (j->p < j->last && *j->p == '.') {
        j->p++;

        if (!ngx_http_gateway_json_digits(j)) {
            return 0;
        }
    }

    if (j->p < j->last && (*j->p == 'e' || *j->p == 'E')) {
        j->p++;

        if (j->p < j->last && (*j->p == '+' || *j->p == '-')) {
            j->p++;
        }

        if (!ngx_http_gateway_json_digits(j)) {
            return 0;
        }
    }

    return 1;
}


/* at least one */

static int
ngx_http_gateway_json_digits(ngx_http_gateway_json_t *j)
{
    const unsigned char  *p;

    p = j->p;

    while (j->p < j->last && *j->p >= '0' && *j->p <= '9') {
        j->p++;
    }

    return j->p > p;
}


static int
ngx_http_gateway_json_string(ngx_http_gateway_json_t *j)
{
    unsigned char  ch;

    j->p++;

    while (j->p < j->last) {
        ch = *j->p;

        if (ch == '"') {
            j->p++;
            return 1;
        }

        if (ch < 0x20) {
            return 0;
        }

        if (ch == '\\') {
            if (!ngx_http_gateway_json_escape(j)) {
                return 0;
            }

        } else if (ch < 0x80) {
            j->p++;

        } else if (!ngx_http_gateway_json_utf8(j)) {
            return 0;
        }
    }

    return 0;
}


static int
ngx_http_gateway_json_escape(ngx_http_gateway_json_t *j)
{
    int  n;

    if (j->last - j->p < 2) {
        return 0;
    }

    switch (j->p[1]) {

    case '"': case '\\': case '/':
    case 'b': case 'f': case 'n': case 'r': case 't':
        j->p += 2;
        return 1;

    case 'u':
        break;

    default:
        return 0;
    }

    n = ngx_http_gateway_json_hex4(j);

    if (n < 0 || (n >= 0xdc00 && n <= 0xdfff)) {
        return 0;
    }

    if (n < 0xd800 || n > 0xdbff) {
        return 1;
    }

    /* half of a character: the other half must follow */

    n = ngx_http_gateway_json_hex4(j);

    return n >= 0xdc00 && n <= 0xdfff;
}


/* the number of "\uXXXX", or -1 */

static int
ngx_http_gateway_json_hex4(ngx_http_gateway_json_t *j)
{
    int            n;
    unsigned       i;
    unsigned char  ch;

    if (j->last - j->p < 6 || j->p[0] != '\\' || j->p[1] != 'u') {
        return -1;
    }

    n = 0;

    for (i = 2; i < 6; i++) {
        ch = j->p[i];

        if (ch >= '0' && ch <= '9') {
            n = n * 16 + (ch - '0');
            continue;
        }

        ch |= 0x20;

        if (ch < 'a' || ch > 'f') {
            return -1;
        }

        n = n * 16 + (ch - 'a' + 10);
    }

    j->p += 6;

    return n;
}


/* RFC 3629: no more bytes than needed, no surrogates, none beyond U+10FFFF */

static int
ngx_http_gateway_json_utf8(ngx_http_gateway_json_t *j)
{
    size_t         n, i;
    unsigned char  ch, low, high;

    ch = *j->p;
    low = 0x80;
    high = 0xbf;

    if (ch >= 0xc2 && ch <= 0xdf) {
        n = 1;

    } else if (ch >= 0xe0 && ch <= 0xef) {
        n = 2;
        low = (ch == 0xe0) ? 0xa0 : 0x80;
        high = (ch == 0xed) ? 0x9f : 0xbf;

    } else if (ch >= 0xf0 && ch <= 0xf4) {
        n = 3;
        low = (ch == 0xf0) ? 0x90 : 0x80;
        high = (ch == 0xf4) ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if ((size_t) (j->last - j->p) <= n
        || j->p[1] < low || j->p[1] > high)
    {
        return 0;
    }

    for (i = 2; i <= n; i++) {
        if (j->p[i] < 0x80 || j->p[i] > 0xbf) {
            return 0;
        }
    }

    j->p += n + 1;

    return 1;
}
