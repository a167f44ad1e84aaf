/*
 * Copyright (C) the Warren authors
 *
 * Comparison of claims with what a location demands.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ngx_http_gateway_jwt_claim.h"


/* bytes of a number that is compared; 64 bits and a sign need 20 */

#define JWT_NUMBER_MAX  40


static int jwt_unescape(char *name);
static const json_t *jwt_find(const json_t *claims,
    const ngx_http_gateway_jwt_path_t *path);
static bool jwt_is(const json_t *claim,
    const ngx_http_gateway_jwt_value_t *value);
static bool jwt_has(const json_t *claim,
    const ngx_http_gateway_jwt_value_t *value);
static bool jwt_has_word(const json_t *claim,
    const ngx_http_gateway_jwt_value_t *value);
static bool jwt_begins(const json_t *claim,
    const ngx_http_gateway_jwt_value_t *value);
static bool jwt_compares(const json_t *claim,
    const ngx_http_gateway_jwt_value_t *value, ngx_http_gateway_jwt_op_e op);


int
ngx_http_gateway_jwt_path(const unsigned char *text, size_t len, char *buf,
    ngx_http_gateway_jwt_path_t *path_r)
{
    char      *p;
    unsigned   i;

    path_r->n = 0;

    if (len == 0 || memchr(text, '\0', len) != NULL) {
        return -1;
    }

    memcpy(buf, text, len);
    buf[len] = '\0';

    if (buf[0] != '/') {
        path_r->names[path_r->n++] = buf;
        return 0;
    }

    for (p = buf; p != NULL; p = strchr(p, '/')) {

        if (path_r->n == NGX_HTTP_GATEWAY_JWT_PATH_MAX) {
            return -1;
        }

        *p++ = '\0';
        path_r->names[path_r->n++] = p;
    }

    for (i = 0; i < path_r->n; i++) {
        if (jwt_unescape(path_r->names[i]) != 0) {
            return -1;
        }
    }

    return 0;
}


/* "~1" is "/" and "~0" is "~"; nothing else begins with "~" */

static int
jwt_unescape(char *name)
{
    char  *to;

    for (to = name; *name; name++) {

        if (*name != '~') {
            *to++ = *name;
            continue;
        }

        name++;

        if (*name != '0' && *name != '1') {
            return -1;
        }

        *to++ = (char) (*name == '0' ? '~' : '/');
    }

    *to = '\0';

    return 0;
}


void
ngx_http_gateway_jwt_value(const unsigned char *text, size_t len,
    ngx_http_gateway_jwt_value_t *value_r)
{
    char    buf[JWT_NUMBER_MAX + 1], *end;
    size_t  i, digits, points;

    memset(value_r, 0, sizeof(ngx_http_gateway_jwt_value_t));

    value_r->text.data = text;
    value_r->text.len = len;

    digits = 0;
    points = 0;

    for (i = 0; i < len; i++) {

        if (text[i] >= '0' && text[i] <= '9') {
            digits++;

        } else if (text[i] == '.' && digits != 0) {
            points++;

        } else if (text[i] != '-' || i != 0) {
            return;
        }
    }

    if (digits == 0 || points > 1 || len > JWT_NUMBER_MAX
        || text[len - 1] == '.')
    {
        return;
    }

    memcpy(buf, text, len);
    buf[len] = '\0';

    value_r->is_number = 1;
    value_r->real = strtod(buf, NULL);

    /* 18 digits are below 2^63 */

    if (points == 0 && digits <= 18) {
        value_r->is_integer = 1;
        value_r->integer = strtoll(buf, &end, 10);
    }
}


int
ngx_http_gateway_jwt_claim_meets(const ngx_http_gateway_jwt_token_t *token,
    const ngx_http_gateway_jwt_path_t *path, ngx_http_gateway_jwt_op_e op,
    const ngx_http_gateway_jwt_value_t *values, size_t n)
{
    bool           is_met;
    size_t         i;
    const json_t  *claim;

    claim = jwt_find(ngx_http_gateway_jwt_token_claims(token), path);

    if (claim == NULL || json_is_null(claim)) {
        return 0;
    }

    if (op == NGX_HTTP_GATEWAY_JWT_OP_PRESENT) {
        return 1;
    }

    for (i = 0; i < n; i++) {

        switch (op) {

        case NGX_HTTP_GATEWAY_JWT_OP_IS:
        case NGX_HTTP_GATEWAY_JWT_OP_IN:
            is_met = jwt_is(claim, &values[i]);
            break;

        case NGX_HTTP_GATEWAY_JWT_OP_HAS:
        case NGX_HTTP_GATEWAY_JWT_OP_HAS_ANY:
            is_met = jwt_has(claim, &values[i]);
            break;

        case NGX_HTTP_GATEWAY_JWT_OP_PREFIX:
            is_met = jwt_begins(claim, &values[i]);
            break;

        default: /* of numbers */
            is_met = jwt_compares(claim, &values[i], op);
            break;
        }

        if (is_met != (op == NGX_HTTP_GATEWAY_JWT_OP_HAS)) {
            return is_met;
        }
    }

    /* none was met; of HAS, each was, if there was one */

    return op == NGX_HTTP_GATEWAY_JWT_OP_HAS && n != 0;
}


