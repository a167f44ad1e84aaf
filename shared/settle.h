/*
 * Copyright (C) the Warren authors
 *
 * The last step of a turn: replies, dead letters, rungs, and only then acks.
 */

#ifndef WARREN_SETTLE_H
#define WARREN_SETTLE_H


#include <stddef.h>


struct wr_lane;
struct wr_request;


/*
 * Settles what is decided and gives its memory back; what is_later, or could
 * not be settled yet, is held for the next batch.
 */
void wr_settle(struct wr_lane *lane, struct wr_request **reqs, size_t n);


#endif /* WARREN_SETTLE_H */
