/*
 * Copyright (C) the Warren authors
 *
 * A hash table of revoked values: the text once more, entries that point into
 * it, and places of entries found by open addressing.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_jwt_revoked_set.h"


/* digits of a time; 15 are below 2^53 */

#define JWT_TIME_DIGITS  15


typedef struct {
    uint32_t        offset;             /* of the value in the text */
    uint16_t        len;
    uint16_t        kind;
    int64_t         before;             /* INT64_MAX: whenever issued */
} jwt_entry_t;


struct ngx_http_gateway_jwt_revoked_set_s {
    unsigned char  *text;
    jwt_entry_t    *entries;
    size_t          n;

    /* index of an entry and 1, or 0: free; never more than half full */
    uint32_t       *places;
    uint32_t        mask;
};


/* a line that was taken apart */

typedef struct {
    ngx_http_gateway_jwt_revoked_e  kind;
    const unsigned char            *value;
    size_t                          len;
    int64_t                         before;
} jwt_line_t;


static bool jwt_allocate(ngx_http_gateway_jwt_revoked_set_t *set,
    const unsigned char *text, size_t len);
static const char *jwt_read_line(const unsigned char *p,
    const unsigned char *last, jwt_line_t *line);
static const char *jwt_read_time(const unsigned char **pp,
    const unsigned char *last, int64_t *time_r);
static bool jwt_skip_word(const unsigned char **pp, const unsigned char *last,
    const char *word);
static void jwt_add(ngx_http_gateway_jwt_revoked_set_t *set,
    const jwt_line_t *line);
static uint32_t *jwt_place(const ngx_http_gateway_jwt_revoked_set_t *set,
    ngx_http_gateway_jwt_revoked_e kind, const unsigned char *value,
    size_t len);


ngx_http_gateway_jwt_revoked_set_t *
ngx_http_gateway_jwt_revoked_set_new(const unsigned char *text, size_t len,
    size_t *line_r, const char **reason_r)
{
    jwt_line_t                           line;
    const unsigned char                 *p, *last, *end;
    ngx_http_gateway_jwt_revoked_set_t  *set;

    *line_r = 1;
    *reason_r = NULL;

    if (len > NGX_HTTP_GATEWAY_JWT_REVOKED_SIZE) {
        *reason_r = "the file is too large";
        return NULL;
    }

    set = calloc(1, sizeof(ngx_http_gateway_jwt_revoked_set_t));

    if (set == NULL || !jwt_allocate(set, text, len)) {
        ngx_http_gateway_jwt_revoked_set_free(set);
        return NULL;
    }

    p = set->text;
    last = p + len;

    for ( /* void */ ; p < last; p = end + 1) {
        end = memchr(p, '\n', (size_t) (last - p));

        /* half of a file that is still being written must not replace it */

        if (end == NULL) {
            *reason_r = "the last line has no end";
            break;
        }

        line.value = NULL;
        *reason_r = jwt_read_line(p, end, &line);

        if (*reason_r != NULL) {
            break;
        }

        if (line.value != NULL) {
            jwt_add(set, &line);
        }

        ++*line_r;
    }

    if (*reason_r != NULL) {
        ngx_http_gateway_jwt_revoked_set_free(set);
        return NULL;
    }

    return set;
}


/* room for as many entries as there are lines */

static bool
jwt_allocate(ngx_http_gateway_jwt_revoked_set_t *set,
    const unsigned char *text, size_t len)
{
    size_t  i, lines, places;

    lines = 1;

    for (i = 0; i < len; i++) {
        lines += text[i] == '\n';
    }

    for (places = 16; places < lines * 2; places *= 2) {
        /* void */
    }

    set->text = malloc(len + 1);
    set->entries = calloc(lines, sizeof(jwt_entry_t));
    set->places = calloc(places, sizeof(uint32_t));
    set->mask = (uint32_t) (places - 1);

    if (set->text == NULL || set->entries == NULL || set->places == NULL) {
        return false;
    }

    memcpy(set->text, text, len);

    return true;
}


void
ngx_http_gateway_jwt_revoked_set_free(ngx_http_gateway_jwt_revoked_set_t *set)
{
    if (set == NULL) {
        return;
    }

    free(set->places);
    free(set->entries);
    free(set->text);
    free(set);
}


size_t
ngx_http_gateway_jwt_revoked_set_number(
    const ngx_http_gateway_jwt_revoked_set_t *set)
{
    return set->n;
}


/* line->value stays NULL if there is nothing in the line */

