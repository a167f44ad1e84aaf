/*
 * Copyright (C) the Warren authors
 *
 * Gives a token for address and password.
 */

#include "users.h"
#include "users_password.h"
#include "users_store.h"
#include "users_token.h"


struct login {
    const char      *email;
    const char      *password;
    struct wr_rows  *account;
};


static const char *token_json(struct wr_request *req, const char *token,
    size_t *len_r);


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

    wr_request_set(req, login);

    return WR_DONE;
}


void
users_login_load(struct wr_request *req)
{
    struct login  *login;

    login = wr_request_get(req);
    login->account = users_store_by_email(wr_request_tx(req), login->email);
}


enum wr_outcome
users_login(struct wr_request *req)
{
    size_t               len;
    const char          *json, *token, *hash;
    struct login        *login;
    struct users_state  *state;

    login = wr_request_get(req);
    state = wr_request_state(req);

    /* NULL of an address that nobody has; refusing it takes as long */
    hash = wr_rows_text(login->account, 0, USERS_STORE_PASSWORD_HASH);

    if (!users_password_is(state->password, hash, login->password)) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED,
                         "e-mail address or password is wrong");
    }

    token = users_token_sign(state->token, wr_request_arena(req),
                             wr_rows_text(login->account, 0,
                                          USERS_STORE_ID));

    if (token == NULL) {
        wr_log_error(wr_request_log(req), "token not signed");
        return WR_RETRY;
    }

    json = token_json(req, token, &len);
    wr_reply(req, 200, json, len);
    wr_reply_header(req, "cache-control", "no-store");

    return WR_DONE;
}


static const char *
token_json(struct wr_request *req, const char *token, size_t *len_r)
{
    struct users_state     *state;
    struct wr_json_writer  *writer;

    state = wr_request_state(req);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "token", token);
    wr_json_put_text(writer, "token_type", "Bearer");
    wr_json_put_int(writer, "expires_in", users_token_ttl_sec(state->token));
    wr_json_object_end(writer);

    return wr_json_writer_text(writer, len_r);
}
