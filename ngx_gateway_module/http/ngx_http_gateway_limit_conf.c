/*
 * Copyright (C) the Warren authors
 *
 * The directives about limits: what they say, and what cannot work.
 */

#include "ngx_http_gateway_limit_private.h"


/* beyond it a name does not fit a structured field comfortably */

#define NGX_HTTP_GATEWAY_LIMIT_NAME_MAX  64

/* how often nodes tell one another what they spent, in ms */

#define NGX_HTTP_GATEWAY_LIMIT_SYNC_MIN  10
#define NGX_HTTP_GATEWAY_LIMIT_SYNC_MAX  10000


static char *ngx_http_gateway_limit_zone_param(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value, ssize_t *size);
static char *ngx_http_gateway_limit_zone_rate(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value);
static char *ngx_http_gateway_limit_zone_sync(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value);
static char *ngx_http_gateway_limit_zone_name(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value, ssize_t *size);
static ngx_int_t ngx_http_gateway_limit_zone_texts(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone);
static ngx_uint_t ngx_http_gateway_limit_names_token(ngx_str_t *text);
static char *ngx_http_gateway_limit_param(ngx_conf_t *cf,
    ngx_http_gateway_limit_t *limit, ngx_str_t *value);
static char *ngx_http_gateway_limit_param_cost(ngx_conf_t *cf,
    ngx_http_gateway_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_http_gateway_limit_check(ngx_conf_t *cf,
    const ngx_http_gateway_limit_t *limit);
static ngx_int_t ngx_http_gateway_limit_compare(const void *one,
    const void *two);


/*
 * gateway_limit_zone KEY zone=NAME:SIZE rate=RATE|$VARIABLE [default=RATE]
 *     [burst=N] [before=jwt|after=jwt] [empty=refuse|skip] [sync=TIME];
 */

char *
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

    /* a rate by the token's claims is known after the token as well */

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_gateway_limit_names_token(&value[i])) {
            zone->is_late = 1;
        }
    }

    zone->empty_skips = !ngx_http_gateway_limit_names_token(&value[1]);
    zone->gcra.quota = 1;
    zone->file = cf->conf_file->file.name;
    zone->line = cf->conf_file->line;

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_http_gateway_limit_zone_param(cf, zone, &value[i], &size);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (zone->rate && zone->gcra.interval == 0) {
        return "with a rate from a variable must have \"default=\", the rate "
               "where the variable is empty";
    }

    if (zone->name.len == 0 || zone->gcra.interval == 0) {
        return "must have \"zone=\" and \"rate=\"";
    }

    zone->gcra.debt = ngx_http_gateway_limit_zone_debt(zone, &zone->gcra);

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

    if (ngx_strncmp(value->data, "zone=", 5) == 0) {
        return ngx_http_gateway_limit_zone_name(cf, zone, value, size);
    }

    if (ngx_strncmp(value->data, "rate=", 5) == 0
        || ngx_strncmp(value->data, "default=", 8) == 0)
    {
        return ngx_http_gateway_limit_zone_rate(cf, zone, value);
    }

    if (ngx_strncmp(value->data, "burst=", 6) == 0) {
        burst = ngx_atoi(value->data + 6, value->len - 6);

        if (burst == NGX_ERROR || burst >= NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid burst \"%V\", it must be less than "
                               "%d", value, NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX);
            return NGX_CONF_ERROR;
        }

        if (zone->has_burst) {
            return "has two bursts, leave one out";
        }

        zone->has_burst = 1;
        zone->gcra.quota = (uint64_t) burst + 1;

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "sync=", 5) == 0) {
        return ngx_http_gateway_limit_zone_sync(cf, zone, value);
    }

    if (ngx_strcmp(value->data, "before=jwt") == 0
        || ngx_strcmp(value->data, "after=jwt") == 0)
    {
        if (value->data[0] == 'b' && zone->is_late) {
            return "cannot be charged before the token that its key or rate "
                   "names";
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
ngx_http_gateway_limit_zone_rate(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value)
{
    ngx_str_t                          s;
    ngx_uint_t                         is_default;
    ngx_http_compile_complex_value_t   ccv;

    is_default = (value->data[0] == 'd');

    s.data = value->data + (is_default ? 8 : 5);
    s.len = value->data + value->len - s.data;

    if (!is_default && ngx_http_script_variables_count(&s)) {

        zone->rate = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (zone->rate == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &s;
        ccv.complex_value = zone->rate;

        return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                              : NGX_CONF_ERROR;
    }

    if (zone->gcra.interval) {
        return "has two rates; \"default=\" goes with a \"rate=\" from a "
               "variable";
    }

    if (ngx_http_gateway_limit_rate(&s, &zone->gcra) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid rate \"%V\", it must be 1r/m to "
                           "%dr/s, and may have a burst as in 10r/s:20",
                           value, NGX_HTTP_GATEWAY_LIMIT_RATE_MAX);
        return NGX_CONF_ERROR;
    }

    if (ngx_strlchr(s.data, s.data + s.len, ':')) {

        if (zone->has_burst) {
            return "has two bursts, leave one out";
        }

        zone->has_burst = 1;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_limit_zone_sync(ngx_conf_t *cf,
    ngx_http_gateway_limit_zone_t *zone, ngx_str_t *value)
{
    ngx_int_t  n;
    ngx_str_t  s;

    s.data = value->data + 5;
    s.len = value->len - 5;

    n = ngx_parse_time(&s, 0);

    if (n == NGX_ERROR || n < NGX_HTTP_GATEWAY_LIMIT_SYNC_MIN
        || n > NGX_HTTP_GATEWAY_LIMIT_SYNC_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", use a time from %dms "
                           "to %dms", value, NGX_HTTP_GATEWAY_LIMIT_SYNC_MIN,
                           NGX_HTTP_GATEWAY_LIMIT_SYNC_MAX);
        return NGX_CONF_ERROR;
    }

    zone->sync = (ngx_msec_t) n;

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_gateway_limit_names_token(ngx_str_t *text)
{
    return ngx_strstr(text->data, "$gateway_jwt_") != NULL
           || ngx_strstr(text->data, "${gateway_jwt_") != NULL;
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


/* gateway_limit zone=NAME [cost=N|$V] [delay=N] [dry_run]; or off; */

char *
ngx_http_gateway_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_limit_loc_conf_t *llcf = conf;

    char                      *rv;
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
    limit.delay = NGX_HTTP_GATEWAY_LIMIT_NO_DELAY;
    limit.file = cf->conf_file->file.name;
    limit.line = cf->conf_file->line;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_http_gateway_limit_param(cf, &limit, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
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


static char *
ngx_http_gateway_limit_param(ngx_conf_t *cf, ngx_http_gateway_limit_t *limit,
    ngx_str_t *value)
{
    ngx_int_t  n;

    if (ngx_strncmp(value->data, "zone=", 5) == 0 && value->len > 5) {
        limit->name.data = value->data + 5;
        limit->name.len = value->len - 5;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "dry_run") == 0) {
        limit->is_dry = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "delay=", 6) == 0) {
        n = ngx_atoi(value->data + 6, value->len - 6);

        if (n != NGX_ERROR && n < NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX) {
            limit->delay = (uint64_t) n;
            return NGX_CONF_OK;
        }
    }

    if (ngx_strncmp(value->data, "cost=", 5) == 0) {
        return ngx_http_gateway_limit_param_cost(cf, limit, value);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                       value);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gateway_limit_param_cost(ngx_conf_t *cf,
    ngx_http_gateway_limit_t *limit, ngx_str_t *value)
{
    ngx_int_t                         n;
    ngx_str_t                         s;
    ngx_http_compile_complex_value_t  ccv;

    s.data = value->data + 5;
    s.len = value->len - 5;

    if (ngx_http_script_variables_count(&s)) {

        limit->cost_text = ngx_palloc(cf->pool,
                                      sizeof(ngx_http_complex_value_t));
        if (limit->cost_text == NULL) {
            return NGX_CONF_ERROR;
        }

        limit->cost_is_late = ngx_http_gateway_limit_names_token(value);

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &s;
        ccv.complex_value = limit->cost_text;

        return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                              : NGX_CONF_ERROR;
    }

    n = ngx_atoi(s.data, s.len);

    if (n > 0 && n <= NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX) {
        limit->cost = n;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid cost \"%V\", it must be a number from 1 or "
                       "have a variable", value);

    return NGX_CONF_ERROR;
}


/* names may stand before the zones they mean, so they wait until all is read */

char *
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

        if (ngx_http_gateway_limit_check(cf, &limit[i]) != NGX_OK) {
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


/* of one that has found its zone; the rates of a variable are not known here */

static ngx_int_t
ngx_http_gateway_limit_check(ngx_conf_t *cf,
    const ngx_http_gateway_limit_t *limit)
{
    const ngx_http_gateway_limit_zone_t  *zone;

    zone = limit->zone;

    if (limit->cost_is_late && !zone->is_late) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the cost names a token, but zone \"%V\" is charged "
                      "before it, add \"after=jwt\" to the zone, in %V:%ui",
                      &limit->name, &limit->file, limit->line);
        return NGX_ERROR;
    }

    if (zone->rate) {
        return NGX_OK;
    }

    if (limit->cost > zone->gcra.quota) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "cost=%ui can never pass zone \"%V\", raise its "
                      "burst to %ui at least, in %V:%ui",
                      limit->cost, &limit->name, limit->cost - 1,
                      &limit->file, limit->line);
        return NGX_ERROR;
    }

    if (limit->delay != NGX_HTTP_GATEWAY_LIMIT_NO_DELAY
        && limit->delay + 1 >= zone->gcra.quota)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "delay=%uL lets no request of zone \"%V\" wait, it "
                      "must be less than the burst of the zone, %uL, "
                      "in %V:%ui",
                      limit->delay, &limit->name, zone->gcra.quota - 1,
                      &limit->file, limit->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}
