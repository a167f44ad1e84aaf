/*
 * Copyright (C) the Warren authors
 *
 * What limits did to a request, for the access log.
 */

#include "ngx_http_gateway_limit_private.h"


static ngx_int_t ngx_http_gateway_limit_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gateway_limit_culprit(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_http_gateway_limit_vars[] = {

    { ngx_string("gateway_limit_status"), NULL,
      ngx_http_gateway_limit_status, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_limit_zone"), NULL,
      ngx_http_gateway_limit_culprit, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


/* the words of nginx's own $limit_req_status, so that logs are read alike */

static ngx_str_t  ngx_http_gateway_limit_statuses[] = {
    ngx_null_string,
    ngx_string("PASSED"),
    ngx_string("DELAYED_DRY_RUN"),
    ngx_string("REJECTED_DRY_RUN"),
    ngx_string("DELAYED"),
    ngx_string("REJECTED")
};


ngx_int_t
ngx_http_gateway_limit_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_gateway_limit_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_limit_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gateway_limit_ctx_t  *ctx;

    ctx = ngx_http_gateway_limit_ctx(r);

    if (ctx == NULL || ctx->status == NGX_HTTP_GATEWAY_LIMIT_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = ngx_http_gateway_limit_statuses[ctx->status].len;
    v->data = ngx_http_gateway_limit_statuses[ctx->status].data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_limit_culprit(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gateway_limit_ctx_t  *ctx;

    ctx = ngx_http_gateway_limit_ctx(r);

    if (ctx == NULL || ctx->culprit == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = ctx->culprit->name.len;
    v->data = ctx->culprit->name.data;

    return NGX_OK;
}
