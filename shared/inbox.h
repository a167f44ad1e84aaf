/*
 * Copyright (C) the Warren authors
 *
 * The inbox: what has acted, in the transaction in which it acted, with the
 * reply that a repetition gets again.
 */

#ifndef WARREN_INBOX_H
#define WARREN_INBOX_H


#include <stdbool.h>
#include <stddef.h>


struct wr_db;
struct wr_db_owner;
struct wr_request;
struct wr_rows;


/* A larger reply is not kept: a repetition is told 502 interrupted. */
#define WR_INBOX_REPLY_MAX  262144


/*
 * Queues the statement that tries to take all of the batch; ids must differ.
 * wr_inbox_read() waits for it and sets what each request's inbox state is.
 */
struct wr_rows *wr_inbox_take(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n);
void wr_inbox_read(struct wr_rows *rows, struct wr_request **reqs, size_t n);

/* Reads the stored replies of repeated calls, and decides those requests;
   repeated commands and events are done.  Waits. */
void wr_inbox_recall(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n);

/* Queues: the message did not act, after all. */
void wr_inbox_give_back(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request *req);

/* Queues: the replies of those calls among reqs that have one. */
void wr_inbox_store(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n);

/* Deletes what is older than keep, an interval, and in no day's partition:
   statements of their own; waits.  Returns whether there may be more of it. */
bool wr_inbox_expire(struct wr_db *db, struct wr_db_owner *owner,
    const char *keep);


#endif /* WARREN_INBOX_H */
