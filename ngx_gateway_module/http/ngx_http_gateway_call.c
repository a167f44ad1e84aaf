/*
 * Copyright (C) the Warren authors
 *
 * A request's life as a call: its body is read, it is sent, and it ends once,
 * by a reply, a return, a nack, the deadline, a lost connection, or because
 * the client left.
 */

#include "ngx_http_gateway_private.h"


/* how often a request looks whether the first connection is there, ms */
#define NGX_HTTP_GATEWAY_LOOK  5


static void ngx_http_gateway_call_body(ngx_http_request_t *r);
static ngx_http_gateway_call_t *ngx_http_gateway_call_create(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_call_send(ngx_http_gateway_call_t *ctx);
static ngx_int_t ngx_http_gateway_call_start(ngx_http_gateway_call_t *ctx,
    ngx_amqp_connection_t *ac);
static ngx_uint_t ngx_http_gateway_call_may_wait(ngx_http_gateway_call_t *ctx);
static ngx_int_t ngx_http_gateway_call_park(ngx_http_gateway_call_t *ctx,
    ngx_msec_t timeout);
static void ngx_http_gateway_call_timer(ngx_event_t *ev);
static void ngx_http_gateway_call_end(ngx_amqp_call_t *call,
    ngx_amqp_end_e end, ngx_amqp_reply_t *from);
static ngx_int_t ngx_http_gateway_call_replied(ngx_http_gateway_call_t *ctx,
    ngx_amqp_reply_t *from);
static ngx_int_t ngx_http_gateway_call_confirmed(ngx_http_gateway_call_t *ctx);
static uint64_t ngx_http_gateway_call_note(ngx_http_gateway_call_t *ctx,
    const char *outcome);
static void ngx_http_gateway_call_settle(ngx_http_gateway_call_t *ctx);
static void ngx_http_gateway_call_cancel(ngx_http_gateway_call_t *ctx);
static void ngx_http_gateway_call_cleanup(void *data);


/* the body may come in many turns; where to go then is found in r->ctx */

ngx_int_t
ngx_http_gateway_call(ngx_http_request_t *r,
    const ngx_http_gateway_loc_conf_t *conf,
    const ngx_http_gateway_route_t *route)
{
    ngx_int_t                 rc;
    ngx_http_gateway_call_t  *ctx;

    ctx = ngx_http_gateway_call_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->conf = conf;
    ctx->route = route;
    ctx->stats = ngx_http_gateway_stats(r);

    ctx->trail = ngx_http_gateway_trail_get(r);
    if (ctx->trail == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->trail->route = route->name;
    ctx->trail->service = route->service;
    ctx->trail->method = route->method;

    rc = ngx_http_gateway_idempotency_key(ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    r->connection->log->action = "reading the body of a call";

    rc = ngx_http_read_client_request_body(r, ngx_http_gateway_call_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static ngx_http_gateway_call_t *
ngx_http_gateway_call_create(ngx_http_request_t *r)
{
    ngx_http_cleanup_t       *cln;
    ngx_http_gateway_call_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_gateway_call_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->call.handler = ngx_http_gateway_call_end;
    ctx->call.data = ctx;

    ctx->timer.handler = ngx_http_gateway_call_timer;
    ctx->timer.data = ctx;
    ctx->timer.log = r->connection->log;

    /* of the main request: it also runs when a subrequest dies with it */

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_gateway_call_cleanup;
    cln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_gateway_module);

    return ctx;
}


static void
ngx_http_gateway_call_body(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_event_t              *rev;
    ngx_connection_t         *c;
    ngx_http_gateway_call_t  *ctx;

    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_gateway_module);

    ctx->started_usec = ngx_http_gateway_call_usec();
    ctx->deadline = ngx_current_msec + ctx->conf->timeout;
    ctx->is_running = 1;

    (void) ngx_atomic_fetch_add(&ctx->conf->link->peer->inflight, 1);

    if (ctx->route->inflight) {
        (*ctx->route->inflight)++;
    }

    rc = ngx_http_gateway_call_send(ctx);

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    c->log->action = "waiting for the reply to a call";

    /* after the body nginx looks away: notice a client that leaves */

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    rev = c->read;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (r->http_version < NGX_HTTP_VERSION_20
               && ngx_handle_read_event(rev, 0) != NGX_OK)
    {
        ngx_http_gateway_call_settle(ctx);
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}


/* NGX_OK: the timer and perhaps a reply will end it; else its end, settled */

static ngx_int_t
ngx_http_gateway_call_send(ngx_http_gateway_call_t *ctx)
{
    ngx_int_t               rc;
    ngx_amqp_connection_t  *ac;

    static ngx_str_t  paused = ngx_string("the service failed too often and is "
                                          "given a pause");

    ctx->request->connection->log->action = "sending a call";
    ngx_str_null(&ctx->detail);

    if (ngx_http_gateway_inflight_acquire(ctx) != NGX_OK) {
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_OVERLOADED);
    }

    ac = ngx_http_gateway_connection(&ctx->conf->link->broker);
    if (ac == NULL) {
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_UNAVAILABLE);
    }

    if (!ngx_amqp_is_ready(ac) && ngx_http_gateway_call_may_wait(ctx)) {

        if (!ctx->is_waiting) {
            ctx->is_waiting = 1;
            ctx->conf->link->waiting++;
        }

        return ngx_http_gateway_call_park(ctx, NGX_HTTP_GATEWAY_LOOK);
    }

    if (ngx_http_gateway_breaker_ask(ctx, ctx->route, &ctx->pass, &ctx->later)
        != NGX_OK)
    {
        ctx->detail = paused;
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_UNAVAILABLE);
    }

    if (ctx->route->kind == NGX_HTTP_GATEWAY_PARTS) {
        rc = ngx_http_gateway_parts_start(ctx, ac);

    } else {
        rc = ngx_http_gateway_call_start(ctx, ac);
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_http_gateway_call_settle(ctx);
        return rc;
    }

    if (rc == NGX_OK) {
        ctx->trail->attempts++;
        ctx->conf->link->was_ready = 1;
        ngx_add_timer(&ctx->timer, ngx_http_gateway_call_left(ctx));
        return NGX_OK;
    }

    /* nothing was sent: that is not the service's fault */

    ngx_http_gateway_breaker_leave(&ctx->pass);

    switch (rc) {

    case NGX_DECLINED:
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_UNAVAILABLE);

    case NGX_BUSY:
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_OVERLOADED);

    default:
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_INTERNAL);
    }
}


