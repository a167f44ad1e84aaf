/*
 * Copyright (C) the Warren authors
 *
 * The channel for webhooks: what is sent there, and how it is posted.
 */

#include <string.h>

#include "notifications.h"
#include "notifications_deliver.h"
#include "notifications_http.h"
#include "notifications_init.h"
#include "notifications_json.h"
#include "notifications_person.h"
#include "notifications_recipient.h"
#include "notifications_send.h"
#include "notifications_sign.h"
#include "notifications_store.h"
#include "notifications_template.h"


/* of a signed body: what shared/ lets into a message is below it */
#define PAYLOAD_MAX  1048576

#define STATUS_GONE  410


struct delivery {
    const char      *id;
    const char      *user_id;
    const char      *kind;
    const char      *url;
    const char      *salt;
    const char      *payload;
    const char      *reason;        /* why it was not taken */
    long             status;
    struct wr_rows  *webhook;       /* no row: that one is no more */
    struct wr_rows  *rows;          /* the recipient */
};


static bool read_delivery(struct wr_request *req, struct delivery *d);
static void post(struct wr_request *req, struct delivery *d);
static enum wr_outcome failed(struct wr_request *req, struct delivery *d);
static void disable(struct wr_request *req, const struct delivery *d);


void
notifications_deliver_queue(struct wr_request *req,
    const struct notification *notification,
    const struct notifications_recipient *recipient)
{
    size_t                             len;
    const char                        *json;
    struct wr_arena                   *arena;
    struct wr_json_writer             *writer;
    const struct notifications_state  *state;

    arena = wr_request_arena(req);
    state = wr_request_state(req);

    if (state->http == NULL || recipient->url == NULL) {
        return;
    }

    writer = wr_json_writer_new(arena);
    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", notification->id);
    wr_json_put_text(writer, "user_id", notification->user_id);
    wr_json_put_text(writer, "kind", notification->kind);
    wr_json_put_text(writer, "url", recipient->url);
    wr_json_put_text(writer, "salt", recipient->salt);

    /* as a text: its bytes are what is signed */

    wr_json_put_text(writer, "payload",
                     notifications_json_text(arena, notification, NULL));
    wr_json_object_end(writer);
    json = wr_json_writer_text(writer, &len);

    (void) wr_notify(req, NOTIFICATIONS_WEBHOOK, notification->user_id,
                     notification->kind, json, len);
}


/* No transaction is open while the receiver is waited for. */

enum wr_outcome
notifications_deliver_gather(struct wr_request *req)
{
    struct delivery                   *d;
    const struct notifications_state  *state;

    state = wr_request_state(req);
    d = wr_arena_alloc(wr_request_arena(req), sizeof(*d));

    if (!read_delivery(req, d)) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, d);

    if (state->http == NULL) {
        d->reason = "there are no webhooks any more";
        return WR_DONE;
    }

    post(req, d);

    return WR_DONE;
}


static bool
read_delivery(struct wr_request *req, struct delivery *d)
{
    const struct wr_json   *json;
    struct wr_json_errors  *errors;

    json = wr_request_json(req);
    errors = wr_request_errors(req);

    d->id = notifications_person_uuid(req, json, "id");
    d->user_id = notifications_person_uuid(req, json, "user_id");
    d->kind = wr_json_text(json, "kind", 1, NOTIFICATIONS_KIND_MAX, errors);
    d->url = wr_json_text(json, "url", 1, NOTIFICATIONS_URL_MAX, errors);
    d->salt = wr_json_text(json, "salt", 1, NOTIFICATIONS_SALT_MAX, errors);
    d->payload = wr_json_text(json, "payload", 2, PAYLOAD_MAX, errors);

    return errors->count == 0;
}


