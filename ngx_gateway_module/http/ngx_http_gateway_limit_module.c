/*
 * Copyright (C) the Warren authors
 *
 * Rates: what a request is charged, and what comes of it.
 */

#include "ngx_http_gateway_limit_private.h"


static ngx_int_t ngx_http_gateway_limit_collect(ngx_http_request_t *r,
    const ngx_http_gateway_limits_t *limits, ngx_uint_t is_early,
    ngx_http_gateway_limit_ctx_t *ctx, ngx_http_gateway_limit_item_t *items,
    ngx_uint_t *n);
static ngx_int_t ngx_http_gateway_limit_item(ngx_http_request_t *r,
    const ngx_http_gateway_limit_t *limit,
    ngx_http_gateway_limit_item_t *item);
static ngx_int_t ngx_http_gateway_limit_item_cost(ngx_http_request_t *r,
    const ngx_http_gateway_limit_t *limit, uint64_t *cost);
static ngx_int_t ngx_http_gateway_limit_item_rate(ngx_http_request_t *r,
    const ngx_http_gateway_limit_zone_t *zone, ngx_http_gateway_gcra_t *gcra);
static ngx_int_t ngx_http_gateway_limit_empty(ngx_http_request_t *r,
    const ngx_http_gateway_limit_t *limit, ngx_http_gateway_limit_ctx_t *ctx);
static ngx_int_t ngx_http_gateway_limit_judge(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx, ngx_http_gateway_limit_item_t *items,
    ngx_uint_t n);
static void ngx_http_gateway_limit_mark(ngx_http_gateway_limit_ctx_t *ctx,
    ngx_http_gateway_limit_status_e status,
    const ngx_http_gateway_limit_zone_t *zone);
static ngx_int_t ngx_http_gateway_limit_refuse(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx,
    const ngx_http_gateway_limit_zone_t *zone);
static ngx_http_gateway_limit_ctx_t *ngx_http_gateway_limit_ctx_make(
    ngx_http_request_t *r);
static void ngx_http_gateway_limit_cleanup(void *data);

static ngx_int_t ngx_http_gateway_limit_header_filter(ngx_http_request_t *r);

static ngx_int_t ngx_http_gateway_limit_preconf(ngx_conf_t *cf);
static void *ngx_http_gateway_limit_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_gateway_limit_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_limit_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static ngx_int_t ngx_http_gateway_limit_init(ngx_conf_t *cf);


