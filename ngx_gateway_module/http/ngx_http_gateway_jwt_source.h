/*
 * Copyright (C) the Warren authors
 *
 * Where the keys of a location come from.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_SOURCE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_SOURCE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gateway_jwt_key.h"


typedef struct {
    ngx_str_t                     name;     /* of the file; ends with a zero */
    ngx_http_gateway_jwt_keys_t  *keys;
} ngx_http_gateway_jwt_source_t;


/*
 * Reads a file that holds a JWK Set or public keys and certificates in PEM.
 * name is made absolute.  The keys live as long as cf->pool.  Returns NULL
 * after it has logged what to mend.
 */
ngx_http_gateway_jwt_source_t *ngx_http_gateway_jwt_source_file(
    ngx_conf_t *cf, ngx_str_t *name);


#endif /* _NGX_HTTP_GATEWAY_JWT_SOURCE_H_INCLUDED_ */
