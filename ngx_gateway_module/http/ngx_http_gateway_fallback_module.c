/*
 * Copyright (C) the Warren authors
 *
 * Where a request goes whose call failed: what is not moved yet, or not up yet,
 * is answered by what answered it before.
 */

#include "ngx_http_gateway_private.h"


/* what may have happened is not done a second time, unless it only reads */
#define NGX_HTTP_GATEWAY_UNCERTAIN                                            \
    (ngx_http_gateway_bit(WIRE_ERROR_TIMEOUT)                                 \
     | ngx_http_gateway_bit(WIRE_ERROR_INTERRUPTED)                           \
     | ngx_http_gateway_bit(WIRE_ERROR_BAD_REPLY)                             \
     | ngx_http_gateway_bit(WIRE_ERROR_INTERNAL))

#define NGX_HTTP_GATEWAY_CERTAIN                                              \
    (ngx_http_gateway_bit(WIRE_ERROR_NO_ROUTE)                                \
     | ngx_http_gateway_bit(WIRE_ERROR_UNAVAILABLE)                           \
     | ngx_http_gateway_bit(WIRE_ERROR_OVERLOADED))


typedef struct {
    ngx_http_gateway_target_t    target;
    ngx_uint_t                   methods;     /* 0: all that are routed */
    ngx_uint_t                   outcomes;    /* bits of enum wire_error */
} ngx_http_gateway_fallback_t;


typedef struct {
    ngx_array_t                 *fallbacks;   /* of ..._fallback_t */
} ngx_http_gateway_fallback_loc_conf_t;


static void *ngx_http_gateway_fallback_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_fallback_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_gateway_fallback_check(ngx_conf_t *cf,
    const ngx_http_gateway_fallback_t *fallback,
    const ngx_http_gateway_loc_conf_t *glcf);
static char *ngx_http_gateway_fallback(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_fallback_twice(ngx_conf_t *cf,
    ngx_array_t *fallbacks, const ngx_http_gateway_fallback_t *fallback);


static ngx_command_t  ngx_http_gateway_fallback_commands[] = {

    { ngx_string("gateway_fallback"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF|NGX_CONF_2MORE,
      ngx_http_gateway_fallback,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_fallback_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_fallback_create_loc_conf, /* create location conf */
    ngx_http_gateway_fallback_merge_loc_conf   /* merge location conf */
};


ngx_module_t  ngx_http_gateway_fallback_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_fallback_module_ctx, /* module context */
    ngx_http_gateway_fallback_commands,    /* module directives */
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


ngx_int_t
ngx_http_gateway_fallback_go(ngx_http_gateway_call_t *ctx,
    enum wire_error error)
{
    ngx_uint_t                             i;
    ngx_http_request_t                    *r;
    const ngx_http_gateway_fallback_t     *fallback;
    ngx_http_gateway_fallback_loc_conf_t  *flcf;

    r = ctx->request;
    flcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_fallback_module);

    if (flcf->fallbacks == NULL) {
        return NGX_DECLINED;
    }

    fallback = flcf->fallbacks->elts;

    for (i = 0; i < flcf->fallbacks->nelts; i++) {

        if ((fallback[i].outcomes & ngx_http_gateway_bit(error))
            && (fallback[i].methods == 0
                || (fallback[i].methods & r->method)))
        {
            break;
        }
    }

    if (i == flcf->fallbacks->nelts) {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "call of \"%V.%V\" failed: %s, falling back to \"%V\"",
                  &ctx->route->service, &ctx->route->method,
                  wire_error_info(error)->name, &fallback[i].target.name);

    (void) ngx_atomic_fetch_add(&ctx->route->stats->fallbacks, 1);
    ctx->trail->fallback = fallback[i].target.name;

    r->connection->log->action = "falling back";

    return ngx_http_gateway_target_go(r, &fallback[i].target);
}


static void *
ngx_http_gateway_fallback_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_fallback_loc_conf_t));
}


