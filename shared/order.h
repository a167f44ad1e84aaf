/*
 * Copyright (C) the Warren authors
 *
 * Events in order: what holds the later ones of a key back.
 *
 * The broker gives all events of a key to one lane, in order.  The lane keeps
 * that order: in a batch they act one after the other or not at all, and while
 * one waits for another try, so do those behind it.
 */

#ifndef WARREN_ORDER_H
#define WARREN_ORDER_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct wr_lane;
struct wr_request;


/* Makes the request one in order, if its handler and its queue are. */
void wr_order_join(struct wr_request *req);

/* Whether the lane holds an earlier one of its key. */
bool wr_order_waits(const struct wr_lane *lane, const struct wr_request *req);

/* Puts those of one key that were taken together into their order. */
void wr_order_sort(struct wr_request **reqs, size_t n);

/* Of n requests, holds those which must wait for one of reqs[n] to
   reqs[total - 1], who run after them.  Returns how many are left. */
size_t wr_order_leave(struct wr_lane *lane, struct wr_request **reqs,
    size_t n, size_t total);

/* Whether reqs[i] must not be chosen for a batch: an earlier one of its key
   was not. */
bool wr_order_is_left(struct wr_request *const *reqs, size_t i);

/* Whether reqs[i] must not act in this transaction: an earlier one of its key
   has not. */
bool wr_order_is_stopped(struct wr_request *const *reqs, size_t i);

/* After a batch that failed: of each key, all but the first are for a later
   batch.  Marks them, and takes them out; n is returned as it is then. */
void wr_order_mark(struct wr_request *const *reqs, size_t n);
size_t wr_order_thin(struct wr_request **reqs, size_t n);

/* Failed, and in order: keeps it for another try here.  Returns false if it is
   not in order. */
bool wr_order_hold(struct wr_lane *lane, struct wr_request *req);

/* Forgets those whose queue the lane has given up. */
void wr_order_drop(struct wr_lane *lane);


#endif /* WARREN_ORDER_H */
