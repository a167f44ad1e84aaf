/*
 * Copyright (C) the Warren authors
 *
 * An answer in parts: calls that are sent together, and the object that their
 * replies make.  What an optional one did not give is named; what another did
 * not give is the answer's own problem.
 */

#include "ngx_http_gateway_private.h"
#include "ngx_http_gateway_json.h"


/* "{", "\"missing\":{", "}}" */
#define NGX_HTTP_GATEWAY_PARTS_FRAME      16


typedef struct {
    ngx_amqp_call_t                 call;     /* the first member */
    ngx_http_gateway_call_t        *owner;
    const ngx_http_gateway_part_t  *conf;
    ngx_http_gateway_pass_t         pass;

    /* of a part that is missing, unless the worker told itself why */
    enum wire_error                 error;
    ngx_http_gateway_reply_t        reply;

    /* JSON: the value, or if it is missing the problem */
    ngx_str_t                       value;

    unsigned                        is_done:1;
    unsigned                        is_missing:1;
    unsigned                        is_told:1;  /* by the worker, in reply */
} ngx_http_gateway_parts_call_t;


struct ngx_http_gateway_parts_s {
    ngx_http_gateway_parts_call_t  *calls;
    ngx_uint_t                      n;
    ngx_uint_t                      pending;

    /* bytes of all values, at most gateway_max_reply */
    size_t                          size;
};


static ngx_http_gateway_parts_t *ngx_http_gateway_parts_create(
    ngx_http_gateway_call_t *ctx);
static ngx_uint_t ngx_http_gateway_parts_may_pass(
    ngx_http_gateway_parts_call_t *part, ngx_uint_t *later_r);
static void ngx_http_gateway_parts_concern(ngx_http_gateway_parts_call_t *part);
static void ngx_http_gateway_parts_end(ngx_amqp_call_t *call,
    ngx_amqp_end_e end, ngx_amqp_reply_t *from);
static void ngx_http_gateway_parts_replied(ngx_http_gateway_parts_call_t *part,
    ngx_amqp_reply_t *from);
static char *ngx_http_gateway_parts_value(ngx_http_gateway_parts_call_t *part);
static ngx_uint_t ngx_http_gateway_parts_has_room(
    ngx_http_gateway_parts_call_t *part, size_t len);
static void ngx_http_gateway_parts_told(ngx_http_gateway_parts_call_t *part);
static ngx_uint_t ngx_http_gateway_parts_is_json(ngx_str_t *type,
    char *expected);
static void ngx_http_gateway_parts_failed(ngx_http_gateway_parts_call_t *part,
    enum wire_error error);
static void ngx_http_gateway_parts_duration(
    ngx_http_gateway_parts_call_t *part);
static ngx_int_t ngx_http_gateway_parts_give_up(
    ngx_http_gateway_parts_call_t *part);
static ngx_int_t ngx_http_gateway_parts_answer(ngx_http_gateway_call_t *ctx);
static ngx_int_t ngx_http_gateway_parts_body(ngx_http_gateway_call_t *ctx,
    ngx_http_gateway_reply_t *reply);
static ngx_int_t ngx_http_gateway_parts_problem(
    ngx_http_gateway_parts_call_t *part);
