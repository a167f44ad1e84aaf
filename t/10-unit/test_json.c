/*
 * Copyright (C) the Warren authors
 *
 * JSON: what is read, what is refused and where, and what is written.
 */

#include <stdint.h>
#include <stdlib.h>

#include "arena.h"
#include "json.h"
#include "tap.h"


struct sample {
    const char  *text;
    const char  *what;
};


static void test_accepted(void);
static void test_refused(void);
static void test_depth(void);
static void test_bytes(void);
static void test_strings(void);
static void test_integers(void);
static void test_errors(void);
static void test_pointers(void);
static void test_arrays(void);
static void test_empty(void);
static void test_many_members(void);
static void test_writer(void);
static void test_writer_utf8(void);
static const struct wr_json *parse(const char *text);
static bool is_refused(const char *text, size_t len);
static int64_t integer(const char *text, struct wr_json_errors *errors);


static struct wr_arena  *arena;


static const struct sample  accepted[] = {
    { "{}", "an empty object" },
    { "[]", "an empty array" },
    { " \t\r\n{} \t\r\n", "blanks around a value" },
    { "null", "null alone" },
    { "true", "true alone" },
    { "\"\"", "an empty string alone" },
    { "-0", "minus zero" },
    { "0.5", "a fraction" },
    { "1E+2", "an exponent with a plus" },
    { "1e-2", "an exponent with a minus" },
    { "[1,2,[3,{\"a\":[]}]]", "arrays and objects in one another" },
    { "{\"\":1}", "an empty name" },
    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "all the short escapes" },
    { "\"\\u0001\\uFFFF\"", "the first and the last escape" },
    { "\"\\uD83D\\uDE00\"", "a pair of surrogates" },
    { "\"\x7F\"", "DEL in a string" },
    { "\"\xC2\x80\xDF\xBF\"", "the edges of two bytes" },
    { "\"\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\"",
      "the edges of three bytes" },
    { "\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"", "the edges of four bytes" },
    { "{\"a\":{\"a\":1},\"A\":2}", "equal names on two levels" },
    { "[1e308,-1e308,1e-400]", "the largest numbers and one too small" },
    { NULL, NULL }
};


static const struct sample  refused[] = {
    { "", "an empty text" },
    { "  ", "blanks alone" },
    { "{", "an object that does not end" },
    { "[", "an array that does not end" },
    { "[1", "an array that ends after an item" },
    { "[1,", "an array that ends after a comma" },
    { "[1,]", "a comma before the end of an array" },
    { "{\"a\":1,}", "a comma before the end of an object" },
    { "[,1]", "a comma before the first item" },
    { "[1 2]", "items without a comma" },
    { "{\"a\" 1}", "a member without a colon" },
    { "{\"a\":}", "a member without a value" },
    { "{a:1}", "a name without quotes" },
    { "{'a':1}", "single quotes" },
    { "{1:1}", "a number as a name" },
    { "[}", "an array that ends as an object" },
    { "{]", "an object that ends as an array" },
    { "]", "an end without a beginning" },
    { "{} {}", "two values" },
    { "{}x", "something after the value" },
    { "// x\n{}", "a comment" },
    { "\xEF\xBB\xBF{}", "a byte order mark" },
    { "\v{}", "a vertical tab as a blank" },
    { "nul", "half a word" },
    { "nullx", "a word and more" },
    { "True", "a capital" },
    { "NaN", "not a number" },
    { "-Infinity", "infinity" },
    { "01", "a zero in front" },
    { "-", "a minus alone" },
    { "+1", "a plus in front" },
    { ".5", "no digit before the point" },
    { "5.", "no digit after the point" },
    { "1e", "no digit after the e" },
    { "1e+", "no digit after the sign" },
    { "0x10", "hexadecimal" },
    { "1e999", "a number beyond a double" },
    { "[-1e999]", "a negative one beyond a double" },
    { "1000000000000000000000000000000000000000000000000000000000000000000",
      "a number of 67 digits" },
    { "\"", "a quote alone" },
    { "\"\\\"", "a string that ends in an escape" },
    { "\"\\x41\"", "an unknown escape" },
    { "\"\\u12\"", "an escape cut short" },
    { "\"\\u12G4\"", "an escape that is not hexadecimal" },
    { "\"\\u0000\"", "the escaped zero" },
    { "{\"a\\u0000b\":1}", "the escaped zero in a name" },
    { "\"\\uD800\"", "a high surrogate alone" },
    { "\"\\uD800\\n\"", "a high surrogate and another escape" },
    { "\"\\uD800\\uD800\"", "two high surrogates" },
    { "\"\\uDC00\"", "a low surrogate alone" },
    { "\"\\uD83D\\uDE0", "a pair cut short" },
    { "\"\n\"", "a line's end in a string" },
    { "\"\x1F\"", "a control character in a string" },
    { "\"\x80\"", "a byte that cannot begin a character" },
    { "\"\xC0\xAF\"", "an overlong slash" },
    { "\"\xC1\xBF\"", "an overlong character of two bytes" },
    { "\"\xE0\x9F\xBF\"", "an overlong character of three bytes" },
    { "\"\xF0\x8F\xBF\xBF\"", "an overlong character of four bytes" },
    { "\"\xED\xA0\x80\"", "a surrogate in UTF-8" },
    { "\"\xF4\x90\x80\x80\"", "beyond the last character" },
    { "\"\xF5\x80\x80\x80\"", "a first byte that no character has" },
    { "\"\xFF\"", "the byte 255" },
    { "\"\xE2\x82\"", "a character cut by the quote" },
    { "\"\xE2\x82", "a character cut by the end" },
    { "{\"a\":1,\"a\":2}", "a doubled member" },
    { "{\"a\":1,\"\\u0061\":2}", "a member doubled by an escape" },
    { "[{\"b\":{\"x\":1,\"y\":2,\"x\":3}}]", "a doubled member inside" },
    { NULL, NULL }
};


