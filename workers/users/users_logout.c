/*
 * Copyright (C) the Warren authors
 *
 * Ends the session of a refresh token.
 */

#include "users.h"
#include "users_check.h"
#include "users_secret.h"
#include "users_store.h"


enum wr_outcome
users_logout_gather(struct wr_request *req)
{
    char                   *hash;
    const char             *text;
    struct wr_json_errors  *errors;

    errors = wr_request_errors(req);
    text = users_check_secret(wr_request_json(req), "refresh_token", errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    hash = wr_arena_alloc(wr_request_arena(req), USERS_DIGEST_SIZE);
    users_secret_digest(text, hash);
    wr_request_set(req, hash);

    return WR_DONE;
}


/* As RFC 7009 has it: what is no token any more needs no ending. */

enum wr_outcome
users_logout(struct wr_request *req)
{
    users_store_end_by_token(wr_request_tx(req), wr_request_get(req),
                             "logout");

    return WR_DONE;
}