/* what ngx_amqp_call_start() returns, or a status that was told */

static ngx_int_t
ngx_http_gateway_call_start(ngx_http_gateway_call_t *ctx,
    ngx_amqp_connection_t *ac)
{
    ngx_int_t           rc;
    ngx_amqp_message_t  message;

    rc = ngx_http_gateway_message(ctx, &message);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_gateway_send_location(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->call.service_user = ctx->route->service;
    ctx->call.command = (ctx->route->kind == NGX_HTTP_GATEWAY_SEND);

    return ngx_amqp_call_start(ac, &ctx->call, &message);
}


/*
 * A process that has just begun, as after a reload, takes requests before its
 * first handshake is over.  They wait for it, for no longer than a connect may
 * last.  Afterwards an absent broker is told at once.
 */

static ngx_uint_t
ngx_http_gateway_call_may_wait(ngx_http_gateway_call_t *ctx)
{
    ngx_http_gateway_link_t  *link;

    link = ctx->conf->link;

    return !link->was_ready
           && ngx_current_msec - link->started < link->broker.connect_timeout
           && (ngx_msec_int_t) (ctx->deadline - ngx_current_msec) > 0
           && (ctx->is_waiting || link->waiting < link->broker.max_inflight);
}


static ngx_int_t
ngx_http_gateway_call_park(ngx_http_gateway_call_t *ctx, ngx_msec_t timeout)
{
    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    ngx_add_timer(&ctx->timer, timeout);

    return NGX_OK;
}


/* the one timer of a request: its deadline, the next look, the next attempt */

static void
ngx_http_gateway_call_timer(ngx_event_t *ev)
{
    ngx_int_t                 rc;
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_gateway_call_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ctx->parts) {
        rc = ngx_http_gateway_parts_timeout(ctx);

    } else if (ctx->call.active) {
        rc = ngx_http_gateway_call_failed(ctx, WIRE_ERROR_TIMEOUT);

    } else if (ctx->retries
               && (ngx_msec_int_t) (ctx->deadline - ngx_current_msec) <= 0)
    {
        rc = ngx_http_gateway_call_failed(ctx, ctx->retried);

    } else {
        rc = ngx_http_gateway_call_send(ctx);

        if (rc == NGX_OK) {
            c->log->action = "waiting for the reply to a call";
            return;
        }
    }

    ngx_http_gateway_call_finalize(ctx, rc);
}


