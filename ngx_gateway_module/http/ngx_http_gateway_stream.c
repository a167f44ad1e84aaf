/*
 * Copyright (C) the Warren authors
 *
 * A request's life as a stream of Server-Sent Events: its key is bound, what
 * it has missed is asked for, then it gets what comes, until something ends
 * it.
 *
 * While it is idle it has nothing of its own but its structure: what is sent
 * lies on the heap, and is freed when it has left.
 */

#include "ngx_http_gateway_stream.h"


static ngx_http_gateway_stream_t *ngx_http_gateway_stream_create(
    ngx_http_request_t *r, const ngx_http_gateway_loc_conf_t *glcf,
    const ngx_http_gateway_stream_conf_t *conf,
    const ngx_http_gateway_route_t *route);
static ngx_int_t ngx_http_gateway_stream_name(ngx_http_request_t *r,
    const ngx_http_gateway_stream_conf_t *conf, u_char *buf, ngx_str_t *name);
static ngx_int_t ngx_http_gateway_stream_since(ngx_http_request_t *r,
    ngx_str_t *since);
static ngx_int_t ngx_http_gateway_stream_refuse(ngx_http_gateway_stream_t *s,
    enum wire_error error, ngx_str_t *detail);
static ngx_int_t ngx_http_gateway_stream_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_stream_open(ngx_http_gateway_stream_t *s);
static void ngx_http_gateway_stream_wait(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_stream_send(ngx_http_gateway_stream_t *s);
static ngx_int_t ngx_http_gateway_stream_blocked(ngx_http_request_t *r);
static void ngx_http_gateway_stream_writer(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_stream_last(ngx_http_gateway_stream_t *s);
static void ngx_http_gateway_stream_finalize(ngx_http_gateway_stream_t *s,
    ngx_int_t rc);
static void ngx_http_gateway_stream_cleanup(void *data);
static void ngx_http_gateway_stream_free(void *data);


ngx_int_t
ngx_http_gateway_stream(ngx_http_request_t *r,
    const ngx_http_gateway_loc_conf_t *glcf,
    const ngx_http_gateway_route_t *route)
{
    u_char                           buf[NGX_HTTP_GATEWAY_STREAM_KEY_MAX];
    ngx_int_t                        rc;
    ngx_str_t                        name, since;
    ngx_http_gateway_stream_t       *s;
    ngx_http_gateway_stream_conf_t  *conf;

    static ngx_str_t  many = ngx_string("there are too many streams already");

    conf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_stream_module);

    if (r != r->main) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "a stream cannot be a part of another answer");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    s = ngx_http_gateway_stream_create(r, glcf, conf, route);
    if (s == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_gateway_stream_name(r, conf, buf, &name);

    if (rc == NGX_OK) {
        rc = ngx_http_gateway_stream_since(r, &since);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_http_gateway_stream_header(r);
    }

    if (ngx_exiting) {
        return ngx_http_gateway_stream_refuse(s, WIRE_ERROR_UNAVAILABLE, NULL);
    }

    if (s->hub->conf->streams >= s->hub->conf->max) {
        return ngx_http_gateway_stream_refuse(s, WIRE_ERROR_OVERLOADED, &many);
    }

    switch (ngx_http_gateway_stream_join(s, &name)) {

    case NGX_OK:
        break;

    case NGX_BUSY:
        return ngx_http_gateway_stream_refuse(s, WIRE_ERROR_RATE_LIMITED,
                                              &many);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->main->count++;

    ngx_http_gateway_stream_wait(r);

    return NGX_DONE;
}


static ngx_http_gateway_stream_t *
ngx_http_gateway_stream_create(ngx_http_request_t *r,
    const ngx_http_gateway_loc_conf_t *glcf,
    const ngx_http_gateway_stream_conf_t *conf,
    const ngx_http_gateway_route_t *route)
{
    ngx_http_cleanup_t         *cln;
    ngx_pool_cleanup_t         *memory;
    ngx_http_gateway_stream_t  *s;

    memory = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_gateway_stream_t));
    if (memory == NULL) {
        return NULL;
    }

    s = memory->data;
    ngx_memzero(s, sizeof(ngx_http_gateway_stream_t));

    memory->handler = ngx_http_gateway_stream_free;

    s->request = r;
    s->conf = conf;
    s->hub = conf->hub;
    s->route = route;
    s->due = ngx_current_msec + glcf->timeout;

    s->buf.memory = 1;
    s->buf.flush = 1;
    s->buf.tag = (ngx_buf_tag_t) &ngx_http_gateway_stream_module;
    s->link.buf = &s->buf;

    s->trail = ngx_http_gateway_trail_get(r);
    if (s->trail == NULL) {
        return NULL;
    }

    s->trail->route = route->name;
    s->trail->is_stream = 1;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_gateway_stream_cleanup;
    cln->data = s;

    ngx_http_set_ctx(r, s, ngx_http_gateway_stream_module);

    return s;
}


