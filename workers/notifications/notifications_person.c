/*
 * Copyright (C) the Warren authors
 *
 * Who asks, and which one is meant.
 */

#include "notifications.h"
#include "notifications_person.h"


#define UUID_LEN  (WR_UUID_SIZE - 1)


enum wr_outcome
notifications_person_check(struct wr_request *req)
{
    const char  *sub;

    sub = wr_request_sub(req);

    if (sub == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    if (!wr_id_is_uuid(sub)) {
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the token is not for a person");
    }

    return WR_DONE;
}


const char *
notifications_person_uuid(struct wr_request *req, const struct wr_json *data,
    const char *member)
{
    const char              *id;
    struct wr_json_errors   *errors;

    errors = wr_request_errors(req);
    id = wr_json_text(data, member, UUID_LEN, UUID_LEN, errors);

    if (id[0] != '\0' && !wr_id_is_uuid(id)) {
        wr_json_error_add(errors, data, member, "must be a UUID");
    }

    return id;
}
