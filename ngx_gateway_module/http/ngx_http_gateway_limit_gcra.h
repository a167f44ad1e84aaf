/*
 * Copyright (C) the Warren authors
 *
 * The generic cell rate algorithm: a rate and a burst with one timestamp, the
 * theoretical arrival time of the next unit.  Pure functions on microseconds
 * of a clock that never goes back; 0 is a key that was never seen.
 */

#ifndef _NGX_HTTP_GATEWAY_LIMIT_GCRA_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_LIMIT_GCRA_H_INCLUDED_


#include <stdbool.h>
#include <stdint.h>


/* so that no sum below can overflow: 2^32 us are 71 minutes */

#define NGX_HTTP_GATEWAY_GCRA_INTERVAL_MAX  4294967295u
#define NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX     1000000


typedef struct {
    uint64_t  interval;                 /* us from unit to unit, at least 1 */
    uint64_t  quota;                    /* units at once: burst + 1 */

    /* us beyond an empty quota that are remembered; 0 for one that counts
       alone, where such an arrival time is of a larger quota of before */
    uint64_t  debt;
} ngx_http_gateway_gcra_t;


/* what the fields of an answer tell */

typedef struct {
    bool      is_allowed;
    uint64_t  remaining;                /* units that would pass now */

    /* seconds, rounded up, until there is one more; 0: there are all */
    uint64_t  reset;

    /* seconds, rounded up, until this cost passes; 0: now, or never */
    uint64_t  retry;
} ngx_http_gateway_gcra_result_t;


/* how far tat is ahead of now; the configuration may have shrunk meanwhile */

static inline uint64_t
ngx_http_gateway_gcra_level(const ngx_http_gateway_gcra_t *gcra, uint64_t tat,
    uint64_t now)
{
    uint64_t  level, max;

    level = tat > now ? tat - now : 0;
    max = gcra->quota * gcra->interval + gcra->debt;

    return level < max ? level : max;
}


/* Whether cost units pass now. */

static inline bool
ngx_http_gateway_gcra_test(const ngx_http_gateway_gcra_t *gcra, uint64_t tat,
    uint64_t now, uint64_t cost)
{
    if (cost == 0) {
        return true;
    }

    return cost <= gcra->quota
           && ngx_http_gateway_gcra_level(gcra, tat, now)
              + cost * gcra->interval
              <= gcra->quota * gcra->interval;
}


/* The arrival time after cost units have passed. */

static inline uint64_t
ngx_http_gateway_gcra_charge(const ngx_http_gateway_gcra_t *gcra, uint64_t tat,
    uint64_t now, uint64_t cost)
{
    return now + ngx_http_gateway_gcra_level(gcra, tat, now)
           + cost * gcra->interval;
}


/*
 * The arrival time after others have spent an amount of time, whether or not
 * there was room for it.
 */

static inline uint64_t
ngx_http_gateway_gcra_owe(const ngx_http_gateway_gcra_t *gcra, uint64_t tat,
    uint64_t now, uint64_t amount)
{
    uint64_t  level, max;

    max = gcra->quota * gcra->interval + gcra->debt;
    level = ngx_http_gateway_gcra_level(gcra, tat, now);

    return now + (amount < max - level ? level + amount : max);
}


/*
 * How long what was charged last, so that tat is as it is now, waits for its
 * turn: one unit passes at once and delay units more, each further one when
 * the rate has made room for it.
 */

static inline uint64_t
ngx_http_gateway_gcra_wait(const ngx_http_gateway_gcra_t *gcra, uint64_t tat,
    uint64_t now, uint64_t delay)
{
    uint64_t  level, free;

    level = ngx_http_gateway_gcra_level(gcra, tat, now);
    free = (delay + 1) * gcra->interval;

    return level > free ? level - free : 0;
}


/* The window in seconds, rounded up: what an empty quota needs to fill. */

static inline uint64_t
ngx_http_gateway_gcra_window(const ngx_http_gateway_gcra_t *gcra)
{
    return (gcra->quota * gcra->interval + 999999) / 1000000;
}


/*
 * What to tell of a key.  If the request passed, tat is as it was charged;
 * else cost is what was refused.
 */

static inline void
ngx_http_gateway_gcra_tell(const ngx_http_gateway_gcra_t *gcra, uint64_t tat,
    uint64_t now, uint64_t cost, bool is_allowed,
    ngx_http_gateway_gcra_result_t *result_r)
{
    uint64_t  level, full, used;

    full = gcra->quota * gcra->interval;
    level = ngx_http_gateway_gcra_level(gcra, tat, now);

    result_r->is_allowed = is_allowed;
    result_r->remaining = level < full ? (full - level) / gcra->interval : 0;
    result_r->reset = 0;
    result_r->retry = 0;

    if (result_r->remaining < gcra->quota) {
        used = (gcra->quota - result_r->remaining - 1) * gcra->interval;
        result_r->reset = (level - used + 999999) / 1000000;
    }

    if (!is_allowed && cost <= gcra->quota) {
        used = (gcra->quota - cost) * gcra->interval;

        if (level > used) {
            result_r->retry = (level - used + 999999) / 1000000;
        }
    }
}


#endif /* _NGX_HTTP_GATEWAY_LIMIT_GCRA_H_INCLUDED_ */