int
main(void)
{
    arena = wr_arena_new();

    test_accepted();
    test_refused();
    test_depth();
    test_bytes();
    test_strings();
    test_integers();
    test_errors();
    test_pointers();
    test_arrays();
    test_empty();
    test_many_members();
    test_writer();
    test_writer_utf8();

    wr_arena_free(&arena);

    return done();
}


static void
test_accepted(void)
{
    const struct sample  *sample;

    for (sample = accepted; sample->text != NULL; sample++) {
        ok(parse(sample->text) != NULL, "accepted: %s", sample->what);
    }
}


static void
test_refused(void)
{
    const char           *error;
    const struct sample  *sample;

    for (sample = refused; sample->text != NULL; sample++) {
        ok(is_refused(sample->text, strlen(sample->text)), "refused: %s",
           sample->what);
    }

    error = NULL;
    wr_json_parse(arena, "{\"a\":tru}", 9, &error);
    is_str(error, "a value is missing at byte 5", "the reason names the byte");

    error = NULL;
    wr_json_parse(arena, "{\"ab\":1,\"ab\":1}", 15, &error);
    is_str(error, "member \"ab\" stands twice",
           "the reason names the doubled member");
}


static void
test_depth(void)
{
    int   i;
    char  text[2 * (WR_JSON_DEPTH_MAX + 1)], *p;

    for (i = WR_JSON_DEPTH_MAX; i <= WR_JSON_DEPTH_MAX + 1; i++) {
        memset(text, '[', (size_t) i);
        memset(text + i, ']', (size_t) i);
        is_int(is_refused(text, 2 * (size_t) i), i > WR_JSON_DEPTH_MAX,
               "%d levels are %s", i, i > WR_JSON_DEPTH_MAX ? "refused"
                                                            : "accepted");
    }

    p = malloc(10000000);
    memset(p, '[', 10000000);
    ok(is_refused(p, 10000000), "ten million open brackets are refused");
    memcpy(p, "{\"a\":{\"a\":", 10);

    for (i = 1; i < 1000000; i++) {
        memcpy(p + 10 * i, p, 10);
    }

    ok(is_refused(p, 10000000), "two million open braces are refused");
    free(p);
}


/* Texts that are not terminated where they end. */
static void
test_bytes(void)
{
    char    *text;
    size_t   i, len;
    bool     all;

    static const char  whole[] =
        "{\"a\":[1.5e3,true,null,\"\\u00e9\\uD83D\\uDE00\xE2\x82\xAC\"]}";

    all = true;
    len = sizeof(whole) - 1;

    for (i = 0; i < len; i++) {
        text = malloc(i + 1);
        memcpy(text, whole, i);
        text[i] = '}';
        all = all && is_refused(text, i);
        free(text);
    }

    ok(all, "no beginning of a text is a text");

    text = malloc(len);
    memcpy(text, whole, len);
    ok(!is_refused(text, len), "a text need not be terminated");
    free(text);

    ok(is_refused("{\"a\":\"b\0c\"}", 11), "a zero in a string is refused");
    ok(is_refused("{}\0", 3), "a zero after the text is refused");
}