static const json_t *
jwt_find(const json_t *claims, const ngx_http_gateway_jwt_path_t *path)
{
    char          *end;
    unsigned       i;
    const char    *name;
    const json_t  *value;
    unsigned long  n;

    value = claims;

    for (i = 0; i < path->n && value != NULL; i++) {
        name = path->names[i];

        if (!json_is_array(value)) {
            /* NULL too of what is no object */
            value = json_object_get(value, name);
            continue;
        }

        /* an index, without zeros before it */

        n = strtoul(name, &end, 10);

        if (*name < '0' || *name > '9' || *end != '\0'
            || (*name == '0' && name[1] != '\0'))
        {
            return NULL;
        }

        value = json_array_get(value, n);
    }

    return value;
}


static bool
jwt_is(const json_t *claim, const ngx_http_gateway_jwt_value_t *value)
{
    const char  *word;

    if (value->text.len == 0) {
        return false;
    }

    if (json_is_string(claim)) {
        return json_string_length(claim) == value->text.len
               && memcmp(json_string_value(claim), value->text.data,
                         value->text.len)
                  == 0;
    }

    if (json_is_number(claim)) {
        return value->is_number
               && jwt_compares(claim, value, NGX_HTTP_GATEWAY_JWT_OP_IS);
    }

    if (json_is_boolean(claim)) {
        word = json_is_true(claim) ? "true" : "false";
        return strlen(word) == value->text.len
               && memcmp(word, value->text.data, value->text.len) == 0;
    }

    return false;
}


static bool
jwt_has(const json_t *claim, const ngx_http_gateway_jwt_value_t *value)
{
    size_t   i;
    json_t  *item;

    if (json_is_string(claim)) {
        return jwt_has_word(claim, value);
    }

    if (json_is_array(claim)) {
        json_array_foreach(claim, i, item) {
            if (jwt_is(item, value)) {
                return true;
            }
        }
    }

    return false;
}


/* the words of a scope are separated by blanks (RFC 6749, section 3.3) */

static bool
jwt_has_word(const json_t *claim, const ngx_http_gateway_jwt_value_t *value)
{
    size_t       len;
    const char  *p, *last, *end;

    p = json_string_value(claim);
    last = p + json_string_length(claim);

    while (p < last) {
        end = memchr(p, ' ', (size_t) (last - p));

        if (end == NULL) {
            end = last;
        }

        len = (size_t) (end - p);

        if (len != 0 && len == value->text.len
            && memcmp(p, value->text.data, len) == 0)
        {
            return true;
        }

        p = end + 1;
    }

    return false;
}


static bool
jwt_begins(const json_t *claim, const ngx_http_gateway_jwt_value_t *value)
{
    return json_is_string(claim) && value->text.len != 0
           && json_string_length(claim) >= value->text.len
           && memcmp(json_string_value(claim), value->text.data,
                     value->text.len)
              == 0;
}


static bool
jwt_compares(const json_t *claim, const ngx_http_gateway_jwt_value_t *value,
    ngx_http_gateway_jwt_op_e op)
{
    int      order;
    double   real;
    int64_t  integer;

    if (!json_is_number(claim) || !value->is_number) {
        return false;
    }

    if (json_is_integer(claim) && value->is_integer) {
        integer = (int64_t) json_integer_value(claim);
        order = (integer > value->integer) - (integer < value->integer);

    } else {
        real = json_number_value(claim);
        order = (real > value->real) - (real < value->real);
    }

    switch (op) {

    case NGX_HTTP_GATEWAY_JWT_OP_LT:
        return order < 0;

    case NGX_HTTP_GATEWAY_JWT_OP_LE:
        return order <= 0;

    case NGX_HTTP_GATEWAY_JWT_OP_GT:
        return order > 0;

    case NGX_HTTP_GATEWAY_JWT_OP_GE:
        return order >= 0;

    default: /* NGX_HTTP_GATEWAY_JWT_OP_IS */
        return order == 0;
    }
}
