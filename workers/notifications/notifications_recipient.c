/*
 * Copyright (C) the Warren authors
 *
 * Keeps where and how a person is reached, as users tells it.
 */

#include <inttypes.h>
#include <string.h>

#include "notifications.h"
#include "notifications_person.h"
#include "notifications_recipient.h"
#include "notifications_send.h"
#include "notifications_store.h"
#include "notifications_template.h"


static void store(struct wr_request *req);


enum wr_outcome
notifications_recipient_gather(struct wr_request *req)
{
    const struct wr_json            *data;
    struct wr_json_errors           *errors;
    struct notifications_recipient  *r;

    data = wr_request_json(req);
    errors = wr_request_errors(req);
    r = wr_arena_alloc(wr_request_arena(req), sizeof(*r));

    r->user_id = notifications_person_uuid(req, data, "id");
    r->name = wr_json_text(data, "name", 1, NOTIFICATIONS_NAME_MAX, errors);
    r->email = wr_json_text(data, "email", 3, NOTIFICATIONS_EMAIL_MAX,
                            errors);
    r->language = NOTIFICATIONS_LANGUAGE;

    if (wr_json_has(data, "language")) {
        r->language = wr_json_text(data, "language", 2,
                                   NOTIFICATIONS_LANGUAGE_MAX, errors);
    }

    if (wr_json_has(data, "email_verified")) {
        r->is_verified = wr_json_bool(data, "email_verified", errors);
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, r);

    return WR_DONE;
}


void
notifications_recipient_keys(struct wr_request *req)
{
    struct notifications_recipient  *r;

    r = wr_request_get(req);
    wr_key(req, notifications_tables.recipients, r->user_id);
}


enum wr_outcome
notifications_recipient_on_registered(struct wr_request *req)
{
    struct notification              n;
    struct notifications_recipient  *r;

    r = wr_request_get(req);
    store(req);

    notifications_send_begin(req, &n);
    n.user_id = r->user_id;
    n.data = "{}";

    notifications_send(req, &n, r, (const struct notifications_value[]) {
        { "name", r->name }, { NULL, NULL }
    });

    return WR_DONE;
}


enum wr_outcome
notifications_recipient_on_updated(struct wr_request *req)
{
    store(req);

    return WR_DONE;
}


/* What is older than what is known changes nothing. */

static void
store(struct wr_request *req)
{
    notifications_store_recipient(
        wr_request_tx(req), wr_request_get(req),
        wr_arena_printf(wr_request_arena(req), "%" PRId64,
                        wr_request_version(req)));
}
