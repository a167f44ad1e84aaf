/*
 * Copyright (C) the Warren authors
 *
 * The webhook of a person: where what they are told is posted to.
 */

#include "notifications.h"
#include "notifications_http.h"
#include "notifications_init.h"
#include "notifications_person.h"
#include "notifications_sign.h"
#include "notifications_store.h"


static void put_webhook(struct wr_json_writer *writer, const char *url,
    const char *created_at, const char *failing_since,
    const char *disabled_at);


enum wr_outcome
notifications_webhook_gather(struct wr_request *req)
{
    enum wr_outcome                    outcome;
    const struct notifications_state  *state;

    outcome = notifications_person_check(req);
    state = wr_request_state(req);

    if (outcome == WR_DONE && state->http == NULL) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND,
                         "there are no webhooks here");
    }

    return outcome;
}


void
notifications_webhook_load(struct wr_request *req)
{
    wr_request_set(req, notifications_store_webhook(wr_request_tx(req),
                                                    wr_request_sub(req)));
}


enum wr_outcome
notifications_webhook(struct wr_request *req)
{
    size_t                  len;
    const char             *json;
    struct wr_rows         *rows;
    struct wr_json_writer  *writer;

    rows = wr_request_get(req);

    if (wr_rows_count(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    writer = wr_json_writer_new(wr_request_arena(req));
    wr_json_object_begin(writer, NULL);
    put_webhook(writer,
                wr_rows_text(rows, 0, NOTIFICATIONS_STORE_WEBHOOK_URL),
                wr_rows_text(rows, 0, NOTIFICATIONS_STORE_WEBHOOK_CREATED),
                wr_rows_text(rows, 0, NOTIFICATIONS_STORE_WEBHOOK_FAILING),
                wr_rows_text(rows, 0, NOTIFICATIONS_STORE_WEBHOOK_DISABLED));
    wr_json_object_end(writer);
    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}


enum wr_outcome
notifications_webhook_put_gather(struct wr_request *req)
{
    const char                        *url, *wrong;
    enum wr_outcome                    outcome;
    const struct wr_json              *json;
    struct wr_json_errors             *errors;
    const struct notifications_state  *state;

    outcome = notifications_webhook_gather(req);

    if (outcome != WR_DONE) {
        return outcome;
    }

    state = wr_request_state(req);
    json = wr_request_json(req);
    errors = wr_request_errors(req);
    url = wr_json_text(json, "url", 1, NOTIFICATIONS_URL_MAX, errors);

    if (errors->count == 0) {
        wrong = notifications_http_check(state->http, url);

        if (wrong != NULL) {
            wr_json_error_add(errors, json, "url", wrong);
        }
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, (void *) url);

    return WR_DONE;
}


/*
 * Each time with a secret of its own, which nobody is told again: it comes of
 * the message's id, so one that comes again tells the same.
 */

enum wr_outcome
notifications_webhook_put(struct wr_request *req)
{
    char                               created_at[WR_CLOCK_TEXT_SIZE];
    size_t                             len;
    const char                        *url, *salt, *json;
    struct wr_json_writer             *writer;
    const struct notifications_state  *state;

    state = wr_request_state(req);
    url = wr_request_get(req);
    salt = wr_request_id(req);
    wr_clock_text(wr_clock_wall_ms(), created_at);

    notifications_store_webhook_put(wr_request_tx(req), wr_request_sub(req),
                                    url, salt, created_at);

    writer = wr_json_writer_new(wr_request_arena(req));
    wr_json_object_begin(writer, NULL);
    put_webhook(writer, url, created_at, NULL, NULL);
    wr_json_put_text(writer, "secret",
                     notifications_sign_secret(wr_request_arena(req),
                                               state->key,
                                               wr_request_sub(req), salt));
    wr_json_object_end(writer);
    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);
    wr_reply_header(req, "cache-control", "no-store");

    return WR_DONE;
}


static void
put_webhook(struct wr_json_writer *writer, const char *url,
    const char *created_at, const char *failing_since,
    const char *disabled_at)
{
    wr_json_put_text(writer, "url", url);
    wr_json_put_text(writer, "created_at", created_at);
    wr_json_put_text(writer, "failing_since", failing_since);
    wr_json_put_text(writer, "disabled_at", disabled_at);
}


enum wr_outcome
notifications_webhook_delete(struct wr_request *req)
{
    struct wr_rows  *rows;

    rows = notifications_store_webhook_delete(wr_request_tx(req),
                                              wr_request_sub(req));

    if (wr_rows_affected(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    wr_reply(req, 204, NULL, 0);

    return WR_DONE;
}