static char *
ngx_http_gateway_fallback_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_gateway_fallback_loc_conf_t  *prev = parent;
    ngx_http_gateway_fallback_loc_conf_t  *conf = child;

    ngx_uint_t                    i;
    ngx_http_gateway_fallback_t  *fallback;
    ngx_http_gateway_loc_conf_t  *glcf;

    glcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_gateway_route_module);

    /* with the routes, that "if" and limit_except take over */

    if (conf->fallbacks == NULL && glcf->is_lent) {
        conf->fallbacks = prev->fallbacks;
    }

    if (conf->fallbacks == NULL) {
        return NGX_CONF_OK;
    }

    fallback = conf->fallbacks->elts;

    for (i = 0; i < conf->fallbacks->nelts; i++) {
        if (ngx_http_gateway_fallback_check(cf, &fallback[i], glcf)
            != NGX_CONF_OK
            || ngx_http_gateway_target_use(cf, &fallback[i].target)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_fallback_check(ngx_conf_t *cf,
    const ngx_http_gateway_fallback_t *fallback,
    const ngx_http_gateway_loc_conf_t *glcf)
{
    ngx_uint_t                        routed, methods;
    enum wire_error                   error;
    const ngx_http_gateway_target_t  *target;

    target = &fallback->target;

    if (glcf->routes == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "gateway_fallback is about calls and there is none, add "
                      "a gateway_route to the location, in %V:%ui",
                      &target->file, target->line);
        return NGX_CONF_ERROR;
    }

    routed = ngx_http_gateway_routed_methods(glcf);

    if (fallback->methods & ~routed) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "gateway_fallback names a method that is not routed "
                      "here, leave it out or route it, in %V:%ui",
                      &target->file, target->line);
        return NGX_CONF_ERROR;
    }

    methods = fallback->methods ? fallback->methods : routed;

    if ((methods & ~(NGX_HTTP_GET|NGX_HTTP_HEAD)) == 0
        || (fallback->outcomes & NGX_HTTP_GATEWAY_UNCERTAIN) == 0)
    {
        return NGX_CONF_OK;
    }

    for (error = 0; error < WIRE_ERROR_COUNT; error++) {
        if (ngx_http_gateway_bit(error) & NGX_HTTP_GATEWAY_UNCERTAIN
            & fallback->outcomes)
        {
            break;
        }
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "gateway_fallback on \"%s\" could do twice what a method "
                  "other than GET and HEAD does, since the call may have "
                  "happened; write \"gateway_fallback GET,HEAD %V ...\" in "
                  "%V:%ui",
                  wire_error_info(error)->name, &target->name,
                  &target->file, target->line);

    return NGX_CONF_ERROR;
}


/* gateway_fallback [METHOD,...] @LOCATION OUTCOME ... */

static char *
ngx_http_gateway_fallback(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_fallback_loc_conf_t *flcf = conf;

    char                         *rv;
    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_http_gateway_fallback_t   fallback, *slot;

    ngx_memzero(&fallback, sizeof(ngx_http_gateway_fallback_t));

    value = cf->args->elts;
    i = 1;

    if (value[1].data[0] != '@') {

        rv = ngx_http_gateway_route_methods(cf, &value[1], &fallback.methods);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        i = 2;
    }

    rv = ngx_http_gateway_target(cf, &value[i], &fallback.target);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (i + 1 == cf->args->nelts) {
        return "names no outcome, add those that go there, as \"no_route\"";
    }

    for (i = i + 1; i < cf->args->nelts; i++) {

        rv = ngx_http_gateway_outcome(cf, &value[i],
                                      NGX_HTTP_GATEWAY_CERTAIN
                                      | NGX_HTTP_GATEWAY_UNCERTAIN,
                                      &fallback.outcomes);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (flcf->fallbacks == NULL) {
        flcf->fallbacks = ngx_array_create(cf->pool, 2,
                                          sizeof(ngx_http_gateway_fallback_t));
        if (flcf->fallbacks == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rv = ngx_http_gateway_fallback_twice(cf, flcf->fallbacks, &fallback);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    slot = ngx_array_push(flcf->fallbacks);
    if (slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = fallback;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_fallback_twice(ngx_conf_t *cf, ngx_array_t *fallbacks,
    const ngx_http_gateway_fallback_t *fallback)
{
    ngx_uint_t                    i;
    ngx_http_gateway_fallback_t  *known;

    known = fallbacks->elts;

    for (i = 0; i < fallbacks->nelts; i++) {

        if ((known[i].outcomes & fallback->outcomes)
            && (known[i].methods == 0 || fallback->methods == 0
                || (known[i].methods & fallback->methods)))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "an outcome of the same method is in %V:%ui, "
                               "keep one of them",
                               &known[i].target.file, known[i].target.line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_gateway_outcome(ngx_conf_t *cf, ngx_str_t *word, ngx_uint_t allowed,
    ngx_uint_t *outcomes)
{
    u_char           list[512], *p;
    const char      *name;
    enum wire_error  error;

    p = list;

    for (error = 0; error < WIRE_ERROR_COUNT; error++) {

        if ((allowed & ngx_http_gateway_bit(error)) == 0) {
            continue;
        }

        name = wire_error_info(error)->name;

        if (ngx_strlen(name) == word->len
            && ngx_strncmp(name, word->data, word->len) == 0)
        {
            break;
        }

        p = ngx_slprintf(p, list + sizeof(list), "%s%s",
                         p == list ? "" : ", ", name);
    }

    if (error == WIRE_ERROR_COUNT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown outcome \"%V\", there are %*s", word,
                           (size_t) (p - list), list);
        return NGX_CONF_ERROR;
    }

    if (*outcomes & ngx_http_gateway_bit(error)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate outcome \"%V\"",
                           word);
        return NGX_CONF_ERROR;
    }

    *outcomes |= ngx_http_gateway_bit(error);

    return NGX_CONF_OK;
}


char *
ngx_http_gateway_outcomes(ngx_conf_t *cf, ngx_str_t *list, ngx_uint_t allowed,
    ngx_uint_t *outcomes)
{
    char       *rv;
    u_char     *p, *last, *comma;
    ngx_str_t   word;

    p = list->data;
    last = list->data + list->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        word.data = p;
        word.len = (comma ? comma : last) - p;

        rv = ngx_http_gateway_outcome(cf, &word, allowed, outcomes);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        if (comma == NULL) {
            return NGX_CONF_OK;
        }

        p = comma + 1;
    }
}
