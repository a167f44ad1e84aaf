/*
 * Copyright (C) the Warren authors
 *
 * Objects of tokens: what is read without jansson is what jansson would have
 * read, found by texts put together at random.
 */

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ngx_http_gateway_jwt_document.h"
#include "tap.h"


#define TEXTS  200000


static void test_flat(void);
static void test_members(void);
static void test_limits(void);
static void test_like_jansson(void);


int
main(void)
{
    test_flat();
    test_members();
    test_limits();
    test_like_jansson();

    return done();
}


/* in memory of that size exactly, so that a byte too many is noticed */

static int
make(const char *text, size_t len, ngx_http_gateway_jwt_document_t **document)
{
    int             rc;
    size_t          size;
    unsigned char  *copy;

    copy = malloc(len ? len : 1);
    memcpy(copy, text, len);

    rc = ngx_http_gateway_jwt_document_new(copy, len, document, &size);

    free(copy);

    return rc;
}


/* 2: read as a flat one, 1: as another, 0: refused */

static int
read_text(const char *text)
{
    int                               rc;
    ngx_http_gateway_jwt_document_t  *document;

    if (make(text, strlen(text), &document) != NGX_HTTP_GATEWAY_JWT_FINE) {
        return 0;
    }

    rc = 1 + ngx_http_gateway_jwt_document_is_flat(document);

    ngx_http_gateway_jwt_document_free(document);

    return rc;
}


static void
test_flat(void)
{
    is_int(read_text("{}"), 2, "an empty object is flat");
    is_int(read_text(" {\t\"a\" : \"b\" ,\r\n\"c\":[ ] }\n"), 2,
           "with blanks too");
    is_int(read_text("{\"a\":[\"b\",\"c\"],\"d\":true,\"e\":null,\"f\":-1}"),
           2, "and with lists of strings, words and integers");
    is_int(read_text("{\"a\":999999999999999999}"), 2, "18 digits are");
    is_int(read_text("{\"a\":1000000000000000000}"), 1, "19 are not");
    is_int(read_text("{\"a\":1.5}"), 1, "a fraction is not");
    is_int(read_text("{\"a\":1e3}"), 1, "nor an exponent");
    is_int(read_text("{\"a\":\"\\u0041\"}"), 1, "nor an escape");
    is_int(read_text("{\"a\":\"\xc3\xa4\"}"), 1, "nor a letter beyond ASCII");
    is_int(read_text("{\"a\":{}}"), 1, "nor an object within");
    is_int(read_text("{\"a\":[1]}"), 1, "nor a list of numbers");

    is_int(read_text(""), 0, "nothing is refused");
    is_int(read_text("[]"), 0, "a list is refused");
    is_int(read_text("{\"a\":1,\"a\":2}"), 0, "a name twice is refused");
    is_int(read_text("{\"a\":1,\"\\u0061\":2}"), 0,
           "also in two spellings");
    is_int(read_text("{\"a\":1,}"), 0, "a comma at the end is refused");
    is_int(read_text("{\"a\":[\"b\",]}"), 0, "also of a list");
    is_int(read_text("{\"a\":01}"), 0, "a zero before digits is refused");
    is_int(read_text("{\"a\":-}"), 0, "a sign alone is refused");
    is_int(read_text("{\"a\":nul}"), 0, "half a word is refused");
    is_int(read_text("{\"a\":1} x"), 0, "what comes behind is refused");
    is_int(read_text("{\"a\":\"b"), 0, "a string without an end is refused");
}


