/*
 * Copyright (C) the Warren authors
 *
 * What a client gets that has logged in: a token, and a refresh token.
 */

#include "users.h"
#include "users_session.h"
#include "users_token.h"


enum wr_outcome
users_session_reply(struct wr_request *req, const char *sub,
    const char *scope, const char *refresh_token)
{
    size_t                  len;
    const char             *json, *token;
    struct users_state     *state;
    struct wr_json_writer  *writer;

    state = wr_request_state(req);
    token = users_token_sign(state->token, wr_request_arena(req), sub, scope);

    if (token == NULL) {
        wr_log_error(wr_request_log(req), "token not signed");
        return WR_RETRY;
    }

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "token", token);
    wr_json_put_text(writer, "token_type", "Bearer");
    wr_json_put_int(writer, "expires_in", users_token_ttl_sec(state->token));
    wr_json_put_text(writer, "refresh_token", refresh_token);
    wr_json_put_text(writer, "scope", scope);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);
    wr_reply_header(req, "cache-control", "no-store");

    return WR_DONE;
}
