/*
 * Copyright (C) the Warren authors
 *
 * The use cases of users, and what they share.
 */

#ifndef USERS_H
#define USERS_H


#include "warren.h"


/* of a password, in bytes */
#define USERS_PASSWORD_MIN  8
#define USERS_PASSWORD_MAX  1024

/* of an e-mail address (RFC 5321 leaves 254), in bytes */
#define USERS_EMAIL_MIN     3
#define USERS_EMAIL_MAX     254

/* ids that known_users takes: as many as a batch may have */
#define USERS_KNOWN_MAX     1024

/* of a person's name, in bytes */
#define USERS_NAME_MAX      200


struct users_password;
struct users_token;


/* what users_init() made, for as long as the lane lives */

struct users_state {
    struct users_password  *password;
    struct users_token     *token;
};


/* .init of the service: reads the key, hashes a password nobody has. */
int users_init(const struct wr_settings *settings, void **state_r,
    const char **error_r);

/* register: makes an account; 201, or 409 if the address is taken. */
enum wr_outcome users_register_gather(struct wr_request *req);
void users_register_load(struct wr_request *req);
enum wr_outcome users_register(struct wr_request *req);

/* login: gives a token for address and password; 200, or 401. */
enum wr_outcome users_login_gather(struct wr_request *req);
void users_login_load(struct wr_request *req);
enum wr_outcome users_login(struct wr_request *req);

/* get_user: the account "id", which is the caller's own or "me"; 200, or 404:
   nobody learns whether another's account exists. */
enum wr_outcome users_get_gather(struct wr_request *req);
void users_get_load(struct wr_request *req);
enum wr_outcome users_get(struct wr_request *req);

/* known_users, for services alone: 200, with a member for each of the ids
   "keys" that is an account's. */
enum wr_outcome users_known_gather(struct wr_request *req);
void users_known_load(struct wr_request *req);
enum wr_outcome users_known(struct wr_request *req);


#endif /* USERS_H */