static void
test_strings(void)
{
    const struct wr_json   *json;
    struct wr_json_errors   errors = { .arena = arena };

    json = parse("{\"a\":\"\\uD83D\\uDE00\\n\\u00e9\",\"b\":\"\",\"c\":\"abc\","
                 "\"n\":null,\"i\":1}");

    is_str(wr_json_text(json, "a", 0, 100, &errors),
           "\xF0\x9F\x98\x80\n\xC3\xA9", "escapes are decoded");
    is_str(wr_json_text(json, "b", 0, 0, &errors), "", "nothing may be enough");
    is_str(wr_json_text(json, "c", 3, 3, &errors), "abc", "bounds are within");
    is_int(errors.count, 0, "nothing of that is an error");

    is_str(wr_json_text(json, "b", 1, 9, &errors), "", "empty is refused");
    is_str(errors.items[0].detail, "must not be empty", "and told");
    is_str(wr_json_text(json, "c", 0, 2, &errors), "", "too long is refused");
    is_str(errors.items[1].detail, "must have at most 2 bytes", "and told");
    is_str(wr_json_text(json, "c", 4, 9, &errors), "", "too short is refused");
    is_str(errors.items[2].detail, "must have at least 4 bytes", "and told");
    is_str(wr_json_text(json, "n", 0, 9, &errors), "", "null is absent");
    is_str(errors.items[3].detail, "is required", "and told");
    is_str(wr_json_text(json, "i", 0, 9, &errors), "", "a number is no text");
    is_str(errors.items[4].detail, "must be a string", "and told");
    is_str(wr_json_text(json, "x", 0, 9, NULL), "", "nobody need be told");
    is_int(errors.count, 5, "each was told once");

    ok(wr_json_has(json, "b"), "an empty member is there");
    ok(!wr_json_has(json, "n"), "a null one is not");
    ok(!wr_json_has(json, "B"), "names tell capitals");
}


static void
test_integers(void)
{
    struct wr_json_errors  errors = { .arena = arena };

    is_int(integer("9007199254740991", &errors), 9007199254740991,
           "2^53 - 1 is exact");
    is_int(integer("-9007199254740991", &errors), -9007199254740991,
           "and so is its negative");
    is_int(integer("1e3", &errors), 1000, "an exponent may be an integer");
    is_int(integer("12.0", &errors), 12, "and so may a fraction of nothing");
    is_int(integer("-0", &errors), 0, "minus zero is zero");
    is_int(errors.count, 0, "nothing of that is an error");

    is_int(integer("9007199254740992", &errors), 0, "2^53 is refused");
    is_int(integer("9007199254740993", &errors), 0,
           "its neighbour, which a double cannot hold, too");
    is_int(integer("-9007199254740992", &errors), 0, "and their negatives");
    is_int(integer("1e300", &errors), 0, "and what no integer holds");
    is_int(integer("1.5", &errors), 0, "a fraction is refused");
    is_int(integer("1e-1", &errors), 0, "and one by exponent");
    is_int(integer("\"1\"", &errors), 0, "a string is refused");
    is_int(integer("true", &errors), 0, "a truth is refused");
    is_int(errors.count, 8, "each was told");
    is_str(errors.items[4].detail, "must be an integer", "as it is");

    errors.count = 0;
    is_int(wr_json_int(parse("{\"i\":5}"), "i", 5, 5, &errors), 5,
           "bounds are within");
    is_int(wr_json_int(parse("{\"i\":5}"), "i", 6, 9, &errors), 0,
           "below the least is refused");
    is_str(errors.items[0].detail, "must be at least 6", "and told");
    is_int(wr_json_int(parse("{\"i\":5}"), "i", -9, 4, &errors), 0,
           "above the most is refused");
    is_str(errors.items[1].detail, "must be at most 4", "and told");

    ok(wr_json_bool(parse("{\"b\":true}"), "b", &errors), "true is true");
    ok(!wr_json_bool(parse("{\"b\":false}"), "b", &errors), "false is false");
    is_int(errors.count, 2, "and no error");
    ok(!wr_json_bool(parse("{\"b\":1}"), "b", &errors), "one is not true");
    is_str(errors.items[2].detail, "must be true or false", "and told");
}


