/*
 * Copyright (C) the Warren authors
 *
 * Reading the objects of a token.  Nearly all are flat: strings of printable
 * ASCII without escapes, integers, true, false, null and lists of such strings.
 * Those are read here in one pass and kept in one block; jansson, which needs
 * several times the rest of a fresh token for them, reads whatever is different
 * in any way, and so decides alone what is refused.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ngx_http_gateway_jwt_document.h"


/* a rough but generous figure of what jansson spends on one value */

#define JWT_VALUE_COST  96

/* bytes of a name that is asked for; longer ones are not found */

#define JWT_NAME_MAX    127

/* items of all lists of a flat object */

#define JWT_ITEMS_MAX   64

/* 18 digits are below 2^63 */

#define JWT_DIGITS_MAX  18


/* places in the text, which has at most 8192 bytes */

typedef struct {
    uint16_t                      start;
    uint16_t                      len;
} jwt_span_t;


typedef struct {
    jwt_span_t                    name;
    jwt_span_t                    value;   /* of an array: the first item, n */
    int64_t                       integer;
    ngx_http_gateway_jwt_value_e  kind;
} jwt_member_t;


struct ngx_http_gateway_jwt_document_s {
    json_t                       *json;    /* NULL: not made; it is flat */

    /* all of this lies behind the structure; text is NULL if it is not flat */
    const unsigned char          *text;
    size_t                        len;
    const jwt_member_t           *members;
    size_t                        n;
    const jwt_span_t             *items;
};


/* while a flat object is read */

typedef struct {
    const unsigned char          *text;
    const unsigned char          *p;
    const unsigned char          *last;
    size_t                        n;
    size_t                        nitems;
    size_t                        nvalues;
    jwt_member_t                  members[NGX_HTTP_GATEWAY_JWT_MEMBERS_MAX];
    jwt_span_t                    items[JWT_ITEMS_MAX];
} jwt_reader_t;


static bool jwt_read_flat(jwt_reader_t *reader);
static bool jwt_read_member(jwt_reader_t *reader);
static bool jwt_read_value(jwt_reader_t *reader, jwt_member_t *member);
static bool jwt_read_string(jwt_reader_t *reader, jwt_span_t *span);
static bool jwt_read_integer(jwt_reader_t *reader, int64_t *integer);
static bool jwt_read_items(jwt_reader_t *reader, jwt_member_t *member);
static bool jwt_read_word(jwt_reader_t *reader, const char *word, size_t len);
static unsigned char jwt_peek(jwt_reader_t *reader);
static unsigned char jwt_next(jwt_reader_t *reader);
static int jwt_keep_flat(const jwt_reader_t *reader,
    ngx_http_gateway_jwt_document_t **document_r, size_t *size_r);
static int jwt_read_any(const unsigned char *text, size_t len,
    ngx_http_gateway_jwt_document_t **document_r, size_t *size_r);
static int jwt_load(const unsigned char *text, size_t len, json_t **json_r);
static bool jwt_is_shallow(const unsigned char *p, size_t len);
static bool jwt_count(const json_t *value, size_t *values);
static json_t *jwt_find(const json_t *json, const unsigned char *name,
    size_t len);
static ngx_http_gateway_jwt_member_t jwt_of_json(const json_t *json);


