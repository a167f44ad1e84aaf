/*
 * Copyright (C) the Warren authors
 *
 * The cell rate algorithm: what passes, what remains, and when to come again.
 */

#include "ngx_http_gateway_limit_gcra.h"
#include "tap.h"


#define SECOND  1000000u


static void test_burst(void);
static void test_rate(void);
static void test_cost(void);
static void test_debt(void);
static void test_told(void);
static void test_wait(void);
static void test_reload(void);
static void test_extremes(void);
static void test_model(void);


int
main(void)
{
    test_burst();
    test_rate();
    test_cost();
    test_debt();
    test_told();
    test_wait();
    test_reload();
    test_extremes();
    test_model();

    return done();
}


/* how many units pass at once, counted up to max */

static uint64_t
pass_at(const ngx_http_gateway_gcra_t *gcra, uint64_t *tat, uint64_t now,
    uint64_t max)
{
    uint64_t  n;

    for (n = 0; n < max; n++) {

        if (!ngx_http_gateway_gcra_test(gcra, *tat, now, 1)) {
            break;
        }

        *tat = ngx_http_gateway_gcra_charge(gcra, *tat, now, 1);
    }

    return n;
}


static void
test_burst(void)
{
    uint64_t                 tat;
    ngx_http_gateway_gcra_t  gcra = { SECOND, 5, 0 };

    tat = 0;
    is_int(pass_at(&gcra, &tat, 77, 100), 5, "burst and one pass at once");
    is_int(pass_at(&gcra, &tat, 77, 100), 0, "and then none");
    is_int(pass_at(&gcra, &tat, 77 + SECOND - 1, 100), 0,
           "none a microsecond before its time");
    is_int(pass_at(&gcra, &tat, 77 + SECOND, 100), 1, "one at its time");
    is_int(pass_at(&gcra, &tat, 77 + 3 * SECOND, 100), 2, "two after two");
    is_int(pass_at(&gcra, &tat, 77 + 1000 * (uint64_t) SECOND, 100), 5,
           "no more than the quota after a long rest");

    gcra.quota = 1;
    tat = 0;
    is_int(pass_at(&gcra, &tat, 1, 100), 1, "without a burst one passes");
}


static void
test_rate(void)
{
    uint64_t                 now, tat, n;
    ngx_http_gateway_gcra_t  gcra = { SECOND / 100, 1, 0 };

    tat = 0;
    n = 0;

    for (now = 1; now <= 10 * (uint64_t) SECOND; now += 997) {
        n += pass_at(&gcra, &tat, now, 100);
    }

    ok(n >= 900 && n <= 1001, "a steady stream gets the rate without a burst");

    gcra.quota = 10;
    tat = 0;
    n = 0;

    for (now = 1; now <= 10 * (uint64_t) SECOND; now += 997) {
        n += pass_at(&gcra, &tat, now, 100);
    }

    ok(n >= 1008 && n <= 1010, "with one, the rate and the burst exactly");
}


static void
test_cost(void)
{
    uint64_t                 tat;
    ngx_http_gateway_gcra_t  gcra = { SECOND, 5, 0 };

    ok(ngx_http_gateway_gcra_test(&gcra, 0, 9, 5), "the whole quota passes");
    ok(!ngx_http_gateway_gcra_test(&gcra, 0, 9, 6), "more never does");
    ok(!ngx_http_gateway_gcra_test(&gcra, 0, 9, UINT64_MAX),
       "not even so much that a product would overflow");

    tat = ngx_http_gateway_gcra_charge(&gcra, 0, 9, 3);
    ok(ngx_http_gateway_gcra_test(&gcra, tat, 9, 2), "two pass beside three");
    ok(!ngx_http_gateway_gcra_test(&gcra, tat, 9, 3), "three do not");
}