static const char *
jwt_read_line(const unsigned char *p, const unsigned char *last,
    jwt_line_t *line)
{
    const char           *reason;
    const unsigned char  *q;

    while (last > p
           && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r'))
    {
        last--;
    }

    if (p == last || *p == '#') {
        return NULL;
    }

    line->before = INT64_MAX;

    if (jwt_skip_word(&p, last, "jti")) {
        line->kind = NGX_HTTP_GATEWAY_JWT_REVOKED_JTI;

    } else if (jwt_skip_word(&p, last, "sub")) {
        line->kind = NGX_HTTP_GATEWAY_JWT_REVOKED_SUB;

    } else if (jwt_skip_word(&p, last, "before")) {
        line->kind = NGX_HTTP_GATEWAY_JWT_REVOKED_SUB;

        reason = jwt_read_time(&p, last, &line->before);
        if (reason != NULL) {
            return reason;
        }

    } else {
        return "a line begins with jti, sub, before or #, and a blank";
    }

    if (p == last) {
        return "the value is missing";
    }

    line->value = p;
    line->len = (size_t) (last - p);

    if (line->len > NGX_HTTP_GATEWAY_JWT_REVOKED_VALUE) {
        return "the value is too long";
    }

    for (q = p; q < last; q++) {
        if (*q < 0x20 || *q == 0x7f) {
            return "the value has a control character";
        }
    }

    return NULL;
}


static const char *
jwt_read_time(const unsigned char **pp, const unsigned char *last,
    int64_t *time_r)
{
    size_t                n;
    int64_t               value;
    const unsigned char  *p;

    p = *pp;
    value = 0;

    for (n = 0; p < last && *p >= '0' && *p <= '9'; n++, p++) {

        if (n == JWT_TIME_DIGITS) {
            break;
        }

        value = value * 10 + (*p - '0');
    }

    if (n == 0 || (p < last && *p != ' ' && *p != '\t')) {
        return "the time is no number of seconds";
    }

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    *pp = p;
    *time_r = value;

    return NULL;
}


/* the word with a blank behind it, or the end */

static bool
jwt_skip_word(const unsigned char **pp, const unsigned char *last,
    const char *word)
{
    size_t                n;
    const unsigned char  *p;

    p = *pp;
    n = strlen(word);

    if ((size_t) (last - p) < n || memcmp(p, word, n) != 0) {
        return false;
    }

    p += n;

    if (p < last && *p != ' ' && *p != '\t') {
        return false;
    }

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    *pp = p;

    return true;
}


/* of several lines about a subject the one that revokes most counts */

static void
jwt_add(ngx_http_gateway_jwt_revoked_set_t *set, const jwt_line_t *line)
{
    uint32_t     *place;
    jwt_entry_t  *entry;

    place = jwt_place(set, line->kind, line->value, line->len);

    if (*place == 0) {
        entry = &set->entries[set->n++];
        *place = (uint32_t) set->n;

        entry->offset = (uint32_t) (line->value - set->text);
        entry->len = (uint16_t) line->len;
        entry->kind = (uint16_t) line->kind;
        entry->before = line->before;
        return;
    }

    entry = &set->entries[*place - 1];

    if (line->before > entry->before) {
        entry->before = line->before;
    }
}


/* where the value is, or would be; there is always a free place */

static uint32_t *
jwt_place(const ngx_http_gateway_jwt_revoked_set_t *set,
    ngx_http_gateway_jwt_revoked_e kind, const unsigned char *value,
    size_t len)
{
    size_t              i;
    uint64_t            hash;
    const jwt_entry_t  *entry;

    /* FNV-1a: who could choose colliding values can sign tokens */

    hash = 14695981039346656037ULL ^ (uint64_t) kind;

    for (i = 0; i < len; i++) {
        hash = (hash ^ value[i]) * 1099511628211ULL;
    }

    hash ^= hash >> 32;

    for (i = hash & set->mask; set->places[i] != 0; i = (i + 1) & set->mask) {
        entry = &set->entries[set->places[i] - 1];

        if (entry->kind == kind && entry->len == len
            && memcmp(set->text + entry->offset, value, len) == 0)
        {
            break;
        }
    }

    return &set->places[i];
}


int
ngx_http_gateway_jwt_revoked_set_has(
    const ngx_http_gateway_jwt_revoked_set_t *set,
    ngx_http_gateway_jwt_revoked_e kind, const unsigned char *value,
    size_t len, int64_t iat)
{
    uint32_t  *place;

    if (len == 0 || len > NGX_HTTP_GATEWAY_JWT_REVOKED_VALUE) {
        return 0;
    }

    place = jwt_place(set, kind, value, len);

    return *place != 0
           && (set->entries[*place - 1].before == INT64_MAX
               || iat < set->entries[*place - 1].before);
}