/* what a variable has is one word, whatever it has */

static ngx_int_t
ngx_http_gateway_stream_name(ngx_http_request_t *r,
    const ngx_http_gateway_stream_conf_t *conf, u_char *buf, ngx_str_t *name)
{
    char                             word[WIRE_KEY_WORD_MAX];
    size_t                           len;
    u_char                          *p;
    ngx_uint_t                       i;
    ngx_str_t                        text;
    ngx_http_variable_value_t       *vv;
    ngx_http_gateway_stream_word_t  *part;

    static ngx_str_t  detail = ngx_string("there is nobody to stream to");

    p = buf;
    part = conf->words->elts;

    for (i = 0; i < conf->words->nelts; i++) {

        text = part[i].text;

        if (part[i].index != NGX_ERROR) {
            vv = ngx_http_get_flushed_variable(r, part[i].index);

            len = 0;

            if (vv && !vv->not_found) {
                len = wire_key_word(word, (char *) vv->data, vv->len);
            }

            if (len == 0) {
                return ngx_http_gateway_refuse(r, WIRE_ERROR_FORBIDDEN,
                                               &detail);
            }

            text.data = (u_char *) word;
            text.len = len;
        }

        if (text.len > (size_t) (buf + NGX_HTTP_GATEWAY_STREAM_KEY_MAX - p)) {
            return ngx_http_gateway_refuse(r, WIRE_ERROR_FORBIDDEN, &detail);
        }

        p = ngx_cpymem(p, text.data, text.len);
    }

    name->data = buf;
    name->len = p - buf;

    return NGX_OK;
}


/* the last event that the client has; empty: it says nothing of it */

static ngx_int_t
ngx_http_gateway_stream_since(ngx_http_request_t *r, ngx_str_t *since)
{
    ngx_int_t  rc;

    static ngx_str_t  detail = ngx_string("Last-Event-ID is not an id");

    ngx_str_null(since);

    rc = ngx_http_gateway_header_in(r, "last-event-id", since);

    /* for clients that cannot set headers */

    if (rc == NGX_DECLINED
        && ngx_http_arg(r, (u_char *) "last_event_id",
                        sizeof("last_event_id") - 1, since)
           != NGX_OK)
    {
        ngx_str_null(since);
    }

    if (rc == NGX_ABORT
        || (since->len && !ngx_http_gateway_stream_is_id(since)))
    {
        return ngx_http_gateway_refuse(r, WIRE_ERROR_INVALID, &detail);
    }

    return NGX_OK;
}


/* before its header */

static ngx_int_t
ngx_http_gateway_stream_refuse(ngx_http_gateway_stream_t *s,
    enum wire_error error, ngx_str_t *detail)
{
    ngx_uint_t  seconds;

    (void) ngx_atomic_fetch_add(&s->route->stats->outcomes[error], 1);
    (void) ngx_atomic_fetch_add(&s->hub->stats->stream_refused, 1);

    seconds = 1 + (ngx_uint_t) ngx_random() % 5;

    return ngx_http_gateway_refuse_later(s->request, error, detail, seconds);
}


