/*
 * Copyright (C) the Warren authors
 *
 * Tells a person something, on each channel where they want it.
 */

#include <string.h>

#include "notifications.h"
#include "notifications_deliver.h"
#include "notifications_email.h"
#include "notifications_group.h"
#include "notifications_json.h"
#include "notifications_recipient.h"
#include "notifications_send.h"
#include "notifications_store.h"
#include "notifications_template.h"


static void show(struct wr_request *req,
    const struct notification *notification);
static void mail(struct wr_request *req,
    const struct notification *notification,
    const struct notifications_recipient *recipient,
    const struct notifications_value *values);


void
notifications_send_begin(struct wr_request *req,
    struct notification *notification)
{
    memset(notification, 0, sizeof(*notification));

    wr_id_uuid7(notification->id);
    wr_clock_text(wr_clock_wall_ms(), notification->created_at);
    notification->event_id = wr_request_id(req);
    notification->kind = wr_request_type(req);
}


void
notifications_send(struct wr_request *req, struct notification *notification,
    const struct notifications_recipient *recipient,
    const struct notifications_value *values)
{
    struct wr_arena                      *arena;
    const struct notifications_template  *template;

    arena = wr_request_arena(req);
    template = notifications_template_find(notification->kind,
                                           NOTIFICATIONS_INAPP,
                                           recipient->language);

    if (template == NULL) {
        return;
    }

    notification->title = notifications_template_render(arena,
                                                        template->title,
                                                        values);
    notification->body = notifications_template_render(arena, template->body,
                                                       values);

    if (!notifications_group_has(recipient->unwanted, NOTIFICATIONS_INAPP)) {
        show(req, notification);
    }

    if (!notifications_group_has(recipient->unwanted, NOTIFICATIONS_EMAIL)) {
        mail(req, notification, recipient, values);
    }

    if (!notifications_group_has(recipient->unwanted, NOTIFICATIONS_WEBHOOK)) {
        notifications_deliver_queue(req, notification, recipient);
    }
}


/* The row stays; the message is for who looks right now. */

static void
show(struct wr_request *req, const struct notification *notification)
{
    size_t       len;
    const char  *json;

    notifications_store_insert(wr_request_tx(req), notification);

    json = notifications_json_text(wr_request_arena(req), notification, &len);
    (void) wr_push(req, NOTIFICATIONS_INAPP, notification->user_id,
                   notification->id, notification->kind, json, len);
}


/* Only to an address that is known to be the person's. */

static void
mail(struct wr_request *req, const struct notification *notification,
    const struct notifications_recipient *recipient,
    const struct notifications_value *values)
{
    struct notifications_email  email;

    if (recipient->email == NULL || !recipient->is_verified
        || recipient->has_bounced)
    {
        return;
    }

    email.id = notification->id;
    email.kind = notification->kind;
    email.to = recipient;
    email.values = values;

    (void) notifications_email_queue(req, &email);
}
