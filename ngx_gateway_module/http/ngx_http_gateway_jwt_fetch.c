/*
 * Copyright (C) the Warren authors
 *
 * A small HTTP/1.0 client: a request is written, an answer is read until it is
 * whole, too long or late.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "ngx_http_gateway_jwt_answer.h"
#include "ngx_http_gateway_jwt_fetch.h"


struct ngx_http_gateway_jwt_fetch_s {
    ngx_peer_connection_t            peer;
    ngx_pool_t                      *pool;

    /* of the whole, and of a failure before anything could be waited for */
    ngx_event_t                      timer;

    ngx_str_t                       *request;
    size_t                           sent;

    u_char                          *text;
    size_t                           len;
    size_t                           size;
    size_t                           max;       /* of the body */

    const char                      *reason;    /* for the timer */
    ngx_http_gateway_jwt_fetched_pt  handler;
    void                            *data;
};


static void ngx_http_gateway_jwt_fetch_write(ngx_event_t *wev);
static void ngx_http_gateway_jwt_fetch_read(ngx_event_t *rev);
static void ngx_http_gateway_jwt_fetch_timer(ngx_event_t *ev);
static ngx_int_t ngx_http_gateway_jwt_fetch_look(
    ngx_http_gateway_jwt_fetch_t *fetch, ngx_uint_t is_end);
static void ngx_http_gateway_jwt_fetch_end(
    ngx_http_gateway_jwt_fetch_t *fetch, ngx_str_t *text, const char *reason);


ngx_http_gateway_jwt_fetch_t *
ngx_http_gateway_jwt_fetch(ngx_addr_t *address, ngx_str_t *request,
    size_t max, ngx_log_t *log, ngx_http_gateway_jwt_fetched_pt handler,
    void *data)
{
    ngx_int_t                      rc;
    ngx_pool_t                    *pool;
    ngx_connection_t              *c;
    ngx_http_gateway_jwt_fetch_t  *fetch;

    pool = ngx_create_pool(1024, log);
    if (pool == NULL) {
        return NULL;
    }

    fetch = ngx_pcalloc(pool, sizeof(ngx_http_gateway_jwt_fetch_t));

    if (fetch != NULL) {
        fetch->size = NGX_HTTP_GATEWAY_JWT_ANSWER_HEAD + max + 1;
        fetch->text = ngx_palloc(pool, fetch->size);
    }

    if (fetch == NULL || fetch->text == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    fetch->pool = pool;
    fetch->request = request;
    fetch->max = max;
    fetch->handler = handler;
    fetch->data = data;
    fetch->reason = "no whole answer came in time";

    fetch->timer.handler = ngx_http_gateway_jwt_fetch_timer;
    fetch->timer.data = fetch;
    fetch->timer.log = log;
    fetch->timer.cancelable = 1;

    fetch->peer.sockaddr = address->sockaddr;
    fetch->peer.socklen = address->socklen;
    fetch->peer.name = &address->name;
    fetch->peer.get = ngx_event_get_peer;
    fetch->peer.log = log;
    fetch->peer.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&fetch->peer);

    if (rc == NGX_ERROR || rc == NGX_DECLINED || rc == NGX_BUSY) {

        /* told later, not before we return */

        fetch->reason = "no connection can be made";
        ngx_add_timer(&fetch->timer, 1);

        return fetch;
    }

    c = fetch->peer.connection;

    c->data = fetch;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_http_gateway_jwt_fetch_read;
    c->write->handler = ngx_http_gateway_jwt_fetch_write;

    ngx_add_timer(&fetch->timer, NGX_HTTP_GATEWAY_JWT_FETCH_TIMEOUT);

    if (rc == NGX_OK) {
        ngx_post_event(c->write, &ngx_posted_events);
    }

    return fetch;
}


void
ngx_http_gateway_jwt_fetch_cancel(ngx_http_gateway_jwt_fetch_t *fetch)
{
    if (fetch->timer.timer_set) {
        ngx_del_timer(&fetch->timer);
    }

    if (fetch->peer.connection != NULL) {
        ngx_close_connection(fetch->peer.connection);
    }

    ngx_destroy_pool(fetch->pool);
}


