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
    USERS_STORE_CREATED_AT,
    USERS_STORE_PASSWORD_HASH
};


/* The account with an address, however spelled: one row, or none. */
struct wr_rows *users_store_by_email(struct wr_tx *tx, const char *email);

/* The account with an id, a UUID: one row, or none. */
struct wr_rows *users_store_by_id(struct wr_tx *tx, const char *id);

/* Those of the ids, UUIDs up to a NULL, that are accounts', as they are spelled
   here: a row each. */
struct wr_rows *users_store_known(struct wr_tx *tx, struct wr_arena *arena,
    const char *const *ids);

/* Stores an account: one row, or none if the address is taken. */
struct wr_rows *users_store_insert(struct wr_tx *tx, const char *id,
    const char *email, const char *name, const char *password_hash,
    const char *created_at);


#endif /* USERS_STORE_H */
