/*
 * Copyright (C) the Warren authors
 *
 * Rungs: what could not be done yet waits there and comes home.
 */

#ifndef WARREN_RETRY_H
#define WARREN_RETRY_H


#include <stddef.h>


struct wr_lane;
struct wr_request;


enum wr_retry_result {
    WR_RETRY_SENT = 0,      /* the broker has it */
    WR_RETRY_NO_RUNG,       /* none took it: a dead letter */
    WR_RETRY_UNKNOWN        /* the connection was lost, or no confirm came */
};


/*
 * Publishes the messages to the rungs of their attempts and waits for the
 * confirms; a rung that does not take one is followed by the next longer.
 * results_r says of each what became of it.
 */
void wr_retry_send(struct wr_lane *lane, struct wr_request **reqs, size_t n,
    enum wr_retry_result *results_r);


#endif /* WARREN_RETRY_H */
