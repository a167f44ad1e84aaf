/*
 * Copyright (C) the Warren authors
 *
 * The strict scan of JSON in the gateway: what is JSON and what is nearly so,
 * and bytes at random beside a second, slower and recursive reading.
 */

#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_json.h"
#include "tap.h"


#define ROUNDS     200000
#define TEXT_MAX   256


static void test_valid(void);
static void test_invalid(void);
static void test_depth(void);
static void test_utf8(void);
static void test_prefixes(void);
static void test_mutations(void);


/* a second reading of the grammar, by descent; NULL: not valid */

static const unsigned char *read_value(const unsigned char *p,
    const unsigned char *last, int depth);
static const unsigned char *read_list(const unsigned char *p,
    const unsigned char *last, int depth, int is_object);
static const unsigned char *read_string(const unsigned char *p,
    const unsigned char *last);
static const unsigned char *read_escape(const unsigned char *p,
    const unsigned char *last);
static const unsigned char *read_number(const unsigned char *p,
    const unsigned char *last);
static const unsigned char *blanks(const unsigned char *p,
    const unsigned char *last);
static int utf8_len(const unsigned char *p, const unsigned char *last);


static const char  *valid[] = {
    "0", "-0", "1", "-10", "1.5", "0.0", "1e9", "1E+9", "-1.5e-9", "1e400",
    "true", "false", "null", "\"\"", "\"a\"", "{}", "[]", " {} ", "\t[\n]\r ",
    "[1]", "[1,2]", "[ 1 , 2 ]", "{\"a\":1}", "{ \"a\" : 1 , \"b\" : [] }",
    "{\"a\":{\"b\":[{\"c\":null}]}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0000\\u00e9\\uFFFF\"", "\"\\ud83d\\ude00\"", "\"\xc3\xa9\"",
    "\"\xe2\x82\xac\"", "\"\xf0\x9f\x98\x80\"", "\"\x7f\"", "{\"\":\"\"}",
    "{\"a\":1,\"a\":2}", "[[],[{}],[[0]]]", "123456789012345678901234567890"
};

static const char  *invalid[] = {
    "", " ", "a", "tru", "true1", "truefalse", "True", "nul", "NaN",
    "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1.e1", "1e", "1e+",
    "0x10", "1 2", "1,", ",1", "[", "]", "{", "}", "[1", "[1,", "[1,]",
    "[,1]", "[1 2]", "[1}", "{1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
    "{\"a\":1]", "{\"a\" 1}", "{a:1}", "{'a':1}", "{\"a\":1 \"b\":2}",
    "{,}", "{\"a\":1}}", "[]]", "[]{}", "\"", "\"a", "a\"", "'a'",
    "\"\\\"", "\"\\a\"", "\"\\u12\"", "\"\\u123g\"", "\"\\u\"",
    "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\ud800\\ud800\"",
    "\"a\nb\"", "\"a\tb\"", "\"\x01\"", "/* a */ 1", "1 // a", "\xef\xbb\xbf{}",
    "1},\"role\":\"admin\",\"x\":{\"a\":1", "1}", "{}\v", "{}\f", "\xc2\xa0{}"
};


int
main(void)
{
    test_valid();
    test_invalid();
    test_depth();
    test_utf8();
    test_prefixes();
    test_mutations();

    return done();
}


/* in memory of its own length, so that a sanitizer sees what is behind it */
static int
scan(const void *text, size_t len)
{
    int             rc;
    unsigned char  *copy;

    copy = malloc(len ? len : 1);

    if (copy == NULL) {
        abort();
    }

    memcpy(copy, text, len);
    rc = ngx_http_gateway_json_is_valid(copy, len);
    free(copy);

    return rc;
}


static int
reference(const unsigned char *text, size_t len)
{
    const unsigned char  *p;

    p = read_value(blanks(text, text + len), text + len, 0);

    return p != NULL && blanks(p, text + len) == text + len;
}


static void
test_valid(void)
{
    size_t  i;

    for (i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        ok(scan(valid[i], strlen(valid[i])), "%s is JSON", valid[i]);
    }
}


