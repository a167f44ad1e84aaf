/*
 * Copyright (C) the Warren authors
 *
 * Who may change an account.
 */

#include "users.h"
#include "users_caller.h"


enum wr_outcome
users_caller_check(struct wr_request *req)
{
    const char  *sub;

    sub = wr_request_sub(req);

    if (sub == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    if (!wr_request_has_scope(req, USERS_SCOPE_WRITE)) {
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the scope " USERS_SCOPE_WRITE " is required");
    }

    /* a token may be for what is no person; then there is no account */

    if (!wr_id_is_uuid(sub)) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    return WR_DONE;
}
