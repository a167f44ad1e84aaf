/*
 * Copyright (C) the Warren authors
 *
 * The ledger of messages that a lane was working on when it died.  Who stands
 * in it runs alone, so that no neighbour is blamed for it; who has killed
 * lanes often enough is set aside.
 */

#ifndef WARREN_CRASH_H
#define WARREN_CRASH_H


#include <stddef.h>


struct wr_lane;
struct wr_request;


/* Deaths of a lane, with this message alone, before it is set aside. */
#define WR_CRASHES_MAX  3


/*
 * Before a lane consumes: writes down what its last life was working on when
 * it died, if it died of that.  Returns 0, or -1 if the database could not be
 * told now.  Waits.
 */
int wr_crash_write(struct wr_lane *lane);

/* The lane works on these from now on; on none any more. */
void wr_crash_begin(struct wr_request **reqs, size_t n);
void wr_crash_end(void);

/*
 * Moves those that stand in the ledger behind the others, and returns how many
 * others there are.  Only what was delivered before can stand there: without
 * such a message nothing is asked of the database.
 */
size_t wr_crash_part(struct wr_lane *lane, struct wr_request **reqs, size_t n);

/* Runs each of those by itself, or sets it aside.  run does a whole turn with
   some messages, which are settled or held after it. */
void wr_crash_try(struct wr_lane *lane, struct wr_request **suspects, size_t n,
    void (*run)(struct wr_lane *lane, struct wr_request **reqs, size_t n));

/* A message is acknowledged, and the lane lives. */
void wr_crash_settled(const struct wr_request *req);

/* Deletes what is too old to come again; waits. */
void wr_crash_expire(struct wr_lane *lane);


#endif /* WARREN_CRASH_H */
