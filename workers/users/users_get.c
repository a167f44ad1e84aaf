/*
 * Copyright (C) the Warren authors
 *
 * Shows people their own account.
 */

#include <string.h>
#include <strings.h>

#include "users.h"
#include "users_json.h"
#include "users_store.h"


enum wr_outcome
users_get_gather(struct wr_request *req)
{
    const char  *id, *sub;

    sub = wr_request_sub(req);
    id = wr_request_arg(req, "id");

    if (sub == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    /* a token may be for what is no person; then there is no account */

    if (!wr_id_is_uuid(sub) || id == NULL
        || (strcmp(id, "me") != 0 && strcasecmp(id, sub) != 0))
    {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    return WR_DONE;
}


void
users_get_load(struct wr_request *req)
{
    wr_request_set(req, users_store_by_id(wr_request_tx(req),
                                          wr_request_sub(req)));
}


enum wr_outcome
users_get(struct wr_request *req)
{
    size_t           len;
    const char      *json;
    struct wr_rows  *rows;

    rows = wr_request_get(req);

    if (wr_rows_count(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    json = users_json_account(req, rows, NULL, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
