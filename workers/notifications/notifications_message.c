/*
 * Copyright (C) the Warren authors
 *
 * Sends a person an e-mail that another service wants sent, whatever their
 * preferences: it is about their account.
 */

#include <string.h>

#include "notifications.h"
#include "notifications_email.h"
#include "notifications_mail.h"
#include "notifications_person.h"
#include "notifications_recipient.h"
#include "notifications_template.h"


struct message {
    const char                      *template;
    const char                      *link;      /* NULL: none */
    struct notifications_recipient   to;
};


enum wr_outcome
notifications_message_gather(struct wr_request *req)
{
    struct message         *m;
    const struct wr_json   *json;
    struct wr_json_errors  *errors;

    json = wr_request_json(req);
    errors = wr_request_errors(req);
    m = wr_arena_alloc(wr_request_arena(req), sizeof(*m));

    m->to.user_id = notifications_person_uuid(req, json, "user_id");
    m->template = wr_json_text(json, "template", 1, NOTIFICATIONS_KIND_MAX,
                               errors);
    m->to.email = wr_json_text(json, "email", 3, NOTIFICATIONS_EMAIL_MAX,
                               errors);
    m->to.language = NOTIFICATIONS_LANGUAGE;

    if (wr_json_has(json, "name")) {
        m->to.name = wr_json_text(json, "name", 1, NOTIFICATIONS_NAME_MAX,
                                  errors);
    }

    if (wr_json_has(json, "language")) {
        m->to.language = wr_json_text(json, "language", 2,
                                      NOTIFICATIONS_LANGUAGE_MAX, errors);
    }

    if (wr_json_has(json, "link")) {
        m->link = wr_json_text(json, "link", 1, NOTIFICATIONS_LINK_MAX,
                               errors);
    }

    if (errors->count == 0 && !notifications_mail_is_address(m->to.email)) {
        wr_json_error_add(errors, json, "email", "is no address");
    }

    /* a dot is in the kinds of events alone */

    if (errors->count == 0
        && (strchr(m->template, '.') != NULL
            || notifications_template_find(m->template, NOTIFICATIONS_EMAIL,
                                           m->to.language)
               == NULL))
    {
        wr_json_error_add(errors, json, "template", "there is no such one");
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, m);

    return WR_DONE;
}


enum wr_outcome
notifications_message(struct wr_request *req)
{
    char                        id[WR_UUID_SIZE];
    struct message             *m;
    struct notifications_email  email;

    m = wr_request_get(req);
    wr_id_uuid7(id);

    email.id = id;
    email.kind = m->template;
    email.to = &m->to;
    email.values = (const struct notifications_value[]) {
        { "name", m->to.name }, { "link", m->link }, { NULL, NULL }
    };

    if (!notifications_email_queue(req, &email)) {
        wr_log_info(wr_request_log(req),
                    "e-mail \"%s\" not sent: smtp.url is not set",
                    m->template);
    }

    return WR_DONE;
}
