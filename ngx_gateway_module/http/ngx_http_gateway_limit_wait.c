/*
 * Copyright (C) the Warren authors
 *
 * Requests that wait for their turn before they go on.  The timer is that of
 * the client's connection and not cancelable: a process that leaves answers
 * them first.
 */

#include "ngx_http_gateway_limit_private.h"


static void ngx_http_gateway_limit_waited(ngx_http_request_t *r);


ngx_int_t
ngx_http_gateway_limit_wait(ngx_http_request_t *r, ngx_msec_t delay)
{
    ngx_event_t  *rev, *wev;

    rev = r->connection->read;
    wev = r->connection->write;

    /* a client that leaves meanwhile is noticed */

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_gateway_limit_waited;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wev->delayed = 1;
    ngx_add_timer(wev, delay);

    return NGX_AGAIN;
}


/* nginx takes "delayed" back when the timer of a delayed event has expired */

static void
ngx_http_gateway_limit_waited(ngx_http_request_t *r)
{
    ngx_event_t  *rev, *wev;

    rev = r->connection->read;
    wev = r->connection->write;

    if (wev->delayed) {

        if (ngx_handle_write_event(wev, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        }

        return;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "gateway limit: its turn has come");

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}