static void
test_members(void)
{
    ngx_http_gateway_jwt_member_t     value, item;
    ngx_http_gateway_jwt_document_t  *document;

#define get(name)                                                             \
    (value = ngx_http_gateway_jwt_document_get(document,                      \
                             (const unsigned char *) name, sizeof(name) - 1))

#define TEXT  "{\"sub\":\"anna\",\"exp\":-12,\"aud\":[\"x\",\"shop\"],"       \
              "\"on\":true,\"no\":[]}"

    is_int(make(TEXT, sizeof(TEXT) - 1, &document), NGX_HTTP_GATEWAY_JWT_FINE,
           "an object is read");

    get("sub");
    is_int(value.kind, NGX_HTTP_GATEWAY_JWT_VALUE_STRING, "a string");
    ok(value.string.len == 4 && memcmp(value.string.data, "anna", 4) == 0,
       "is what it was");

    get("exp");
    is_int(value.kind, NGX_HTTP_GATEWAY_JWT_VALUE_INTEGER, "an integer");
    is_int(value.integer, -12, "is what it was");

    get("aud");
    is_int(value.kind, NGX_HTTP_GATEWAY_JWT_VALUE_ARRAY, "a list");
    is_int(value.n, 2, "is as long as it was");
    item = ngx_http_gateway_jwt_document_item(document, &value, 1);
    ok(item.kind == NGX_HTTP_GATEWAY_JWT_VALUE_STRING
       && item.string.len == 4 && memcmp(item.string.data, "shop", 4) == 0,
       "with its items");

    get("no");
    is_int(value.kind, NGX_HTTP_GATEWAY_JWT_VALUE_ARRAY, "an empty list");
    is_int(value.n, 0, "is empty");
    get("on");
    is_int(value.kind, NGX_HTTP_GATEWAY_JWT_VALUE_OTHER, "a word is there");
    get("su");
    is_int(value.kind, NGX_HTTP_GATEWAY_JWT_VALUE_ABSENT, "names are whole");
    get("s\0b");
    is_int(value.kind, NGX_HTTP_GATEWAY_JWT_VALUE_ABSENT,
           "a name with a zero byte finds none");

    ok(json_object_size(ngx_http_gateway_jwt_document_json(document)) == 5,
       "jansson has it too when it is asked for");
    get("sub");
    is_int(value.string.len, 4, "and all is found as before");

    ngx_http_gateway_jwt_document_free(document);
    ngx_http_gateway_jwt_document_free(NULL);
}


/* an object of n members, or of one list of n strings */

static int
read_many(unsigned n, bool is_list)
{
    char      text[8192];
    size_t    len;
    unsigned  i;

    len = (size_t) sprintf(text, is_list ? "{\"a\":[" : "{");

    for (i = 0; i < n; i++) {
        len += (size_t) sprintf(text + len, is_list ? "%s\"%u\"" : "%s\"%u\":1",
                                i ? "," : "", i);
    }

    (void) sprintf(text + len, is_list ? "]}" : "}");

    return read_text(text);
}


static void
test_limits(void)
{
    static char  text[NGX_HTTP_GATEWAY_JWT_TOKEN_MAX + 2];

    is_int(read_many(64, false), 2, "64 members are taken");
    is_int(read_many(65, false), 0, "65 are refused");
    is_int(read_many(64, true), 2, "a list of 64 strings is flat");
    is_int(read_many(65, true), 1, "a longer one is read as well");
    is_int(read_many(1022, true), 1, "1024 values are taken");
    is_int(read_many(1023, true), 0, "1025 are refused");

    is_int(read_text("{\"a\":[[[[[[[]]]]]]]}"), 1, "a depth of 8 is taken");
    is_int(read_text("{\"a\":[[[[[[[[]]]]]]]]}"), 0, "9 is refused");

    memset(text, ' ', sizeof(text));
    memcpy(text, "{}", 2);
    text[NGX_HTTP_GATEWAY_JWT_TOKEN_MAX] = '\0';
    is_int(read_text(text), 2, "the longest text is taken");

    text[NGX_HTTP_GATEWAY_JWT_TOKEN_MAX] = ' ';
    text[NGX_HTTP_GATEWAY_JWT_TOKEN_MAX + 1] = '\0';
    is_int(read_text(text), 0, "a longer one is refused");
}


/* whether a member is as jansson has it */

