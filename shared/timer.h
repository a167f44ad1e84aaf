/*
 * Copyright (C) the Warren authors
 *
 * Commands that a service sends itself now and then: those of its handlers
 * that have .every_ms.
 *
 * There is no leader.  Time is divided into slots of .every_ms, and each has
 * one message id, which follows from service, method and slot.  The first lane
 * of every worker sends it, and the inbox lets it act once.
 */

#ifndef WARREN_TIMER_H
#define WARREN_TIMER_H


#include <stdint.h>

#include "id.h"


struct wr_handler;
struct wr_lane;


/* Bounds of .every_ms.  The id of a slot that began longer ago than the inbox
   remembers would act again. */
#define WR_TIMER_MIN_MS  1000
#define WR_TIMER_MAX_MS  3600000


/* How long until there is something to send; INT64_MAX: this lane sends
   nothing. */
int64_t wr_timer_left_ms(const struct wr_lane *lane);

/* Sends what is due; does not wait.  The lane is ready: what is sent while
   nobody can act on it would pile up. */
void wr_timer(struct wr_lane *lane);

/* The message id of the slot that wall_ms is in: of version 7, and of the time
   at which the slot begins. */
void wr_timer_id(const char *service, const struct wr_handler *handler,
    int64_t wall_ms, char id_r[WR_UUID_SIZE]);


#endif /* WARREN_TIMER_H */
