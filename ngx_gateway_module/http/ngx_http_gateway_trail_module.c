/*
 * Copyright (C) the Warren authors
 *
 * What is known of a request across redirects, and the variables that tell it
 * to the access log.
 */

#include "ngx_http_gateway_trail.h"


#define NGX_HTTP_GATEWAY_TRAIL_NUMBER  (NGX_INT64_LEN + sizeof(".000"))


static ngx_int_t ngx_http_gateway_trail_add_variables(ngx_conf_t *cf);
static void ngx_http_gateway_trail_cleanup(void *data);
static ngx_int_t ngx_http_gateway_trail_text(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gateway_trail_wait_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gateway_trail_attempts(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gateway_trail_events(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gateway_trail_request_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gateway_trail_trace_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gateway_trail_started_at(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_module_t  ngx_http_gateway_trail_module_ctx = {
    ngx_http_gateway_trail_add_variables,  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_trail_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_trail_module_ctx,    /* module context */
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


#define ngx_http_gateway_trail_of(field)                                      \
    offsetof(ngx_http_gateway_trail_t, field)

static ngx_http_variable_t  ngx_http_gateway_trail_variables[] = {

    { ngx_string("gateway_outcome"), NULL, ngx_http_gateway_trail_text,
      ngx_http_gateway_trail_of(outcome), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_route"), NULL, ngx_http_gateway_trail_text,
      ngx_http_gateway_trail_of(route), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_service"), NULL, ngx_http_gateway_trail_text,
      ngx_http_gateway_trail_of(service), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_method"), NULL, ngx_http_gateway_trail_text,
      ngx_http_gateway_trail_of(method), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_canary"), NULL, ngx_http_gateway_trail_text,
      ngx_http_gateway_trail_of(canary), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_fallback"), NULL, ngx_http_gateway_trail_text,
      ngx_http_gateway_trail_of(fallback), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_wait_time"), NULL, ngx_http_gateway_trail_wait_time,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_attempts"), NULL, ngx_http_gateway_trail_attempts,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_stream_events"), NULL, ngx_http_gateway_trail_events,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gateway_request_id"), NULL,
      ngx_http_gateway_trail_request_id, 0, 0, 0 },

    { ngx_string("gateway_trace_id"), NULL,
      ngx_http_gateway_trail_trace_id, 0, 0, 0 },

    { ngx_string("gateway_started_at"), NULL,
      ngx_http_gateway_trail_started_at, 0, 0, 0 },

      ngx_http_null_variable
};


ngx_http_gateway_trail_t *
ngx_http_gateway_trail_get(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_gateway_trail_t  *trail;

    trail = ngx_http_gateway_trail_find(r);
    if (trail) {
        return trail;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_gateway_trail_t));
    if (cln == NULL) {
        return NULL;
    }

    trail = cln->data;
    ngx_memzero(trail, sizeof(ngx_http_gateway_trail_t));
    trail->request = r;

    cln->handler = ngx_http_gateway_trail_cleanup;

    return trail;
}


/* found by its cleanup handler, as ngx_http_realip_module does */

ngx_http_gateway_trail_t *
ngx_http_gateway_trail_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_gateway_trail_t  *trail;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler != ngx_http_gateway_trail_cleanup) {
            continue;
        }

        /* subrequests share the pool */

        trail = cln->data;

        if (trail->request == r) {
            return trail;
        }
    }

    return NULL;
}


static void
ngx_http_gateway_trail_cleanup(void *data)
{
    /* a mark only: the pool frees the memory */
}


ngx_int_t
ngx_http_gateway_trail_home(ngx_http_request_t *r)
{
    ngx_http_gateway_trail_t  *trail;

    trail = ngx_http_gateway_trail_get(r);
    if (trail == NULL) {
        return NGX_ERROR;
    }

    if (trail->home == NULL) {
        trail->home = r->loc_conf;
    }

    return NGX_OK;
}


void *
ngx_http_gateway_trail_home_conf(ngx_http_request_t *r, ngx_module_t *module)
{
    ngx_http_gateway_trail_t  *trail;

    trail = ngx_http_gateway_trail_find(r);

    return trail && trail->home ? trail->home[module->ctx_index] : NULL;
}


static ngx_int_t
ngx_http_gateway_trail_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_gateway_trail_variables; v->name.len; v++) {

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
ngx_http_gateway_trail_text(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                 *text;
    ngx_http_gateway_trail_t  *trail;

    trail = ngx_http_gateway_trail_find(r);
    text = trail ? (ngx_str_t *) ((u_char *) trail + data) : NULL;

    if (text == NULL || text->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = text->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = text->data;

    return NGX_OK;
}


/* seconds, as $request_time; absent while there was no call */

static ngx_int_t
ngx_http_gateway_trail_wait_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                    *p;
    uint64_t                   ms;
    ngx_http_gateway_trail_t  *trail;

    trail = ngx_http_gateway_trail_find(r);

    if (trail == NULL || !trail->is_called) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_HTTP_GATEWAY_TRAIL_NUMBER);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ms = trail->wait_usec / 1000;

    v->len = ngx_sprintf(p, "%uL.%03uL", ms / 1000, ms % 1000) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_trail_attempts(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                    *p;
    ngx_http_gateway_trail_t  *trail;

    trail = ngx_http_gateway_trail_find(r);

    if (trail == NULL || !trail->is_called) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_HTTP_GATEWAY_TRAIL_NUMBER);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%ui", trail->attempts) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_trail_events(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                    *p;
    ngx_http_gateway_trail_t  *trail;

    trail = ngx_http_gateway_trail_find(r);

    if (trail == NULL || !trail->is_stream) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%ui", trail->events) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


/* the id in X-Request-Id of the answer and in messages; made here if need be */

static ngx_int_t
ngx_http_gateway_trail_request_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  id;

    if (ngx_http_gateway_request_id(r, &id) != NGX_OK) {
        return NGX_ERROR;
    }

    v->len = id.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = id.data;

    return NGX_OK;
}


/* what messages of this request, and all that comes of them, have in common */

static ngx_int_t
ngx_http_gateway_trail_trace_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  tp;

    if (ngx_http_gateway_traceparent(r, &tp) != NGX_OK) {
        return NGX_ERROR;
    }

    v->len = 32;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = tp.data + 3;

    return NGX_OK;
}


/* as workers write times into their logs: lines of both can be sorted */

static ngx_int_t
ngx_http_gateway_trail_started_at(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char    *p;
    ngx_tm_t   tm;

    p = ngx_pnalloc(r->pool, sizeof("2026-11-23T14:25:47.934Z") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_gmtime(r->start_sec, &tm);

    v->len = ngx_sprintf(p, "%4d-%02d-%02dT%02d:%02d:%02d.%03MZ",
                         tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                         tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                         r->start_msec)
             - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}
