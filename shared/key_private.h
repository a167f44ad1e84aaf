/*
 * Copyright (C) the Warren authors
 *
 * The runtime's side of keys: statements made and tried at the start, values
 * collected and locked with each batch.
 */

#ifndef WARREN_KEY_PRIVATE_H
#define WARREN_KEY_PRIVATE_H


#include <stddef.h>

#include "key.h"


struct wr_keys;
struct wr_lane;
struct wr_request;
struct wr_service;


/* a row that a message declared */

struct wr_declared_key {
    struct wr_declared_key     *next;
    const struct wr_key_table  *table;
    const char                 *value;
};


/* What the text of a mistake in a table of handlers needs. */
#define WR_KEYS_ERROR_SIZE  512

/*
 * Mistakes in .keys and .locks that need no database to be seen.  Returns 0, or
 * -1 with the text.
 */
int wr_keys_verify(const struct wr_service *service,
    char error_r[WR_KEYS_ERROR_SIZE]);

/* The statements for the tables of a service that has no such mistakes. */
struct wr_keys *wr_keys_new(const struct wr_service *service);
void wr_keys_free(struct wr_keys **keys);

/*
 * Whether the database has the tables, their keys are unique and the lane may
 * lock rows; waits.  Returns 1, 0 with the reason if the worker must not run
 * like this, -1 if it cannot be told now.  The text lives until the next call.
 */
int wr_keys_check(struct wr_lane *lane, const char **error_r);

/* Runs .keys of those that are not decided.  What it left behind but keys is
   for wr_request_reset() to forget. */
void wr_keys_declare(struct wr_request **reqs, size_t n);

/* Queues one statement a table for all that was declared, but by messages that
   are known not to be ours to act upon. */
void wr_keys_lock(struct wr_lane *lane, struct wr_request **reqs, size_t n);


#endif /* WARREN_KEY_PRIVATE_H */