static u_char *ngx_http_gateway_parts_member(u_char *p, ngx_uint_t n,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_gateway_parts_caching(ngx_http_gateway_call_t *ctx,
    ngx_http_gateway_reply_t *reply);


ngx_int_t
ngx_http_gateway_parts_start(ngx_http_gateway_call_t *ctx,
    ngx_amqp_connection_t *ac)
{
    ngx_int_t                       rc;
    ngx_uint_t                      i, n, later;
    ngx_amqp_call_t               **calls;
    ngx_amqp_message_t             *messages;
    ngx_http_gateway_call_t         one;
    ngx_http_gateway_parts_t       *parts;
    ngx_http_gateway_parts_call_t  *part;

    parts = ngx_http_gateway_parts_create(ctx);
    if (parts == NULL) {
        return NGX_ERROR;
    }

    calls = ngx_palloc(ctx->request->pool,
                       parts->n * sizeof(ngx_amqp_call_t *));
    messages = ngx_palloc(ctx->request->pool,
                          parts->n * sizeof(ngx_amqp_message_t));

    if (calls == NULL || messages == NULL) {
        return NGX_ERROR;
    }

    /* from here on whatever ends the request lets go of the parts */

    ctx->parts = parts;

    /* each message is that of a call which is this one but for its route */

    one = *ctx;
    one.is_part = 1;
    later = 0;

    for (i = 0, n = 0; i < parts->n; i++) {
        part = &parts->calls[i];
        one.route = part->conf->route;

        rc = ngx_http_gateway_message(&one, &messages[n]);
        if (rc != NGX_OK) {
            return rc;
        }

        if (ngx_http_gateway_parts_may_pass(part, &later)) {
            calls[n++] = &part->call;

        } else if (!part->conf->is_optional) {
            n = 0;
            break;
        }
    }

    if (n == 0) {
        ngx_http_gateway_parts_concern(&parts->calls[i < parts->n ? i : 0]);
        ctx->later = later;

        return NGX_DECLINED;
    }

    parts->pending = n;

    return ngx_amqp_calls_start(ac, calls, messages, n);
}


/* what a breaker refuses has ended before it was sent */

static ngx_uint_t
ngx_http_gateway_parts_may_pass(ngx_http_gateway_parts_call_t *part,
    ngx_uint_t *later_r)
{
    if (ngx_http_gateway_breaker_ask(part->owner, part->conf->route,
                                     &part->pass, later_r)
        == NGX_OK)
    {
        return 1;
    }

    ngx_http_gateway_parts_failed(part, WIRE_ERROR_UNAVAILABLE);
    part->is_done = 1;

    return 0;
}


static ngx_http_gateway_parts_t *
ngx_http_gateway_parts_create(ngx_http_gateway_call_t *ctx)
{
    ngx_uint_t                      i;
    ngx_pool_t                     *pool;
    ngx_http_gateway_part_t        *conf;
    ngx_http_gateway_parts_t       *parts;
    ngx_http_gateway_parts_call_t  *part;

    pool = ctx->request->pool;

    parts = ngx_pcalloc(pool, sizeof(ngx_http_gateway_parts_t));
    if (parts == NULL) {
        return NULL;
    }

    conf = ctx->route->parts->elts;
    parts->n = ctx->route->parts->nelts;

    part = ngx_pcalloc(pool, parts->n * sizeof(ngx_http_gateway_parts_call_t));
    if (part == NULL) {
        return NULL;
    }

    parts->calls = part;

    for (i = 0; i < parts->n; i++) {
        part[i].owner = ctx;
        part[i].conf = &conf[i];
        part[i].call.handler = ngx_http_gateway_parts_end;
        part[i].call.data = &part[i];
        part[i].call.service_user = conf[i].route->service;
    }

    return parts;
}


void
ngx_http_gateway_parts_cancel(ngx_http_gateway_call_t *ctx,
    ngx_amqp_connection_t *ac)
{
    ngx_uint_t  i;

    for (i = 0; i < ctx->parts->n; i++) {
        ngx_amqp_call_cancel(ac, &ctx->parts->calls[i].call);
        ngx_http_gateway_breaker_leave(&ctx->parts->calls[i].pass);
    }
}


static void
ngx_http_gateway_parts_end(ngx_amqp_call_t *call, ngx_amqp_end_e end,
    ngx_amqp_reply_t *from)
{
    ngx_int_t                       rc;
    ngx_http_gateway_call_t        *ctx;
    ngx_http_gateway_parts_call_t  *part;

    part = call->data;
    ctx = part->owner;

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);

    if (end == NGX_AMQP_REPLY) {
        ngx_http_gateway_parts_replied(part, from);

    } else {
        ngx_http_gateway_parts_failed(part, ngx_http_gateway_call_error(end));
    }

    part->is_done = 1;
    ctx->parts->pending--;

    if (part->is_missing && !part->conf->is_optional) {
        rc = ngx_http_gateway_parts_give_up(part);

    } else if (ctx->parts->pending == 0) {
        rc = ngx_http_gateway_parts_answer(ctx);

    } else {
        return;
    }

    if (ctx->is_running) {

        /* it is sent again */

        return;
    }

    ngx_http_gateway_call_finalize(ctx, rc);
}


