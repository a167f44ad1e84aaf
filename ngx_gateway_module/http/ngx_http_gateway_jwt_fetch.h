/*
 * Copyright (C) the Warren authors
 *
 * Gets a document by HTTP/1.0 on nginx's event loop, for nobody's request.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_FETCH_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_FETCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/* all of it, from connecting on, ms */

#define NGX_HTTP_GATEWAY_JWT_FETCH_TIMEOUT  5000


typedef struct ngx_http_gateway_jwt_fetch_s  ngx_http_gateway_jwt_fetch_t;

/*
 * Is called once, and never before ngx_http_gateway_jwt_fetch() has returned:
 * with the document, or NULL and the reason, a static text.  The document is
 * gone when it returns, and so is the fetch.
 */
typedef void (*ngx_http_gateway_jwt_fetched_pt)(void *data,
    const ngx_str_t *text, const char *reason);


/*
 * Asks address for a document of at most max bytes; request is the whole
 * request and must outlive the fetch.  Returns NULL if memory is short.
 */
ngx_http_gateway_jwt_fetch_t *ngx_http_gateway_jwt_fetch(ngx_addr_t *address,
    ngx_str_t *request, size_t max, ngx_log_t *log,
    ngx_http_gateway_jwt_fetched_pt handler, void *data);

/* Ends it without a call. */
void ngx_http_gateway_jwt_fetch_cancel(ngx_http_gateway_jwt_fetch_t *fetch);


#endif /* _NGX_HTTP_GATEWAY_JWT_FETCH_H_INCLUDED_ */