static void
test_errors(void)
{
    int                     i;
    char                    name[16];
    const struct wr_json   *json, *missing;
    struct wr_json_errors   errors = { .arena = arena };

    json = parse("[1]");
    wr_json_text(json, "a", 0, 9, &errors);
    wr_json_int(json, "b", 0, 9, &errors);
    wr_json_object(json, "c", &errors);
    is_int(errors.count, 1, "what is no object says so once");
    is_str(errors.items[0].pointer, "", "about the whole text");
    is_str(errors.items[0].detail, "must be an object", "in these words");

    errors.count = 0;
    json = parse("{\"o\":1}");
    missing = wr_json_object(json, "absent", &errors);
    wr_json_text(missing, "a", 1, 9, &errors);
    wr_json_array(missing, "b", 1, 9, &errors);
    wr_json_text(wr_json_object(json, "o", &errors), "a", 1, 9, &errors);
    is_int(errors.count, 2, "members of what is missing are not told as well");
    is_str(errors.items[0].pointer, "/absent", "the missing one is");
    is_str(errors.items[1].pointer, "/o", "and the one of another type");

    errors.count = 0;

    for (i = 0; i < 2 * WR_JSON_ERRORS_MAX; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        wr_json_text(json, name, 0, 9, &errors);
    }

    is_int(errors.count, WR_JSON_ERRORS_MAX, "errors beyond the most are lost");
    is_str(errors.items[WR_JSON_ERRORS_MAX - 1].pointer, "/m31",
           "and the first ones kept");
}


static void
test_pointers(void)
{
    const struct wr_json   *json, *lines, *line;
    struct wr_json_errors   errors = { .arena = arena };

    json = parse("{\"a/b\":{\"m~n\":{\"\":1}},"
                 "\"lines\":[{},{\"qty\":0}],\"tags\":[\"x\",7]}");

    wr_json_text(wr_json_object(wr_json_object(json, "a/b", &errors), "m~n",
                                &errors), "", 0, 9, &errors);
    is_str(errors.items[0].pointer, "/a~1b/m~0n/",
           "slash and tilde are escaped, an empty name is a token");

    lines = wr_json_array(json, "lines", 1, 9, &errors);
    line = wr_json_item(lines, 1);
    wr_json_int(line, "qty", 1, 9, &errors);
    is_str(errors.items[1].pointer, "/lines/1/qty", "items are numbered");

    wr_json_text(wr_json_item(wr_json_array(json, "tags", 0, 9, &errors), 1),
                 NULL, 0, 9, &errors);
    is_str(errors.items[2].pointer, "/tags/1", "an item itself can be told");

    wr_json_error_add(&errors, line, "sku", "is not sold");
    is_str(errors.items[3].pointer, "/lines/1/sku", "a caller adds its own");
    is_str(errors.items[3].detail, "is not sold", "in its words");

    wr_json_error_add(&errors, line, NULL, "is odd");
    is_str(errors.items[4].pointer, "/lines/1", "about a value too");
    wr_json_error_add(&errors, NULL, NULL, "is odd");
    is_str(errors.items[5].pointer, "", "and about the whole");
    wr_json_error_add(NULL, line, NULL, "is odd");
    is_int(errors.count, 6, "or to nobody");
}


static void
test_arrays(void)
{
    int64_t                 sum;
    size_t                  i;
    const struct wr_json   *json, *array;
    struct wr_json_errors   errors = { .arena = arena };

    json = parse("{\"a\":[1,2,3],\"e\":[],\"o\":{}}");
    is_str(wr_json_name(json, 0), "a", "a member is named by its place");
    is_str(wr_json_name(json, 2), "o", "to the last");
    ok(wr_json_name(json, 3) == NULL, "and no further");
    array = wr_json_array(json, "a", 3, 3, &errors);
    ok(wr_json_name(array, 0) == NULL, "an array names no members");
    sum = 0;

    for (i = 0; i < wr_json_count(array); i++) {
        sum += wr_json_int(wr_json_item(array, i), NULL, 0, 9, &errors);
    }

    is_int(sum, 6, "items are read one by one");
    is_int(wr_json_count(wr_json_array(json, "e", 0, 9, &errors)), 0,
           "an empty array has none");
    is_int(errors.count, 0, "nothing of that is an error");

    is_int(wr_json_count(wr_json_array(json, "e", 1, 9, &errors)), 0,
           "too few items are refused");
    is_str(errors.items[0].detail, "must have at least 1 items", "and told");
    is_int(wr_json_count(wr_json_array(json, "a", 0, 2, &errors)), 0,
           "too many items are refused");
    is_str(errors.items[1].detail, "must have at most 2 items", "and told");
    is_int(wr_json_count(wr_json_array(json, "o", 0, 2, &errors)), 0,
           "an object is no array");
    is_str(errors.items[2].detail, "must be an array", "and told");
    is_str(wr_json_text(wr_json_item(array, 3), "x", 0, 9, &errors), "",
           "an item beyond the last is empty");
    is_int(errors.count, 3, "and silent");
}


