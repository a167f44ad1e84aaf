/*
 * Copyright (C) the Warren authors
 *
 * The outbox: what leaves if and only if its transaction commits.
 *
 * Rows are stored in the transaction, published from memory after it, deleted
 * when the broker has confirmed them.  What a crash leaves behind becomes due,
 * and any lane takes it over.
 */

#ifndef WARREN_OUTBOX_H
#define WARREN_OUTBOX_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct wr_broker;
struct wr_db;
struct wr_db_owner;
struct wr_log;
struct wr_outbox;
struct wr_request;


/* Rows kept in memory; what lies beyond leaves when it is due. */
#define WR_OUTBOX_MEMORY_MAX  10000


/* broker and log are kept, and outlive the outbox. */
struct wr_outbox *wr_outbox_new(struct wr_broker *broker,
    const struct wr_log *log);
/* What is not published yet is left to whoever sweeps. */
void wr_outbox_free(struct wr_outbox **outbox);

/* Queues the announcements of the requests that end with WR_DONE. */
void wr_outbox_store(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n);

/* They were committed: takes them over, to be published. */
void wr_outbox_add(struct wr_outbox *outbox, struct wr_request **reqs,
    size_t n);

/* Publishes what fits into the window of confirms, and looks what came. */
void wr_outbox_publish(struct wr_outbox *outbox);

/* Rows that are confirmed and wait to be deleted; all rows in memory. */
size_t wr_outbox_confirmed(const struct wr_outbox *outbox);
size_t wr_outbox_depth(const struct wr_outbox *outbox);

/* Queues the deletion of what is confirmed; wr_outbox_deleted() then tells
   whether it was committed. */
void wr_outbox_delete(struct wr_outbox *outbox, struct wr_db *db,
    struct wr_db_owner *owner);
void wr_outbox_deleted(struct wr_outbox *outbox, bool is_committed);

/* When rows were deleted last; wr_clock_ms(). */
int64_t wr_outbox_deleted_ms(const struct wr_outbox *outbox);

/* Takes over rows that are due, a statement of its own; waits.  Returns
   whether there may be more of them. */
bool wr_outbox_sweep(struct wr_outbox *outbox, struct wr_db *db,
    struct wr_db_owner *owner);

/* Counts how old the oldest row is that has been in the table for a while,
   whoever it belongs to: a statement of its own; waits. */
void wr_outbox_look(struct wr_db *db, struct wr_db_owner *owner);


#endif /* WARREN_OUTBOX_H */
