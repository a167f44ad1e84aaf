/*
 * Copyright (C) the Warren authors
 *
 * What gateways tell one another of limits: written, read, and refused however
 * it is damaged.
 */

#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_limit_message.h"
#include "tap.h"


#define ENTRIES  NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRIES
#define MAX      NGX_HTTP_GATEWAY_LIMIT_MESSAGE_MAX
#define ROUNDS   200000


static const unsigned char  node[NGX_HTTP_GATEWAY_LIMIT_MESSAGE_NODE] =
    "0123456789abcde";

static ngx_http_gateway_limit_amount_t  amounts[ENTRIES];


static void test_round(unsigned n, const char *name);
static void test_lengths(void);
static void test_random(void);
static bool is_refused(const unsigned char *p, size_t len);


int
main(void)
{
    unsigned  i;

    for (i = 0; i < ENTRIES; i++) {
        memset(amounts[i].key, (int) i, sizeof(amounts[i].key));
        amounts[i].amount = (uint64_t) i << 50 | i;
    }

    test_round(1, "z");
    test_round(ENTRIES, "sixty-four.letters.are.a.name.of.the.greatest.length"
                        ".that.may.be");
    test_lengths();
    test_random();

    return done();
}


static void
test_round(unsigned n, const char *name)
{
    bool                               is_alike;
    size_t                             len;
    unsigned                           i;
    unsigned char                     *p;
    ngx_http_gateway_limit_amount_t    amount;
    ngx_http_gateway_limit_message_t   message;

    p = malloc(MAX);
    memset(&message, 0, sizeof(message));
    message.node = node;
    message.name = node;

    len = ngx_http_gateway_limit_message_write(p, node, name, strlen(name),
                                               amounts, n);

    ok(len <= MAX, "a message is no longer than what there is room for");
    ok(ngx_http_gateway_limit_message_read(p, len, &message),
       "what was written is read");
    is_int(message.nentries, n, "with its entries");
    ok(memcmp(message.node, node, sizeof(node)) == 0, "from its node");
    ok(message.name_len == strlen(name)
       && memcmp(message.name, name, message.name_len) == 0, "for its zone");

    is_alike = true;

    for (i = 0; i < n; i++) {
        ngx_http_gateway_limit_message_entry(&message, i, &amount);
        is_alike = is_alike && amount.amount == amounts[i].amount
                   && memcmp(amount.key, amounts[i].key, sizeof(amount.key))
                      == 0;
    }

    ok(is_alike, "all of which are as they were");

    free(p);
}


/* in memory of exactly that size, so that a sanitizer sees a byte too far */

static bool
is_refused(const unsigned char *p, size_t len)
{
    bool                               rc;
    unsigned char                     *copy;
    ngx_http_gateway_limit_message_t   message;

    copy = malloc(len ? len : 1);
    memcpy(copy, p, len);

    rc = !ngx_http_gateway_limit_message_read(copy, len, &message);

    free(copy);

    return rc;
}


static void
test_lengths(void)
{
    bool            all;
    size_t          i, len;
    unsigned char  *p;

    p = calloc(1, MAX + 1);

    len = ngx_http_gateway_limit_message_write(p, node, "zone", 4, amounts, 3);

    all = true;

    for (i = 0; i < len; i++) {
        all = all && is_refused(p, i);
    }

    ok(all, "a message that is cut anywhere is refused");
    ok(is_refused(p, len + 1), "and one with a byte more");

    p[3] = 0;
    ok(is_refused(p, len), "and one without a zone");
    p[3] = 65;
    ok(is_refused(p, len), "and one with a name that is too long");
    p[3] = 5;
    ok(is_refused(p, len), "and one with a name of another length");

    free(p);
}


/* damaged in any way it is refused, or can be read to its last entry */

static void
test_random(void)
{
    size_t                             i, len;
    unsigned                           n, k;
    uint64_t                           sum;
    unsigned char                      p[300], *copy;
    ngx_http_gateway_limit_amount_t    amount;
    ngx_http_gateway_limit_message_t   message;

    srand(1);
    sum = 0;
    n = 0;

    for (i = 0; i < ROUNDS; i++) {
        len = ngx_http_gateway_limit_message_write(p, node, "zone", 4, amounts,
                                                   (unsigned) rand() % 5 + 1);
        p[(size_t) rand() % 26] = (unsigned char) rand();
        len -= (size_t) (rand() % 2) * 40;

        copy = malloc(len);
        memcpy(copy, p, len);

        if (ngx_http_gateway_limit_message_read(copy, len, &message)) {
            n++;

            for (k = 0; k < message.nentries; k++) {
                ngx_http_gateway_limit_message_entry(&message, k, &amount);
                sum += amount.amount + amount.key[31];
            }
        }

        free(copy);
    }

    ok(n > 0 && n < ROUNDS && sum > 0, "damaged ones are refused or harmless");
}
