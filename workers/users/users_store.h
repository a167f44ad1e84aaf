/*
 * Copyright (C) the Warren authors
 *
 * All SQL of users.
 */

#ifndef USERS_STORE_H
#define USERS_STORE_H


struct wr_arena;
struct wr_rows;
struct wr_tx;


/* Columns of an account's row. */
enum users_store_column {
    USERS_STORE_ID = 0,
    USERS_STORE_EMAIL,
    USERS_STORE_NAME,
    USERS_STORE_LANGUAGE,
    USERS_STORE_VERIFIED,       /* "t" or "f" */
    USERS_STORE_VERSION,
    USERS_STORE_CREATED_AT,
    USERS_STORE_ROLES,          /* a JSON array */
    USERS_STORE_SCOPES,         /* of all roles, divided by blanks */
    USERS_STORE_PASSWORD_HASH
};

/* Columns of a refresh token with its session. */
enum users_store_token_column {
    USERS_STORE_TOKEN_SESSION = 0,
    USERS_STORE_TOKEN_USER,
    USERS_STORE_TOKEN_IS_LIVE,      /* "t": the session goes on */
    USERS_STORE_TOKEN_IS_ROTATED,
    USERS_STORE_TOKEN_IS_FRESH,     /* "t": it was used lately enough */
    USERS_STORE_TOKEN_SCOPES
};

/* Columns of a link. */
enum users_store_link_column {
    USERS_STORE_LINK_USER = 0,
    USERS_STORE_LINK_EMAIL
};


/* What users_store_insert() stores. */
struct users_store_account {
    const char  *id;
    const char  *email;
    const char  *name;
    const char  *language;
    const char  *password_hash;
    const char  *created_at;
};


/* The account with an address, however spelled: one row, or none. */
struct wr_rows *users_store_by_email(struct wr_tx *tx, const char *email);

/* The account with an id, a UUID: one row, or none. */
struct wr_rows *users_store_by_id(struct wr_tx *tx, const char *id);

/* Stores an account of a customer: one row, or none if the address is
   taken. */
struct wr_rows *users_store_insert(struct wr_tx *tx,
    const struct users_store_account *account);

/* Changes name and language, NULL for what stays: the account as it is now. */
struct wr_rows *users_store_update(struct wr_tx *tx, const char *id,
    const char *name, const char *language);

/* Gives the account this address, verified: the account, or none if the
   address is another's. */
struct wr_rows *users_store_verify(struct wr_tx *tx, const char *id,
    const char *email);

/* Another password, if the one there still has the hash "old" (NULL: whatever
   it is): affects one row, or none. */
struct wr_rows *users_store_password(struct wr_tx *tx, const char *id,
    const char *hash, const char *old);

/* Puts a hash of the same password in place of the old one, unless somebody
   changes the account just now. */
void users_store_rehash(struct wr_tx *tx, const char *id, const char *hash,
    const char *old);


/* Counts an attempt of the key: one row, or none while it has to wait.  A
   later attempt waits for "delay", doubled with each, up to "delay_max", once
   there were "count". */
struct wr_rows *users_store_attempt(struct wr_tx *tx, const char *key,
    const char *count, const char *delay, const char *delay_max);

/* How many seconds the key has to wait: a row, or none. */
struct wr_rows *users_store_wait(struct wr_tx *tx, const char *key);

/* Forgets the attempts of a key. */
void users_store_forgive(struct wr_tx *tx, const char *key);


/* Begins a session with its first refresh token; lifetimes are intervals. */
void users_store_begin(struct wr_tx *tx, const char *session,
    const char *user, const char *hash, const char *lifetime,
    const char *idle);

/* The refresh token with this digest: one row, or none. */
struct wr_rows *users_store_token(struct wr_tx *tx, const char *hash);

/* Uses up a token: affects one row, or none if that was done. */
struct wr_rows *users_store_rotate(struct wr_tx *tx, const char *hash,
    const char *message);

/* Takes back what came in place of a token, if that was used up by this very
   message within "grace", and nobody has used the other: affects one row, or
   none. */
struct wr_rows *users_store_take_back(struct wr_tx *tx, const char *hash,
    const char *message, const char *grace);

/* The token that comes in place of another. */
void users_store_succeed(struct wr_tx *tx, const char *session,
    const char *hash, const char *parent, const char *idle);

/* Ends a session, or the one of a token, or all of a person. */
void users_store_end(struct wr_tx *tx, const char *session,
    const char *reason);
void users_store_end_by_token(struct wr_tx *tx, const char *hash,
    const char *reason);
void users_store_end_all(struct wr_tx *tx, const char *user,
    const char *reason);


/* Notes that a person is sent something: one row, or none if the same was sent
   within "pause". */
struct wr_rows *users_store_mail(struct wr_tx *tx, const char *user,
    const char *template, const char *pause);

/* A link for an address, good for "lifetime".  One to another address than the
   account has makes those to yet others void. */
void users_store_link(struct wr_tx *tx, const char *hash, const char *user,
    const char *purpose, const char *email, const char *lifetime);

/* A link that is good: one row, or none.  One to reset a password is good only
   while the account has the address that it was sent to. */
struct wr_rows *users_store_find_link(struct wr_tx *tx, const char *hash,
    const char *purpose);

/* Uses up a link: affects one row, or none if that was done. */
struct wr_rows *users_store_use_link(struct wr_tx *tx, const char *hash);

/* Makes all links void that would verify an address of the person. */
void users_store_drop_verify_links(struct wr_tx *tx, const char *user);

/* Makes all links of a person void. */
void users_store_drop_links(struct wr_tx *tx, const char *user);


/* Those of the names, an array's text, that are roles. */
struct wr_rows *users_store_roles(struct wr_tx *tx, const char *names);

/* Gives a person these roles and no others, and notes who did. */
void users_store_set_roles(struct wr_tx *tx, const char *user,
    const char *names, const char *by);

/* One more change of an account: its version. */
struct wr_rows *users_store_touch(struct wr_tx *tx, const char *id);

/* Deletes what is over: attempts, links, sessions, notes of mails. */
void users_store_tidy(struct wr_tx *tx);


#endif /* USERS_STORE_H */
