/*
 * Copyright (C) the Warren authors
 *
 * The request's id and its place in a trace: taken from the client or begun
 * here, once for the main request.
 */

#include "ngx_http_gateway_private.h"


#define NGX_HTTP_GATEWAY_TRACEPARENT_LEN  55

/* "00-" and the trace id; the parent id after it is always ours */
#define NGX_HTTP_GATEWAY_TRACE_HEAD       (3 + 32)


/*
 * Redirects wipe r->ctx, so this hangs on the pool of the main request and is
 * found by its cleanup handler, as ngx_http_realip_module does.
 */

typedef struct {
    ngx_str_t  request_id;
    ngx_str_t  traceparent;
} ngx_http_gateway_trace_t;


static ngx_http_gateway_trace_t *ngx_http_gateway_trace_find(
    ngx_http_request_t *r);
static ngx_http_gateway_trace_t *ngx_http_gateway_trace_get(
    ngx_http_request_t *r);
static void ngx_http_gateway_trace_cleanup(void *data);


ngx_int_t
ngx_http_gateway_request_id(ngx_http_request_t *r, ngx_str_t *id)
{
    u_char                    *p;
    ngx_str_t                  given;
    ngx_http_gateway_trace_t  *trace;

    trace = ngx_http_gateway_trace_get(r);
    if (trace == NULL) {
        return NGX_ERROR;
    }

    if (trace->request_id.len == 0) {

        if (ngx_http_gateway_header_in(r, "x-request-id", &given) == NGX_OK
            && wire_request_id_is_valid((char *) given.data, given.len))
        {
            trace->request_id = given;

        } else {
            p = ngx_pnalloc(r->main->pool, NGX_HTTP_GATEWAY_UUID_LEN);
            if (p == NULL || ngx_http_gateway_uuid7(r, p) != NGX_OK) {
                return NGX_ERROR;
            }

            trace->request_id.data = p;
            trace->request_id.len = NGX_HTTP_GATEWAY_UUID_LEN;
        }
    }

    *id = trace->request_id;

    return NGX_OK;
}


ngx_int_t
ngx_http_gateway_request_id_known(ngx_http_request_t *r, ngx_str_t *id)
{
    ngx_http_gateway_trace_t  *trace;

    trace = ngx_http_gateway_trace_find(r);

    if (trace == NULL || trace->request_id.len == 0) {
        return NGX_DECLINED;
    }

    *id = trace->request_id;

    return NGX_OK;
}


ngx_int_t
ngx_http_gateway_traceparent(ngx_http_request_t *r, ngx_str_t *tp)
{
    u_char                    *p;
    ngx_str_t                  given;
    ngx_uint_t                 is_given;
    ngx_http_gateway_trace_t  *trace;

    trace = ngx_http_gateway_trace_get(r);
    if (trace == NULL) {
        return NGX_ERROR;
    }

    if (trace->traceparent.len == 0) {

        p = ngx_pnalloc(r->main->pool, NGX_HTTP_GATEWAY_TRACEPARENT_LEN);
        if (p == NULL) {
            return NGX_ERROR;
        }

        is_given = ngx_http_gateway_header_in(r, "traceparent", &given)
                       == NGX_OK
                   && wire_traceparent_is_valid((char *) given.data,
                                                given.len);

        if (is_given) {
            ngx_memcpy(p, given.data, NGX_HTTP_GATEWAY_TRACEPARENT_LEN);

        } else {
            ngx_memcpy(p, "00-", 3);

            if (ngx_http_gateway_random_hex(r, p + 3, 16) != NGX_OK) {
                return NGX_ERROR;
            }

            /* not sampled here; who records may decide otherwise */
            ngx_memcpy(p + NGX_HTTP_GATEWAY_TRACEPARENT_LEN - 3, "-00", 3);
        }

        p[NGX_HTTP_GATEWAY_TRACE_HEAD] = '-';

        if (ngx_http_gateway_random_hex(r, p + NGX_HTTP_GATEWAY_TRACE_HEAD + 1,
                                        8)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        trace->traceparent.data = p;
        trace->traceparent.len = NGX_HTTP_GATEWAY_TRACEPARENT_LEN;
    }

    *tp = trace->traceparent;

    return NGX_OK;
}


static ngx_http_gateway_trace_t *
ngx_http_gateway_trace_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->main->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_gateway_trace_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static ngx_http_gateway_trace_t *
ngx_http_gateway_trace_get(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_gateway_trace_t  *trace;

    trace = ngx_http_gateway_trace_find(r);
    if (trace) {
        return trace;
    }

    cln = ngx_pool_cleanup_add(r->main->pool,
                               sizeof(ngx_http_gateway_trace_t));
    if (cln == NULL) {
        return NULL;
    }

    trace = cln->data;
    ngx_memzero(trace, sizeof(ngx_http_gateway_trace_t));

    cln->handler = ngx_http_gateway_trace_cleanup;

    return trace;
}


static void
ngx_http_gateway_trace_cleanup(void *data)
{
    /* a mark only: the pool frees the memory */
}
