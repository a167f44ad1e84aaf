/*
 * Copyright (C) the Warren authors
 *
 * What a location requires of the claims of a token.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_REQUIRE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_REQUIRE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gateway_jwt_claim.h"


/* values of one rule; more are refused */

#define NGX_HTTP_GATEWAY_JWT_VALUES  16


/* const once it is read */

typedef struct {
    ngx_uint_t                     methods;   /* NGX_HTTP_GET, ...; 0: all */
    ngx_http_gateway_jwt_path_t    path;
    ngx_http_gateway_jwt_op_e      op;

    ngx_uint_t                     n;
    ngx_http_gateway_jwt_value_t   values[NGX_HTTP_GATEWAY_JWT_VALUES];

    /* of values that have variables; NULL: those above hold */
    ngx_http_complex_value_t      *dynamic[NGX_HTTP_GATEWAY_JWT_VALUES];

    ngx_uint_t                     status;    /* 401 or 403 */
    const char                    *reason;
    ngx_str_t                      scope;     /* for the challenge, or empty */
} ngx_http_gateway_jwt_rule_t;


/*
 * The setter of "gateway_require [METHOD,...] CLAIM OPERATOR [VALUE ...]
 * [status=401|403]" and "gateway_require off"; cmd->offset is that of a pointer
 * to an array in conf, which "off" makes NULL.
 */
char *ngx_http_gateway_jwt_require(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * The first of the rules that holds for the request's method and is not met by
 * the token, or NULL.  Without a token none is met.
 */
const ngx_http_gateway_jwt_rule_t *ngx_http_gateway_jwt_unmet(
    ngx_http_request_t *r, const ngx_array_t *rules,
    const ngx_http_gateway_jwt_token_t *token);


#endif /* _NGX_HTTP_GATEWAY_JWT_REQUIRE_H_INCLUDED_ */
