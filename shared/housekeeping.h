/*
 * Copyright (C) the Warren authors
 *
 * What the first lane of a worker does now and then, so that inbox and outbox
 * stay small: partitions of days to come, the end of old ones and of old rows.
 */

#ifndef WARREN_HOUSEKEEPING_H
#define WARREN_HOUSEKEEPING_H


#include <stdint.h>


struct wr_lane;


/* When there is something to do next; wr_clock_ms().  INT64_MAX: this lane has
   nothing to do with it. */
int64_t wr_housekeeping_due_ms(const struct wr_lane *lane);

/* Does what is due, a little of it at a time; waits for it.  What fails is
   logged and tried again later. */
void wr_housekeeping(struct wr_lane *lane);


#endif /* WARREN_HOUSEKEEPING_H */