static void
post(struct wr_request *req, struct delivery *d)
{
    size_t                             len;
    const char                        *reason, *secret, *headers[6];
    struct wr_arena                   *arena;
    const struct notifications_state  *state;

    arena = wr_request_arena(req);
    state = wr_request_state(req);
    len = strlen(d->payload);
    secret = notifications_sign_secret(arena, state->key, d->user_id,
                                       d->salt);

    headers[0] = "Content-Type: application/json";
    headers[1] = wr_arena_printf(arena, "Warren-Id: %s", d->id);
    headers[2] = wr_arena_printf(arena, "Warren-Kind: %s", d->kind);
    headers[3] = wr_arena_printf(
        arena, "Warren-Signature: %s",
        notifications_sign(arena, secret, wr_clock_wall_ms() / 1000,
                           d->payload, len));
    headers[4] = "Expect:";
    headers[5] = NULL;

    d->status = notifications_http_post(state->http, d->url, headers,
                                        d->payload, len, &reason);

    if (d->status < 200 || d->status > 299) {
        d->reason = wr_arena_strdup(arena, reason);
    }
}


void
notifications_deliver_load(struct wr_request *req)
{
    struct delivery                   *d;
    struct wr_tx                      *tx;
    const struct notifications_state  *state;

    d = wr_request_get(req);
    tx = wr_request_tx(req);
    state = wr_request_state(req);

    d->webhook = notifications_store_delivery(tx, d->user_id, d->salt,
                                              state->disable_after);
    d->rows = (d->reason != NULL)
              ? notifications_store_find(tx, d->user_id, d->kind) : NULL;
}


enum wr_outcome
notifications_deliver(struct wr_request *req)
{
    struct delivery                   *d;
    const struct notifications_state  *state;

    d = wr_request_get(req);
    state = wr_request_state(req);

    if (state->http == NULL || wr_rows_count(d->webhook) == 0) {
        return WR_DONE;
    }

    if (d->reason != NULL) {
        return failed(req, d);
    }

    if (wr_rows_text(d->webhook, 0, NOTIFICATIONS_STORE_DELIVERY_FAILING)[0]
        == 't')
    {
        notifications_store_webhook_works(wr_request_tx(req), d->user_id,
                                          d->salt);
    }

    return WR_DONE;
}


/*
 * What is tried again leaves no trace, so a failure counts when it is given up
 * on: it then began when the message was made.
 */

static enum wr_outcome
failed(struct wr_request *req, struct delivery *d)
{
    char                               since[WR_CLOCK_TEXT_SIZE];
    int64_t                            made_ms;
    const struct notifications_state  *state;

    state = wr_request_state(req);
    made_ms = wr_id_uuid7_ms(wr_request_id(req));
    made_ms = (made_ms != -1) ? made_ms : 0;

    wr_log_warn(wr_request_log(req), "webhook did not take it: %s", d->reason);

    if (d->status == STATUS_GONE) {
        disable(req, d);
        return WR_DONE;
    }

    if (wr_clock_wall_ms() - made_ms < state->retry_ms) {
        return WR_RETRY;
    }

    if (wr_rows_text(d->webhook, 0, NOTIFICATIONS_STORE_DELIVERY_LONG)[0]
        == 't')
    {
        disable(req, d);
        return WR_DONE;
    }

    wr_clock_text(made_ms, since);
    notifications_store_webhook_fails(wr_request_tx(req), d->user_id, d->salt,
                                      since);

    return WR_DONE;
}


/* Of several at a time that find it so, one disables it, and tells. */

static void
disable(struct wr_request *req, const struct delivery *d)
{
    struct wr_rows                  *rows;
    struct notification              n;
    struct notifications_recipient   r;

    rows = notifications_store_webhook_disable(wr_request_tx(req), d->user_id,
                                               d->salt);

    if (wr_rows_affected(rows) == 0) {
        return;
    }

    wr_log_info(wr_request_log(req), "webhook disabled");
    notifications_store_recipient_read(d->rows, d->user_id, &r);
    r.url = NULL;

    notifications_send_begin(req, &n);
    n.kind = NOTIFICATIONS_WEBHOOK_DISABLED;
    n.user_id = d->user_id;
    n.data = "{}";

    notifications_send(req, &n, &r, (const struct notifications_value[]) {
        { "name", r.name }, { NULL, NULL }
    });
}
