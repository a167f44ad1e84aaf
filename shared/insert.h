/*
 * Copyright (C) the Warren authors
 *
 * Rows that the messages of a batch write together: what wr_tx_add() has kept
 * becomes one statement for each text.
 */

#ifndef WARREN_INSERT_H
#define WARREN_INSERT_H


#include <stddef.h>


struct wr_db;
struct wr_db_owner;
struct wr_request;


/* Queues the statements, of the requests that are done; the others' rows are
   forgotten. */
void wr_insert_store(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n);


#endif /* WARREN_INSERT_H */
