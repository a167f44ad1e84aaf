/*
 * Copyright (C) the Warren authors
 *
 * The dead letters of a service, in its database.
 *
 * A letter is an object: id, message_id, home (the queue it first came from),
 * type, content_type, sender, reason, attempts, first_at, last_at, headers,
 * history (an array: when, at which attempt and why it failed).
 */

#ifndef WARREN_DEAD_STORE_H
#define WARREN_DEAD_STORE_H


#include <stdbool.h>

#include <jansson.h>


struct dead_store;


/* which letters; NULL is any.  The times are what PostgreSQL reads as such. */

struct dead_filter {
    const char  *ids;           /* "{1,2}" */
    const char  *reason;        /* somewhere in it, in any case */
    const char  *type;
    const char  *since;         /* when it died last */
    const char  *before;
    const char  *limit;         /* the oldest so many */
};


/*
 * Connects.  url is a URI of libpq without a password, password NULL if the
 * server wants none.  Returns NULL and the reason; it does not repeat a
 * password.
 */
struct dead_store *dead_store_open(const char *url, const char *password,
    const char **error_r);

/* Closes and sets to NULL; what was begun is undone.  NULL is let be. */
void dead_store_close(struct dead_store **store);

/*
 * The letters that match, the oldest first, in an array that the caller
 * releases, or NULL and the reason.  With is_locked a transaction is begun,
 * and nobody else changes them until dead_store_end().
 */
json_t *dead_store_find(struct dead_store *store,
    const struct dead_filter *filter, bool is_locked, const char **error_r);

/* How many match, whatever the limit; -1 and the reason. */
json_int_t dead_store_count(struct dead_store *store,
    const struct dead_filter *filter, const char **error_r);

/* Whether the last failure was a value of the filter that is none. */
bool dead_store_is_bad_value(const struct dead_store *store);

/* Adds to a letter how often a lane died with it ("crashes"), and its body:
   "body" if that is UTF-8, else "body_hex".  Returns 0, or -1 and the
   reason. */
int dead_store_read(struct dead_store *store, json_t *letter,
    const char **error_r);

/*
 * Moves a locked letter into the outbox: a lane of the service sends it to
 * itself, by its shortest rung, as a first attempt of its first sender, with
 * its history.
 * Returns 0, 1 and the reason if this letter cannot be sent again, -1 and the
 * reason if nothing goes on.
 */
int dead_store_retry(struct dead_store *store, const json_t *letter,
    const char **error_r);

/* Deletes a locked letter.  Returns 0, or -1 and the reason. */
int dead_store_drop(struct dead_store *store, const json_t *letter,
    const char **error_r);

/* Ends the transaction: keeps what was done, or not.  Returns 0, or -1 and the
   reason; then nothing was done, or it is not known. */
int dead_store_end(struct dead_store *store, bool is_kept,
    const char **error_r);


#endif /* WARREN_DEAD_STORE_H */
