/*
 * Copyright (C) the Warren authors
 *
 * Where the keys of a location come from.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_SOURCE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_SOURCE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gateway_jwt_url.h"


typedef struct {
    ngx_str_t                     name;     /* of the file, or the URL */
    ngx_http_gateway_jwt_keys_t  *keys;     /* of the file */
    ngx_http_gateway_jwt_url_t   *url;      /* NULL: it is a file */
} ngx_http_gateway_jwt_source_t;


/*
 * Reads a file that holds a JWK Set or public keys and certificates in PEM.
 * name is made absolute.  The keys live as long as cf->pool.  Returns NULL
 * after it has logged what to mend.
 */
ngx_http_gateway_jwt_source_t *ngx_http_gateway_jwt_source_file(
    ngx_conf_t *cf, ngx_str_t *name);

/*
 * The same of "gateway_jwt_key_url", which cf is at: keys that are fetched.
 */
ngx_http_gateway_jwt_source_t *ngx_http_gateway_jwt_source_url(
    ngx_conf_t *cf);

/* The keys that count now; NULL: none were fetched yet. */
const ngx_http_gateway_jwt_keys_t *ngx_http_gateway_jwt_source_keys(
    const ngx_http_gateway_jwt_source_t *source);


#endif /* _NGX_HTTP_GATEWAY_JWT_SOURCE_H_INCLUDED_ */
