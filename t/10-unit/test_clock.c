/*
 * Copyright (C) the Warren authors
 *
 * Time: text of wall times at the edges of what RFC 3339 can write.
 */

#include <stdint.h>

#include "clock.h"
#include "tap.h"


struct sample {
    int64_t      wall_ms;
    const char  *text;
};


static const struct sample  samples[] = {
    { 0, "1970-01-01T00:00:00.000Z" },
    { 1, "1970-01-01T00:00:00.001Z" },
    { -1, "1969-12-31T23:59:59.999Z" },
    { -1000, "1969-12-31T23:59:59.000Z" },
    { 951782400000, "2000-02-29T00:00:00.000Z" },
    { 1795435200123, "2026-11-23T12:00:00.123Z" },
    { 253402300799999, "9999-12-31T23:59:59.999Z" },
    { INT64_MAX, "9999-12-31T23:59:59.999Z" },
    { -62167219200000, "0000-01-01T00:00:00.000Z" },
    { INT64_MIN, "0000-01-01T00:00:00.000Z" },
};


int
main(void)
{
    char     text[WR_CLOCK_TEXT_SIZE];
    size_t   i;
    int64_t  ms, us, wall;

    for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        wr_clock_text(samples[i].wall_ms, text);
        is_str(text, samples[i].text, "%" PRId64 " ms is %s",
               samples[i].wall_ms, samples[i].text);
    }

    us = wr_clock_us();
    ms = wr_clock_ms();
    ok(us > 0 && ms >= us / 1000 && ms < us / 1000 + 5000,
       "milliseconds and microseconds are of one clock");
    ok(wr_clock_us() >= us, "the monotonic clock does not go back");

    wall = wr_clock_wall_ms();
    ok(wall > 1700000000000 && wall < 253402300799999,
       "the wall clock counts milliseconds since 1970");

    return done();
}