static void
test_told(void)
{
    uint64_t                        tat;
    ngx_http_gateway_gcra_t         gcra = { SECOND * 10, 3, 0 };
    ngx_http_gateway_gcra_result_t  result;

    is_int(ngx_http_gateway_gcra_window(&gcra), 30,
           "the window is what the quota takes to fill");

    ngx_http_gateway_gcra_tell(&gcra, 0, 5, 1, true, &result);
    is_int(result.remaining, 3, "all remain of an untouched quota");
    is_int(result.reset, 0, "and there is nothing to wait for");

    tat = ngx_http_gateway_gcra_charge(&gcra, 0, 5, 1);
    ngx_http_gateway_gcra_tell(&gcra, tat, 5, 1, true, &result);
    is_int(result.remaining, 2, "one less remains after one");
    is_int(result.reset, 10, "and it is back after an interval");
    is_int(result.retry, 0, "what passed need not be repeated");

    ngx_http_gateway_gcra_tell(&gcra, tat, 5 + SECOND, 1, true, &result);
    is_int(result.reset, 9, "a second later it is a second less");

    ngx_http_gateway_gcra_tell(&gcra, tat, 6 + SECOND, 1, true, &result);
    is_int(result.reset, 9, "parts of a second are rounded up");

    tat = ngx_http_gateway_gcra_charge(&gcra, tat, 5, 2);
    ngx_http_gateway_gcra_tell(&gcra, tat, 5, 1, false, &result);
    is_int(result.remaining, 0, "none remains");
    is_int(result.reset, 10, "one comes after an interval");
    is_int(result.retry, 10, "which is when one may come again");

    ngx_http_gateway_gcra_tell(&gcra, tat, 5, 3, false, &result);
    is_int(result.retry, 30, "three must wait for three");

    ngx_http_gateway_gcra_tell(&gcra, tat, 5, 4, false, &result);
    is_int(result.retry, 0, "what never passes is not told a time");

    gcra.interval = 3;
    gcra.quota = 7;
    is_int(ngx_http_gateway_gcra_window(&gcra), 1,
           "a window is a second at least");
}


static void
test_wait(void)
{
    uint64_t                 tat, now;
    ngx_http_gateway_gcra_t  gcra = { SECOND, 5, 0 };

    now = 77;
    tat = ngx_http_gateway_gcra_charge(&gcra, 0, now, 1);
    is_int(ngx_http_gateway_gcra_wait(&gcra, tat, now, 0), 0,
           "the first does not wait");
    tat = ngx_http_gateway_gcra_charge(&gcra, tat, now, 1);
    is_int(ngx_http_gateway_gcra_wait(&gcra, tat, now, 0), SECOND,
           "the second waits for one unit");
    is_int(ngx_http_gateway_gcra_wait(&gcra, tat, now, 1), 0,
           "or not, if one more may pass at once");
    tat = ngx_http_gateway_gcra_charge(&gcra, tat, now, 3);
    is_int(ngx_http_gateway_gcra_wait(&gcra, tat, now, 1), 3 * SECOND,
           "three at once wait until the last has its turn");
    is_int(ngx_http_gateway_gcra_wait(&gcra, tat, now + 2 * SECOND, 1),
           SECOND, "less later");
}


static void
test_debt(void)
{
    uint64_t                        tat, now;
    ngx_http_gateway_gcra_t         gcra = { SECOND, 5, 20 * SECOND };
    ngx_http_gateway_gcra_result_t  result;

    now = 1000 * (uint64_t) SECOND;
    tat = ngx_http_gateway_gcra_owe(&gcra, 0, now, 12 * SECOND);

    ngx_http_gateway_gcra_tell(&gcra, tat, now, 1, false, &result);
    is_int(result.remaining, 0, "of what others overspent nothing is left");
    is_int(result.retry, 8, "and it is made up for first");
    ok(!ngx_http_gateway_gcra_test(&gcra, tat, now + 7 * SECOND, 1),
       "none passes before");
    ok(ngx_http_gateway_gcra_test(&gcra, tat, now + 8 * SECOND, 1),
       "one does then");
    ok(ngx_http_gateway_gcra_test(&gcra, tat, now, 0),
       "what costs nothing passes at any time");

    tat = ngx_http_gateway_gcra_owe(&gcra, tat, now, UINT64_MAX);
    is_int(tat - now, 25 * (uint64_t) SECOND, "a debt has a bound");
    tat = ngx_http_gateway_gcra_owe(&gcra, UINT64_MAX, now, 1);
    is_int(tat - now, 25 * (uint64_t) SECOND, "which holds for what is there");

    gcra.debt = 0;
    ngx_http_gateway_gcra_tell(&gcra, tat, now, 1, false, &result);
    is_int(result.retry, 1, "without debts the quota is all that counts");
}


