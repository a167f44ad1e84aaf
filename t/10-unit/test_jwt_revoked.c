/*
 * Copyright (C) the Warren authors
 *
 * Sets of revoked tokens: what lines mean, what breaks a set, and that a
 * large one is found in at once.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_jwt_revoked_set.h"
#include "tap.h"


#define JTI    NGX_HTTP_GATEWAY_JWT_REVOKED_JTI
#define SUB    NGX_HTTP_GATEWAY_JWT_REVOKED_SUB
#define NEVER  NGX_HTTP_GATEWAY_JWT_REVOKED_NEVER

#define MANY   100000


static size_t       line;
static const char  *reason;


static ngx_http_gateway_jwt_revoked_set_t *
set_of(const char *text)
{
    return ngx_http_gateway_jwt_revoked_set_new((const unsigned char *) text,
                                                strlen(text), &line, &reason);
}


static int
has(ngx_http_gateway_jwt_revoked_set_t *set,
    ngx_http_gateway_jwt_revoked_e kind, const char *value, int64_t iat)
{
    return ngx_http_gateway_jwt_revoked_set_has(set, kind,
                                                (const unsigned char *) value,
                                                strlen(value), iat);
}


static void
test_lines(void)
{
    ngx_http_gateway_jwt_revoked_set_t  *set;

    set = set_of("# today\n"
                 "\n"
                 "jti one\r\n"
                 "sub\t anna b \n"
                 "before 100 bob\n"
                 "before 50 bob\n"
                 "before 0 eve\n"
                 "before 9 dan\n"
                 "sub dan\n"
                 "jti one\n");

    if (!ok(set != NULL, "a set is read")) {
        return;
    }

    is_int((long) ngx_http_gateway_jwt_revoked_set_number(set), 5,
           "doubles count once");
    ok(has(set, JTI, "one", 0), "a jti is in it");
    ok(!has(set, SUB, "one", 0), "and is no sub");
    ok(!has(set, JTI, "on", 0), "a part of it is not");
    ok(!has(set, JTI, "one\r", 0), "nor are ends of lines");
    ok(!has(set, JTI, "", 0), "nor is nothing");
    ok(has(set, SUB, "anna b", INT64_MAX), "a sub is, whenever issued");
    ok(has(set, SUB, "bob", 99), "issued before the time is revoked");
    ok(!has(set, SUB, "bob", 100), "issued at that time is not");
    ok(has(set, SUB, "bob", NEVER), "not known when is revoked");
    ok(!has(set, SUB, "eve", 0), "nothing is before the epoch");
    ok(has(set, SUB, "dan", 1000), "of two lines the wider one counts");

    ngx_http_gateway_jwt_revoked_set_free(set);

    set = set_of("");
    ok(set != NULL && !has(set, JTI, "one", 0), "an empty set has none");
    ngx_http_gateway_jwt_revoked_set_free(set);
    ngx_http_gateway_jwt_revoked_set_free(NULL);
}


static void
test_broken(void)
{
    char                                *long_line;
    size_t                               i;
    ngx_http_gateway_jwt_revoked_set_t  *set;

    static const struct {
        const char  *text;
        size_t       line;
        const char  *reason;
    } broken[] = {
        { "jti one\njti tw", 2, "the last line has no end" },
        { "x", 1, "the last line has no end" },
        { "jti\n", 1, "the value is missing" },
        { "\nsub   \n", 2, "the value is missing" },
        { "before 10\n", 1, "the value is missing" },
        { "before x anna\n", 1, "the time is no number of seconds" },
        { "before 10x anna\n", 1, "the time is no number of seconds" },
        { "before -1 anna\n", 1, "the time is no number of seconds" },
        { "before 1000000000000000 anna\n", 1,
          "the time is no number of seconds" },
        { "kid one\n", 1,
          "a line begins with jti, sub, before or #, and a blank" },
        { "jtione\n", 1,
          "a line begins with jti, sub, before or #, and a blank" },
        { "<html>\n", 1,
          "a line begins with jti, sub, before or #, and a blank" },
        { "jti a\x01 b\n", 1, "the value has a control character" },
        { "jti a\tb\n", 1, "the value has a control character" }
    };

    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        set = set_of(broken[i].text);
        ok(set == NULL, "set %zu is refused", i);
        is_str(reason, broken[i].reason, "with the reason");
        is_int((long) line, (long) broken[i].line, "and the line");
        ngx_http_gateway_jwt_revoked_set_free(set);
    }

    long_line = malloc(1100);
    memset(long_line, 'x', 1100);
    memcpy(long_line, "jti ", 4);
    memcpy(long_line + 4 + NGX_HTTP_GATEWAY_JWT_REVOKED_VALUE, "\n", 2);
    set = set_of(long_line);
    ok(set != NULL, "the longest value is taken");
    long_line[4 + NGX_HTTP_GATEWAY_JWT_REVOKED_VALUE] = '\0';
    ok(set != NULL && has(set, JTI, long_line + 4, 0), "and found");
    ngx_http_gateway_jwt_revoked_set_free(set);

    memcpy(long_line + 4 + NGX_HTTP_GATEWAY_JWT_REVOKED_VALUE, "x\n", 3);
    ok(set_of(long_line) == NULL, "a longer one is refused");
    is_str(reason, "the value is too long", "with that reason");

    free(long_line);
}


static void
test_many(void)
{
    char                                *text, *p, value[32];
    unsigned                             i, found, wrong;
    ngx_http_gateway_jwt_revoked_set_t  *set;

    text = malloc(MANY * 32);
    p = text;

    for (i = 0; i < MANY; i++) {
        p += sprintf(p, "jti token-%u\n", i);
    }

    set = set_of(text);
    free(text);

    if (!ok(set != NULL, "a large set is read")) {
        return;
    }

    found = 0;
    wrong = 0;

    for (i = 0; i < MANY; i++) {
        (void) sprintf(value, "token-%u", i);
        found += (unsigned) has(set, JTI, value, 0);

        (void) sprintf(value, "tokem-%u", i);
        wrong += (unsigned) has(set, JTI, value, 0);
    }

    is_int(found, MANY, "all are found");
    is_int(wrong, 0, "and no others");

    ngx_http_gateway_jwt_revoked_set_free(set);
}


int
main(void)
{
    test_lines();
    test_broken();
    test_many();

    return done();
}
