/*
 * Copyright (C) the Warren authors
 *
 * Where a request has its token: in a header, a cookie or a variable.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_PLACE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_PLACE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef enum {
    NGX_HTTP_GATEWAY_JWT_BEARER = 0,
    NGX_HTTP_GATEWAY_JWT_COOKIE,
    NGX_HTTP_GATEWAY_JWT_VARIABLE
} ngx_http_gateway_jwt_place_e;


typedef struct {
    ngx_http_gateway_jwt_place_e  kind;
    ngx_str_t                     name;     /* of the cookie */
    ngx_int_t                     index;    /* of the variable */
} ngx_http_gateway_jwt_place_t;


/* const once it is read */

typedef struct {
    ngx_array_t                   places;   /* ngx_http_gateway_jwt_place_t */
    ngx_array_t                   origins;  /* of ngx_str_t, in lower case */
} ngx_http_gateway_jwt_places_t;


/*
 * The setter of "gateway_jwt_token PLACE ... [origin=ORIGIN] ..."; cmd->offset
 * is that of a pointer to places in conf.
 */
char *ngx_http_gateway_jwt_places(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Finds the token in the first place that has one; places of NULL is the
 * Authorization header alone.
 *
 *     NGX_OK              *text_r, in the request's memory
 *     NGX_DECLINED        there is none
 *     NGX_ABORT           it cannot be told which it is: *reason_r
 *     NGX_HTTP_FORBIDDEN  a cookie that another site may have sent: *reason_r
 */
ngx_int_t ngx_http_gateway_jwt_find(ngx_http_request_t *r,
    const ngx_http_gateway_jwt_places_t *places, ngx_str_t *text_r,
    const char **reason_r);


#endif /* _NGX_HTTP_GATEWAY_JWT_PLACE_H_INCLUDED_ */
