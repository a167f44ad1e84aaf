/*
 * Copyright (C) the Warren authors
 *
 * Gives tokens for a refresh token, which is good once (RFC 9700, 4.14): who
 * uses it again has stolen it, or it was stolen from him.
 */

#include "users.h"
#include "users_check.h"
#include "users_secret.h"
#include "users_session.h"
#include "users_store.h"


struct refresh {
    char             hash[USERS_DIGEST_SIZE];
    struct wr_rows  *token;
};


static bool is_true(const struct refresh *refresh, int column);
static bool may_go_on(struct wr_request *req, const struct refresh *refresh);
static enum wr_outcome refuse(struct wr_request *req);


enum wr_outcome
users_refresh_gather(struct wr_request *req)
{
    const char             *text;
    struct refresh         *refresh;
    struct wr_json_errors  *errors;

    errors = wr_request_errors(req);
    text = users_check_secret(wr_request_json(req), "refresh_token", errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    refresh = wr_arena_alloc(wr_request_arena(req), sizeof(*refresh));
    users_secret_digest(text, refresh->hash);
    wr_request_set(req, refresh);

    return WR_DONE;
}


void
users_refresh_keys(struct wr_request *req)
{
    struct refresh  *refresh;

    refresh = wr_request_get(req);
    wr_key(req, users_tables.refresh_tokens, refresh->hash);
}


void
users_refresh_load(struct wr_request *req)
{
    struct refresh  *refresh;

    refresh = wr_request_get(req);
    refresh->token = users_store_token(wr_request_tx(req), refresh->hash);
}


enum wr_outcome
users_refresh(struct wr_request *req)
{
    char                 secret[USERS_SECRET_SIZE], hash[USERS_DIGEST_SIZE];
    const char          *session;
    struct refresh      *refresh;
    struct users_state  *state;

    refresh = wr_request_get(req);
    state = wr_request_state(req);

    /* unknown, of a session that has ended, or idle for too long */

    if (wr_rows_count(refresh->token) == 0
        || !is_true(refresh, USERS_STORE_TOKEN_IS_LIVE)
        || (!is_true(refresh, USERS_STORE_TOKEN_IS_ROTATED)
            && !is_true(refresh, USERS_STORE_TOKEN_IS_FRESH)))
    {
        return refuse(req);
    }

    session = wr_rows_text(refresh->token, 0, USERS_STORE_TOKEN_SESSION);

    if (!may_go_on(req, refresh)) {
        wr_log_warn(wr_request_log(req), "a refresh token was used again: "
                    "session %s of user %s ends", session,
                    wr_rows_text(refresh->token, 0, USERS_STORE_TOKEN_USER));
        users_store_end(wr_request_tx(req), session, "reuse");

        return refuse(req);
    }

    users_secret_new(secret);
    users_secret_digest(secret, hash);
    users_store_succeed(wr_request_tx(req), session, hash, refresh->hash,
                        state->times.idle);

    return users_session_reply(req,
                               wr_rows_text(refresh->token, 0,
                                            USERS_STORE_TOKEN_USER),
                               wr_rows_text(refresh->token, 0,
                                            USERS_STORE_TOKEN_SCOPES),
                               secret);
}


static bool
is_true(const struct refresh *refresh, int column)
{
    const char  *text;

    text = wr_rows_text(refresh->token, 0, column);

    return text != NULL && text[0] == 't';
}


/*
 * It is used for the first time; or its answer was lost and the same message
 * comes again, which it does by its Idempotency-Key or by the broker: what was
 * given then is taken back, if nobody has used it.
 */

static bool
may_go_on(struct wr_request *req, const struct refresh *refresh)
{
    struct wr_tx        *tx;
    struct users_state  *state;

    tx = wr_request_tx(req);
    state = wr_request_state(req);

    return wr_rows_affected(users_store_rotate(tx, refresh->hash,
                                               wr_request_id(req))) != 0
           || wr_rows_affected(users_store_take_back(tx, refresh->hash,
                                                     wr_request_id(req),
                                                     state->times.grace)) != 0;
}


/* One answer to all of them. */

static enum wr_outcome
refuse(struct wr_request *req)
{
    return wr_refuse_kept(req, WIRE_ERROR_UNAUTHENTICATED,
                          "the refresh token is not valid; log in again");
}
