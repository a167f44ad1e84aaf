/*
 * Copyright (C) the Warren authors
 *
 * Keys from a URL: fetched by one worker process for all, kept in shared
 * memory, and waited for by requests whose key is not known yet.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_URL_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_URL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gateway_jwt_key.h"


/* requests of one process that wait for one URL; beyond: 503 */

#define NGX_HTTP_GATEWAY_JWT_WAITING  256


typedef struct ngx_http_gateway_jwt_url_s  ngx_http_gateway_jwt_url_t;


/*
 * Reads "URL [ttl=TIME] [cooldown=TIME] [wait=TIME] [cache=FILE]", the
 * arguments of the directive that cf is at.  The same URL is the same object.
 * Returns NULL after it has logged what to mend.
 */
ngx_http_gateway_jwt_url_t *ngx_http_gateway_jwt_url(ngx_conf_t *cf);

/* The newest keys of this process; NULL: there were none yet. */
ngx_http_gateway_jwt_keys_t *ngx_http_gateway_jwt_url_keys(
    ngx_http_gateway_jwt_url_t *url);

/*
 * Lets the request wait for newer keys; its phases are run again when they, or
 * the end of its patience, have come.
 *
 *     NGX_AGAIN     it waits
 *     NGX_DECLINED  it is too early to ask again
 *     NGX_BUSY      too many wait already
 *     NGX_ERROR     memory
 */
ngx_int_t ngx_http_gateway_jwt_url_wait(ngx_http_request_t *r,
    ngx_http_gateway_jwt_url_t *url);


#endif /* _NGX_HTTP_GATEWAY_JWT_URL_H_INCLUDED_ */
