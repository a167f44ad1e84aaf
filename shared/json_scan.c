/*
 * Copyright (C) the Warren authors
 *
 * The strict scan of a JSON text (RFC 8259), before anything is built of it.
 */

#include <stdbool.h>
#include <string.h>

#include "arena.h"
#include "json.h"
#include "json_private.h"
#include "utf8.h"


/* what may come next */

enum state {
    /* a value must come */
    STATE_VALUE = 0,

    /* after "[": a value, or the end of the array */
    STATE_FIRST_ITEM,

    /* after "{": a name, or the end of the object */
    STATE_FIRST_NAME,

    /* after "," in an object: a name must come */
    STATE_NAME,

    /* after a name: a colon must come */
    STATE_COLON,

    /* after a value inside something: a comma, or the end of it */
    STATE_AFTER,

    /* after the outermost value: nothing but blanks */
    STATE_END
};


struct scan {
    const char  *text;
    const char  *p;
    const char  *last;
    const char  *error;         /* what is wrong at p */
    enum state   state;
    unsigned     depth;
    bool         objects[WR_JSON_DEPTH_MAX];
};


static bool token(struct scan *scan);
static bool value(struct scan *scan);
static bool after(struct scan *scan);
static bool open_level(struct scan *scan, bool is_object);
static bool close_level(struct scan *scan);
static void value_ended(struct scan *scan);
static bool string(struct scan *scan);
static bool escape(struct scan *scan);
static bool unicode_escape(struct scan *scan);
static int hex4(const struct scan *scan, const char *p);
static bool number(struct scan *scan);
static bool digits(struct scan *scan);
static bool literal(struct scan *scan, const char *word);
static bool fail(struct scan *scan, const char *error);


int
wr_json_scan(struct wr_arena *arena, const char *text, size_t len,
    const char **error_r)
{
    struct scan  scan = { .text = text, .p = text, .last = text + len };

    if (len == 0) {
        *error_r = "the text is empty";
        return -1;
    }

    for ( ;; ) {

        while (scan.p < scan.last
               && (*scan.p == ' ' || *scan.p == '\t' || *scan.p == '\n'
                   || *scan.p == '\r'))
        {
            scan.p++;
        }

        if (scan.p == scan.last) {

            if (scan.state == STATE_END) {
                return 0;
            }

            scan.error = "the text ends too early";
            break;
        }

        if (!token(&scan)) {
            break;
        }
    }

    *error_r = wr_arena_printf(arena, "%s at byte %zu", scan.error,
                               (size_t) (scan.p - scan.text));

    return -1;
}


static bool
token(struct scan *scan)
{
    switch (scan->state) {

    case STATE_VALUE:
        return value(scan);

    case STATE_FIRST_ITEM:
        return *scan->p == ']' ? close_level(scan) : value(scan);

    case STATE_FIRST_NAME:
        if (*scan->p == '}') {
            return close_level(scan);
        }

        break;

    case STATE_NAME:
        break;

    case STATE_COLON:
        if (*scan->p != ':') {
            return fail(scan, "a colon is missing");
        }

        scan->p++;
        scan->state = STATE_VALUE;
        return true;

    case STATE_AFTER:
        return after(scan);

    case STATE_END:
        return fail(scan, "something follows the value");
    }

    if (*scan->p != '"') {
        return fail(scan, "a member's name is missing");
    }

    scan->state = STATE_COLON;

    return string(scan);
}


static bool
value(struct scan *scan)
{
    switch (*scan->p) {

    case '{':
        return open_level(scan, true);

    case '[':
        return open_level(scan, false);

    case '"':
        value_ended(scan);
        return string(scan);

    case 't':
        return literal(scan, "true");

    case 'f':
        return literal(scan, "false");

    case 'n':
        return literal(scan, "null");

    default:
        return number(scan);
    }
}


static bool
after(struct scan *scan)
{
    bool  in_object;

    in_object = scan->objects[scan->depth - 1];

    if (*scan->p == ',') {
        scan->p++;
        scan->state = in_object ? STATE_NAME : STATE_VALUE;
        return true;
    }

    if (*scan->p == (in_object ? '}' : ']')) {
        return close_level(scan);
    }

    return fail(scan, "a comma or the end is missing");
}


static bool
open_level(struct scan *scan, bool is_object)
{
    if (scan->depth == WR_JSON_DEPTH_MAX) {
        return fail(scan, "it is nested too deep");
    }

    scan->objects[scan->depth++] = is_object;
    scan->state = is_object ? STATE_FIRST_NAME : STATE_FIRST_ITEM;
    scan->p++;

    return true;
}


