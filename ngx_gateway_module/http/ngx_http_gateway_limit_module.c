/*
 * Copyright (C) the Warren authors
 *
 * Rates: the directives, what a request was charged, and the fields that tell
 * the client (draft-ietf-httpapi-ratelimit-headers-10).
 */

#include "ngx_http_gateway.h"
#include "ngx_http_gateway_limit_zone.h"


/* 60e6 us in a minute; rates are kept as units a minute while they are read */

#define NGX_HTTP_GATEWAY_LIMIT_MINUTE    60000000

/* units a second; one each 10 us, so that rounding costs 5 % at most */

#define NGX_HTTP_GATEWAY_LIMIT_RATE_MAX  100000

/* beyond it a name does not fit a structured field comfortably */

#define NGX_HTTP_GATEWAY_LIMIT_NAME_MAX  64


typedef struct {
    ngx_array_t                     zones;  /* of …_limit_zone_t * */
} ngx_http_gateway_limit_main_conf_t;


/* one gateway_limit */

typedef struct {
    ngx_str_t                       name;
    const ngx_http_gateway_limit_zone_t  *zone;   /* when all is read */
    ngx_uint_t                      cost;
    ngx_str_t                       file;
    ngx_uint_t                      line;
} ngx_http_gateway_limit_t;


/* those of one level of the configuration, shared by the levels below */

typedef struct {
    ngx_array_t                     limits; /* of ngx_http_gateway_limit_t */
    unsigned                        is_off:1;
    unsigned                        is_resolved:1;
} ngx_http_gateway_limits_t;


typedef struct {
    ngx_http_gateway_limits_t      *limits; /* NULL: none */
} ngx_http_gateway_limit_loc_conf_t;


/*
 * What a request was charged.  It hangs on the pool of the main request, where
 * its cleanup handler finds it: a redirect wipes r->ctx.
 */

typedef struct {
    ngx_array_t                     charges; /* of …_limit_charge_t */
} ngx_http_gateway_limit_ctx_t;

typedef struct {
    const ngx_http_gateway_limit_zone_t  *zone;
    ngx_http_gateway_gcra_result_t        result;
} ngx_http_gateway_limit_charge_t;


static ngx_int_t ngx_http_gateway_limit_collect(ngx_http_request_t *r,
    const ngx_http_gateway_limits_t *limits, ngx_uint_t is_early,
    ngx_http_gateway_limit_ctx_t *ctx, ngx_http_gateway_limit_item_t *items,
    ngx_uint_t *n);
static ngx_int_t ngx_http_gateway_limit_refuse(ngx_http_request_t *r,
    const ngx_http_gateway_limit_zone_t *zone);
static ngx_http_gateway_limit_ctx_t *ngx_http_gateway_limit_ctx(
    ngx_http_request_t *r);
static ngx_http_gateway_limit_ctx_t *ngx_http_gateway_limit_ctx_make(
    ngx_http_request_t *r);
static void ngx_http_gateway_limit_cleanup(void *data);
static ngx_http_gateway_limit_charge_t *ngx_http_gateway_limit_find(
    ngx_http_gateway_limit_ctx_t *ctx,
    const ngx_http_gateway_limit_zone_t *zone);

static ngx_int_t ngx_http_gateway_limit_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_limit_policies(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx,
    const ngx_http_gateway_limits_t *limits);
static ngx_int_t ngx_http_gateway_limit_fields(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx);
static ngx_int_t ngx_http_gateway_limit_field(ngx_http_request_t *r,
    const char *name, const char *lowcase, u_char *data, size_t len);

static void *ngx_http_gateway_limit_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_gateway_limit_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_limit_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_gateway_limit_resolve(ngx_conf_t *cf,
    ngx_http_gateway_limits_t *limits);
static ngx_int_t ngx_http_gateway_limit_compare(const void *one,
    const void *two);
static ngx_int_t ngx_http_gateway_limit_init(ngx_conf_t *cf);

static char *ngx_http_gateway_limit_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_limit_zone_param(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value, ssize_t *size);
static char *ngx_http_gateway_limit_zone_name(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value, ssize_t *size);
static ngx_int_t ngx_http_gateway_limit_rate(ngx_str_t *value,
    uint64_t *interval);
