/*
 * Copyright (C) the Warren authors
 *
 * Tests for the wire contract: words of keys, ids, tables, errors, rungs.
 */

#include <stdlib.h>

#include "tap.h"
#include "wire.h"


/* a table being written; it begins with its length */

struct table {
    unsigned char  data[65536];
    size_t         len;
};


static void
put(struct table *t, const void *bytes, size_t len)
{
    memcpy(t->data + t->len, bytes, len);
    t->len += len;
}


static void
put_u32(struct table *t, size_t n)
{
    unsigned char  b[4];

    b[0] = (unsigned char) (n >> 24);
    b[1] = (unsigned char) (n >> 16);
    b[2] = (unsigned char) (n >> 8);
    b[3] = (unsigned char) n;

    put(t, b, 4);
}


static void
put_entry(struct table *t, const char *name, char kind, const void *value,
    size_t len)
{
    unsigned char  n;

    n = (unsigned char) strlen(name);

    put(t, &n, 1);
    put(t, name, n);
    put(t, &kind, 1);
    put(t, value, len);
}


/* sets the length in front of a table whose entries are complete */

static void
put_length(struct table *t)
{
    size_t  end;

    end = t->len;
    t->len = 0;
    put_u32(t, end - 4);
    t->len = end;
}


/* judges a copy of exactly that size, so that a read beyond it is seen */

static bool
sane(const struct table *t, size_t len)
{
    bool            is_sane;
    unsigned char  *copy;

    copy = malloc(len ? len : 1);
    if (copy == NULL) {
        abort();
    }

    memcpy(copy, t->data, len);
    is_sane = wire_table_is_sane(copy, len);
    free(copy);

    return is_sane;
}


/* tables in tables, or with kind 'A' arrays in arrays in a table */

static void
nest(struct table *t, unsigned depth, char kind)
{
    size_t    size;
    unsigned  i, n;

    n = depth - 1;
    size = n * (kind == 'F' ? 7 : 5) + (kind == 'A' && n ? 2 : 0);

    t->len = 0;
    put_u32(t, size);

    for (i = 0; i < n; i++) {
        if (kind == 'F' || i == 0) {
            put(t, "\1t", 2);
            size -= 2;
        }

        put(t, &kind, 1);
        size -= 5;
        put_u32(t, size);
    }
}


static void
all_kinds(struct table *t)
{
    static const unsigned char  zeros[8];

    const char  *p;

    static const struct {
        char  kind;
        int   len;
    } fixed[] = {
        { 'V', 0 }, { 't', 1 }, { 'b', 1 }, { 'B', 1 }, { 's', 2 },
        { 'u', 2 }, { 'I', 4 }, { 'i', 4 }, { 'f', 4 }, { 'D', 5 },
        { 'l', 8 }, { 'L', 8 }, { 'd', 8 }, { 'T', 8 }
    };

    size_t  i;

    t->len = 0;
    put_u32(t, 0);

    for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        put_entry(t, "name", fixed[i].kind, zeros, (size_t) fixed[i].len);
    }

    for (p = "Sx"; *p; p++) {
        put_entry(t, "", *p, "\0\0\0\3abc", 7);
    }

    put_entry(t, "array", 'A', "", 0);
    put_u32(t, 8);
    put(t, "t\1VS\0\0\0\0", 8);
    put_entry(t, "table", 'F', "", 0);
    put_u32(t, 3);
    put(t, "\1aV", 3);
    put_entry(t, "empty", 'F', "\0\0\0\0", 4);
    put_entry(t, "none", 'A', "\0\0\0\0", 4);
    put_length(t);
}


