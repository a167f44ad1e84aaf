/*
 * Copyright (C) the Warren authors
 *
 * Tells everybody the public keys of tokens.
 */

#include "users.h"
#include "users_keys.h"
#include "users_token.h"


enum wr_outcome
users_jwks(struct wr_request *req)
{
    size_t               len;
    const char          *json;
    struct users_state  *state;

    state = wr_request_state(req);
    json = users_keys_json(users_token_keys(state->token),
                           wr_request_arena(req), &len);

    wr_reply(req, 200, json, len);
    wr_reply_header(req, "cache-control", "public, max-age=300");

    return WR_DONE;
}
