/*
 * Copyright (C) the Warren authors
 *
 * Clocks of requesters: whose is off, by how much, and for how long that is
 * believed.
 */

#include "skew.h"
#include "tap.h"


static void in_time(void);
static void off(void);
static void recovered(void);
static void many(void);


int
main(void)
{
    in_time();
    off();
    recovered();
    many();

    return done();
}


static void
in_time(void)
{
    bool             is_news;
    struct wr_skew  *skew;

    skew = wr_skew_new();
    is_int(wr_skew_ms(skew, "a", 0, 1000, &is_news), 0, "no age is no skew");
    is_int(wr_skew_ms(skew, "a", 5000, 1000, &is_news), 0,
           "an old message beside a young one has waited");
    ok(!is_news, "which is no news");
    is_int(wr_skew_ms(skew, "b", WR_SKEW_TOLERANCE_MS, 1000, &is_news), 0,
           "within the tolerance is no skew");
    wr_skew_free(&skew);
    ok(skew == NULL, "it is freed");
}


static void
off(void)
{
    bool             is_news;
    struct wr_skew  *skew;

    skew = wr_skew_new();
    is_int(wr_skew_ms(skew, "slow", 3600000, 1000, &is_news), 3600000,
           "a clock that is slow makes all messages old");
    ok(is_news, "which is news");
    is_int(wr_skew_ms(skew, "slow", 3600500, 2000, &is_news), 3600000,
           "the youngest one counts");
    ok(!is_news, "which is news once");
    is_int(wr_skew_ms(skew, "fast", -700, 2000, &is_news), -700,
           "a clock that is fast sends from the future");
    is_int(wr_skew_ms(skew, "right", 3, 2000, &is_news), 0,
           "each requester has its own clock");
    wr_skew_free(&skew);
}


static void
recovered(void)
{
    bool             is_news;
    struct wr_skew  *skew;

    skew = wr_skew_new();
    (void) wr_skew_ms(skew, "a", -9000, 1000, &is_news);
    is_int(wr_skew_ms(skew, "a", 10, 20000, &is_news), -9000,
           "the smallest of the last minute counts");
    (void) wr_skew_ms(skew, "a", 10, 40000, &is_news);
    is_int(wr_skew_ms(skew, "a", 10, 70000, &is_news), 0,
           "after a minute it is forgotten");
    is_int(wr_skew_ms(skew, "a", 400, 200000, &is_news), 400,
           "after a pause only what came last counts");
    ok(is_news, "and is news again");
    wr_skew_free(&skew);
}


static void
many(void)
{
    int              i;
    bool             is_news;
    char             name[300];
    struct wr_skew  *skew;

    skew = wr_skew_new();
    (void) wr_skew_ms(skew, "first", 1, 1, &is_news);

    for (i = 0; i < WR_SKEW_REQUESTERS; i++) {
        snprintf(name, sizeof(name), "%0250d", i);
        memcpy(name, "requester", 9);
        snprintf(name + 100, 20, "%d", i);
        (void) wr_skew_ms(skew, name, 1, 2 + i, &is_news);
    }

    is_int(wr_skew_ms(skew, "first", 900, 1000, &is_news), 900,
           "who was not heard of for longest is forgotten");
    is_int(wr_skew_ms(skew, name, 900, 1000, &is_news), 0,
           "who was heard of is known");
    wr_skew_free(&skew);
}
