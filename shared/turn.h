/*
 * Copyright (C) the Warren authors
 *
 * A lane's turn: take, gather, apply, commit, settle, publish.
 */

#ifndef WARREN_TURN_H
#define WARREN_TURN_H


#include <stdbool.h>
#include <stdint.h>


struct wr_lane;


/* To be called between handlers, which may take long: keeps the heartbeats of
   the broker's connections. */
void wr_turn_keep(struct wr_lane *lane);

/* Whether there is something to take. */
bool wr_turn_is_due(struct wr_lane *lane);

/* Takes what is there, up to a batch, and does all of it. */
void wr_turn(struct wr_lane *lane);

/* Takes what is there while the database is away: calls are refused at once,
   the rest is held; so are calls whose commit was lost, as long as their
   callers wait. */
void wr_turn_refuse(struct wr_lane *lane);

/* Until the next of those calls must be answered; INT64_MAX: none. */
int64_t wr_turn_patience_ms(struct wr_lane *lane);

/* Forgets what is held; it is not settled. */
void wr_turn_drop(struct wr_lane *lane);

/* Gives back what the lane's own statements left. */
void wr_turn_forget(struct wr_lane *lane);


#endif /* WARREN_TURN_H */