static void
ngx_http_gateway_jwt_fetch_write(ngx_event_t *wev)
{
    ssize_t                        n;
    ngx_connection_t              *c;
    ngx_http_gateway_jwt_fetch_t  *fetch;

    c = wev->data;
    fetch = c->data;

    while (fetch->sent < fetch->request->len) {
        n = c->send(c, fetch->request->data + fetch->sent,
                    fetch->request->len - fetch->sent);

        if (n == NGX_ERROR) {
            ngx_http_gateway_jwt_fetch_end(fetch, NULL,
                                           "the request cannot be sent");
            return;
        }

        if (n == NGX_AGAIN) {
            break;
        }

        fetch->sent += n;
    }

    if (ngx_handle_write_event(wev, 0) != NGX_OK) {
        ngx_http_gateway_jwt_fetch_end(fetch, NULL, "an event was refused");
    }
}


static void
ngx_http_gateway_jwt_fetch_read(ngx_event_t *rev)
{
    ssize_t                        n;
    ngx_connection_t              *c;
    ngx_http_gateway_jwt_fetch_t  *fetch;

    c = rev->data;
    fetch = c->data;

    if (c->close) {

        /* worker_shutdown_timeout */

        ngx_http_gateway_jwt_fetch_end(fetch, NULL, "the process leaves");
        return;
    }

    for ( ;; ) {

        if (fetch->len == fetch->size) {
            ngx_http_gateway_jwt_fetch_end(fetch, NULL,
                                           "the answer is too large");
            return;
        }

        n = c->recv(c, fetch->text + fetch->len, fetch->size - fetch->len);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR) {
            ngx_http_gateway_jwt_fetch_end(fetch, NULL,
                                           "the connection broke");
            return;
        }

        fetch->len += n;

        if (ngx_http_gateway_jwt_fetch_look(fetch, n == 0) == NGX_DONE) {
            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_http_gateway_jwt_fetch_end(fetch, NULL, "an event was refused");
    }
}


/* NGX_DONE: it has ended, and the fetch is gone; else NGX_AGAIN */

static ngx_int_t
ngx_http_gateway_jwt_fetch_look(ngx_http_gateway_jwt_fetch_t *fetch,
    ngx_uint_t is_end)
{
    int             rc;
    ngx_str_t       text;
    const char     *reason;
    const u_char   *body;

    rc = ngx_http_gateway_jwt_answer(fetch->text, fetch->len, (int) is_end,
                                     fetch->max, &body, &text.len, &reason);

    if (rc == NGX_HTTP_GATEWAY_JWT_ANSWER_MORE) {
        return NGX_AGAIN;
    }

    if (rc == NGX_HTTP_GATEWAY_JWT_ANSWER_BAD) {
        ngx_http_gateway_jwt_fetch_end(fetch, NULL, reason);
        return NGX_DONE;
    }

    text.data = (u_char *) body;
    ngx_http_gateway_jwt_fetch_end(fetch, &text, NULL);

    return NGX_DONE;
}


static void
ngx_http_gateway_jwt_fetch_timer(ngx_event_t *ev)
{
    ngx_http_gateway_jwt_fetch_t  *fetch = ev->data;

    ngx_http_gateway_jwt_fetch_end(fetch, NULL, fetch->reason);
}


static void
ngx_http_gateway_jwt_fetch_end(ngx_http_gateway_jwt_fetch_t *fetch,
    ngx_str_t *text, const char *reason)
{
    /* the connection first: what is told may be a process that leaves */

    if (fetch->timer.timer_set) {
        ngx_del_timer(&fetch->timer);
    }

    if (fetch->peer.connection != NULL) {
        ngx_close_connection(fetch->peer.connection);
        fetch->peer.connection = NULL;
    }

    fetch->handler(fetch->data, text, reason);

    ngx_destroy_pool(fetch->pool);
}