static bool
close_level(struct scan *scan)
{
    scan->depth--;
    scan->p++;
    value_ended(scan);

    return true;
}


static void
value_ended(struct scan *scan)
{
    scan->state = (scan->depth == 0) ? STATE_END : STATE_AFTER;
}


static bool
string(struct scan *scan)
{
    size_t         n;
    unsigned char  ch;

    for (scan->p++; scan->p < scan->last; scan->p += n) {
        ch = (unsigned char) *scan->p;

        if (ch == '"') {
            scan->p++;
            return true;
        }

        if (ch < ' ') {
            return fail(scan, "a control character stands in a string");
        }

        if (ch == '\\') {
            if (!escape(scan)) {
                return false;
            }

            n = 0;
            continue;
        }

        n = wr_utf8_len(scan->p, (size_t) (scan->last - scan->p));

        if (n == 0) {
            return fail(scan, "a string is not UTF-8");
        }
    }

    return fail(scan, "a string does not end");
}


static bool
escape(struct scan *scan)
{
    if (scan->last - scan->p < 2) {
        return fail(scan, "an escape is cut short");
    }

    if (scan->p[1] == 'u') {
        return unicode_escape(scan);
    }

    if (scan->p[1] == '\0' || strchr("\"\\/bfnrt", scan->p[1]) == NULL) {
        return fail(scan, "an escape is unknown");
    }

    scan->p += 2;

    return true;
}


/* \u0000 would end the string for whoever reads it in C. */
static bool
unicode_escape(struct scan *scan)
{
    int  unit, low;

    unit = hex4(scan, scan->p + 2);

    if (unit < 0) {
        return fail(scan, "an escape is not four hex digits");
    }

    if (unit == 0) {
        return fail(scan, "\\u0000 is refused");
    }

    if (unit < 0xD800 || unit > 0xDFFF) {
        scan->p += 6;
        return true;
    }

    if (unit > 0xDBFF || scan->last - scan->p < 12
        || scan->p[6] != '\\' || scan->p[7] != 'u')
    {
        return fail(scan, "a surrogate is alone");
    }

    low = hex4(scan, scan->p + 8);

    if (low < 0xDC00 || low > 0xDFFF) {
        return fail(scan, "a surrogate is alone");
    }

    scan->p += 12;

    return true;
}


static int
hex4(const struct scan *scan, const char *p)
{
    int   i, n;
    char  ch;

    if (scan->last - p < 4) {
        return -1;
    }

    n = 0;

    for (i = 0; i < 4; i++) {
        ch = p[i];
        n *= 16;

        if (ch >= '0' && ch <= '9') {
            n += ch - '0';

        } else if (ch >= 'a' && ch <= 'f') {
            n += ch - 'a' + 10;

        } else if (ch >= 'A' && ch <= 'F') {
            n += ch - 'A' + 10;

        } else {
            return -1;
        }
    }

    return n;
}


static bool
number(struct scan *scan)
{
    const char  *start;

    start = scan->p;

    if (*scan->p == '-') {
        scan->p++;
    }

    if (scan->p < scan->last && *scan->p == '0') {
        scan->p++;

    } else if (!digits(scan)) {
        return fail(scan, "a value is missing");
    }

    if (scan->p < scan->last && *scan->p == '.') {
        scan->p++;

        if (!digits(scan)) {
            return fail(scan, "a digit is missing");
        }
    }

    if (scan->p < scan->last && (*scan->p == 'e' || *scan->p == 'E')) {
        scan->p++;

        if (scan->p < scan->last && (*scan->p == '+' || *scan->p == '-')) {
            scan->p++;
        }

        if (!digits(scan)) {
            return fail(scan, "a digit is missing");
        }
    }

    if (scan->p - start > WR_JSON_NUMBER_MAX) {
        return fail(scan, "a number is too long");
    }

    value_ended(scan);

    return true;
}


/* One or more. */
static bool
digits(struct scan *scan)
{
    const char  *start;

    start = scan->p;

    while (scan->p < scan->last && *scan->p >= '0' && *scan->p <= '9') {
        scan->p++;
    }

    return scan->p != start;
}


static bool
literal(struct scan *scan, const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (scan->last - scan->p) < len
        || memcmp(scan->p, word, len) != 0)
    {
        return fail(scan, "a value is missing");
    }

    scan->p += len;
    value_ended(scan);

    return true;
}


static bool
fail(struct scan *scan, const char *error)
{
    scan->error = error;

    return false;
}
