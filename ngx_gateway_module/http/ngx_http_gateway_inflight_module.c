/*
 * Copyright (C) the Warren authors
 *
 * How many requests a location may have in flight at once, so that one slow
 * service leaves the others their places.
 */

#include "ngx_http_gateway_private.h"


typedef struct {
    ngx_uint_t                   max;         /* 0: as many as there are */

    /*
     * Of the process: those in flight now.  A location has one, and "if" in it
     * the same; NULL where nothing is counted.
     */
    ngx_uint_t                  *count;
} ngx_http_gateway_inflight_conf_t;


static void *ngx_http_gateway_inflight_create_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_inflight_merge_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_gateway_inflight_set(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


static ngx_command_t  ngx_http_gateway_inflight_commands[] = {

    { ngx_string("gateway_max_inflight"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_inflight_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_inflight_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_inflight_create_conf, /* create location configuration */
    ngx_http_gateway_inflight_merge_conf   /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_inflight_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_inflight_module_ctx, /* module context */
    ngx_http_gateway_inflight_commands,    /* module directives */
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


static void *
ngx_http_gateway_inflight_create_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_inflight_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_inflight_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->count = NULL;
     */

    conf->max = NGX_CONF_UNSET_UINT;

    return conf;
}


static char *
ngx_http_gateway_inflight_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gateway_inflight_conf_t *prev = parent;
    ngx_http_gateway_inflight_conf_t *conf = child;

    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_gateway_loc_conf_t  *glcf;

    ngx_conf_merge_uint_value(conf->max, prev->max, 0);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    glcf = ngx_http_conf_get_module_loc_conf(cf,
                                             ngx_http_gateway_route_module);

    if (conf->max == 0 || glcf->routes == NULL) {
        return NGX_CONF_OK;
    }

    if (clcf->noname && prev->count) {
        conf->count = prev->count;
        return NGX_CONF_OK;
    }

    conf->count = ngx_pcalloc(cf->pool, sizeof(ngx_uint_t));
    if (conf->count == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* gateway_max_inflight NUMBER|off */

static char *
ngx_http_gateway_inflight_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_inflight_conf_t *gicf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (gicf->max != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 3 && ngx_strncmp(value[1].data, "off", 3) == 0) {
        gicf->max = 0;
        return NGX_CONF_OK;
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", use a number from 1, or "
                           "\"off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    gicf->max = n;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gateway_inflight_acquire(ngx_http_gateway_call_t *ctx)
{
    const ngx_http_gateway_inflight_conf_t  *gicf;

    static ngx_str_t  detail = ngx_string("this route has as many requests in "
                                          "flight as it may have");

    gicf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_http_gateway_inflight_module);

    if (gicf->count == NULL || ctx->inflight) {
        return NGX_OK;
    }

    if (*gicf->count >= gicf->max) {
        ctx->detail = detail;
        return NGX_BUSY;
    }

    ctx->inflight = gicf->count;
    (*ctx->inflight)++;

    return NGX_OK;
}


void
ngx_http_gateway_inflight_release(ngx_http_gateway_call_t *ctx)
{
    if (ctx->inflight) {
        (*ctx->inflight)--;
        ctx->inflight = NULL;
    }
}
