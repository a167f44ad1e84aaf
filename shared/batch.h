/*
 * Copyright (C) the Warren authors
 *
 * The step of a turn in which messages act: reads in one pipeline, writes in
 * one transaction, and one by one where a batch has failed.
 */

#ifndef WARREN_BATCH_H
#define WARREN_BATCH_H


#include <stddef.h>


struct wr_lane;
struct wr_request;


/*
 * Applies the messages that are not decided.  Afterwards each is decided, or
 * is_later: another lane has it, its twin came first, or the database is away.
 */
void wr_batch_apply(struct wr_lane *lane, struct wr_request **reqs, size_t n);


#endif /* WARREN_BATCH_H */
