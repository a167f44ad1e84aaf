/*
 * Copyright (C) the Warren authors
 *
 * Makes of what happened to an order or its payment what a person should see.
 */

#include <string.h>

#include "notifications.h"
#include "notifications_person.h"
#include "notifications_recipient.h"
#include "notifications_send.h"
#include "notifications_store.h"
#include "notifications_template.h"


/* a kind of event: where its data has what */

struct shape {
    const char  *entity;
    const char  *order_id;
    const char  *payment_id;        /* NULL: it has none */
    const char  *cents;
};

struct event {
    int64_t              cents;
    const char          *user_id;
    const char          *order_id;
    const char          *payment_id;
    const char          *currency;
    const char          *reason;    /* NULL: it has none */
    const struct shape  *shape;
    struct wr_rows      *rows;      /* the recipient */
};


static const struct shape *shape_of(const char *type);
static const char *make_data(struct wr_arena *arena,
    const struct event *event);


static const struct shape  shapes[] = {
    { "payment.", "order_id", "payment_id", "amount_cents" },
    { "stock.", "order_id", NULL, "total_cents" },
    { "order.", "id", NULL, "total_cents" }
};


enum wr_outcome
notifications_event_gather(struct wr_request *req)
{
    struct event           *event;
    const struct shape     *shape;
    const struct wr_json   *data;
    struct wr_json_errors  *errors;

    data = wr_request_json(req);
    errors = wr_request_errors(req);
    event = wr_arena_alloc(wr_request_arena(req), sizeof(*event));
    shape = shape_of(wr_request_type(req));
    event->shape = shape;

    event->user_id = notifications_person_uuid(req, data, "user_id");
    event->order_id = notifications_person_uuid(req, data, shape->order_id);

    if (shape->payment_id != NULL) {
        event->payment_id = notifications_person_uuid(req, data,
                                                      shape->payment_id);
    }

    event->cents = wr_json_int(data, shape->cents, 0, NOTIFICATIONS_CENTS_MAX,
                               errors);
    event->currency = wr_json_text(data, "currency", 3, 3, errors);

    if (wr_json_has(data, "reason")) {
        event->reason = wr_json_text(data, "reason", 1,
                                     NOTIFICATIONS_REASON_MAX, errors);
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, event);

    return WR_DONE;
}


static const struct shape *
shape_of(const char *type)
{
    const struct shape  *shape;

    shape = shapes;

    /* the last one is that of all others */

    while (shape < &shapes[sizeof(shapes) / sizeof(shapes[0]) - 1]
           && strncmp(type, shape->entity, strlen(shape->entity)) != 0)
    {
        shape++;
    }

    return shape;
}


void
notifications_event_load(struct wr_request *req)
{
    struct event  *event;

    event = wr_request_get(req);
    event->rows = notifications_store_find(wr_request_tx(req),
                                           event->user_id,
                                           wr_request_type(req));
}


enum wr_outcome
notifications_event(struct wr_request *req)
{
    struct event                    *event;
    struct wr_arena                 *arena;
    struct notification              n;
    struct notifications_recipient   r;

    event = wr_request_get(req);
    arena = wr_request_arena(req);
    notifications_store_recipient_read(event->rows, event->user_id, &r);

    notifications_send_begin(req, &n);
    n.user_id = event->user_id;
    n.data = make_data(arena, event);

    notifications_send(req, &n, &r, (const struct notifications_value[]) {
        { "name", r.name },
        { "order", event->order_id },
        { "total", notifications_template_money(arena, r.language,
                                                event->cents,
                                                event->currency) },
        { "reason", notifications_template_reason(
                        r.language,
                        event->reason != NULL ? event->reason : "") },
        { NULL, NULL }
    });

    return WR_DONE;
}


static const char *
make_data(struct wr_arena *arena, const struct event *event)
{
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(arena);

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "order_id", event->order_id);

    if (event->payment_id != NULL) {
        wr_json_put_text(writer, "payment_id", event->payment_id);
    }

    wr_json_put_int(writer, event->shape->cents, event->cents);
    wr_json_put_text(writer, "currency", event->currency);

    if (event->reason != NULL) {
        wr_json_put_text(writer, "reason", event->reason);
    }

    wr_json_object_end(writer);

    return wr_json_writer_text(writer, NULL);
}
