/*
 * Copyright (C) the Warren authors
 *
 * The channel for e-mail: what is sent there, and how it is sent on.
 */

#include "notifications.h"
#include "notifications_email.h"
#include "notifications_init.h"
#include "notifications_mail.h"
#include "notifications_recipient.h"
#include "notifications_smtp.h"
#include "notifications_store.h"
#include "notifications_template.h"


/* of a value in a message of the channel */
#define VALUE_MAX  2048


/* what .gather tells .apply; nothing else is left to do */

struct bounce {
    const char  *email;
    const char  *reason;
};


static bool read_values(struct wr_request *req,
    struct notifications_value *values);
static const char *compose(struct wr_request *req,
    struct notifications_mail *mail, size_t *len_r);
static enum wr_outcome send_mail(struct wr_request *req,
    const struct notifications_mail *mail, const char *text, size_t len);


static const char *const  value_names[] = {
    "name", "order", "total", "reason", "link"
};

#define VALUES  (sizeof(value_names) / sizeof(value_names[0]))


bool
notifications_email_queue(struct wr_request *req,
    const struct notifications_email *email)
{
    size_t                             len;
    const char                        *json;
    struct wr_json_writer             *writer;
    const struct notifications_state  *state;
    const struct notifications_value  *value;

    state = wr_request_state(req);

    if (state->smtp == NULL
        || notifications_template_find(email->kind, NOTIFICATIONS_EMAIL,
                                       email->to->language) == NULL)
    {
        return false;
    }

    writer = wr_json_writer_new(wr_request_arena(req));
    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", email->id);
    wr_json_put_text(writer, "kind", email->kind);
    wr_json_put_text(writer, "email", email->to->email);
    wr_json_put_text(writer, "language", email->to->language);
    wr_json_object_begin(writer, "values");

    for (value = email->values; value->name != NULL; value++) {
        if (value->value != NULL) {
            wr_json_put_text(writer, value->name, value->value);
        }
    }

    wr_json_object_end(writer);
    wr_json_object_end(writer);
    json = wr_json_writer_text(writer, &len);

    return wr_notify(req, NOTIFICATIONS_EMAIL, email->to->user_id,
                     email->kind, json, len);
}


/* No transaction is open while the server is waited for. */

enum wr_outcome
notifications_email_gather(struct wr_request *req)
{
    size_t                             len;
    int64_t                            sent_ms;
    const char                        *text;
    struct notifications_mail          mail;
    const struct notifications_state  *state;

    state = wr_request_state(req);
    text = compose(req, &mail, &len);

    if (text == NULL) {
        return wr_refuse_invalid(req);
    }

    if (state->smtp == NULL) {
        wr_log_warn(wr_request_log(req),
                    "e-mail dropped: there is no smtp.url any more");
        return WR_DONE;
    }

    /* what a link was made for is over: it is to be forgotten, not kept among
       the dead letters */

    sent_ms = wr_id_uuid7_ms(wr_request_id(req));

    if (wr_json_has(wr_json_object(wr_request_json(req), "values", NULL),
                    "link")
        && sent_ms != -1 && wr_clock_wall_ms() - sent_ms > state->link_ms)
    {
        wr_log_error(wr_request_log(req),
                     "e-mail with a link dropped: it could not be sent in "
                     "time");
        return WR_DONE;
    }

    return send_mail(req, &mail, text, len);
}


static const char *
compose(struct wr_request *req, struct notifications_mail *mail,
    size_t *len_r)
{
    const char                           *kind;
    struct wr_arena                      *arena;
    const struct wr_json                 *json;
    struct wr_json_errors                *errors;
    struct notifications_value            values[VALUES + 1];
    const struct notifications_state     *state;
    const struct notifications_template  *template;

    arena = wr_request_arena(req);
    json = wr_request_json(req);
    errors = wr_request_errors(req);
    state = wr_request_state(req);

    mail->id = wr_json_text(json, "id", 1, WR_UUID_SIZE, errors);
    mail->to = wr_json_text(json, "email", 3, NOTIFICATIONS_EMAIL_MAX, errors);
    mail->language = wr_json_text(json, "language", 2,
                                  NOTIFICATIONS_LANGUAGE_MAX, errors);
    kind = wr_json_text(json, "kind", 1, NOTIFICATIONS_KIND_MAX, errors);

    if (!read_values(req, values) || errors->count != 0) {
        return NULL;
    }

    template = notifications_template_find(kind, NOTIFICATIONS_EMAIL,
                                           mail->language);

    if (template == NULL) {
        wr_json_error_add(errors, json, "kind", "has no template for e-mail");
    }

    if (!wr_id_is_uuid(mail->id)) {
        wr_json_error_add(errors, json, "id", "must be a UUID");
    }

    if (!notifications_mail_is_address(mail->to)) {
        wr_json_error_add(errors, json, "email", "is no address");
    }

    if (errors->count != 0) {
        return NULL;
    }

    mail->from = (state->from != NULL) ? state->from : "nobody@localhost";
    mail->date_ms = wr_clock_wall_ms();
    mail->language = template->language;
    mail->subject = notifications_template_render(arena, template->title,
                                                  values);
    mail->text = notifications_template_render(arena, template->body, values);

    return notifications_mail_text(arena, mail, len_r);
}


static bool
read_values(struct wr_request *req, struct notifications_value *values)
{
    size_t                   i, n;
    const struct wr_json    *json;
    struct wr_json_errors   *errors;

    errors = wr_request_errors(req);
    json = wr_json_object(wr_request_json(req), "values", errors);

    for (i = 0, n = 0; i < VALUES; i++) {
        if (wr_json_has(json, value_names[i])) {
            values[n].name = value_names[i];
            values[n++].value = wr_json_text(json, value_names[i], 0,
                                             VALUE_MAX, errors);
        }
    }

    values[n].name = NULL;
    values[n].value = NULL;

    return errors->count == 0;
}


static enum wr_outcome
send_mail(struct wr_request *req, const struct notifications_mail *mail,
    const char *text, size_t len)
{
    const char                      *reason;
    struct bounce                   *bounce;
    struct wr_arena                 *arena;
    struct notifications_state      *state;
    enum notifications_smtp_result   result;

    arena = wr_request_arena(req);
    state = wr_request_state(req);
    result = notifications_smtp_send(state->smtp, mail->from, mail->to, text,
                                     len, &reason);

    switch (result) {

    case NOTIFICATIONS_SMTP_SENT:
        return WR_DONE;

    case NOTIFICATIONS_SMTP_LATER:
        wr_log_warn(wr_request_log(req), "e-mail not sent yet: %s", reason);
        return WR_RETRY;

    default:
        break;
    }

    wr_log_warn(wr_request_log(req), "e-mail bounced: %s", reason);
    bounce = wr_arena_alloc(arena, sizeof(*bounce));
    bounce->email = mail->to;
    bounce->reason = wr_arena_strdup(arena, reason);
    wr_request_set(req, bounce);

    return WR_DONE;
}


enum wr_outcome
notifications_email(struct wr_request *req)
{
    struct bounce  *bounce;

    bounce = wr_request_get(req);

    if (bounce != NULL) {
        notifications_store_bounce(wr_request_tx(req), bounce->email,
                                   bounce->reason);
    }

    return WR_DONE;
}
