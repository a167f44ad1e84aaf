/*
 * Copyright (C) the Warren authors
 *
 * Changes the caller's password, and ends all sessions.
 */

#include "users.h"
#include "users_caller.h"
#include "users_check.h"
#include "users_mail.h"
#include "users_password.h"
#include "users_store.h"
#include "users_throttle.h"


struct change {
    const char             *old;
    const char             *hash;       /* of the new one */
    struct wr_rows         *account;
    struct users_throttle   throttle;
};


enum wr_outcome
users_change_gather(struct wr_request *req)
{
    const char             *password;
    struct change          *change;
    enum wr_outcome         outcome;
    const struct wr_json   *body;
    struct users_state     *state;
    struct wr_json_errors  *errors;

    outcome = users_caller_check(req);

    if (outcome != WR_DONE) {
        return outcome;
    }

    body = wr_request_json(req);
    errors = wr_request_errors(req);
    state = wr_request_state(req);
    change = wr_arena_alloc(wr_request_arena(req), sizeof(*change));
    change->old = wr_json_text(body, "old_password", 1, USERS_PASSWORD_MAX,
                               errors);
    password = users_check_password(body, "new_password", errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    change->hash = users_password_hash(state->password, wr_request_arena(req),
                                       password);

    if (change->hash == NULL) {
        wr_log_error(wr_request_log(req),
                     "password not hashed: not enough memory");
        return WR_RETRY;
    }

    users_throttle_set(&change->throttle, req, wr_request_sub(req));
    wr_request_set(req, change);

    return WR_DONE;
}


void
users_change_keys(struct wr_request *req)
{
    struct change  *change;

    change = wr_request_get(req);
    wr_key(req, users_tables.users, wr_request_sub(req));
    users_throttle_keys(&change->throttle, req);
}


void
users_change_load(struct wr_request *req)
{
    struct change  *change;

    change = wr_request_get(req);
    change->account = users_store_by_id(wr_request_tx(req),
                                        wr_request_sub(req));
    users_throttle_load(&change->throttle, req);
}


enum wr_outcome
users_change(struct wr_request *req)
{
    const char          *id, *hash;
    struct wr_tx        *tx;
    struct change       *change;
    struct wr_rows      *rows;
    enum wr_outcome      outcome;
    struct users_state  *state;

    change = wr_request_get(req);
    state = wr_request_state(req);
    tx = wr_request_tx(req);
    id = wr_request_sub(req);

    if (wr_rows_count(change->account) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    if (!users_throttle_begin(&change->throttle, req, &outcome)) {
        return outcome;
    }

    hash = wr_rows_text(change->account, 0, USERS_STORE_PASSWORD_HASH);

    if (!users_password_is(state->password, hash, change->old)) {
        return wr_refuse_kept(req, WIRE_ERROR_FORBIDDEN,
                              "the old password is wrong");
    }

    rows = users_store_password(tx, id, change->hash, hash);

    /* another message of the same batch changed it: it is wrong by now */

    if (wr_rows_affected(rows) == 0) {
        return wr_refuse_kept(req, WIRE_ERROR_FORBIDDEN,
                              "the old password is wrong");
    }

    users_throttle_forgive(&change->throttle, req);
    users_store_end_all(tx, id, "password");
    users_store_drop_links(tx, id);
    users_mail_send(req, USERS_MAIL_CHANGED, id, NULL);

    return WR_DONE;
}
