/*
 * Copyright (C) the Warren authors
 *
 * What people send about themselves: read from a body and checked.
 */

#ifndef USERS_CHECK_H
#define USERS_CHECK_H


struct wr_json;
struct wr_json_errors;


/* The member "email": an address that can be written to. */
const char *users_check_email(const struct wr_json *body,
    struct wr_json_errors *errors);

/* The member "name", without control characters. */
const char *users_check_name(const struct wr_json *body,
    struct wr_json_errors *errors);

/* The member "language", or fallback (which may be NULL) if there is none. */
const char *users_check_language(const struct wr_json *body,
    const char *fallback, struct wr_json_errors *errors);

/* A member with a password that is to be one. */
const char *users_check_password(const struct wr_json *body,
    const char *member, struct wr_json_errors *errors);

/* A member with a secret of ours, or what passes for one. */
const char *users_check_secret(const struct wr_json *body, const char *member,
    struct wr_json_errors *errors);


#endif /* USERS_CHECK_H */