static ngx_int_t
ngx_http_gateway_stream_header(ngx_http_request_t *r)
{
    ngx_str_t  value;

    /* what is sent from here on is no page of nginx's */

    ngx_http_set_ctx(r, ngx_http_get_module_ctx(r,
                                           ngx_http_gateway_stream_module),
                     ngx_http_gateway_route_module);

    ngx_str_set(&value, "no-store");

    if (ngx_http_gateway_header_out(r, "Cache-Control", &value, NULL)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&value, "no");

    if (ngx_http_gateway_header_out(r, "X-Accel-Buffering", &value, NULL)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    ngx_str_set(&r->headers_out.content_type, "text/event-stream");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->allow_ranges = 0;
    r->disable_not_modified = 1;

#if (NGX_HTTP_GZIP)

    /* it would keep a quarter of a megabyte for each of them */

    r->gzip_tested = 1;
    r->gzip_ok = 0;

#endif

    return ngx_http_send_header(r);
}


/* NGX_OK, or what to finalize with */

static ngx_int_t
ngx_http_gateway_stream_open(ngx_http_gateway_stream_t *s)
{
    u_char     *p, retry[sizeof("retry: \n\n") + NGX_INT64_LEN];
    ngx_int_t   rc;
    ngx_str_t   since;

    s->is_open = 1;
    s->request->connection->log->action = "streaming events to the client";

    rc = ngx_http_gateway_stream_header(s->request);

    if (rc == NGX_ERROR || rc > NGX_OK || s->request->header_only) {
        return rc == NGX_OK ? NGX_DONE : rc;
    }

    (void) ngx_atomic_fetch_add(&s->hub->stats->stream_opened, 1);
    (void) ngx_atomic_fetch_add(&s->route->stats->replies[0], 1);

    /* many that end together do not come back together */

    p = ngx_sprintf(retry, "retry: %M\n\n",
                    s->conf->retry
                    + (ngx_msec_t) ngx_random() % (s->conf->retry + 1));

    if (ngx_http_gateway_stream_text_put(&s->next, retry, p - retry)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    s->due = ngx_current_msec + 1
             + (ngx_msec_t) ngx_random() % s->conf->heartbeat;

    if (s->conf->service.len == 0
        || ngx_http_gateway_stream_since(s->request, &since) != NGX_OK
        || since.len == 0)
    {
        return NGX_OK;
    }

    if (ngx_http_gateway_stream_resume(s, &since) != NGX_OK) {
        ngx_http_gateway_stream_end(s, "unavailable", 0);
    }

    return NGX_OK;
}


/* what a client does while it has nothing to say: it may leave */

static void
ngx_http_gateway_stream_wait(ngx_http_request_t *r)
{
    r->connection->log->action = "waiting for a stream to be bound";

    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_gateway_stream_listen(r);
}


void
ngx_http_gateway_stream_listen(ngx_http_request_t *r)
{
    ngx_event_t       *rev;
    ngx_connection_t  *c;

    if (r->discard_body || r->read_event_handler == ngx_http_test_reading) {
        return;
    }

    c = r->connection;
    rev = c->read;

    r->read_event_handler = ngx_http_test_reading;

    /* it may have left before */

    if (rev->ready || rev->eof || rev->pending_eof) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (r->http_version < NGX_HTTP_VERSION_20
               && ngx_handle_read_event(rev, 0) != NGX_OK)
    {
        c->error = 1;
    }
}


void
ngx_http_gateway_stream_work(ngx_http_gateway_stream_t *s)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = s->request;

    ngx_http_set_log_request(r->connection->log, r);

    if (!s->is_open) {

        if (s->reason) {
            rc = ngx_strcmp(s->reason, "lapsed") == 0
                 ? ngx_http_gateway_refuse(r, WIRE_ERROR_UNAUTHENTICATED, NULL)
                 : ngx_http_gateway_stream_refuse(s, WIRE_ERROR_UNAVAILABLE,
                                                  NULL);

            ngx_http_gateway_stream_finalize(s, rc);
            return;
        }

        if (!s->key->bound) {
            return;
        }

        rc = ngx_http_gateway_stream_open(s);

        if (rc != NGX_OK) {
            ngx_http_gateway_stream_finalize(s, rc);
            return;
        }

        r->write_event_handler = ngx_http_gateway_stream_writer;
    }

    rc = s->is_cut ? NGX_ERROR : ngx_http_gateway_stream_send(s);

    if (rc == NGX_OK && s->reason) {
        rc = ngx_http_gateway_stream_last(s);
        ngx_http_gateway_stream_finalize(s, rc);
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_http_gateway_stream_finalize(s, rc);
        return;
    }

    /* it had its time: an event that is cut through is told again */

    if (rc == NGX_AGAIN && s->reason) {
        ngx_http_gateway_stream_finalize(s, NGX_ERROR);
    }
}


void
ngx_http_gateway_stream_end(ngx_http_gateway_stream_t *s, char *reason,
    ngx_uint_t at_once)
{
    if (s->reason) {
        return;
    }

    s->reason = reason;
    s->is_cut = (at_once && s->is_open);

    s->trail->outcome.data = (u_char *) reason;
    s->trail->outcome.len = ngx_strlen(reason);

    ngx_http_gateway_stream_post(s);
}


void
ngx_http_gateway_stream_push(ngx_http_gateway_stream_t *s,
    const ngx_http_gateway_stream_event_t *event)
{
    size_t  unsent;

    if (s->resume && ngx_http_gateway_stream_resume_takes(s, event)) {
        return;
    }

    unsent = s->buf.last - s->buf.pos + s->next.len;

    if (unsent + event->body.len > s->conf->buffer) {
        (void) ngx_atomic_fetch_add(&s->hub->stats->stream_slow, 1);
        ngx_http_gateway_stream_end(s, "slow", 1);
        return;
    }

    switch (ngx_http_gateway_stream_text_event(&s->next, event)) {

    case NGX_OK:
        s->trail->events++;
        (void) ngx_atomic_fetch_add(&s->hub->stats->stream_events, 1);
        ngx_http_gateway_stream_post(s);
        return;

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_WARN, s->request->connection->log, 0,
                      "event with control characters in its id or type is "
                      "dropped");
        return;

    default:
        ngx_http_gateway_stream_end(s, "memory", 1);
    }
}


