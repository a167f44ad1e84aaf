/*
 * Copyright (C) the Warren authors
 *
 * Time.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdio.h>
#include <time.h>

#include "clock.h"


/* of the years that RFC 3339 can write: 0000-01-01 to 9999-12-31 */

#define WALL_MIN_MS  (-62167219200000)
#define WALL_MAX_MS  (253402300799999)


static int64_t read_us(clockid_t id);


int64_t
wr_clock_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}


int64_t
wr_clock_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}


int64_t
wr_clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}


void
wr_clock_text(int64_t wall_ms, char text_r[WR_CLOCK_TEXT_SIZE])
{
    int        ms;
    time_t     sec;
    struct tm  tm;

    if (wall_ms < WALL_MIN_MS) {
        wall_ms = WALL_MIN_MS;
    }

    if (wall_ms > WALL_MAX_MS) {
        wall_ms = WALL_MAX_MS;
    }

    /* before 1970 too, milliseconds count upwards */

    ms = (int) (wall_ms % 1000);
    sec = (time_t) (wall_ms / 1000);

    if (ms < 0) {
        ms += 1000;
        sec--;
    }

    gmtime_r(&sec, &tm);

    /* not strftime(): its %Y has no zeros in front */

    snprintf(text_r, WR_CLOCK_TEXT_SIZE,
             "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned) (tm.tm_year + 1900) % 10000,
             (unsigned) (tm.tm_mon + 1) % 100, (unsigned) tm.tm_mday % 100,
             (unsigned) tm.tm_hour % 100, (unsigned) tm.tm_min % 100,
             (unsigned) tm.tm_sec % 100, (unsigned) ms % 1000);
}


static int64_t
read_us(clockid_t id)
{
    struct timespec  now;

    clock_gettime(id, &now);

    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
