/*
 * Copyright (C) the Warren authors
 *
 * Clocks of requesters.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "skew.h"


/* The last minute is this half of it, and what is gone of the next. */
#define HALF_MS    30000

#define NAME_SIZE  128


struct requester {
    char     name[NAME_SIZE];
    int64_t  heard_ms;          /* 0: a free place */
    int64_t  half_ms;           /* when the half began that is going on */
    int64_t  least_ms;          /* age, in this half */
    int64_t  before_ms;         /* in the half before; INT64_MAX: none */
    bool     is_skewed;
};

struct wr_skew {
    struct requester  requesters[WR_SKEW_REQUESTERS];
    int               last;     /* who was heard last */
};


static struct requester *find(struct wr_skew *skew, const char *name);


struct wr_skew *
wr_skew_new(void)
{
    return wr_memory_alloc(1, sizeof(struct wr_skew));
}


void
wr_skew_free(struct wr_skew **skew)
{
    free(*skew);
    *skew = NULL;
}


int64_t
wr_skew_ms(struct wr_skew *skew, const char *requester, int64_t age_ms,
    int64_t now_ms, bool *is_news_r)
{
    bool               was_skewed;
    int64_t            least_ms;
    struct requester  *r;

    r = find(skew, requester);
    r->heard_ms = now_ms;

    if (now_ms - r->half_ms >= 2 * HALF_MS) {
        r->before_ms = INT64_MAX;
        r->least_ms = age_ms;
        r->half_ms = now_ms;

    } else if (now_ms - r->half_ms >= HALF_MS) {
        r->before_ms = r->least_ms;
        r->least_ms = age_ms;
        r->half_ms += HALF_MS;
    }

    r->least_ms = (age_ms < r->least_ms) ? age_ms : r->least_ms;
    least_ms = (r->before_ms < r->least_ms) ? r->before_ms : r->least_ms;

    was_skewed = r->is_skewed;
    r->is_skewed = least_ms < 0 || least_ms > WR_SKEW_TOLERANCE_MS;
    *is_news_r = r->is_skewed && !was_skewed;

    return r->is_skewed ? least_ms : 0;
}


static struct requester *
find(struct wr_skew *skew, const char *name)
{
    int                i, oldest;
    struct requester  *r;

    if (strncmp(skew->requesters[skew->last].name, name, NAME_SIZE - 1) == 0
        && skew->requesters[skew->last].heard_ms != 0)
    {
        return &skew->requesters[skew->last];
    }

    for (i = 0, oldest = 0; i < WR_SKEW_REQUESTERS; i++) {
        r = &skew->requesters[i];

        if (r->heard_ms != 0 && strncmp(r->name, name, NAME_SIZE - 1) == 0) {
            skew->last = i;
            return r;
        }

        if (r->heard_ms < skew->requesters[oldest].heard_ms) {
            oldest = i;
        }
    }

    r = &skew->requesters[oldest];
    memset(r, 0, sizeof(*r));
    snprintf(r->name, sizeof(r->name), "%s", name);
    r->half_ms = INT64_MIN / 2;
    skew->last = oldest;

    return r;
}
