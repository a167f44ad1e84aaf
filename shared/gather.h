/*
 * Copyright (C) the Warren authors
 *
 * The step before a transaction: handlers ask other services, and all
 * questions of a batch travel together.
 */

#ifndef WARREN_GATHER_H
#define WARREN_GATHER_H


#include <stddef.h>


struct wr_lane;
struct wr_request;


/*
 * Runs .gather of those that have not gathered, sends their questions, waits
 * until all are answered or the nearest deadline of them has come.  What is
 * still unanswered then has wr_request_is_asking() and joins the next batch.
 */
void wr_gather(struct wr_lane *lane, struct wr_request **reqs, size_t n);

/* Takes replies in between batches: for messages that are held, or for nobody
   any more: those are dropped and counted. */
void wr_gather_idle(struct wr_lane *lane);


#endif /* WARREN_GATHER_H */