static ngx_int_t ngx_http_gateway_limit_zone_texts(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone);
static char *ngx_http_gateway_limit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_gateway_limit_commands[] = {

    { ngx_string("gateway_limit_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_gateway_limit_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_gateway_limit,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_limit_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_gateway_limit_init,           /* postconfiguration */

    ngx_http_gateway_limit_create_main_conf, /* create main configuration */
    NULL,                                  /* init main configuration */

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
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


ngx_int_t
ngx_http_gateway_limit_charge(ngx_http_request_t *r, ngx_uint_t is_early)
{
    ngx_int_t                             rc;
    ngx_uint_t                            i, n, evicted;
    ngx_http_gateway_limit_ctx_t         *ctx;
    ngx_http_gateway_limit_item_t         items[NGX_HTTP_GATEWAY_LIMIT_ZONES];
    const ngx_http_gateway_limit_zone_t  *culprit;
    ngx_http_gateway_limit_charge_t      *charge;
    ngx_http_gateway_limit_loc_conf_t    *llcf;

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

    rc = ngx_http_gateway_limit_zone_charge(items, n);

    culprit = NULL;
    evicted = 0;

    for (i = 0; i < n; i++) {
        charge[i].zone = items[i].zone;
        charge[i].result = items[i].result;
        evicted += items[i].evicted;

        if (!items[i].result.is_allowed && culprit == NULL) {
            culprit = items[i].zone;
        }
    }

    if (evicted) {
        (void) ngx_atomic_fetch_add(&ngx_http_gateway_stats(r)->limit_evicted,
                                    evicted);
    }

    if (rc == NGX_OK) {
        ngx_http_gateway_count(r, limit_passed);
        return NGX_OK;
    }

    if (rc == NGX_ERROR) {
        ctx->charges.nelts -= n;
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "no room in a gateway_limit_zone");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gateway_limit_refuse(r, culprit);
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
    ngx_str_t                            key;
    ngx_uint_t                           i;
    ngx_http_gateway_limit_item_t       *item;
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

        if (ngx_http_complex_value(r, (ngx_http_complex_value_t *) &zone->key,
                                   &key)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (key.len == 0) {

            if (zone->empty_skips) {
                continue;
            }

            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "request without a key for zone \"%V\"",
                          &zone->name);

            return ngx_http_gateway_limit_refuse(r, zone);
        }

        item = &items[(*n)++];

        item->zone = zone;
        item->cost = limit[i].cost;
        item->evicted = 0;
        ngx_memzero(&item->result, sizeof(ngx_http_gateway_gcra_result_t));

        if (ngx_http_gateway_limit_zone_key(item, &key) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_limit_refuse(ngx_http_request_t *r,
    const ngx_http_gateway_limit_zone_t *zone)
{
    ngx_http_gateway_count(r, limit_refused);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "request limited by zone \"%V\"", &zone->name);

    return ngx_http_gateway_refuse(r, WIRE_ERROR_RATE_LIMITED,
                                   (ngx_str_t *) &zone->detail);
}


/* NULL: nothing was charged */

static ngx_http_gateway_limit_ctx_t *
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


static ngx_http_gateway_limit_charge_t *
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

    if (ngx_http_gateway_limit_policies(r, ctx, llcf->limits) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx != NULL && ctx->charges.nelts != 0
        && ngx_http_gateway_limit_fields(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/*
 * RateLimit-Policy: of the zones that were charged, and of those that would
 * have been had the request come so far.
 */

static ngx_int_t
ngx_http_gateway_limit_policies(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx, const ngx_http_gateway_limits_t *limits)
{
    size_t                            len;
    u_char                           *p, *start;
    ngx_uint_t                        i, ncharges, nlimits;
    const ngx_http_gateway_limit_t   *limit;
    ngx_http_gateway_limit_charge_t  *charge;

    charge = ctx != NULL ? ctx->charges.elts : NULL;
    ncharges = ctx != NULL ? ctx->charges.nelts : 0;

    limit = limits != NULL ? limits->limits.elts : NULL;
    nlimits = limits != NULL ? limits->limits.nelts : 0;

    if (ncharges + nlimits == 0) {
        return NGX_OK;
    }

    len = 0;

    for (i = 0; i < ncharges; i++) {
        len += sizeof(", ") - 1 + charge[i].zone->policy.len;
    }

    for (i = 0; i < nlimits; i++) {
        len += sizeof(", ") - 1 + limit[i].zone->policy.len;
    }

    start = ngx_pnalloc(r->pool, len);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = start;

    for (i = 0; i < ncharges; i++) {
        p = ngx_sprintf(p, "%s%V", p == start ? "" : ", ",
                        &charge[i].zone->policy);
    }

    for (i = 0; i < nlimits; i++) {
        if (ctx == NULL
            || ngx_http_gateway_limit_find(ctx, limit[i].zone) == NULL)
        {
            p = ngx_sprintf(p, "%s%V", p == start ? "" : ", ",
                            &limit[i].zone->policy);
        }
    }

    return ngx_http_gateway_limit_field(r, "RateLimit-Policy",
                                        "ratelimit-policy", start, p - start);
}


/* RateLimit of each zone that was charged; Retry-After if one refused */

static ngx_int_t
ngx_http_gateway_limit_fields(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx)
{
    size_t                            len;
    u_char                           *p, *start;
    uint64_t                          retry;
    ngx_uint_t                        i;
    ngx_http_gateway_limit_charge_t  *charge;

    charge = ctx->charges.elts;
    len = 0;

    for (i = 0; i < ctx->charges.nelts; i++) {
        len += sizeof(", \"\";r=;t=") - 1 + charge[i].zone->name.len
               + 2 * NGX_INT64_LEN;
    }

    start = ngx_pnalloc(r->pool, len + NGX_INT64_LEN);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = start;
    retry = 0;

    for (i = 0; i < ctx->charges.nelts; i++) {
        p = ngx_sprintf(p, "%s\"%V\";r=%uL", i ? ", " : "",
                        &charge[i].zone->name, charge[i].result.remaining);

        if (charge[i].result.reset) {
            p = ngx_sprintf(p, ";t=%uL", charge[i].result.reset);
        }

        if (!charge[i].result.is_allowed) {
            retry = ngx_max(retry, charge[i].result.retry);
        }
    }

    if (ngx_http_gateway_limit_field(r, "RateLimit", "ratelimit", start,
                                     p - start)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (retry == 0 || r->headers_out.status != NGX_HTTP_TOO_MANY_REQUESTS) {
        return NGX_OK;
    }

    start = p;
    p = ngx_sprintf(p, "%uL", retry);

    return ngx_http_gateway_limit_field(r, "Retry-After", "retry-after", start,
                                        p - start);
}


static ngx_int_t
ngx_http_gateway_limit_field(ngx_http_request_t *r, const char *name,
    const char *lowcase, u_char *data, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->lowcase_key = (u_char *) lowcase;
    h->value.data = data;
    h->value.len = len;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
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


/* names may stand before the zones they mean, so they wait until all is read */

static char *
ngx_http_gateway_limit_resolve(ngx_conf_t *cf,
    ngx_http_gateway_limits_t *limits)
{
    ngx_uint_t                            i, n;
    ngx_http_gateway_limit_t             *limit;
    ngx_http_gateway_limit_zone_t       **zones;
    ngx_http_gateway_limit_main_conf_t   *lmcf;

    lmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_gateway_limit_module);
    zones = lmcf->zones.elts;
    limit = limits->limits.elts;

    for (i = 0; i < limits->limits.nelts; i++) {

        for (n = 0; n < lmcf->zones.nelts; n++) {
            if (zones[n]->name.len == limit[i].name.len
                && ngx_strncmp(zones[n]->name.data, limit[i].name.data,
                               limit[i].name.len)
                   == 0)
            {
                break;
            }
        }

        if (n == lmcf->zones.nelts) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown zone \"%V\", declare it with "
                          "\"gateway_limit_zone\", in %V:%ui",
                          &limit[i].name, &limit[i].file, limit[i].line);
            return NGX_CONF_ERROR;
        }

        limit[i].zone = zones[n];

        if (limit[i].cost > zones[n]->gcra.quota) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "cost=%ui can never pass zone \"%V\", raise its "
                          "burst to %ui at least, in %V:%ui",
                          limit[i].cost, &limit[i].name, limit[i].cost - 1,
                          &limit[i].file, limit[i].line);
            return NGX_CONF_ERROR;
        }
    }

    /*
     * All processes lock in one order, those of the configuration before, too:
     * after a reload they still charge the same zones.
     */

    ngx_sort(limits->limits.elts, limits->limits.nelts,
             sizeof(ngx_http_gateway_limit_t),
             ngx_http_gateway_limit_compare);

    limits->is_resolved = 1;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gateway_limit_compare(const void *one, const void *two)
{
    const ngx_http_gateway_limit_t  *first = one;
    const ngx_http_gateway_limit_t  *second = two;

    return ngx_memn2cmp(first->name.data, second->name.data, first->name.len,
                        second->name.len);
}


static ngx_int_t
ngx_http_gateway_limit_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_gateway_limit_header_filter;

    return NGX_OK;
}


/*
 * gateway_limit_zone KEY zone=NAME:SIZE rate=Nr/s|Nr/m [burst=N]
 *     [before=jwt|after=jwt] [empty=refuse|skip];
 */

static char *
ngx_http_gateway_limit_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_limit_main_conf_t *lmcf = conf;

    char                               *rv;
    ssize_t                             size;
    ngx_str_t                          *value;
    ngx_uint_t                          i;
    ngx_http_gateway_limit_zone_t      *zone, **slot;
    ngx_http_compile_complex_value_t    ccv;

    value = cf->args->elts;
    size = 0;

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_limit_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = &zone->key;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    zone->is_late = ngx_strstr(value[1].data, "$gateway_jwt_") != NULL
                    || ngx_strstr(value[1].data, "${gateway_jwt_") != NULL;
    zone->empty_skips = !zone->is_late;
    zone->gcra.quota = 1;

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_http_gateway_limit_zone_param(cf, zone, &value[i], &size);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (zone->name.len == 0 || zone->gcra.interval == 0) {
        return "must have \"zone=\" and \"rate=\"";
    }

    if (ngx_http_gateway_limit_zone_texts(cf, zone) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    zone->shm_zone = ngx_shared_memory_add(cf, &zone->name, size,
                                           &ngx_http_gateway_limit_module);
    if (zone->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (zone->shm_zone->data != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate zone \"%V\"",
                           &zone->name);
        return NGX_CONF_ERROR;
    }

    zone->shm_zone->init = ngx_http_gateway_limit_zone_init;
    zone->shm_zone->data = zone;

    slot = ngx_array_push(&lmcf->zones);
    if (slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = zone;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_limit_zone_param(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value, ssize_t *size)
{
    ngx_int_t  burst;
    ngx_str_t  s;

    if (ngx_strncmp(value->data, "zone=", 5) == 0) {
        return ngx_http_gateway_limit_zone_name(cf, zone, value, size);
    }

    if (ngx_strncmp(value->data, "rate=", 5) == 0) {
        s.data = value->data + 5;
        s.len = value->len - 5;

        if (ngx_http_gateway_limit_rate(&s, &zone->gcra.interval) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid rate \"%V\", it must be 1r/m to "
                               "%dr/s", value,
                               NGX_HTTP_GATEWAY_LIMIT_RATE_MAX);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "burst=", 6) == 0) {
        burst = ngx_atoi(value->data + 6, value->len - 6);

        if (burst == NGX_ERROR || burst >= NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid burst \"%V\", it must be less than "
                               "%d", value, NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX);
            return NGX_CONF_ERROR;
        }

        zone->gcra.quota = (uint64_t) burst + 1;

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "before=jwt") == 0
        || ngx_strcmp(value->data, "after=jwt") == 0)
    {
        if (value->data[0] == 'b' && zone->is_late) {
            return "cannot be charged before the token that its key names";
        }

        zone->is_late = (value->data[0] == 'a');

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "empty=skip") == 0
        || ngx_strcmp(value->data, "empty=refuse") == 0)
    {
        zone->empty_skips = (value->data[6] == 's');

        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                       value);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gateway_limit_zone_name(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value, ssize_t *size)
{
    size_t      i;
    u_char     *p, ch;
    ngx_str_t   s;

    zone->name.data = value->data + 5;

    p = (u_char *) ngx_strchr(zone->name.data, ':');

    if (p == NULL) {
        return "must have \"zone=NAME:SIZE\"";
    }

    zone->name.len = p - zone->name.data;

    s.data = p + 1;
    s.len = value->data + value->len - s.data;

    *size = ngx_parse_size(&s);

    if (*size == NGX_ERROR || *size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone size \"%V\", it must be %uzk at "
                           "least", value, 8 * ngx_pagesize / 1024);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < zone->name.len; i++) {
        ch = zone->name.data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9')
              || ch == '_' || ch == '-' || ch == '.'))
        {
            break;
        }
    }

    if (zone->name.len == 0 || i < zone->name.len
        || zone->name.len > NGX_HTTP_GATEWAY_LIMIT_NAME_MAX)
    {
        return "must name its zone with 1 to 64 letters, digits, \"_\", "
               "\"-\", \".\": clients see it";
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gateway_limit_rate(ngx_str_t *value, uint64_t *interval)
{
    ngx_int_t   n;
    ngx_uint_t  per_minute;

    if (value->len < 4) {
        return NGX_ERROR;
    }

    if (ngx_strncmp(value->data + value->len - 3, "r/s", 3) == 0) {
        per_minute = 60;

    } else if (ngx_strncmp(value->data + value->len - 3, "r/m", 3) == 0) {
        per_minute = 1;

    } else {
        return NGX_ERROR;
    }

    n = ngx_atoi(value->data, value->len - 3);

    if (n <= 0
        || (ngx_uint_t) n > NGX_HTTP_GATEWAY_LIMIT_RATE_MAX * 60 / per_minute)
    {
        return NGX_ERROR;
    }

    n *= per_minute;

    *interval = (NGX_HTTP_GATEWAY_LIMIT_MINUTE + (uint64_t) n / 2)
                / (uint64_t) n;

    return NGX_OK;
}


/* what never changes of the fields and of the problem document */

static ngx_int_t
ngx_http_gateway_limit_zone_texts(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone)
{
    size_t  len;

    len = sizeof("\"\";q=;w=") - 1 + zone->name.len + 2 * NGX_INT64_LEN;

    zone->policy.data = ngx_pnalloc(cf->pool, len);
    if (zone->policy.data == NULL) {
        return NGX_ERROR;
    }

    zone->policy.len = ngx_sprintf(zone->policy.data, "\"%V\";q=%uL;w=%uL",
                                   &zone->name, zone->gcra.quota,
                                   ngx_http_gateway_gcra_window(&zone->gcra))
                       - zone->policy.data;

    len = sizeof("the limit  is reached") - 1 + zone->name.len;

    zone->detail.data = ngx_pnalloc(cf->pool, len);
    if (zone->detail.data == NULL) {
        return NGX_ERROR;
    }

    zone->detail.len = ngx_sprintf(zone->detail.data,
                                   "the limit %V is reached", &zone->name)
                       - zone->detail.data;

    return NGX_OK;
}


/* gateway_limit zone=NAME [cost=N]; gateway_limit off; */

static char *
ngx_http_gateway_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_limit_loc_conf_t *llcf = conf;

    ngx_int_t                  cost;
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_gateway_limit_t   limit, *other;

    value = cf->args->elts;
    ngx_memzero(&limit, sizeof(ngx_http_gateway_limit_t));

    if (llcf->limits == NULL) {
        llcf->limits = ngx_pcalloc(cf->pool,
                                   sizeof(ngx_http_gateway_limits_t));
        if (llcf->limits == NULL
            || ngx_array_init(&llcf->limits->limits, cf->pool, 2,
                              sizeof(ngx_http_gateway_limit_t))
               != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        llcf->limits->is_off = cf->args->nelts == 2
                               && ngx_strcmp(value[1].data, "off") == 0;

        if (llcf->limits->is_off) {
            return NGX_CONF_OK;
        }

    } else if (llcf->limits->is_off
               || ngx_strcmp(value[1].data, "off") == 0)
    {
        return "cannot be \"off\" beside another one";
    }

    limit.cost = 1;
    limit.file = cf->conf_file->file.name;
    limit.line = cf->conf_file->line;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0 && value[i].len > 5) {
            limit.name.data = value[i].data + 5;
            limit.name.len = value[i].len - 5;
            continue;
        }

        if (ngx_strncmp(value[i].data, "cost=", 5) == 0) {
            cost = ngx_atoi(value[i].data + 5, value[i].len - 5);

            if (cost > 0 && cost <= NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX) {
                limit.cost = cost;
                continue;
            }
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                           &value[i]);
        return NGX_CONF_ERROR;
    }

    if (limit.name.len == 0) {
        return "must have \"zone=NAME\" or be \"off\"";
    }

    other = llcf->limits->limits.elts;

    for (i = 0; i < llcf->limits->limits.nelts; i++) {
        if (other[i].name.len == limit.name.len
            && ngx_strncmp(other[i].name.data, limit.name.data,
                           limit.name.len)
               == 0)
        {
            return "names a zone twice";
        }
    }

    if (llcf->limits->limits.nelts == NGX_HTTP_GATEWAY_LIMIT_ZONES) {
        return "names more zones than the 8 that are allowed";
    }

    other = ngx_array_push(&llcf->limits->limits);
    if (other == NULL) {
        return NGX_CONF_ERROR;
    }

    *other = limit;

    return NGX_CONF_OK;
}