static void
test_empty(void)
{
    struct wr_json_errors  errors = { .arena = arena };
    const struct wr_json  *empty;

    empty = wr_json_empty();

    is_str(wr_json_text(empty, "a", 1, 9, &errors), "", "it has no text");
    is_int(wr_json_int(empty, "a", 1, 9, &errors), 0, "no integer");
    is_int(wr_json_count(wr_json_array(empty, "a", 1, 9, &errors)), 0,
           "no items");
    ok(!wr_json_has(wr_json_object(empty, "a", &errors), "b"), "no members");
    ok(!wr_json_bool(wr_json_item(empty, 0), NULL, NULL), "no truth");
    is_int(errors.count, 0, "and nothing to say about it");
}


static void
test_many_members(void)
{
    int    i;
    char  *text, *p;

    text = malloc(40 * 20001);
    p = text + sprintf(text, "{");

    for (i = 0; i < 20000; i++) {
        p += sprintf(p, "%s\"member%d\":%d", i != 0 ? "," : "", i, i);
    }

    strcpy(p, "}");
    is_int(wr_json_int(parse(text), "member19999", 0, 20000, NULL), 19999,
           "twenty thousand members are read");

    strcpy(p, ",\"member0\":0}");
    ok(is_refused(text, strlen(text)), "one doubled among them is found");
    free(text);
}


static void
test_writer(void)
{
    size_t                  len;
    const char             *text;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(arena);
    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "text", "a\"b\\c/\n\t\x01\x7F");
    wr_json_put_text(writer, "nothing", NULL);
    wr_json_put_text_len(writer, "zero", "a\0b", 3);
    wr_json_put_int(writer, "least", INT64_MIN);
    wr_json_put_int(writer, "most", INT64_MAX);
    wr_json_array_begin(writer, "array");
    wr_json_array_begin(writer, NULL);
    wr_json_array_end(writer);
    wr_json_object_begin(writer, NULL);
    wr_json_object_end(writer);
    wr_json_put_bool(writer, NULL, true);
    wr_json_put_bool(writer, NULL, false);
    wr_json_put_null(writer, NULL);
    wr_json_array_end(writer);
    wr_json_put_raw(writer, "na\"me", "[1, 2]", 6);
    wr_json_object_end(writer);

    text = wr_json_writer_text(writer, &len);

    is_str(text, "{\"text\":\"a\\\"b\\\\c/\\n\\t\\u0001\\u007f\","
           "\"nothing\":null,\"zero\":\"a\\u0000b\","
           "\"least\":-9223372036854775808,\"most\":9223372036854775807,"
           "\"array\":[[],{},true,false,null],\"na\\\"me\":[1, 2]}",
           "commas, quotes and escapes are the writer's");
    is_int(len, strlen(text), "its length is told");

    writer = wr_json_writer_new(arena);
    is_str(wr_json_writer_text(writer, NULL), "", "nothing is an empty text");

    writer = wr_json_writer_new(arena);
    wr_json_array_begin(writer, NULL);

    for (len = 0; len < 10000; len++) {
        wr_json_put_text(writer, NULL, "0123456789");
    }

    wr_json_array_end(writer);
    text = wr_json_writer_text(writer, &len);
    is_int(len, 10000 * 13 + 1, "a long text is whole");
    is_int(wr_json_count(parse(text)), 10000, "and can be read");
}


static void
test_writer_utf8(void)
{
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(arena);
    wr_json_put_text(writer, NULL, "a\xFF\xE2\x82\xAC\xE2\x82z\xED\xA0\x80");
    is_str(wr_json_writer_text(writer, NULL), "\"a\xEF\xBF\xBD\xE2\x82\xAC"
           "\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"",
           "each byte that is not UTF-8 is replaced");
}


static const struct wr_json *
parse(const char *text)
{
    const char            *error;
    const struct wr_json  *json;

    json = wr_json_parse(arena, text, strlen(text), &error);

    if (json == NULL) {
        diag("%.200s: %s", text, error);
    }

    return json;
}


/* From memory of just that size, so that a sanitizer sees who reads beyond. */
static bool
is_refused(const char *text, size_t len)
{
    char                  *copy;
    const char            *error;
    const struct wr_json  *json;

    copy = malloc(len + (len == 0));
    memcpy(copy, text, len);
    error = NULL;
    json = wr_json_parse(arena, copy, len, &error);
    free(copy);

    return json == NULL && error != NULL;
}


static int64_t
integer(const char *text, struct wr_json_errors *errors)
{
    const char  *object;

    object = wr_arena_printf(arena, "{\"i\":%s}", text);

    return wr_json_int(parse(object), "i", INT64_MIN, INT64_MAX, errors);
}
