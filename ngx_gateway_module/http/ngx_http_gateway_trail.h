/*
 * Copyright (C) the Warren authors
 *
 * What is known of a request across redirects, which wipe r->ctx: where it
 * came in, what was called for it, and how that ended.
 */

#ifndef _NGX_HTTP_GATEWAY_TRAIL_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_TRAIL_H_INCLUDED_


#include "ngx_http_gateway.h"


/* of one request, a subrequest too; it hangs on its pool */

typedef struct {
    ngx_http_request_t          *request;

    /* the configuration of the location where it came in; NULL: not noted */
    void                       **home;

    /* of the last call; empty: none */
    ngx_str_t                    route;
    ngx_str_t                    service;
    ngx_str_t                    method;

    /* "2xx" to "5xx", the name of an error, "client_gone"; empty: none yet */
    ngx_str_t                    outcome;

    /* where a canary or a fallback took it */
    ngx_str_t                    canary;
    ngx_str_t                    fallback;

    /* from the body to the end of the call */
    uint64_t                     wait_usec;

    /* how often a message was handed to the broker's connection */
    ngx_uint_t                   attempts;

    /* of a stream: events written to the client */
    ngx_uint_t                   events;

    unsigned                     is_called:1;
    unsigned                     is_stream:1;
} ngx_http_gateway_trail_t;


/* The request's trail, made if there is none; NULL if memory is short. */
ngx_http_gateway_trail_t *ngx_http_gateway_trail_get(ngx_http_request_t *r);

/* The request's trail, or NULL if none was made. */
ngx_http_gateway_trail_t *ngx_http_gateway_trail_find(ngx_http_request_t *r);

/*
 * Notes the location of the request as the one where it came in, unless one
 * was noted before.  NGX_OK, or NGX_ERROR if memory is short.
 */
ngx_int_t ngx_http_gateway_trail_home(ngx_http_request_t *r);

/*
 * The configuration that the module has in the location where the request came
 * in; NULL if none was noted.
 */
void *ngx_http_gateway_trail_home_conf(ngx_http_request_t *r,
    ngx_module_t *module);


#endif /* _NGX_HTTP_GATEWAY_TRAIL_H_INCLUDED_ */
