/*
 * Copyright (C) the Warren authors
 *
 * The reply of a call, as its handler or the runtime makes it.
 */

#include <string.h>

#include "json.h"
#include "request_private.h"
#include "wire.h"


static const char *instance(const struct wr_request *req);
static void put_errors(struct wr_json_writer *w,
    const struct wr_json_errors *errors);


void
wr_reply(struct wr_request *req, int status, const char *json, size_t len)
{
    if (status < 200 || status > 299) {
        req->misuse = wr_arena_printf(req->arena, "wr_reply() with status %d: "
                                      "it takes 200 to 299, wr_refuse() says "
                                      "no", status);
        wr_log_error(&req->log, "%s", req->misuse);
        status = 200;
    }

    req->status = status;
    req->reply_type = WIRE_CONTENT_JSON;
    req->reply = wr_arena_copy(req->arena, json, len);
    req->reply_len = len;
}


void
wr_reply_header(struct wr_request *req, const char *name, const char *value)
{
    size_t       i;
    const char  *full;

    if (!wire_reply_header_may_pass(name, strlen(name))) {
        req->misuse = wr_arena_printf(req->arena, "handler may not set header "
                                      "\"%s\"", name);
        wr_log_error(&req->log, "%s", req->misuse);
        return;
    }

    full = wr_arena_printf(req->arena, WIRE_HEADER_HTTP_PREFIX "%s", name);

    for (i = 0; i < req->nreply_headers; i++) {
        if (strcmp(req->reply_headers[i].name, full) == 0) {
            break;
        }
    }

    if (i == WR_REPLY_HEADERS_MAX) {
        return;
    }

    req->reply_headers[i].name = full;
    req->reply_headers[i].text = wr_arena_strdup(req->arena, value);
    req->nreply_headers += (i == req->nreply_headers);
}


enum wr_outcome
wr_refuse(struct wr_request *req, enum wire_error error, const char *detail)
{
    const struct wire_error_info  *info;

    info = wire_error_info(error);

    if (info->status < 400 || info->status > 499) {
        req->misuse = wr_arena_printf(req->arena, "handler may not refuse "
                                      "with \"%s\"", info->name);
        wr_log_error(&req->log, "%s", req->misuse);
        error = WIRE_ERROR_INVALID;
        info = wire_error_info(error);
    }

    wr_reply_problem(req, error, detail, false);
    req->reason = wr_arena_printf(req->arena, "%s: %s", info->name,
                                  (detail != NULL) ? detail : info->title);

    return WR_REFUSED;
}


enum wr_outcome
wr_refuse_kept(struct wr_request *req, enum wire_error error,
    const char *detail)
{
    wr_refuse(req, error, detail);

    return WR_DONE;
}


enum wr_outcome
wr_refuse_invalid(struct wr_request *req)
{
    const struct wr_json_error  *first;

    wr_reply_problem(req, WIRE_ERROR_INVALID, NULL, true);
    first = &req->errors.items[0];
    req->reason = (req->errors.count == 0)
                  ? "invalid"
                  : wr_arena_printf(req->arena, "invalid: %s %s",
                                    first->pointer, first->detail);

    return WR_REFUSED;
}


void
wr_reply_problem(struct wr_request *req, enum wire_error error,
    const char *detail, bool with_errors)
{
    struct wr_json_writer         *w;
    const struct wire_error_info  *info;

    info = wire_error_info(error);
    w = wr_json_writer_new(req->arena);
    wr_json_object_begin(w, NULL);
    wr_json_put_text(w, "type",
                     wr_arena_printf(req->arena, WIRE_PROBLEM_TYPE_PREFIX "%s",
                                     info->name));
    wr_json_put_text(w, "title", info->title);
    wr_json_put_int(w, "status", info->status);

    if (detail != NULL) {
        wr_json_put_text(w, "detail", detail);
    }

    wr_json_put_text(w, "instance", instance(req));

    if (with_errors) {
        put_errors(w, &req->errors);
    }

    wr_json_object_end(w);

    req->status = info->status;
    req->reply_type = WIRE_CONTENT_PROBLEM;
    req->nreply_headers = 0;
    req->reply = wr_json_writer_text(w, &req->reply_len);
}


void
wr_reply_complete(struct wr_request *req)
{
    if (req->kind != WR_CALL) {
        return;
    }

    if (req->outcome == WR_DONE && req->status == 0) {
        req->status = 204;
        req->reply_type = WIRE_CONTENT_JSON;
        req->reply = "";
        req->reply_len = 0;

    } else if (req->outcome != WR_DONE && req->status < 400) {
        wr_reply_problem(req, wr_dispatch_rule(req->outcome, req->kind)->error,
                         NULL, false);
    }
}


/* the request id; a call that has none is known by its message's */

static const char *
instance(const struct wr_request *req)
{
    const char  *id;

    id = wr_message_text(req->msg, WIRE_HEADER_REQUEST_ID);

    return (id != NULL && wire_request_id_is_valid(id, strlen(id)))
           ? id : req->msg->message_id;
}


static void
put_errors(struct wr_json_writer *w, const struct wr_json_errors *errors)
{
    size_t  i;

    wr_json_array_begin(w, "errors");

    for (i = 0; i < errors->count && i < WR_JSON_ERRORS_MAX; i++) {
        wr_json_object_begin(w, NULL);
        wr_json_put_text(w, "pointer", errors->items[i].pointer);
        wr_json_put_text(w, "detail", errors->items[i].detail);
        wr_json_object_end(w);
    }

    wr_json_array_end(w);
}