static bool
is_same(const ngx_http_gateway_jwt_document_t *document,
    const ngx_http_gateway_jwt_member_t *value, const json_t *json)
{
    size_t                         i;
    ngx_http_gateway_jwt_member_t  item;

    if (json_is_string(json)) {
        return value->kind == NGX_HTTP_GATEWAY_JWT_VALUE_STRING
               && value->string.len == json_string_length(json)
               && memcmp(value->string.data, json_string_value(json),
                         value->string.len)
                  == 0;
    }

    if (json_is_integer(json)) {
        return value->kind == NGX_HTTP_GATEWAY_JWT_VALUE_INTEGER
               && value->integer == json_integer_value(json);
    }

    if (json_is_array(json)) {

        if (value->kind != NGX_HTTP_GATEWAY_JWT_VALUE_ARRAY
            || value->n != json_array_size(json))
        {
            return false;
        }

        for (i = 0; i < value->n; i++) {
            item = ngx_http_gateway_jwt_document_item(document, value, i);

            if (!is_same(document, &item, json_array_get(json, i))) {
                return false;
            }
        }

        return true;
    }

    return json_is_real(json)
           ? value->kind == NGX_HTTP_GATEWAY_JWT_VALUE_REAL
             && value->real == json_real_value(json)
           : value->kind == NGX_HTTP_GATEWAY_JWT_VALUE_OTHER;
}


/* whether both refuse it or read the same; *flat_r if it was flat */

static bool
is_alike(const char *text, size_t len, unsigned *flat_r)
{
    bool                              same;
    json_t                           *json, *child;
    const char                       *name;
    json_error_t                      error;
    ngx_http_gateway_jwt_member_t     value;
    ngx_http_gateway_jwt_document_t  *document;

    json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

    if (make(text, len, &document) != NGX_HTTP_GATEWAY_JWT_FINE) {
        same = !json_is_object(json);
        json_decref(json);
        return same;
    }

    same = json_is_object(json);
    *flat_r += (unsigned) ngx_http_gateway_jwt_document_is_flat(document);

    json_object_foreach(json, name, child) {
        value = ngx_http_gateway_jwt_document_get(document,
                                   (const unsigned char *) name, strlen(name));
        same = same && is_same(document, &value, child);
    }

    same = same && json_equal(json,
                     (json_t *) ngx_http_gateway_jwt_document_json(document));

    ngx_http_gateway_jwt_document_free(document);
    json_decref(json);

    return same;
}


/* texts that begin as an object does, of pieces that may follow one another */

static void
test_like_jansson(void)
{
    char           text[256];
    bool           same;
    size_t         len, n;
    unsigned       i, j, flat;
    const char    *piece;

    static const char  *pieces[] = {
        "\"a\":", "\"b\":", "\"\":", "\"a\"", "\"c d\"", "\"\"", "1", "-0",
        "0", "01", "-", "12345678901234567890", "123456789012345678", "1.0",
        "2E1", "true", "false", "null", "nulL", "[", "]", "{", "}", ",", ",",
        ",", ":", " ", "\n", "\"\\n\"", "\"\\u0000\"", "\"\\ud800\"",
        "\"\x7f\"", "\"\xc3\xa4\"", "\"\xff\"", "\x01",
        "[\"x\",\"y\"]", "[\"x\",1]", "[]",
        "\"k\":\"v\",", "\"n\":7,", "\"l\":[\"x\"],", "\"o\":true,"
    };

    srandom(11);

    same = true;
    flat = 0;

    for (i = 0; i < TEXTS; i++) {
        text[0] = '{';
        len = 1;
        n = (size_t) (random() % 7);

        for (j = 0; j < n; j++) {
            piece = pieces[random() % (long) (sizeof(pieces)
                                              / sizeof(pieces[0]))];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }

        if (random() % 8) {
            text[len - (text[len - 1] == ',')] = '}';
            len += (text[len - 1] != ',' && text[len] == '}');
        }

        if (random() % 16 == 0) {
            text[random() % (long) len] = (char) (random() % 256);
        }

        if (!is_alike(text, len, &flat)) {
            same = false;
            diag("%.*s", (int) len, text);
        }
    }

    ok(same, "%d texts are read as jansson reads them, or refused", TEXTS);
    ok(flat > TEXTS / 100, "%u of them were flat", flat);
}
