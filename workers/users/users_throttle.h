/*
 * Copyright (C) the Warren authors
 *
 * Attempts to guess a password: each pair of account and client's address is
 * counted by itself, so that nobody is locked out by others.
 */

#ifndef USERS_THROTTLE_H
#define USERS_THROTTLE_H


#include <stdbool.h>

#include "request.h"
#include "users_secret.h"


struct wr_rows;


/* what a step of a handler has to know; not the account's id is counted but
   what the client names, so that what does not exist is no exception */

struct users_throttle {
    char             key[USERS_DIGEST_SIZE];
    bool             is_on;     /* the gateway told the client's address */
    struct wr_rows  *wait;
};


/* For .gather: account is an address or an id, in either case.  An address of
   IPv6 counts with its network of 64 bits, which is one customer's. */
void users_throttle_set(struct users_throttle *throttle,
    struct wr_request *req, const char *account);

/* For .keys and .load. */
void users_throttle_keys(struct users_throttle *throttle,
    struct wr_request *req);
void users_throttle_load(struct users_throttle *throttle,
    struct wr_request *req);

/*
 * For .apply, before a password is looked at: counts the attempt.  Returns
 * false if it has to wait; what is to be returned is then in *outcome_r.
 */
bool users_throttle_begin(struct users_throttle *throttle,
    struct wr_request *req, enum wr_outcome *outcome_r);

/* The password was right: nothing is counted any more. */
void users_throttle_forgive(struct users_throttle *throttle,
    struct wr_request *req);


#endif /* USERS_THROTTLE_H */
