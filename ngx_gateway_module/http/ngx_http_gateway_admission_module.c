/*
 * Copyright (C) the Warren authors
 *
 * Who gets in: asks for the token and the limits at the two points of a
 * request where nginx can be made to ask.
 */

#include "ngx_http_gateway.h"
#include "ngx_http_gateway_trail.h"


static ngx_int_t ngx_http_gateway_admission_access(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_admission_precontent(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_admission_subrequest(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_admission_init(ngx_conf_t *cf);


static ngx_http_module_t  ngx_http_gateway_admission_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_gateway_admission_init,       /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_admission_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_admission_module_ctx, /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * nginx asks for main requests only.  NGX_OK would end a "satisfy any", so it
 * is for a verified token alone; a limit that was kept proves nobody's
 * identity.  Nothing is sent here, since the next handler may admit.
 */

static ngx_int_t
ngx_http_gateway_admission_access(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    /* what it says of answers holds for this one, whatever redirects */

    if ((ngx_http_gateway_cors_is_on(r)
         || ngx_http_gateway_deprecated_is_on(r))
        && ngx_http_gateway_trail_home(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_gateway_limit_charge(r, 1);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_gateway_cors_is_preflight(r)) {

        /* it has no token and gets a fixed answer before the content */

        return NGX_OK;
    }

    return ngx_http_gateway_jwt_verify(r);
}


/*
 * Every request that is not answered yet passes here, subrequests too, and so
 * do main requests for which another module ended ACCESS.
 */

static ngx_int_t
ngx_http_gateway_admission_precontent(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r != r->main) {
        return ngx_http_gateway_admission_subrequest(r);
    }

    if (ngx_http_gateway_cors_is_preflight(r)) {
        return ngx_http_gateway_cors_preflight(r);
    }

    /* a token that was refused did not keep the request out */

    ngx_http_gateway_jwt_forgive(r);

    rc = ngx_http_gateway_limit_charge(r, 0);

    return rc == NGX_OK ? NGX_DECLINED : rc;
}


static ngx_int_t
ngx_http_gateway_admission_subrequest(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_gateway_jwt_verify(r);

    if (rc == NGX_OK || rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    if (rc == NGX_HTTP_UNAUTHORIZED) {
        return ngx_http_gateway_refuse(r, WIRE_ERROR_FORBIDDEN, NULL);
    }

    return rc;
}


static ngx_int_t
ngx_http_gateway_admission_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_gateway_admission_access;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_gateway_admission_precontent;

    return NGX_OK;
}