static void
test_invalid(void)
{
    size_t  i;
    bool    none;

    none = true;

    for (i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {

        if (scan(invalid[i], strlen(invalid[i]))) {
            diag("taken: number %zu, %s", i, invalid[i]);
            none = false;
        }
    }

    ok(none, "nothing that is nearly JSON is taken");
    ok(!scan("{}\0", 3), "a zero byte behind it is not overlooked");
    ok(!scan("\"\0\"", 3), "nor one inside");
}


static void
test_depth(void)
{
    int   i;
    char  text[2 * NGX_HTTP_GATEWAY_JSON_DEPTH + 2];

    for (i = 0; i < NGX_HTTP_GATEWAY_JSON_DEPTH + 1; i++) {
        text[i] = '[';
        text[2 * NGX_HTTP_GATEWAY_JSON_DEPTH + 1 - i] = ']';
    }

    ok(scan(text + 1, 2 * NGX_HTTP_GATEWAY_JSON_DEPTH),
       "arrays may be 64 deep");
    ok(!scan(text, sizeof(text)), "and not 65");
}


/* every sequence of up to three bytes, and some of four */
static void
test_utf8(void)
{
    bool           same;
    uint32_t       n;
    unsigned char  text[6];

    same = true;
    text[0] = '"';
    text[4] = '"';

    for (n = 0; n < 0x1000000; n += (n & 0xff) < 0xff && n > 0xe00000 ? 3 : 1) {
        text[1] = (unsigned char) (n >> 16);
        text[2] = (unsigned char) (n >> 8);
        text[3] = (unsigned char) n;

        same = same
               && ngx_http_gateway_json_is_valid(text, 5)
                  == reference(text, 5);
    }

    ok(same, "three bytes are judged as by the grammar");

    same = true;
    text[5] = '"';

    for (n = 0; n < 0x1000000; n += 7) {
        text[1] = 0xf0 | (n >> 16 & 7);
        text[2] = (unsigned char) (n >> 8);
        text[3] = (unsigned char) n;
        text[4] = (unsigned char) (n >> 3);

        same = same
               && ngx_http_gateway_json_is_valid(text, 6)
                  == reference(text, 6);
    }

    ok(same, "and so are four");
}


static void
test_prefixes(void)
{
    bool    same;
    size_t  i, len;

    same = true;

    for (i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        for (len = 0; len <= strlen(valid[i]); len++) {
            same = same
                   && scan(valid[i], len)
                      == reference((const unsigned char *) valid[i], len);
        }
    }

    ok(same, "a text that is cut is read no further than it goes");
}


/* pieces of what is valid and what is not, changed here and there */
static void
test_mutations(void)
{
    int            n, taken;
    bool           same;
    size_t         i, len, count, piece;
    const char    *from;
    unsigned char  text[TEXT_MAX];

    static const char  bytes[] = "\"\\{}[]:,0123456789eE+-.tfnu \t\n\x80\xc3";

    srand(1);
    same = true;
    taken = 0;

    for (n = 0; n < ROUNDS && same; n++) {
        len = 0;

        for (count = (size_t) rand() % 4 + 1; count; count--) {
            from = rand() % 4 ? valid[(size_t) rand()
                                      % (sizeof(valid) / sizeof(valid[0]))]
                              : invalid[(size_t) rand()
                                        % (sizeof(invalid)
                                           / sizeof(invalid[0]))];
            piece = strlen(from);

            if (len + piece > TEXT_MAX) {
                break;
            }

            memcpy(text + len, from, piece);
            len += piece;
        }

        for (count = (size_t) rand() % 4; count && len; count--) {
            i = (size_t) rand() % len;
            text[i] = rand() % 8 ? (unsigned char)
                                   bytes[(size_t) rand() % (sizeof(bytes) - 1)]
                                 : (unsigned char) rand();
        }

        taken += scan(text, len);
        same = scan(text, len) == reference(text, len);
    }

    ok(same, "whatever is changed is judged as by the grammar");
    ok(taken > ROUNDS / 100, "and some of it is JSON");

    if (!same) {
        diag("differs: %.*s", (int) len, (const char *) text);
    }
}


static const unsigned char *
read_value(const unsigned char *p, const unsigned char *last, int depth)
{
    size_t  i;

    static const char  *words[] = { "true", "false", "null" };

    if (p == last || depth > NGX_HTTP_GATEWAY_JSON_DEPTH) {
        return NULL;
    }

    for (i = 0; i < 3; i++) {
        if ((size_t) (last - p) >= strlen(words[i])
            && memcmp(p, words[i], strlen(words[i])) == 0)
        {
            return p + strlen(words[i]);
        }
    }

    if (*p == '{' || *p == '[') {
        return read_list(p, last, depth + 1, *p == '{');
    }

    return *p == '"' ? read_string(p, last) : read_number(p, last);
}


static const unsigned char *
read_list(const unsigned char *p, const unsigned char *last, int depth,
    int is_object)
{
    unsigned char  end;

    end = is_object ? '}' : ']';
    p = blanks(p + 1, last);

    if (depth > NGX_HTTP_GATEWAY_JSON_DEPTH) {
        return NULL;
    }

    if (p < last && *p == end) {
        return p + 1;
    }

    for ( ;; ) {
        p = blanks(p, last);

        if (is_object) {
            p = (p < last && *p == '"') ? read_string(p, last) : NULL;
            p = p ? blanks(p, last) : NULL;

            if (p == NULL || p == last || *p != ':') {
                return NULL;
            }

            p = blanks(p + 1, last);
        }

        p = read_value(p, last, depth);
        p = p ? blanks(p, last) : NULL;

        if (p == NULL || p == last) {
            return NULL;
        }

        if (*p == end) {
            return p + 1;
        }

        if (*p != ',') {
            return NULL;
        }

        p++;
    }
}


static const unsigned char *
read_string(const unsigned char *p, const unsigned char *last)
{
    int                   n;
    const unsigned char  *next;

    for (p++; p < last && *p != '"'; p += n) {

        if (*p == '\\') {
            next = read_escape(p, last);

            if (next == NULL) {
                return NULL;
            }

            n = (int) (next - p);

        } else {
            n = utf8_len(p, last);

            if (n == 0 || *p < ' ') {
                return NULL;
            }
        }
    }

    return p < last ? p + 1 : NULL;
}


static const unsigned char *
read_escape(const unsigned char *p, const unsigned char *last)
{
    char      hex[5] = "";
    unsigned  n;

    if (last - p < 2) {
        return NULL;
    }

    if (p[1] != 'u') {
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) ? p + 2 : NULL;
    }

    if (last - p < 6) {
        return NULL;
    }

    memcpy(hex, p + 2, 4);

    if (strspn(hex, "0123456789abcdefABCDEF") != 4) {
        return NULL;
    }

    n = (unsigned) strtoul(hex, NULL, 16);

    if (n < 0xd800 || n > 0xdfff) {
        return p + 6;
    }

    if (n > 0xdbff || last - p < 12 || p[6] != '\\' || p[7] != 'u') {
        return NULL;
    }

    memcpy(hex, p + 8, 4);
    n = (unsigned) strtoul(hex, NULL, 16);

    return strspn(hex, "0123456789abcdefABCDEF") == 4
           && n >= 0xdc00 && n <= 0xdfff
           ? p + 12 : NULL;
}


