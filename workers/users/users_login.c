/*
 * Copyright (C) the Warren authors
 *
 * Gives tokens for address and password.
 */

#include "users.h"
#include "users_password.h"
#include "users_secret.h"
#include "users_session.h"
#include "users_store.h"
#include "users_throttle.h"


struct login {
    const char             *email;
    const char             *password;
    struct wr_rows         *account;
    struct users_throttle   throttle;
};


static bool is_admitted(struct wr_request *req, const struct login *login);
static void rehash(struct wr_request *req, const struct login *login);


enum wr_outcome
users_login_gather(struct wr_request *req)
{
    struct login           *login;
    const struct wr_json   *body;
    struct wr_json_errors  *errors;

    body = wr_request_json(req);
    errors = wr_request_errors(req);

    /* what no account can have is a wrong password, and no more is told */

    login = wr_arena_alloc(wr_request_arena(req), sizeof(*login));
    login->email = wr_json_text(body, "email", 1, USERS_EMAIL_MAX, errors);
    login->password = wr_json_text(body, "password", 1, USERS_PASSWORD_MAX,
                                   errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    users_throttle_set(&login->throttle, req, login->email);
    wr_request_set(req, login);

    return WR_DONE;
}


void
users_login_keys(struct wr_request *req)
{
    struct login  *login;

    login = wr_request_get(req);
    users_throttle_keys(&login->throttle, req);
}


void
users_login_load(struct wr_request *req)
{
    struct login  *login;

    login = wr_request_get(req);
    users_throttle_load(&login->throttle, req);
    login->account = users_store_by_email(wr_request_tx(req), login->email);
}


/* The attempt is counted before the password is looked at: those that come in
   the same moment count as well. */

enum wr_outcome
users_login(struct wr_request *req)
{
    char                 id[WR_UUID_SIZE], secret[USERS_SECRET_SIZE];
    char                 hash[USERS_DIGEST_SIZE];
    const char          *user;
    struct login        *login;
    enum wr_outcome      outcome;
    struct users_state  *state;

    login = wr_request_get(req);
    state = wr_request_state(req);

    if (!users_throttle_begin(&login->throttle, req, &outcome)) {
        return outcome;
    }

    if (!is_admitted(req, login)) {
        return wr_refuse_kept(req, WIRE_ERROR_UNAUTHENTICATED,
                              "e-mail address or password is wrong, or the "
                              "address is not verified yet");
    }

    users_throttle_forgive(&login->throttle, req);
    rehash(req, login);

    wr_id_uuid7(id);
    users_secret_new(secret);
    users_secret_digest(secret, hash);
    user = wr_rows_text(login->account, 0, USERS_STORE_ID);
    users_store_begin(wr_request_tx(req), id, user, hash, state->times.session,
                      state->times.idle);

    return users_session_reply(req, user,
                               wr_rows_text(login->account, 0,
                                            USERS_STORE_SCOPES), secret);
}


static bool
is_admitted(struct wr_request *req, const struct login *login)
{
    bool                 is_right;
    const char          *hash, *verified;
    struct users_state  *state;

    state = wr_request_state(req);

    /* NULL of an address that nobody has; refusing it takes as long */
    hash = wr_rows_text(login->account, 0, USERS_STORE_PASSWORD_HASH);
    verified = wr_rows_text(login->account, 0, USERS_STORE_VERIFIED);

    is_right = users_password_is(state->password, hash, login->password);

    return is_right && (state->admits_unverified || verified[0] == 't');
}


/* A hash of another cost than that of an address which nobody has would tell by
   its time that there is an account; so would a thief like the cheaper one. */

static void
rehash(struct wr_request *req, const struct login *login)
{
    const char          *old, *hash;
    struct users_state  *state;

    state = wr_request_state(req);
    old = wr_rows_text(login->account, 0, USERS_STORE_PASSWORD_HASH);

    if (users_password_is_current(state->password, old)) {
        return;
    }

    hash = users_password_hash(state->password, wr_request_arena(req),
                               login->password);

    /* without memory for it the old one does for now */

    if (hash != NULL) {
        users_store_rehash(wr_request_tx(req),
                           wr_rows_text(login->account, 0, USERS_STORE_ID),
                           hash, old);
    }
}