static void
ngx_http_gateway_call_end(ngx_amqp_call_t *call, ngx_amqp_end_e end,
    ngx_amqp_reply_t *from)
{
    ngx_int_t                 rc;
    ngx_http_gateway_call_t  *ctx;

    ctx = call->data;

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);

    switch (end) {

    case NGX_AMQP_REPLY:
        rc = ngx_http_gateway_call_replied(ctx, from);
        break;

    case NGX_AMQP_CONFIRMED:
        rc = ngx_http_gateway_call_confirmed(ctx);
        break;

    default:
        rc = ngx_http_gateway_call_failed(ctx,
                                          ngx_http_gateway_call_error(end));
        break;
    }

    if (ctx->is_running) {

        /* it is sent again */

        return;
    }

    ngx_http_gateway_call_finalize(ctx, rc);
}


enum wire_error
ngx_http_gateway_call_error(ngx_amqp_end_e end)
{
    switch (end) {

    case NGX_AMQP_RETURNED:
        return WIRE_ERROR_NO_ROUTE;

    case NGX_AMQP_NACKED:
        return WIRE_ERROR_OVERLOADED;

    case NGX_AMQP_LOST:
        return WIRE_ERROR_INTERRUPTED;

    default: /* NGX_AMQP_BAD_REPLY: why is in the log */
        return WIRE_ERROR_BAD_REPLY;
    }
}


/* the reply is copied first: sending it may run other requests' code */

static ngx_int_t
ngx_http_gateway_call_replied(ngx_http_gateway_call_t *ctx,
    ngx_amqp_reply_t *from)
{
    char                      *reason;
    ngx_int_t                  rc;
    ngx_http_request_t        *r;
    ngx_http_gateway_reply_t  *reply;

    r = ctx->request;
    r->connection->log->action = "reading the reply to a call";

    reply = ngx_palloc(r->pool, sizeof(ngx_http_gateway_reply_t));
    if (reply == NULL) {
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_INTERNAL);
    }

    reason = NULL;
    rc = ngx_http_gateway_reply_read(ctx, from, reply, &reason);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "reply of \"%V\" refused: %s",
                      &ctx->route->service, reason);
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_BAD_REPLY);
    }

    if (rc != NGX_OK) {
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_INTERNAL);
    }

    return ngx_http_gateway_call_answer(ctx, reply);
}


static ngx_int_t
ngx_http_gateway_call_confirmed(ngx_http_gateway_call_t *ctx)
{
    ngx_http_gateway_reply_t  *reply;

    reply = ngx_palloc(ctx->request->pool, sizeof(ngx_http_gateway_reply_t));

    if (reply == NULL
        || ngx_http_gateway_send_accepted(ctx, reply) != NGX_OK)
    {
        return ngx_http_gateway_call_failed(ctx, WIRE_ERROR_INTERNAL);
    }

    return ngx_http_gateway_call_answer(ctx, reply);
}