static void
test_tables(void)
{
    size_t               i, refused;
    unsigned             n;
    static struct table  t, good;

    t.len = 0;
    put_u32(&t, 0);
    ok(sane(&t, 4), "an empty table is sane");
    ok(!sane(&t, 3), "less than a length is not");
    ok(!sane(&t, 0), "nor is nothing");

    all_kinds(&good);
    ok(sane(&good, good.len), "a table with all kinds is sane");

    put(&good, "rest", 4);
    ok(sane(&good, good.len), "what follows it is not looked at");
    good.len -= 4;

    for (i = 0, refused = 0; i < good.len; i++) {
        refused += !sane(&good, i);
    }

    is_int(refused, good.len, "cut anywhere it is refused");

    /* the length of the whole is right, so the entries must tell */

    for (i = 4, refused = 0; i < good.len; i++) {
        t = good;
        t.len = i;
        put_length(&t);
        refused += !sane(&t, i);
    }

    ok(refused > good.len - 30, "entries that are cut are refused");

    for (n = 0, refused = 0; n < 256; n++) {
        t.len = 0;
        put_u32(&t, 0);
        put_entry(&t, "k", (char) n, "\0\0\0\0\0\0\0\0", 8);
        put_length(&t);
        refused += n == 0 || strchr("VtbBsuIifDlLdTSxFA", (char) n) == NULL
                   ? !sane(&t, t.len) : 0;
    }

    is_int(refused, 256 - 18, "unknown kinds are refused");

    nest(&t, WIRE_TABLE_DEPTH_MAX, 'F');
    ok(sane(&t, t.len), "tables nested to the limit are sane");

    nest(&t, WIRE_TABLE_DEPTH_MAX + 1, 'F');
    ok(!sane(&t, t.len), "tables nested deeper are refused");

    nest(&t, WIRE_TABLE_DEPTH_MAX, 'A');
    ok(sane(&t, t.len), "arrays nested to the limit are sane");

    nest(&t, WIRE_TABLE_DEPTH_MAX + 1, 'A');
    ok(!sane(&t, t.len), "arrays nested deeper are refused");

    nest(&t, 5000, 'F');
    ok(!sane(&t, t.len), "tables nested 5000 deep are refused");
}


/* no byte anywhere may lead the scan out of the table */

static void
test_garbage(void)
{
    size_t               i, at;
    unsigned             seed;
    static struct table  t, good;

    all_kinds(&good);
    seed = 1;

    for (i = 0; i < 200000; i++) {
        t = good;

        seed = seed * 1103515245 + 12345;
        at = (seed >> 8) % good.len;
        seed = seed * 1103515245 + 12345;
        t.data[at] = (unsigned char) (seed >> 16);
        seed = seed * 1103515245 + 12345;
        at = (seed >> 8) % good.len;
        t.data[at] ^= (unsigned char) (1u << (seed >> 28 & 7));

        (void) sane(&t, t.len);
    }

    ok(true, "garbage is judged without reading beyond it");
}


static void
word_is(const char *src, size_t len, const char *want)
{
    char    word[WIRE_KEY_WORD_MAX + 1];
    size_t  n;

    n = wire_key_word(word, src, len);
    word[n] = '\0';

    is_str(word, want, "the word of \"%.20s\" is \"%.40s\"", src, want);
}


static void
test_key_words(void)
{
    char    src[301], word[WIRE_KEY_WORD_MAX];
    size_t  i;

    word_is("victim-42", 9, "victim-42");
    word_is("a_b~C9", 6, "a_b~C9");
    word_is("#", 1, "%23");
    word_is("*", 1, "%2A");
    word_is("a.b", 3, "a%2Eb");
    word_is("%23", 3, "%2523");
    word_is("auth0|x.y", 9, "auth0%7Cx%2Ey");
    word_is("\xc3\xa9", 2, "%C3%A9");
    word_is("a\0b", 3, "a%00b");
    word_is("a b\r\n", 5, "a%20b%0D%0A");
    word_is("", 0, "");

    memset(src, 'x', sizeof(src));

    is_int(wire_key_word(word, src, WIRE_KEY_WORD_MAX), WIRE_KEY_WORD_MAX,
           "a word of the largest size is written");
    is_int(wire_key_word(word, src, WIRE_KEY_WORD_MAX + 1), 0,
           "a longer one is refused");
    is_int(wire_key_word(word, src, 300), 0, "so is one of 300 bytes");

    memset(src, '#', sizeof(src));

    is_int(wire_key_word(word, src, 66), 198, "66 bytes to be quoted fit");
    is_int(wire_key_word(word, src, 67), 0, "67 do not");

    src[66] = 'x';
    src[67] = 'x';

    is_int(wire_key_word(word, src, 68), 200, "66 and two others fit");

    src[68] = 'x';

    is_int(wire_key_word(word, src, 69), 0, "66 and three others do not");

    for (i = 0; i < 256; i++) {
        src[0] = (char) i;

        if (wire_key_word(word, src, 1) == 1) {
            if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                       "0123456789-_~", word[0]) == NULL)
            {
                ok(false, "byte %zu is quoted", i);
            }
        }
    }
}