ngx_int_t
ngx_http_gateway_parts_timeout(ngx_http_gateway_call_t *ctx)
{
    ngx_uint_t                      i;
    ngx_http_gateway_parts_call_t  *part, *required;

    required = NULL;

    for (i = 0; i < ctx->parts->n; i++) {
        part = &ctx->parts->calls[i];

        if (part->is_done) {
            continue;
        }

        ngx_http_gateway_parts_failed(part, WIRE_ERROR_TIMEOUT);
        part->is_done = 1;

        if (required == NULL && !part->conf->is_optional) {
            required = part;
        }
    }

    if (required) {
        return ngx_http_gateway_parts_give_up(required);
    }

    return ngx_http_gateway_parts_answer(ctx);
}


/* decides what the reply is: a value, a worker's no, or nothing of use */

static void
ngx_http_gateway_parts_replied(ngx_http_gateway_parts_call_t *part,
    ngx_amqp_reply_t *from)
{
    char                     *reason;
    ngx_int_t                 rc;
    ngx_http_gateway_call_t  *ctx;

    ctx = part->owner;
    reason = NULL;

    rc = ngx_http_gateway_reply_read(ctx, from, &part->reply, &reason);

    if (rc == NGX_ERROR) {
        ngx_http_gateway_parts_failed(part, WIRE_ERROR_INTERNAL);
        return;
    }

    if (rc == NGX_OK && part->reply.status >= NGX_HTTP_BAD_REQUEST) {
        ngx_http_gateway_parts_told(part);

    } else if (rc == NGX_OK) {
        reason = ngx_http_gateway_parts_value(part);
    }

    if (reason) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "reply of \"%V\" refused: %s",
                      &part->conf->route->service, reason);

        ngx_http_gateway_parts_failed(part, WIRE_ERROR_BAD_REPLY);
        return;
    }

    ngx_http_gateway_breaker_answered(&part->pass, part->reply.status);

    (void) ngx_atomic_fetch_add(
               &part->conf->route->stats->replies[part->reply.status / 100
                                                  - 2], 1);
    ngx_http_gateway_parts_duration(part);
}


/* takes a reply as a value; else why not */

static char *
ngx_http_gateway_parts_value(ngx_http_gateway_parts_call_t *part)
{
    ngx_http_gateway_reply_t  *reply;
    ngx_http_gateway_parts_t  *parts;

    reply = &part->reply;
    parts = part->owner->parts;

    if (reply->status >= NGX_HTTP_SPECIAL_RESPONSE) {
        return "its status is not one of a part";
    }

    if (reply->status == NGX_HTTP_NO_CONTENT) {
        ngx_str_null(&reply->body);
        ngx_str_set(&part->value, "null");
        return NULL;
    }

    if (!ngx_http_gateway_parts_is_json(&reply->content_type,
                                        WIRE_CONTENT_JSON))
    {
        return "its content, a part, is not JSON";
    }

    if (!ngx_http_gateway_json_is_valid(reply->body.data, reply->body.len)) {
        return "its body, a part, is not valid JSON";
    }

    if (!ngx_http_gateway_parts_has_room(part, reply->body.len)) {

        /* the others may be to blame: alone it would be an answer */

        ngx_http_gateway_breaker_answered(&part->pass, reply->status);

        return "the parts together are larger than gateway_max_reply";
    }

    part->value = reply->body;
    parts->size += part->value.len;

    return NULL;
}


/*
 * Whether len bytes of a part fit beside the others.  What must be there takes
 * the place of what need not.
 */

static ngx_uint_t
ngx_http_gateway_parts_has_room(ngx_http_gateway_parts_call_t *part,
    size_t len)
{
    size_t                          max;
    ngx_uint_t                      i;
    ngx_http_gateway_parts_t       *parts;
    ngx_http_gateway_parts_call_t  *other;

    parts = part->owner->parts;
    max = part->owner->conf->max_reply;

    for (i = parts->n; i && len > max - parts->size; i--) {
        other = &parts->calls[i - 1];

        if (part->conf->is_optional || !other->conf->is_optional
            || other->value.len == 0 || other->reply.body.len == 0)
        {
            continue;
        }

        ngx_log_error(NGX_LOG_ERR, part->owner->request->connection->log, 0,
                      "reply of \"%V\" dropped: the parts together are larger "
                      "than gateway_max_reply", &other->conf->route->service);

        parts->size -= other->reply.body.len;
        ngx_str_null(&other->value);
        other->is_missing = 1;
        other->is_told = 0;
        other->error = WIRE_ERROR_BAD_REPLY;
    }

    return len <= max - parts->size;
}


/* what the worker said is passed on if it can stand in an answer */

