/*
 * Copyright (C) the Warren authors
 *
 * Questions to other services, as handlers put them and read the answers.
 */

#include <stdlib.h>
#include <string.h>

#include "request_private.h"
#include "wire.h"


static struct wr_ask *new_ask(struct wr_request *req, const char *service,
    const char *method);
static void add_header(struct wr_ask *ask, const char *name,
    const char *value);
static const char *child_trace(struct wr_request *req);


struct wr_ask *
wr_ask(struct wr_request *req, const char *service, const char *method)
{
    struct wr_ask  *ask;

    ask = new_ask(req, service, method);
    add_header(ask, WIRE_HEADER_SUB, req->sub);
    add_header(ask, WIRE_HEADER_SCOPE, req->scope);
    wr_ask_mark(ask);

    return ask;
}


struct wr_ask *
wr_ask_about(struct wr_request *req, const char *service, const char *method,
    const char *key)
{
    struct wr_ask  *ask;

    ask = new_ask(req, service, method);
    ask->key = wr_arena_strdup(req->arena, key);

    return ask;
}


static struct wr_ask *
new_ask(struct wr_request *req, const char *service, const char *method)
{
    struct wr_ask  *ask;

    if (req->has_tx) {
        req->misuse = wr_arena_printf(req->arena, "wr_ask() of %s.%s outside "
                                      "of .gather: nobody is asked", service,
                                      method);
        wr_log_error(&req->log, "%s", req->misuse);
    }

    ask = wr_arena_alloc(req->arena, sizeof(struct wr_ask));
    ask->req = req;
    ask->service = wr_arena_strdup(req->arena, service);
    ask->method = wr_arena_strdup(req->arena, method);
    ask->body = "";
    ask->next = req->asks;
    req->asks = ask;

    return ask;
}


void
wr_ask_mark(struct wr_ask *ask)
{
    struct wr_message  *msg;

    msg = ask->req->msg;
    wr_id_random_hex(ask->correlation_id, WIRE_CORRELATION_LEN / 2);
    wr_id_uuid7(ask->message_id);
    add_header(ask, WIRE_HEADER_TRACEPARENT, child_trace(ask->req));
    add_header(ask, WIRE_HEADER_TRACESTATE,
               wr_message_text(msg, WIRE_HEADER_TRACESTATE));
    add_header(ask, WIRE_HEADER_REQUEST_ID,
               wr_message_text(msg, WIRE_HEADER_REQUEST_ID));
}


/* The answer's span hangs below this message's. */

static const char *
child_trace(struct wr_request *req)
{
    char         span[17];
    const char  *trace;

    trace = wr_message_text(req->msg, WIRE_HEADER_TRACEPARENT);

    if (trace == NULL || !wire_traceparent_is_valid(trace, strlen(trace))) {
        return NULL;
    }

    wr_id_random_hex(span, 8);

    return wr_arena_printf(req->arena, "%.36s%s%s", trace, span, trace + 52);
}


/* One place stays free for the deadline. */

static void
add_header(struct wr_ask *ask, const char *name, const char *value)
{
    if (value == NULL) {
        return;
    }

    if (ask->nheaders == WR_BROKER_HEADERS_MAX - 1) {
        wr_log_error(&ask->req->log, "too many arguments for %s.%s",
                     ask->service, ask->method);
        abort();
    }

    ask->headers[ask->nheaders].name = name;
    ask->headers[ask->nheaders].text = value;
    ask->nheaders++;
}


void
wr_ask_arg(struct wr_ask *ask, const char *name, const char *value)
{
    struct wr_arena  *arena;

    arena = ask->req->arena;
    add_header(ask, wr_arena_printf(arena, WIRE_HEADER_ARG_PREFIX "%s", name),
               wr_arena_strdup(arena, value));
}


void
wr_ask_json(struct wr_ask *ask, const char *json, size_t len)
{
    ask->body = wr_arena_copy(ask->req->arena, json, len);
    ask->body_len = len;
}


int
wr_ask_status(struct wr_ask *ask)
{
    return ask->status != 0 ? ask->status
                            : wire_error_info(WIRE_ERROR_TIMEOUT)->status;
}


const struct wr_json *
wr_ask_answer(struct wr_ask *ask)
{
    const char       *error;
    struct wr_arena  *arena;

    if (ask->json != NULL) {
        return ask->json;
    }

    arena = ask->req->arena;

    if (ask->answer != NULL) {
        ask->json = wr_json_parse(arena, ask->answer->body,
                                  ask->answer->body_len, &error);

        if (ask->json == NULL) {
            wr_json_error_add(&ask->req->errors, NULL, NULL, error);
        }
    }

    if (ask->json == NULL) {
        ask->json = wr_json_parse(arena, "null", 4, &error);
    }

    return ask->json;
}
