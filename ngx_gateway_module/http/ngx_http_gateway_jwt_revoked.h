/*
 * Copyright (C) the Warren authors
 *
 * Tokens that were revoked before they expire.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_REVOKED_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_REVOKED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gateway_jwt_token.h"


/*
 * Whether the file that the request's location names has the token's jti or
 * sub.
 */
ngx_uint_t ngx_http_gateway_jwt_is_revoked(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_token_t *token);


#endif /* _NGX_HTTP_GATEWAY_JWT_REVOKED_H_INCLUDED_ */