static void
ngx_http_gateway_parts_told(ngx_http_gateway_parts_call_t *part)
{
    ngx_str_t                 *body;
    ngx_http_gateway_parts_t  *parts;

    part->is_missing = 1;
    part->is_told = 1;

    parts = part->owner->parts;
    body = &part->reply.body;

    if (!ngx_http_gateway_parts_is_json(&part->reply.content_type,
                                        WIRE_CONTENT_PROBLEM)
        || body->len == 0 || body->data[0] != '{'
        || !ngx_http_gateway_json_is_valid(body->data, body->len)
        || !part->conf->is_optional
        || !ngx_http_gateway_parts_has_room(part, body->len))
    {
        return;
    }

    part->value = *body;
    parts->size += body->len;
}


/* the expected type, or none at all, whatever its parameters are */

static ngx_uint_t
ngx_http_gateway_parts_is_json(ngx_str_t *type, char *expected)
{
    size_t  len;

    len = ngx_strlen(expected);

    return type->len == 0
           || (type->len >= len
               && ngx_strncasecmp(type->data, (u_char *) expected, len) == 0
               && (type->len == len || type->data[len] == ';'
                   || type->data[len] == ' '));
}


static void
ngx_http_gateway_parts_failed(ngx_http_gateway_parts_call_t *part,
    enum wire_error error)
{
    part->is_missing = 1;
    part->error = error;

    ngx_http_gateway_breaker_failed(&part->pass, error);

    (void) ngx_atomic_fetch_add(&part->conf->route->stats->outcomes[error], 1);
    ngx_http_gateway_parts_duration(part);
}


static void
ngx_http_gateway_parts_duration(ngx_http_gateway_parts_call_t *part)
{
    ngx_http_gateway_stats_duration(part->conf->route->stats,
                                    ngx_http_gateway_call_usec()
                                    - part->owner->started_usec);
}


/* the problem of a part that must be there is that of the answer */

static ngx_int_t
ngx_http_gateway_parts_give_up(ngx_http_gateway_parts_call_t *part)
{
    if (part->is_told) {
        return ngx_http_gateway_call_answer(part->owner, &part->reply);
    }

    ngx_http_gateway_parts_concern(part);

    return ngx_http_gateway_call_failed(part->owner, part->error);
}


/* tells which part a problem is about, if there is memory for it */

static void
ngx_http_gateway_parts_concern(ngx_http_gateway_parts_call_t *part)
{
    u_char                   *p;
    ngx_http_gateway_call_t  *ctx;

    ctx = part->owner;

    p = ngx_pnalloc(ctx->request->pool, sizeof("it concerns the part ")
                                        + part->conf->name.len);
    if (p) {
        ctx->detail.data = p;
        ctx->detail.len = ngx_sprintf(p, "it concerns the part %V",
                                      &part->conf->name)
                          - p;
    }
}


static ngx_int_t
ngx_http_gateway_parts_answer(ngx_http_gateway_call_t *ctx)
{
    ngx_uint_t                 i, missing;
    ngx_http_gateway_reply_t  *reply;
    ngx_http_gateway_parts_t  *parts;

    parts = ctx->parts;

    for (i = 0, missing = 0; i < parts->n; i++) {
        missing += parts->calls[i].is_missing;
    }

    if (missing == parts->n) {

        /* an answer of nothing is none */

        return ngx_http_gateway_parts_give_up(&parts->calls[0]);
    }

    reply = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_gateway_reply_t));
    if (reply == NULL) {
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_INTERNAL);
    }

    reply->status = NGX_HTTP_OK;
    reply->is_partial = (missing != 0);
    ngx_str_set(&reply->content_type, WIRE_CONTENT_JSON);

    if (ngx_http_gateway_parts_body(ctx, reply) != NGX_OK
        || ngx_http_gateway_parts_caching(ctx, reply) != NGX_OK)
    {
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_INTERNAL);
    }

    return ngx_http_gateway_call_answer(ctx, reply);
}


/* {"a":...,"b":null,"missing":{"b":{...}}} */

