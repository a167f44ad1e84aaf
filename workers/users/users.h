/*
 * Copyright (C) the Warren authors
 *
 * The use cases of users, and what they share.
 */

#ifndef USERS_H
#define USERS_H


#include "warren.h"


#define USERS_NAME           "users"

/* of a password, in bytes */
#define USERS_PASSWORD_MIN   8
#define USERS_PASSWORD_MAX   1024

/* of an e-mail address (RFC 5321 leaves 254), in bytes */
#define USERS_EMAIL_MIN      3
#define USERS_EMAIL_MAX      254

/* of a person's name, in bytes */
#define USERS_NAME_MAX       200

/* roles of one person */
#define USERS_ROLES_MAX      16

/* what a person may do with the own account, and an administrator with any */
#define USERS_SCOPE_WRITE    "users:write"
#define USERS_SCOPE_ADMIN    "users:admin"

/* commands of the service to itself */
#define USERS_MAIL           "mail"
#define USERS_TIDY           "tidy"


struct users_password;
struct users_token;


/* Durations, as PostgreSQL's intervals. */

struct users_times {
    const char  *session;           /* of a family of refresh tokens */
    const char  *idle;              /* of one that is not used */
    const char  *grace;             /* for a reply that was lost */
    const char  *delay;             /* after too many wrong passwords */
    const char  *delay_max;
    const char  *verify;            /* of a link */
    const char  *reset;
    const char  *pause;             /* between two letters of a kind */
};


/* what users_init() made, for as long as the lane lives */

struct users_state {
    struct users_password  *password;
    struct users_token     *token;
    struct users_times      times;
    const char             *failures;           /* before a delay */
    const char             *link_base;          /* "": no mail is sent */
    bool                    admits_unverified;
};


/* .init of the service: reads the keys, hashes a password nobody has. */
int users_init(const struct wr_settings *settings, void **state_r,
    const char **error_r);

/*
 * register: makes an account and has its owner mailed; 201.  If the address is
 * taken the answer is the same, nothing is made, and whoever has the address is
 * mailed that.
 */
enum wr_outcome users_register_gather(struct wr_request *req);
enum wr_outcome users_register(struct wr_request *req);

/* login: begins a session for address and password; 200, 401, or 429 while the
   client's address has to wait for this account. */
enum wr_outcome users_login_gather(struct wr_request *req);
void users_login_keys(struct wr_request *req);
void users_login_load(struct wr_request *req);
enum wr_outcome users_login(struct wr_request *req);

/* refresh: a token, and a refresh token in place of the one that was sent; 200,
   or 401.  One that was used already ends its session. */
enum wr_outcome users_refresh_gather(struct wr_request *req);
void users_refresh_keys(struct wr_request *req);
void users_refresh_load(struct wr_request *req);
enum wr_outcome users_refresh(struct wr_request *req);

/* logout: ends the session of a refresh token; 204, whatever was sent. */
enum wr_outcome users_logout_gather(struct wr_request *req);
enum wr_outcome users_logout(struct wr_request *req);

/* get_user: the account "id", which is the caller's own or "me"; 200, or 404:
   nobody learns whether another's account exists. */
enum wr_outcome users_get_gather(struct wr_request *req);
void users_get_load(struct wr_request *req);
enum wr_outcome users_get(struct wr_request *req);

/* update_user: the caller's name and language; an address is changed once a
   link that is sent there was opened; 200. */
enum wr_outcome users_update_gather(struct wr_request *req);
void users_update_keys(struct wr_request *req);
void users_update_load(struct wr_request *req);
enum wr_outcome users_update(struct wr_request *req);

/* change_password: of the caller, who knows the old one; 204, and all sessions
   end. */
enum wr_outcome users_change_gather(struct wr_request *req);
void users_change_keys(struct wr_request *req);
void users_change_load(struct wr_request *req);
enum wr_outcome users_change(struct wr_request *req);

/* request_reset: a link to whoever has this address; 202 in any case. */
enum wr_outcome users_reset_gather(struct wr_request *req);
enum wr_outcome users_reset(struct wr_request *req);

/* reset_password: another password by such a link; 204, and all sessions
   end. */
enum wr_outcome users_confirm_gather(struct wr_request *req);
void users_confirm_load(struct wr_request *req);
enum wr_outcome users_confirm(struct wr_request *req);

/* verify_email: the address that a link was sent to is the account's; 204. */
enum wr_outcome users_verify_gather(struct wr_request *req);
void users_verify_load(struct wr_request *req);
enum wr_outcome users_verify(struct wr_request *req);

/* request_verification: such a link once more; 202. */
enum wr_outcome users_verify_again_gather(struct wr_request *req);
enum wr_outcome users_verify_again(struct wr_request *req);

/* set_roles: what an administrator gives a person; 200. */
enum wr_outcome users_roles_gather(struct wr_request *req);
void users_roles_keys(struct wr_request *req);
void users_roles_load(struct wr_request *req);
enum wr_outcome users_roles(struct wr_request *req);

/* jwks: the public keys of tokens, for everybody; 200. */
enum wr_outcome users_jwks(struct wr_request *req);

/* USERS_MAIL: makes a link if there has to be one, and has it sent. */
enum wr_outcome users_mail(struct wr_request *req);

/* USERS_TIDY: deletes what is over. */
enum wr_outcome users_tidy(struct wr_request *req);


/* the rows that others change, too; main.c has them */
struct users_tables {
    const struct wr_key_table  *users;
    const struct wr_key_table  *refresh_tokens;
    const struct wr_key_table  *login_failures;
};

extern const struct users_tables  users_tables;


#endif /* USERS_H */
