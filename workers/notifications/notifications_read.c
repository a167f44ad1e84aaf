/*
 * Copyright (C) the Warren authors
 *
 * Notes that a person has seen a notification.
 */

#include "notifications.h"
#include "notifications_person.h"
#include "notifications_store.h"


enum wr_outcome
notifications_read_gather(struct wr_request *req)
{
    const char       *id;
    enum wr_outcome   outcome;

    outcome = notifications_person_check(req);
    id = wr_request_arg(req, "id");

    if (outcome == WR_DONE && (id == NULL || !wr_id_is_uuid(id))) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    return outcome;
}


/* Seen is seen: the first time stays. */

enum wr_outcome
notifications_read(struct wr_request *req)
{
    struct wr_rows  *rows;

    rows = notifications_store_read(wr_request_tx(req), wr_request_sub(req),
                                    wr_request_arg(req, "id"));

    if (wr_rows_affected(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    wr_reply(req, 204, NULL, 0);

    return WR_DONE;
}