static const unsigned char *
read_number(const unsigned char *p, const unsigned char *last)
{
    size_t  n, part;
    char    text[TEXT_MAX + 1] = "";

    n = (size_t) (last - p);
    memcpy(text, p, n > TEXT_MAX ? TEXT_MAX : n);

    n = (text[0] == '-');
    part = (text[n] == '0') ? 1 : strspn(text + n, "0123456789");

    if (part == 0) {
        return NULL;
    }

    n += part;

    if (text[n] == '.') {
        part = strspn(text + n + 1, "0123456789");

        if (part == 0) {
            return NULL;
        }

        n += 1 + part;
    }

    if (text[n] == 'e' || text[n] == 'E') {
        n++;
        n += (text[n] == '+' || text[n] == '-');
        part = strspn(text + n, "0123456789");

        if (part == 0) {
            return NULL;
        }

        n += part;
    }

    return p + n;
}


static const unsigned char *
blanks(const unsigned char *p, const unsigned char *last)
{
    while (p < last && *p != '\0' && strchr(" \t\r\n", *p)) {
        p++;
    }

    return p;
}


/* by what it stands for; 0: it stands for nothing */
static int
utf8_len(const unsigned char *p, const unsigned char *last)
{
    int       i, n;
    uint32_t  point;

    static const uint32_t  least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3
                                         : *p >> 3 == 30 ? 4 : 0;
    if (n == 0 || last - p < n) {
        return 0;
    }

    point = n == 1 ? *p : *p & (0xffu >> (n + 1));

    for (i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) {
            return 0;
        }

        point = point << 6 | (p[i] & 0x3f);
    }

    return point >= least[n] && point <= 0x10ffff
           && (point < 0xd800 || point > 0xdfff)
           ? n : 0;
}