int
ngx_http_gateway_jwt_document_new(const unsigned char *text, size_t len,
    ngx_http_gateway_jwt_document_t **document_r, size_t *size_r)
{
    jwt_reader_t  reader;

    *document_r = NULL;

    if (len > NGX_HTTP_GATEWAY_JWT_TOKEN_MAX) {
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    reader.text = text;
    reader.p = text;
    reader.last = text + len;
    reader.n = 0;
    reader.nitems = 0;
    reader.nvalues = 1;

    return jwt_read_flat(&reader)
           ? jwt_keep_flat(&reader, document_r, size_r)
           : jwt_read_any(text, len, document_r, size_r);
}


/* false: it is not flat, or not JSON */

static bool
jwt_read_flat(jwt_reader_t *reader)
{
    unsigned char  ch;

    if (jwt_peek(reader) != '{') {
        return false;
    }

    reader->p++;

    if (jwt_peek(reader) == '}') {
        reader->p++;
        return jwt_peek(reader) == '\0' && reader->p == reader->last;
    }

    do {

        if (!jwt_read_member(reader)) {
            return false;
        }

        ch = jwt_next(reader);

    } while (ch == ',');

    return ch == '}' && jwt_peek(reader) == '\0' && reader->p == reader->last;
}


static bool
jwt_read_member(jwt_reader_t *reader)
{
    size_t         i;
    jwt_member_t  *member, *other;

    if (reader->n == NGX_HTTP_GATEWAY_JWT_MEMBERS_MAX) {
        return false;
    }

    member = &reader->members[reader->n];

    if (jwt_peek(reader) != '"' || !jwt_read_string(reader, &member->name)) {
        return false;
    }

    for (i = 0; i < reader->n; i++) {
        other = &reader->members[i];

        if (other->name.len == member->name.len
            && memcmp(reader->text + other->name.start,
                      reader->text + member->name.start, member->name.len)
               == 0)
        {
            return false;
        }
    }

    if (jwt_peek(reader) != ':') {
        return false;
    }

    reader->p++;
    reader->n++;
    reader->nvalues++;

    return jwt_read_value(reader, member);
}


static bool
jwt_read_value(jwt_reader_t *reader, jwt_member_t *member)
{
    member->kind = NGX_HTTP_GATEWAY_JWT_VALUE_OTHER;

    switch (jwt_peek(reader)) {

    case '"':
        member->kind = NGX_HTTP_GATEWAY_JWT_VALUE_STRING;
        return jwt_read_string(reader, &member->value);

    case '[':
        member->kind = NGX_HTTP_GATEWAY_JWT_VALUE_ARRAY;
        return jwt_read_items(reader, member);

    case 't':
        return jwt_read_word(reader, "true", 4);

    case 'f':
        return jwt_read_word(reader, "false", 5);

    case 'n':
        return jwt_read_word(reader, "null", 4);

    default:
        member->kind = NGX_HTTP_GATEWAY_JWT_VALUE_INTEGER;
        return jwt_read_integer(reader, &member->integer);
    }
}


/* from its quote; what would have to be looked at more closely is not flat */

static bool
jwt_read_string(jwt_reader_t *reader, jwt_span_t *span)
{
    const unsigned char  *p;

    p = ++reader->p;

    while (p < reader->last && *p >= 0x20 && *p < 0x7f && *p != '\\') {

        if (*p == '"') {
            span->start = (uint16_t) (reader->p - reader->text);
            span->len = (uint16_t) (p - reader->p);
            reader->p = p + 1;
            return true;
        }

        p++;
    }

    return false;
}


static bool
jwt_read_integer(jwt_reader_t *reader, int64_t *integer)
{
    bool                  is_negative;
    const unsigned char  *start;

    is_negative = reader->p < reader->last && *reader->p == '-';
    reader->p += is_negative;
    start = reader->p;

    *integer = 0;

    while (reader->p < reader->last && *reader->p >= '0' && *reader->p <= '9'
           && reader->p - start < JWT_DIGITS_MAX)
    {
        *integer = *integer * 10 + (*reader->p++ - '0');
    }

    /* what follows must be a comma or an end, so no more digits, no fraction */

    if (reader->p == start || (*start == '0' && reader->p - start != 1)) {
        return false;
    }

    if (is_negative) {
        *integer = -*integer;
    }

    return true;
}


/* a list of strings */

static bool
jwt_read_items(jwt_reader_t *reader, jwt_member_t *member)
{
    unsigned char  ch;

    member->value.start = (uint16_t) reader->nitems;
    member->value.len = 0;

    reader->p++;

    if (jwt_peek(reader) == ']') {
        reader->p++;
        return true;
    }

    do {

        if (reader->nitems == JWT_ITEMS_MAX || jwt_peek(reader) != '"'
            || !jwt_read_string(reader, &reader->items[reader->nitems]))
        {
            return false;
        }

        reader->nitems++;
        reader->nvalues++;
        member->value.len++;

        ch = jwt_next(reader);

    } while (ch == ',');

    return ch == ']';
}


static bool
jwt_read_word(jwt_reader_t *reader, const char *word, size_t len)
{
    if ((size_t) (reader->last - reader->p) < len
        || memcmp(reader->p, word, len) != 0)
    {
        return false;
    }

    reader->p += len;

    return true;
}


/* the next byte that is no blank, or a zero at the end */

static unsigned char
jwt_peek(jwt_reader_t *reader)
{
    while (reader->p < reader->last
           && (*reader->p == ' ' || *reader->p == '\t' || *reader->p == '\n'
               || *reader->p == '\r'))
    {
        reader->p++;
    }

    return reader->p < reader->last ? *reader->p : '\0';
}


/* the same, and steps over it */

static unsigned char
jwt_next(jwt_reader_t *reader)
{
    unsigned char  ch;

    ch = jwt_peek(reader);
    reader->p += (reader->p < reader->last);

    return ch;
}


static int
jwt_keep_flat(const jwt_reader_t *reader,
    ngx_http_gateway_jwt_document_t **document_r, size_t *size_r)
{
    size_t                            len, members, items;
    unsigned char                    *p;
    ngx_http_gateway_jwt_document_t  *document;

    len = (size_t) (reader->last - reader->text);
    members = reader->n * sizeof(jwt_member_t);
    items = reader->nitems * sizeof(jwt_span_t);

    document = malloc(sizeof(ngx_http_gateway_jwt_document_t) + members + items
                      + len);
    if (document == NULL) {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    p = (unsigned char *) (document + 1);

    document->json = NULL;
    document->members = memcpy(p, reader->members, members);
    document->n = reader->n;
    document->items = memcpy(p + members, reader->items, items);
    document->text = memcpy(p + members + items, reader->text, len);
    document->len = len;

    *document_r = document;

    /* with what jansson would take, which may be asked yet */

    *size_r = sizeof(ngx_http_gateway_jwt_document_t) + members + items + len
              + reader->nvalues * JWT_VALUE_COST;

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


static int
jwt_read_any(const unsigned char *text, size_t len,
    ngx_http_gateway_jwt_document_t **document_r, size_t *size_r)
{
    int                               rc;
    size_t                            values;
    json_t                           *json;
    ngx_http_gateway_jwt_document_t  *document;

    if (!jwt_is_shallow(text, len)) {
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    rc = jwt_load(text, len, &json);

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
        return rc;
    }

    values = 0;

    if (!json_is_object(json) || !jwt_count(json, &values)) {
        json_decref(json);
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    document = calloc(1, sizeof(ngx_http_gateway_jwt_document_t));

    if (document == NULL) {
        json_decref(json);
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    document->json = json;

    *document_r = document;
    *size_r = sizeof(ngx_http_gateway_jwt_document_t) + len
              + values * JWT_VALUE_COST;

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


static int
jwt_load(const unsigned char *text, size_t len, json_t **json_r)
{
    json_error_t  error;

    *json_r = json_loadb((const char *) text, len, JSON_REJECT_DUPLICATES,
                         &error);

    if (*json_r != NULL) {
        return NGX_HTTP_GATEWAY_JWT_FINE;
    }

    return json_error_code(&error) == json_error_out_of_memory
           ? NGX_HTTP_GATEWAY_JWT_NO_MEMORY : NGX_HTTP_GATEWAY_JWT_REFUSED;
}


/* looks at the depth before a parser that recurses does */

static bool
jwt_is_shallow(const unsigned char *p, size_t len)
{
    bool      is_string;
    size_t    i;
    unsigned  depth;

    depth = 0;
    is_string = false;

    for (i = 0; i < len; i++) {

        if (is_string) {

            if (p[i] == '\\') {
                i++;

            } else if (p[i] == '"') {
                is_string = false;
            }

            continue;
        }

        if (p[i] == '"') {
            is_string = true;

        } else if (p[i] == '{' || p[i] == '[') {
            depth++;

            if (depth > NGX_HTTP_GATEWAY_JWT_DEPTH_MAX) {
                return false;
            }

        } else if ((p[i] == '}' || p[i] == ']') && depth != 0) {
            depth--;
        }
    }

    return true;
}


/* it may recurse, since jwt_is_shallow() was asked before */

static bool
jwt_count(const json_t *value, size_t *values)
{
    size_t       i;
    json_t      *child;
    const char  *name;

    if (++*values > NGX_HTTP_GATEWAY_JWT_VALUES_MAX) {
        return false;
    }

    if (json_is_object(value)) {

        if (json_object_size(value) > NGX_HTTP_GATEWAY_JWT_MEMBERS_MAX) {
            return false;
        }

        json_object_foreach((json_t *) value, name, child) {
            if (!jwt_count(child, values)) {
                return false;
            }
        }

    } else if (json_is_array(value)) {

        json_array_foreach(value, i, child) {
            if (!jwt_count(child, values)) {
                return false;
            }
        }
    }

    return true;
}


void
ngx_http_gateway_jwt_document_free(ngx_http_gateway_jwt_document_t *document)
{
    if (document == NULL) {
        return;
    }

    json_decref(document->json);
    free(document);
}


ngx_http_gateway_jwt_member_t
ngx_http_gateway_jwt_document_get(
    const ngx_http_gateway_jwt_document_t *document,
    const unsigned char *name, size_t len)
{
    size_t                          i;
    const jwt_member_t             *member;
    ngx_http_gateway_jwt_member_t   value;

    memset(&value, 0, sizeof(ngx_http_gateway_jwt_member_t));

    if (len > JWT_NAME_MAX) {
        return value;
    }

    if (document->text == NULL) {
        return jwt_of_json(jwt_find(document->json, name, len));
    }

    for (i = 0; i < document->n; i++) {
        member = &document->members[i];

        if (member->name.len != len
            || memcmp(document->text + member->name.start, name, len) != 0)
        {
            continue;
        }

        value.kind = member->kind;

        if (member->kind == NGX_HTTP_GATEWAY_JWT_VALUE_STRING) {
            value.string.data = document->text + member->value.start;
            value.string.len = member->value.len;

        } else if (member->kind == NGX_HTTP_GATEWAY_JWT_VALUE_INTEGER) {
            value.integer = member->integer;

        } else if (member->kind == NGX_HTTP_GATEWAY_JWT_VALUE_ARRAY) {
            value.first = member->value.start;
            value.n = member->value.len;
        }

        break;
    }

    return value;
}


/* jansson 2.14 of Debian has json_object_getn(); older ones do not */

static json_t *
jwt_find(const json_t *json, const unsigned char *name, size_t len)
{
    char  key[JWT_NAME_MAX + 1];

    if (memchr(name, '\0', len) != NULL) {
        return NULL;
    }

    memcpy(key, name, len);
    key[len] = '\0';

    return json_object_get(json, key);
}


static ngx_http_gateway_jwt_member_t
jwt_of_json(const json_t *json)
{
    ngx_http_gateway_jwt_member_t  value;

    memset(&value, 0, sizeof(ngx_http_gateway_jwt_member_t));

    if (json == NULL) {
        return value;
    }

    if (json_is_string(json)) {
        value.kind = NGX_HTTP_GATEWAY_JWT_VALUE_STRING;
        value.string.data = (const unsigned char *) json_string_value(json);
        value.string.len = json_string_length(json);

    } else if (json_is_integer(json)) {
        value.kind = NGX_HTTP_GATEWAY_JWT_VALUE_INTEGER;
        value.integer = (int64_t) json_integer_value(json);

    } else if (json_is_real(json)) {
        value.kind = NGX_HTTP_GATEWAY_JWT_VALUE_REAL;
        value.real = json_real_value(json);

    } else if (json_is_array(json)) {
        value.kind = NGX_HTTP_GATEWAY_JWT_VALUE_ARRAY;
        value.json = json;
        value.n = json_array_size(json);

    } else {
        value.kind = NGX_HTTP_GATEWAY_JWT_VALUE_OTHER;
    }

    return value;
}


ngx_http_gateway_jwt_member_t
ngx_http_gateway_jwt_document_item(
    const ngx_http_gateway_jwt_document_t *document,
    const ngx_http_gateway_jwt_member_t *array, size_t i)
{
    const jwt_span_t               *span;
    ngx_http_gateway_jwt_member_t   value;

    if (array->json != NULL) {
        return jwt_of_json(json_array_get(array->json, i));
    }

    memset(&value, 0, sizeof(ngx_http_gateway_jwt_member_t));

    span = &document->items[array->first + i];

    value.kind = NGX_HTTP_GATEWAY_JWT_VALUE_STRING;
    value.string.data = document->text + span->start;
    value.string.len = span->len;

    return value;
}


const struct json_t *
ngx_http_gateway_jwt_document_json(
    const ngx_http_gateway_jwt_document_t *document)
{
    ngx_http_gateway_jwt_document_t  *own;

    if (document->json == NULL) {

        /* what it says is the same before and after */

        own = (ngx_http_gateway_jwt_document_t *) document;

        if (jwt_load(document->text, document->len, &own->json)
            != NGX_HTTP_GATEWAY_JWT_FINE)
        {
            return NULL;
        }
    }

    return document->json;
}


int
ngx_http_gateway_jwt_document_is_flat(
    const ngx_http_gateway_jwt_document_t *document)
{
    return document->text != NULL;
}
