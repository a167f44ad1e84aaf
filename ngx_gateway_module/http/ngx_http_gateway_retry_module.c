/*
 * Copyright (C) the Warren authors
 *
 * Calls that only read and did not happen are sent again, a bounded number of
 * times and within the deadline.
 */

#include "ngx_http_gateway_private.h"


#define NGX_HTTP_GATEWAY_RETRY_MAX    10

/* no pause is longer, ms */
#define NGX_HTTP_GATEWAY_RETRY_PAUSE  2000

/* what says that nothing has happened */
#define NGX_HTTP_GATEWAY_RETRY_ON                                             \
    (ngx_http_gateway_bit(WIRE_ERROR_NO_ROUTE)                                \
     | ngx_http_gateway_bit(WIRE_ERROR_UNAVAILABLE)                           \
     | ngx_http_gateway_bit(WIRE_ERROR_OVERLOADED))


typedef struct {
    ngx_uint_t                   count;       /* 0: never */
    ngx_uint_t                   outcomes;    /* bits of enum wire_error */
    ngx_msec_t                   pause;       /* of the first; it doubles */
} ngx_http_gateway_retry_loc_conf_t;


static void *ngx_http_gateway_retry_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_retry_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_gateway_retry(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_retry_option(ngx_conf_t *cf,
    ngx_http_gateway_retry_loc_conf_t *rlcf, ngx_str_t *value);


static ngx_command_t  ngx_http_gateway_retry_commands[] = {

    { ngx_string("gateway_retry"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE123,
      ngx_http_gateway_retry,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_retry_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_retry_create_loc_conf, /* create location configuration */
    ngx_http_gateway_retry_merge_loc_conf  /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_retry_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_retry_module_ctx,    /* module context */
    ngx_http_gateway_retry_commands,       /* module directives */
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


ngx_uint_t
ngx_http_gateway_retry_pause(ngx_http_gateway_call_t *ctx,
    enum wire_error error, ngx_msec_t *pause_r)
{
    ngx_msec_t                          pause;
    ngx_msec_int_t                      left;
    ngx_http_request_t                 *r;
    ngx_http_gateway_retry_loc_conf_t  *rlcf;

    r = ctx->request;
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_retry_module);

    if (ctx->retries >= rlcf->count
        || (rlcf->outcomes & ngx_http_gateway_bit(error)) == 0
        || (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) == 0)
    {
        return 0;
    }

    /* full jitter: those that failed together do not return together */

    pause = ngx_min(rlcf->pause << ctx->retries, NGX_HTTP_GATEWAY_RETRY_PAUSE);
    pause = 1 + (ngx_msec_t) ngx_random() % pause;

    left = (ngx_msec_int_t) (ctx->deadline - ngx_current_msec);

    if (left <= (ngx_msec_int_t) pause) {
        return 0;
    }

    ctx->retries++;
    ctx->retried = error;

    (void) ngx_atomic_fetch_add(&ctx->route->stats->retries, 1);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "call of \"%V.%V\" failed: %s, again in %M ms",
                  &ctx->route->service, &ctx->route->method,
                  wire_error_info(error)->name, pause);

    *pause_r = pause;

    return 1;
}


static void *
ngx_http_gateway_retry_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_retry_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_retry_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->count = NGX_CONF_UNSET_UINT;

    return conf;
}


static char *
ngx_http_gateway_retry_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_gateway_retry_loc_conf_t  *prev = parent;
    ngx_http_gateway_retry_loc_conf_t  *conf = child;

    if (conf->count == NGX_CONF_UNSET_UINT) {
        *conf = *prev;
    }

    if (conf->count == NGX_CONF_UNSET_UINT) {
        conf->count = 0;
    }

    return NGX_CONF_OK;
}


/* gateway_retry N [on=OUTCOME,...] [pause=TIME] | off */

static char *
ngx_http_gateway_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_retry_loc_conf_t *rlcf = conf;

    char        *rv;
    ngx_int_t    n;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (rlcf->count != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 3 && ngx_strncmp(value[1].data, "off", 3) == 0) {
        rlcf->count = 0;
        return cf->args->nelts == 2 ? NGX_CONF_OK : "has more than \"off\"";
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_GATEWAY_RETRY_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of retries \"%V\", use one from 1 "
                           "to %d, or \"off\"", &value[1],
                           NGX_HTTP_GATEWAY_RETRY_MAX);
        return NGX_CONF_ERROR;
    }

    rlcf->count = n;
    rlcf->pause = 50;

    for (i = 2; i < cf->args->nelts; i++) {

        rv = ngx_http_gateway_retry_option(cf, rlcf, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (rlcf->outcomes == 0) {
        rlcf->outcomes = NGX_HTTP_GATEWAY_RETRY_ON;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_retry_option(ngx_conf_t *cf,
    ngx_http_gateway_retry_loc_conf_t *rlcf, ngx_str_t *value)
{
    ngx_int_t  pause;
    ngx_str_t  text;

    if (value->len >= 3 && ngx_strncmp(value->data, "on=", 3) == 0) {
        text.data = value->data + 3;
        text.len = value->len - 3;

        return ngx_http_gateway_outcomes(cf, &text, NGX_HTTP_GATEWAY_RETRY_ON,
                                         &rlcf->outcomes);
    }

    if (value->len >= 6 && ngx_strncmp(value->data, "pause=", 6) == 0) {
        text.data = value->data + 6;
        text.len = value->len - 6;

        pause = ngx_parse_time(&text, 0);

        if (pause == NGX_ERROR || pause < 1
            || pause > NGX_HTTP_GATEWAY_RETRY_PAUSE)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\", use a time from 1ms to %dms",
                               value, NGX_HTTP_GATEWAY_RETRY_PAUSE);
            return NGX_CONF_ERROR;
        }

        rlcf->pause = pause;

        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter \"%V\" of gateway_retry, there are "
                       "on= and pause=", value);

    return NGX_CONF_ERROR;
}
