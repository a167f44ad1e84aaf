/*
 * Copyright (C) the Warren authors
 *
 * Accounts as JSON.
 */

#ifndef USERS_JSON_H
#define USERS_JSON_H


#include <stddef.h>


struct wr_request;
struct wr_rows;


/* The first of the rows as its owner sees it; pending is an address that is to
   be verified, NULL for none. */
const char *users_json_account(struct wr_request *req, struct wr_rows *rows,
    const char *pending, size_t *len_r);

/* Announces user.updated of the first of the rows, with the version there. */
void users_json_announce(struct wr_request *req, struct wr_rows *rows);

/* Announces a new account. */
void users_json_announce_new(struct wr_request *req, const char *id,
    const char *email, const char *name, const char *language);


#endif /* USERS_JSON_H */