static ngx_int_t
ngx_http_gateway_parts_body(ngx_http_gateway_call_t *ctx,
    ngx_http_gateway_reply_t *reply)
{
    u_char                         *p;
    size_t                          len;
    ngx_uint_t                      i, n;
    ngx_http_gateway_parts_t       *parts;
    ngx_http_gateway_parts_call_t  *part;

    static ngx_str_t  null = ngx_string("null");

    parts = ctx->parts;
    part = parts->calls;
    len = NGX_HTTP_GATEWAY_PARTS_FRAME;

    for (i = 0; i < parts->n; i++) {

        if (part[i].is_missing
            && ngx_http_gateway_parts_problem(&part[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }

        len += 2 * (sizeof(",\"\":") - 1 + part[i].conf->name.len)
               + null.len + part[i].value.len;
    }

    p = ngx_pnalloc(ctx->request->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    reply->body.data = p;
    *p++ = '{';

    for (i = 0; i < parts->n; i++) {
        p = ngx_http_gateway_parts_member(p, i,
                                          (ngx_str_t *) &part[i].conf->name,
                                          part[i].is_missing ? &null
                                                             : &part[i].value);
    }

    if (reply->is_partial) {
        p = ngx_cpymem(p, ",\"missing\":{", sizeof(",\"missing\":{") - 1);

        for (i = 0, n = 0; i < parts->n; i++) {
            if (part[i].is_missing) {
                p = ngx_http_gateway_parts_member(p, n++,
                                              (ngx_str_t *)
                                              &part[i].conf->name,
                                              &part[i].value);
            }
        }

        *p++ = '}';
    }

    *p++ = '}';
    reply->body.len = p - reply->body.data;

    return NGX_OK;
}


static u_char *
ngx_http_gateway_parts_member(u_char *p, ngx_uint_t n, ngx_str_t *name,
    ngx_str_t *value)
{
    if (n) {
        *p++ = ',';
    }

    *p++ = '"';
    p = ngx_cpymem(p, name->data, name->len);
    *p++ = '"';
    *p++ = ':';

    return ngx_cpymem(p, value->data, value->len);
}


/* a problem document for what is missing, unless the worker gave one */

static ngx_int_t
ngx_http_gateway_parts_problem(ngx_http_gateway_parts_call_t *part)
{
    u_char                        *p;
    ngx_pool_t                    *pool;
    const struct wire_error_info  *info;

    if (part->value.len) {
        return NGX_OK;
    }

    pool = part->owner->request->pool;
    info = wire_error_info(part->error);

    p = ngx_pnalloc(pool, sizeof("{\"type\":\"" WIRE_PROBLEM_TYPE_PREFIX "\","
                                 "\"title\":\"\",\"status\":}")
                          + ngx_strlen(info->name) + ngx_strlen(info->title)
                          + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    part->value.data = p;

    if (part->is_told) {
        p = ngx_sprintf(p, "{\"type\":\"about:blank\",\"status\":%ui}",
                        part->reply.status);

    } else {
        p = ngx_sprintf(p, "{\"type\":\"" WIRE_PROBLEM_TYPE_PREFIX "%s\","
                           "\"title\":\"%s\",\"status\":%d}",
                        info->name, info->title, (int) info->status);
    }

    part->value.len = p - part->value.data;

    return NGX_OK;
}


/* it is for one person, and no older than what it is made of allows */

static ngx_int_t
ngx_http_gateway_parts_caching(ngx_http_gateway_call_t *ctx,
    ngx_http_gateway_reply_t *reply)
{
    ngx_uint_t                 i, n, is_stored;
    ngx_keyval_t              *kv;
    ngx_http_gateway_parts_t  *parts;

    parts = ctx->parts;
    is_stored = !reply->is_partial;

    for (i = 0; i < parts->n; i++) {

        /* of a part without a reply the array was never made */

        kv = parts->calls[i].reply.headers.elts;

        for (n = 0; n < parts->calls[i].reply.headers.nelts; n++) {
            if (ngx_strcmp(kv[n].key.data, "cache-control") == 0
                && kv[n].value.len
                && ngx_strcasestrn(kv[n].value.data, "no-store",
                                   sizeof("no-store") - 1 - 1))
            {
                is_stored = 0;
            }
        }
    }

    if (ngx_array_init(&reply->headers, ctx->request->pool, 2,
                       sizeof(ngx_keyval_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    kv = ngx_array_push(&reply->headers);
    if (kv == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&kv->key, "cache-control");

    if (is_stored) {
        ngx_str_set(&kv->value, "private, no-cache");

    } else {
        ngx_str_set(&kv->value, "no-store");
    }

    return NGX_OK;
}
