/*
 * Copyright (C) the Warren authors
 *
 * Dead letters: what will not be tried again by itself, kept with its reason.
 */

#ifndef WARREN_DEAD_LETTER_H
#define WARREN_DEAD_LETTER_H


struct wr_db;
struct wr_db_owner;
struct wr_request;


/* Queues the message's row; one that is there already is brought up to
   date. */
void wr_dead_letter_store(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request *req);


#endif /* WARREN_DEAD_LETTER_H */