/* NGX_OK: all has left; NGX_AGAIN; NGX_ERROR */

static ngx_int_t
ngx_http_gateway_stream_send(ngx_http_gateway_stream_t *s)
{
    ngx_int_t            rc;
    ngx_chain_t         *out;
    ngx_event_t         *wev;
    ngx_http_request_t  *r;

    r = s->request;
    wev = r->connection->write;

    for ( ;; ) {
        out = NULL;

        if (s->buf.pos == s->buf.last) {

            if (s->buf.start) {
                ngx_free(s->buf.start);
                s->buf.start = NULL;
                s->buf.pos = NULL;
                s->buf.last = NULL;
                s->buf.end = NULL;
            }

            if (s->next.len == 0) {
                break;
            }

            s->buf.start = s->next.data;
            s->buf.pos = s->next.data;
            s->buf.last = s->next.data + s->next.len;
            s->buf.end = s->buf.last;
            ngx_memzero(&s->next, sizeof(ngx_http_gateway_stream_text_t));

            out = &s->link;
        }

        rc = ngx_http_output_filter(r, out);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (s->buf.pos != s->buf.last) {
            return ngx_http_gateway_stream_blocked(r);
        }
    }

    if (wev->timer_set && !wev->delayed) {
        ngx_del_timer(wev);
    }

    /* what was missed comes in pages, as fast as the client takes them */

    if (s->resume && s->reason == NULL
        && ngx_http_gateway_stream_resume_more(s) != NGX_OK)
    {
        ngx_http_gateway_stream_end(s, "unavailable", 0);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_stream_blocked(ngx_http_request_t *r)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = r->connection->write;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static void
ngx_http_gateway_stream_writer(ngx_http_request_t *r)
{
    ngx_event_t                *wev;
    ngx_http_gateway_stream_t  *s;

    s = ngx_http_get_module_ctx(r, ngx_http_gateway_stream_module);
    wev = r->connection->write;

    if (wev->timedout) {
        (void) ngx_atomic_fetch_add(&s->hub->stats->stream_slow, 1);
        r->connection->timedout = 1;
        ngx_http_gateway_stream_end(s, "slow", 1);
    }

    /* nginx runs what a request has posted after its handlers */

    ngx_http_gateway_stream_post(s);
}


/* the end of the answer; returns what to finalize with */

static ngx_int_t
ngx_http_gateway_stream_last(ngx_http_gateway_stream_t *s)
{
    u_char           text[64], *p;
    ngx_chain_t      out;
    ngx_pool_t      *pool;
    ngx_buf_t       *b;

    pool = s->request->pool;

    /* a comment, for whoever looks at it */

    p = ngx_snprintf(text, sizeof(text), ": %s\n\n", s->reason);

    b = ngx_create_temp_buf(pool, p - text);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_cpymem(b->last, text, p - text);
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(s->request, &out);
}


/* s is gone afterwards */

static void
ngx_http_gateway_stream_finalize(ngx_http_gateway_stream_t *s, ngx_int_t rc)
{
    ngx_event_t         *wev;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = s->request;
    c = r->connection;
    wev = NULL;

#if (NGX_HTTP_V2)

    if (r->stream) {
        wev = r->stream->connection->connection->write;
    }

#endif

    ngx_http_gateway_stream_leave(s);
    ngx_http_gateway_stream_resume_free(s);

    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_finalize_request(r, rc);

    ngx_http_run_posted_requests(c);

    /* the reset of a stream of HTTP/2 waits until somebody sends something */

    if (wev && rc == NGX_ERROR) {
        ngx_post_event(wev, &ngx_posted_events);
    }
}


static void
ngx_http_gateway_stream_cleanup(void *data)
{
    ngx_http_gateway_stream_t  *s = data;

    if (s->is_open && s->reason == NULL) {
        (void) ngx_atomic_fetch_add(&s->route->stats->client_gone, 1);
        ngx_str_set(&s->trail->outcome, "client_gone");
    }

    ngx_http_gateway_stream_leave(s);
    ngx_http_gateway_stream_resume_free(s);
}


/* with the pool: until then frames of HTTP/2 may wait with what is in it */

static void
ngx_http_gateway_stream_free(void *data)
{
    ngx_http_gateway_stream_t  *s = data;

    ngx_http_gateway_stream_text_free(&s->next);

    if (s->buf.start) {
        ngx_free(s->buf.start);
    }
}