static void
test_reload(void)
{
    uint64_t                        tat;
    ngx_http_gateway_gcra_t         slow = { SECOND * 60, 100, 0 };
    ngx_http_gateway_gcra_t         quick = { SECOND, 5, 0 };
    ngx_http_gateway_gcra_result_t  result;

    tat = 0;
    (void) pass_at(&slow, &tat, 1, 100);

    ngx_http_gateway_gcra_tell(&quick, tat, 1, 1, false, &result);
    is_int(result.remaining, 0, "a time beyond a smaller quota is a full one");
    is_int(result.retry, 1, "and is forgotten at the new rate");
    ok(!ngx_http_gateway_gcra_test(&quick, tat, 1, 1), "nothing passes then");

    /* a clock that was read by another process a moment later */

    tat = ngx_http_gateway_gcra_charge(&quick, 0, 1000, 1);
    is_int(ngx_http_gateway_gcra_level(&quick, tat, 990), SECOND + 10,
           "a time slightly ahead counts as it is");
}


static void
test_extremes(void)
{
    uint64_t                        tat, now;
    ngx_http_gateway_gcra_t         gcra = { 1, 1, 0 };
    ngx_http_gateway_gcra_result_t  result;

    gcra.interval = NGX_HTTP_GATEWAY_GCRA_INTERVAL_MAX;
    gcra.quota = NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX;
    gcra.debt = 0;
    now = 1000ull * 365 * 86400 * SECOND;

    ok(ngx_http_gateway_gcra_test(&gcra, 0, now, gcra.quota),
       "the largest quota at the slowest rate does not overflow");

    tat = ngx_http_gateway_gcra_charge(&gcra, 0, now, gcra.quota);
    ok(!ngx_http_gateway_gcra_test(&gcra, tat, now, 1), "and is used up");

    ngx_http_gateway_gcra_tell(&gcra, tat, now, gcra.quota, false, &result);
    is_int(result.retry, ngx_http_gateway_gcra_window(&gcra),
           "it takes its window to fill");
}


/* a bucket that is filled unit by unit must agree */

static void
test_model(void)
{
    bool                            agrees, expected;
    uint64_t                        tat, now, seed, last, tokens_us, cost;
    unsigned                        i;
    ngx_http_gateway_gcra_t         gcra = { 250, 8, 0 };
    ngx_http_gateway_gcra_result_t  result;

    seed = 42;
    now = 1000;
    last = now;
    tat = 0;
    agrees = true;
    tokens_us = gcra.quota * gcra.interval;

    for (i = 0; i < 100000 && agrees; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        now += (seed >> 40) % 400;
        cost = 1 + (seed >> 20) % 3;

        tokens_us += now - last;
        last = now;

        if (tokens_us > gcra.quota * gcra.interval) {
            tokens_us = gcra.quota * gcra.interval;
        }

        expected = tokens_us >= cost * gcra.interval;
        agrees = expected == ngx_http_gateway_gcra_test(&gcra, tat, now, cost);

        if (expected) {
            tokens_us -= cost * gcra.interval;
            tat = ngx_http_gateway_gcra_charge(&gcra, tat, now, cost);
        }

        ngx_http_gateway_gcra_tell(&gcra, tat, now, cost, expected, &result);
        agrees = agrees && result.remaining == tokens_us / gcra.interval;
    }

    ok(agrees, "a hundred thousand steps agree with a token bucket");
}
