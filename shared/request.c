/*
 * Copyright (C) the Warren authors
 *
 * What a handler sees of a message.
 */

#include <string.h>

#include "ask_shared.h"
#include "clock.h"
#include "lane_private.h"
#include "request_private.h"
#include "wire.h"


static const char *prefixed(const struct wr_request *req, const char *prefix,
    const char *name);


struct wr_arena *
wr_request_arena(struct wr_request *req)
{
    return req->arena;
}


const struct wr_log *
wr_request_log(struct wr_request *req)
{
    return &req->log;
}


struct wr_tx *
wr_request_tx(struct wr_request *req)
{
    return req->has_tx ? &req->tx : NULL;
}


void *
wr_request_state(struct wr_request *req)
{
    return req->lane->state;
}


void
wr_request_set(struct wr_request *req, void *data)
{
    req->data = data;
}


void *
wr_request_get(struct wr_request *req)
{
    return req->data;
}


const char *
wr_request_type(struct wr_request *req)
{
    return req->msg->type;
}


const char *
wr_request_id(struct wr_request *req)
{
    return req->msg->message_id;
}


bool
wr_request_is_repeated(struct wr_request *req)
{
    return req->msg->is_redelivered || req->attempt > 0
           || req->msg->queue == WR_QUEUE_AGAIN
           || wr_message_text(req->msg, WIRE_HEADER_HISTORY) != NULL;
}


const char *
wr_request_sub(struct wr_request *req)
{
    return req->sub;
}


bool
wr_request_has_scope(struct wr_request *req, const char *scope)
{
    size_t       len, n;
    const char  *p;

    len = strlen(scope);

    for (p = req->scope; p != NULL && *p != '\0'; p += n) {
        p += strspn(p, " ");
        n = strcspn(p, " ");

        if (n == len && n != 0 && memcmp(p, scope, len) == 0) {
            return true;
        }
    }

    return false;
}


const char *
wr_request_arg(struct wr_request *req, const char *name)
{
    return prefixed(req, WIRE_HEADER_ARG_PREFIX, name);
}


const char *
wr_request_header(struct wr_request *req, const char *name)
{
    return prefixed(req, WIRE_HEADER_REQUEST_PREFIX, name);
}


static const char *
prefixed(const struct wr_request *req, const char *prefix, const char *name)
{
    size_t                   i, len;
    const struct wr_header  *header;

    len = strlen(prefix);

    for (i = 0; i < req->msg->nheaders; i++) {
        header = &req->msg->headers[i];

        if (strncmp(header->name, prefix, len) == 0
            && strcmp(header->name + len, name) == 0)
        {
            return header->text;
        }
    }

    return NULL;
}


int64_t
wr_request_remaining_ms(struct wr_request *req)
{
    int64_t  left_ms;

    if (req->deadline_ms == INT64_MAX) {
        return INT64_MAX;
    }

    left_ms = req->deadline_ms - wr_clock_ms();

    return left_ms > 0 ? left_ms : 0;
}


const struct wr_json *
wr_request_json(struct wr_request *req)
{
    const char  *error;

    if (req->json != NULL) {
        return req->json;
    }

    req->json = wr_json_parse(req->arena, req->msg->body, req->msg->body_len,
                              &error);

    if (req->json == NULL) {
        wr_json_error_add(&req->errors, NULL, NULL, error);
        req->is_body_bad = true;
        req->json = wr_json_parse(req->arena, "null", 4, &error);
    }

    return req->json;
}


struct wr_json_errors *
wr_request_errors(struct wr_request *req)
{
    return &req->errors;
}


const char *
wr_request_subject(struct wr_request *req)
{
    return req->subject;
}


int64_t
wr_request_version(struct wr_request *req)
{
    return req->version;
}


void
wr_request_free(struct wr_request **req)
{
    struct wr_ask      *ask;
    struct wr_broker   *broker;
    struct wr_message  *msg;

    if (*req == NULL) {
        return;
    }

    broker = (*req)->lane->broker;

    for (ask = (*req)->asks; ask != NULL; ask = ask->next) {
        wr_ask_shared_leave(broker, ask);
        wr_broker_forget(broker, &ask->confirm);
        wr_broker_release(broker, &ask->answer);
    }

    wr_db_owner_clear(&(*req)->owner);
    msg = (*req)->msg;
    *req = NULL;
    wr_broker_release(broker, &msg);
}


void
wr_request_gathered(struct wr_request *req)
{
    req->gather_errors = req->errors.count;
    req->is_body_bad = false;
}


enum wr_outcome
wr_request_run(struct wr_request *req,
    enum wr_outcome (*step)(struct wr_request *req))
{
    int64_t          start_us;
    enum wr_outcome  outcome;

    start_us = wr_clock_us();
    outcome = step(req);
    req->handler_us += wr_clock_us() - start_us;

    return outcome;
}


void
wr_request_reset(struct wr_request *req)
{
    wr_db_owner_clear(&req->owner);
    req->tx.first = req->tx.last = NULL;
    req->errors.count = req->gather_errors;
    req->inbox = WR_INBOX_NONE;

    /* the next one who reads it is to be told again */

    if (req->is_body_bad) {
        req->is_body_bad = false;
        req->json = NULL;
    }

    if (req->is_decided) {
        return;
    }

    req->status = 0;
    req->reply = NULL;
    req->reply_len = 0;
    req->nreply_headers = 0;
    req->reason = NULL;
    req->announcements = NULL;
    req->last_announcement = &req->announcements;
    req->nannouncements = 0;
}


void
wr_request_decide(struct wr_request *req, enum wr_outcome outcome,
    const char *reason)
{
    req->outcome = outcome;
    req->is_decided = true;

    if (reason != NULL) {
        req->reason = wr_arena_strdup(req->arena, reason);
    }
}


void
wr_request_fail(struct wr_request *req, enum wr_outcome outcome,
    enum wire_error error, const char *reason)
{
    wr_request_decide(req, outcome, reason);
    wr_reply_problem(req, error, NULL, false);
}


bool
wr_request_is_asking(struct wr_request *req)
{
    const struct wr_ask  *ask;

    for (ask = req->asks; ask != NULL; ask = ask->next) {
        if (ask->status == 0) {
            return true;
        }
    }

    if (req->is_gathered && !req->is_decided && !req->is_ready
        && req->handler->waits != NULL)
    {
        req->is_ready = !req->handler->waits(req);

        return !req->is_ready;
    }

    return false;
}