static ngx_command_t  ngx_http_gateway_limit_commands[] = {

    { ngx_string("gateway_limit_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_gateway_limit_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_limit_broker"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_limit_broker,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_CONF_TAKE1234,
      ngx_http_gateway_limit,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_limit_module_ctx = {
    ngx_http_gateway_limit_preconf,        /* preconfiguration */
    ngx_http_gateway_limit_init,           /* postconfiguration */

    ngx_http_gateway_limit_create_main_conf, /* create main configuration */
    ngx_http_gateway_limit_sync_init,      /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_limit_create_loc_conf, /* create location configuration */
    ngx_http_gateway_limit_merge_loc_conf  /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_limit_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_limit_module_ctx,    /* module context */
    ngx_http_gateway_limit_commands,       /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_gateway_limit_sync_init_process, /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_gateway_limit_sync_exit_process, /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


ngx_int_t
ngx_http_gateway_limit_charge(ngx_http_request_t *r, ngx_uint_t is_early)
{
    ngx_int_t                           rc;
    ngx_uint_t                          i, n;
    ngx_http_gateway_limit_ctx_t       *ctx;
    ngx_http_gateway_limit_item_t       items[NGX_HTTP_GATEWAY_LIMIT_ZONES];
    ngx_http_gateway_limit_charge_t    *charge;
    ngx_http_gateway_limit_loc_conf_t  *llcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_limit_module);

    if (llcf->limits == NULL || llcf->limits->limits.nelts == 0
        || r != r->main)
    {
        return NGX_OK;
    }

    ctx = ngx_http_gateway_limit_ctx_make(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_gateway_limit_collect(r, llcf->limits, is_early, ctx, items,
                                        &n);

    if (rc != NGX_OK || n == 0) {
        return rc;
    }

    /* room first, so that nothing is charged that could not be remembered */

    charge = ngx_array_push_n(&ctx->charges, n);
    if (charge == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_gateway_limit_zone_charge(items, n) == NGX_ERROR) {
        ctx->charges.nelts -= n;
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "no room in a gateway_limit_zone");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < n; i++) {
        charge[i].zone = items[i].zone;
        charge[i].gcra = items[i].gcra;
        charge[i].result = items[i].result;
        charge[i].is_dry = items[i].is_dry;
    }

    return ngx_http_gateway_limit_judge(r, ctx, items, n);
}


/*
 * The zones to be charged now with their keys.  NGX_OK, or a status as
 * ngx_http_gateway_limit_charge() returns them.
 */

static ngx_int_t
ngx_http_gateway_limit_collect(ngx_http_request_t *r,
    const ngx_http_gateway_limits_t *limits, ngx_uint_t is_early,
    ngx_http_gateway_limit_ctx_t *ctx, ngx_http_gateway_limit_item_t *items,
    ngx_uint_t *n)
{
    ngx_int_t                            rc;
    ngx_uint_t                           i;
    const ngx_http_gateway_limit_t      *limit;
    const ngx_http_gateway_limit_zone_t *zone;

    *n = 0;
    limit = limits->limits.elts;

    for (i = 0; i < limits->limits.nelts; i++) {
        zone = limit[i].zone;

        if ((is_early && zone->is_late)
            || ngx_http_gateway_limit_find(ctx, zone) != NULL)
        {
            continue;
        }

        rc = ngx_http_gateway_limit_item(r, &limit[i], &items[*n]);

        if (rc == NGX_OK) {
            (*n)++;
            continue;
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_gateway_limit_empty(r, &limit[i], ctx);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* NGX_OK, NGX_DECLINED if the request has no key, or a status */

static ngx_int_t
ngx_http_gateway_limit_item(ngx_http_request_t *r,
    const ngx_http_gateway_limit_t *limit, ngx_http_gateway_limit_item_t *item)
{
    ngx_str_t                             key;
    const ngx_http_gateway_limit_zone_t  *zone;

    zone = limit->zone;

    if (ngx_http_complex_value(r, (ngx_http_complex_value_t *) &zone->key,
                               &key)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (key.len == 0) {
        return NGX_DECLINED;
    }

    ngx_memzero(&item->result, sizeof(ngx_http_gateway_gcra_result_t));

    item->zone = zone;
    item->gcra = zone->gcra;
    item->cost = limit->cost;
    item->delay = limit->delay;
    item->is_dry = limit->is_dry;
    item->wait = 0;
    item->evicted = 0;

    if (ngx_http_gateway_limit_item_cost(r, limit, &item->cost) != NGX_OK
        || ngx_http_gateway_limit_item_rate(r, zone, &item->gcra) != NGX_OK
        || ngx_http_gateway_limit_zone_key(item, &key) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_OK;
}


/* an empty text costs one; what is no number costs all, lest it be a way in */

static ngx_int_t
ngx_http_gateway_limit_item_cost(ngx_http_request_t *r,
    const ngx_http_gateway_limit_t *limit, uint64_t *cost)
{
    ngx_int_t  n;
    ngx_str_t  text;

    if (limit->cost_text == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, limit->cost_text, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (text.len == 0) {
        return NGX_OK;
    }

    n = ngx_atoi(text.data, text.len);

    if (n == NGX_ERROR || n > NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "invalid cost \"%V\" for zone \"%V\", the request is "
                      "over the limit", &text, &limit->name);

        n = NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX + 1;
    }

    *cost = (uint64_t) n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_limit_item_rate(ngx_http_request_t *r,
    const ngx_http_gateway_limit_zone_t *zone, ngx_http_gateway_gcra_t *gcra)
{
    ngx_str_t  text;

    if (zone->rate == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, zone->rate, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (text.len != 0 && ngx_http_gateway_limit_rate(&text, gcra) != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "invalid rate \"%V\" for zone \"%V\", its default is "
                      "used", &text, &zone->name);
    }

    gcra->debt = ngx_http_gateway_limit_zone_debt(zone, gcra);

    return NGX_OK;
}


/* a request without a key; NGX_OK: it passes this zone */

static ngx_int_t
ngx_http_gateway_limit_empty(ngx_http_request_t *r,
    const ngx_http_gateway_limit_t *limit, ngx_http_gateway_limit_ctx_t *ctx)
{
    if (limit->zone->empty_skips) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "request without a key for zone \"%V\"%s",
                  &limit->zone->name, limit->is_dry ? ", dry run" : "");

    if (!limit->is_dry) {
        return ngx_http_gateway_limit_refuse(r, ctx, limit->zone);
    }

    /* for a request that asks twice, before and after its token, twice */

    ngx_http_gateway_count(r, limit_dry);
    ngx_http_gateway_limit_mark(ctx, NGX_HTTP_GATEWAY_LIMIT_REJECTED_DRY,
                                limit->zone);

    return NGX_OK;
}


/* what follows from the charges: a refusal, a pause, or nothing */

static ngx_int_t
ngx_http_gateway_limit_judge(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx, ngx_http_gateway_limit_item_t *items,
    ngx_uint_t n)
{
    uint64_t                              wait;
    ngx_uint_t                            i, evicted;
    ngx_http_gateway_limit_item_t        *item;
    const ngx_http_gateway_limit_zone_t  *culprit;

    culprit = NULL;
    evicted = 0;
    wait = 0;

    for (i = 0; i < n; i++) {
        item = &items[i];
        evicted += item->evicted;

        ngx_http_gateway_limit_mark(ctx, NGX_HTTP_GATEWAY_LIMIT_PASSED, NULL);

        if (item->is_dry && !item->result.is_allowed) {
            ngx_http_gateway_count(r, limit_dry);
            ngx_http_gateway_limit_mark(ctx,
                                        NGX_HTTP_GATEWAY_LIMIT_REJECTED_DRY,
                                        item->zone);
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "request limited by zone \"%V\", dry run",
                          &item->zone->name);

        } else if (item->is_dry && item->wait) {
            ngx_http_gateway_limit_mark(ctx,
                                        NGX_HTTP_GATEWAY_LIMIT_DELAYED_DRY,
                                        item->zone);

        } else if (!item->result.is_allowed && culprit == NULL) {
            culprit = item->zone;

        } else if (!item->is_dry && item->wait > wait) {
            wait = item->wait;
            ngx_http_gateway_limit_mark(ctx, NGX_HTTP_GATEWAY_LIMIT_DELAYED,
                                        item->zone);
        }
    }

    if (evicted) {
        (void) ngx_atomic_fetch_add(&ngx_http_gateway_stats(r)->limit_evicted,
                                    evicted);
    }

    if (culprit) {
        return ngx_http_gateway_limit_refuse(r, ctx, culprit);
    }

    ngx_http_gateway_count(r, limit_passed);

    if (wait == 0) {
        return NGX_OK;
    }

    ngx_http_gateway_count(r, limit_delayed);

    return ngx_http_gateway_limit_wait(r, (ngx_msec_t) ((wait + 999) / 1000));
}


/* keeps the worst */

static void
ngx_http_gateway_limit_mark(ngx_http_gateway_limit_ctx_t *ctx,
    ngx_http_gateway_limit_status_e status,
    const ngx_http_gateway_limit_zone_t *zone)
{
    if (status > ctx->status) {
        ctx->status = status;
        ctx->culprit = zone;
    }
}


static ngx_int_t
ngx_http_gateway_limit_refuse(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx,
    const ngx_http_gateway_limit_zone_t *zone)
{
    ngx_http_gateway_count(r, limit_refused);
    ngx_http_gateway_limit_mark(ctx, NGX_HTTP_GATEWAY_LIMIT_REJECTED, zone);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "request limited by zone \"%V\"", &zone->name);

    return ngx_http_gateway_refuse(r, WIRE_ERROR_RATE_LIMITED,
                                   (ngx_str_t *) &zone->detail);
}


ngx_http_gateway_limit_ctx_t *
ngx_http_gateway_limit_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t            *cln;
    ngx_http_gateway_limit_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_gateway_limit_module);

    if (ctx != NULL || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_gateway_limit_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static ngx_http_gateway_limit_ctx_t *
ngx_http_gateway_limit_ctx_make(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t            *cln;
    ngx_http_gateway_limit_ctx_t  *ctx;

    ctx = ngx_http_gateway_limit_ctx(r);

    if (ctx == NULL) {
        cln = ngx_pool_cleanup_add(r->main->pool,
                                   sizeof(ngx_http_gateway_limit_ctx_t));
        if (cln == NULL) {
            return NULL;
        }

        ctx = cln->data;

        ctx->status = NGX_HTTP_GATEWAY_LIMIT_NONE;
        ctx->culprit = NULL;

        if (ngx_array_init(&ctx->charges, r->main->pool, 2,
                           sizeof(ngx_http_gateway_limit_charge_t))
            != NGX_OK)
        {
            return NULL;
        }

        cln->handler = ngx_http_gateway_limit_cleanup;
    }

    ngx_http_set_ctx(r->main, ctx, ngx_http_gateway_limit_module);

    return ctx;
}


/* it is only there to be found */

static void
ngx_http_gateway_limit_cleanup(void *data)
{
    /* void */
}


ngx_http_gateway_limit_charge_t *
ngx_http_gateway_limit_find(ngx_http_gateway_limit_ctx_t *ctx,
    const ngx_http_gateway_limit_zone_t *zone)
{
    ngx_uint_t                        i;
    ngx_http_gateway_limit_charge_t  *charge;

    charge = ctx->charges.elts;

    for (i = 0; i < ctx->charges.nelts; i++) {
        if (charge[i].zone == zone) {
            return &charge[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_gateway_limit_header_filter(ngx_http_request_t *r)
{
    ngx_http_gateway_limit_ctx_t       *ctx;
    ngx_http_gateway_limit_loc_conf_t  *llcf;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_gateway_limit_ctx(r);
    llcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_limit_module);

    if (ngx_http_gateway_limit_fields(r, ctx, llcf->limits) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_gateway_limit_preconf(ngx_conf_t *cf)
{
    return ngx_http_gateway_limit_variables(cf);
}


static void *
ngx_http_gateway_limit_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_limit_main_conf_t  *lmcf;

    lmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_limit_main_conf_t));
    if (lmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&lmcf->zones, cf->pool, 4,
                       sizeof(ngx_http_gateway_limit_zone_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return lmcf;
}


static void *
ngx_http_gateway_limit_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_limit_loc_conf_t));
}


static char *
ngx_http_gateway_limit_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_gateway_limit_loc_conf_t *prev = parent;
    ngx_http_gateway_limit_loc_conf_t *conf = child;

    if (conf->limits == NULL) {
        conf->limits = prev->limits;
    }

    if (conf->limits == NULL || conf->limits->is_resolved) {
        return NGX_CONF_OK;
    }

    return ngx_http_gateway_limit_resolve(cf, conf->limits);
}


static ngx_int_t
ngx_http_gateway_limit_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_gateway_limit_header_filter;

    return NGX_OK;
}