ngx_int_t
ngx_http_gateway_call_answer(ngx_http_gateway_call_t *ctx,
    ngx_http_gateway_reply_t *reply)
{
    ngx_int_t  rc;

    static const char  *classes[NGX_HTTP_GATEWAY_CLASSES] = {
        "2xx", "3xx", "4xx", "5xx"
    };

    ngx_http_gateway_breaker_answered(&ctx->pass, reply->status);
    ngx_http_gateway_call_settle(ctx);

    (void) ngx_atomic_fetch_add(&ctx->stats->replied, 1);
    (void) ngx_atomic_fetch_add(
               &ctx->route->stats->replies[reply->status / 100 - 2], 1);
    ngx_http_gateway_stats_duration(ctx->route->stats,
                                    ngx_http_gateway_call_note(ctx,
                                        classes[reply->status / 100 - 2]));

    if (reply->status == NGX_HTTP_INTERNAL_SERVER_ERROR) {
        rc = ngx_http_gateway_fallback_go(ctx, WIRE_ERROR_INTERNAL);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    ctx->request->connection->log->action = "sending the reply to the client";

    return ngx_http_gateway_reply_send(ctx->request, reply);
}


/* NGX_OK and still running: it is sent again later; else its end, settled */

ngx_int_t
ngx_http_gateway_call_failed(ngx_http_gateway_call_t *ctx,
    enum wire_error error)
{
    ngx_int_t   rc;
    ngx_str_t  *detail;
    ngx_msec_t  pause;

    ngx_http_gateway_breaker_failed(&ctx->pass, error);

    if (ctx->later == 0 && ngx_http_gateway_retry_pause(ctx, error, &pause)) {
        ngx_http_gateway_call_cancel(ctx);
        return ngx_http_gateway_call_park(ctx, pause);
    }

    ngx_http_gateway_call_settle(ctx);

    (void) ngx_atomic_fetch_add(&ctx->route->stats->outcomes[error], 1);
    ngx_http_gateway_stats_duration(ctx->route->stats,
                                    ngx_http_gateway_call_note(ctx,
                                        wire_error_info(error)->name));

    rc = ngx_http_gateway_fallback_go(ctx, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ctx->request->connection->log->action = "refusing a call";

    detail = ctx->detail.len ? &ctx->detail : NULL;

    if (ctx->later) {
        return ngx_http_gateway_refuse_later(ctx->request, error, detail,
                                             ctx->later);
    }

    return ngx_http_gateway_refuse(ctx->request, error, detail);
}


/* how it ended, for the access log; returns how long it took */

static uint64_t
ngx_http_gateway_call_note(ngx_http_gateway_call_t *ctx, const char *outcome)
{
    uint64_t                   usec;
    ngx_http_gateway_trail_t  *trail;

    usec = ngx_http_gateway_call_usec() - ctx->started_usec;

    trail = ctx->trail;
    trail->is_called = 1;
    trail->wait_usec = usec;
    trail->outcome.data = (u_char *) outcome;
    trail->outcome.len = ngx_strlen(outcome);

    return usec;
}


/* whatever ends a call comes here first; a second time does nothing */

static void
ngx_http_gateway_call_settle(ngx_http_gateway_call_t *ctx)
{
    ngx_http_gateway_link_t  *link;

    if (!ctx->is_running) {
        return;
    }

    ctx->is_running = 0;
    link = ctx->conf->link;

    ngx_http_gateway_breaker_leave(&ctx->pass);

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    if (ctx->is_waiting) {
        ctx->is_waiting = 0;
        link->waiting--;
    }

    ngx_http_gateway_call_cancel(ctx);
    ngx_http_gateway_inflight_release(ctx);

    /* the entries are given back after the last call was told of its end */

    (void) ngx_atomic_fetch_add(&link->peer->inflight, -1);

    if (ctx->route->inflight) {
        (*ctx->route->inflight)--;
    }
}


/* forgets what was sent; it may be sent again */

static void
ngx_http_gateway_call_cancel(ngx_http_gateway_call_t *ctx)
{
    ngx_amqp_connection_t  *ac;

    ac = ngx_http_gateway_connection(&ctx->conf->link->broker);
    if (ac == NULL) {
        return;
    }

    ngx_amqp_call_cancel(ac, &ctx->call);

    if (ctx->parts) {
        ngx_http_gateway_parts_cancel(ctx, ac);
        ctx->parts = NULL;
    }
}


void
ngx_http_gateway_call_finalize(ngx_http_gateway_call_t *ctx, ngx_int_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    /* r and ctx may be gone afterwards; c is there until its next event */

    ngx_http_finalize_request(r, rc);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_gateway_call_cleanup(void *data)
{
    ngx_http_gateway_call_t  *ctx = data;

    if (!ctx->is_running) {
        return;
    }

    ngx_http_gateway_call_settle(ctx);

    (void) ngx_atomic_fetch_add(&ctx->stats->client_gone, 1);
    (void) ngx_atomic_fetch_add(&ctx->route->stats->client_gone, 1);

    (void) ngx_http_gateway_call_note(ctx, "client_gone");
}


ngx_msec_t
ngx_http_gateway_call_left(ngx_http_gateway_call_t *ctx)
{
    ngx_msec_int_t  left;

    left = (ngx_msec_int_t) (ctx->deadline - ngx_current_msec);

    return left > 0 ? (ngx_msec_t) left : 1;
}


uint64_t
ngx_http_gateway_call_usec(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
