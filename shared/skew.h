/*
 * Copyright (C) the Warren authors
 *
 * Clocks of requesters: how far each one's is from ours, as the youngest of its
 * messages tells.
 */

#ifndef WARREN_SKEW_H
#define WARREN_SKEW_H


#include <stdbool.h>
#include <stdint.h>


struct wr_skew;


/* Ages from 0 to this are taken for the way through the broker. */
#define WR_SKEW_TOLERANCE_MS  250

/* Requesters that are known; beyond that the one not heard of for longest is
   forgotten. */
#define WR_SKEW_REQUESTERS    64


/* Never NULL: without memory the process ends. */
struct wr_skew *wr_skew_new(void);
void wr_skew_free(struct wr_skew **skew);

/*
 * A message of this requester seems to be so old, now being wr_clock_ms().
 * Returns what is to be subtracted from ages of its messages: the smallest of
 * the last minute if that is negative or above the tolerance, else 0.
 * *is_news_r tells whether this was 0 before, and is not any more.
 */
int64_t wr_skew_ms(struct wr_skew *skew, const char *requester,
    int64_t age_ms, int64_t now_ms, bool *is_news_r);


#endif /* WARREN_SKEW_H */