static void
test_ids(void)
{
    char  id[WIRE_REQUEST_ID_MAX + 1];

    memset(id, 'a', sizeof(id));

    ok(wire_request_id_is_valid("A-z_0.9", 7), "a request id is taken");
    ok(wire_request_id_is_valid(id, WIRE_REQUEST_ID_MAX),
       "one of the largest size too");
    ok(!wire_request_id_is_valid(id, WIRE_REQUEST_ID_MAX + 1),
       "a longer one is not");
    ok(!wire_request_id_is_valid("", 0), "an empty one is not");
    ok(!wire_request_id_is_valid("a b", 3), "one with a blank is not");
    ok(!wire_request_id_is_valid("a\r\n", 3), "one with a line end is not");
    ok(!wire_request_id_is_valid("a\0b", 3), "one with a zero is not");
    ok(!wire_request_id_is_valid("\xc3\xa9", 2), "one beyond ASCII is not");
}


static bool
tp(const char *text)
{
    return wire_traceparent_is_valid(text, strlen(text));
}


static void
test_traceparents(void)
{
    ok(tp("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
       "a traceparent is taken");
    ok(!tp("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
       "one of another version is not");
    ok(!tp("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
       "one without a trace is not");
    ok(!tp("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
       "one without a span is not");
    ok(!tp("00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01"),
       "one in capitals is not");
    ok(!tp("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-"),
       "one that is too long is not");
    ok(!tp("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"),
       "one that is too short is not");
    ok(!tp("00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01"),
       "one with other dashes is not");
    ok(!tp(""), "an empty one is not");
}


static void
test_constants(void)
{
    unsigned  i, bad;

    for (i = 0, bad = 0; i < WIRE_ERROR_COUNT; i++) {
        bad += wire_error_info(i)->status < 400
               || wire_error_info(i)->status > 599
               || wire_error_info(i)->name[0] == '\0'
               || wire_error_info(i)->title[0] == '\0';
    }

    is_int(bad, 0, "each error has a name, a title and a status of an error");
    is_str(wire_error_info(WIRE_ERROR_NO_ROUTE)->name, "no_route",
           "an error is found by its number");
    is_str(wire_error_info(WIRE_ERROR_COUNT)->name, "internal",
           "a number without an error is an internal one");
    is_str(wire_error_info((unsigned) -1)->name, "internal", "any such number");

    for (i = 1, bad = 0; i < WIRE_RUNGS; i++) {
        bad += wire_rung(i)->ttl_ms <= wire_rung(i - 1)->ttl_ms;
    }

    is_int(bad, 0, "each rung is longer than the one before");
    is_int(wire_rung(0)->ttl_ms, 1000, "the first is a second");
    ok(wire_rung(WIRE_RUNGS) == NULL, "there is none beyond the last");

    ok(wire_reply_header_is_allowed("location", 8), "workers may set location");
    ok(!wire_reply_header_is_allowed("Location", 8), "in lower case");
    ok(!wire_reply_header_is_allowed("locatio", 7), "in full");
    ok(!wire_reply_header_is_allowed("set-cookie", 10), "but no cookie");
    ok(!wire_reply_header_is_allowed("content-length", 14), "nor a length");
    ok(!wire_reply_header_is_allowed("", 0), "nor nothing");

    ok(wire_reply_header_may_pass("location", 8), "what is allowed may pass");
    ok(wire_reply_header_may_pass("set-cookie", 10), "a cookie by name only");
    ok(!wire_reply_header_may_pass("content-length", 14), "no length may");
    ok(!wire_reply_header_may_pass("x-accel-redirect", 16),
       "no order to a server in front");
    ok(!wire_reply_header_may_pass("ratelimit-policy", 16),
       "nothing of the gateway's own");
    ok(!wire_reply_header_may_pass("", 0), "nothing without a name");

    ok(wire_http_name_is_valid("x-a-1", 5), "a name of letters and digits");
    ok(!wire_http_name_is_valid("X-A", 3), "is in lower case");
    ok(!wire_http_name_is_valid("a_b", 3), "without other characters");
    ok(!wire_http_name_is_valid("a\r\nb", 4), "least of all these");
    ok(!wire_http_name_is_valid("-a", 2), "and begins with one");
}


int
main(void)
{
    test_tables();
    test_garbage();
    test_key_words();
    test_ids();
    test_traceparents();
    test_constants();

    return done();
}
