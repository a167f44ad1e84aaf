/*
 * Copyright (C) the Warren authors
 *
 * A part of the requests is served by another method, another service or
 * another location: by percentage, by list, or by a variable, after the token
 * was verified, and always the same part.
 */

#include "ngx_http_gateway_private.h"


/* of a percentage: 100% and 2 decimals */
#define NGX_HTTP_GATEWAY_CANARY_ALL  10000


typedef struct {
    ngx_uint_t                   methods;     /* 0: all that are routed */

    /* who: any of these that are set */
    ngx_http_complex_value_t    *key;
    ngx_http_complex_value_t    *condition;   /* if=; NULL: none */
    ngx_array_t                 *list;        /* of ngx_str_t; NULL: none */
    ngx_uint_t                   percent;     /* hundredths */
    ngx_str_t                    salt;
    unsigned                     has_percent:1;

    /* where to: the route, or the location if its name is not empty */
    ngx_http_gateway_route_t     route;
    ngx_http_gateway_target_t    target;
    ngx_str_t                    name;        /* for the log */
} ngx_http_gateway_canary_t;


typedef struct {
    ngx_array_t                 *canaries;    /* ..._canary_t * */
} ngx_http_gateway_canary_loc_conf_t;


static void *ngx_http_gateway_canary_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_canary_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_gateway_canary_check(ngx_conf_t *cf,
    const ngx_http_gateway_canary_t *canary,
    const ngx_http_gateway_loc_conf_t *glcf);
static char *ngx_http_gateway_canary(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_canary_where(ngx_conf_t *cf,
    ngx_http_gateway_canary_t *canary, ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_gateway_canary_who(ngx_conf_t *cf,
    ngx_http_gateway_canary_t *canary, ngx_str_t *value);
static char *ngx_http_gateway_canary_percent(ngx_conf_t *cf,
    ngx_http_gateway_canary_t *canary, ngx_str_t *value);
static char *ngx_http_gateway_canary_list(ngx_conf_t *cf,
    ngx_http_gateway_canary_t *canary, ngx_str_t *list);
static char *ngx_http_gateway_canary_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_complex_value_t **value_r);
static ngx_int_t ngx_http_gateway_canary_takes(ngx_http_request_t *r,
    const ngx_http_gateway_canary_t *canary);
static ngx_uint_t ngx_http_gateway_canary_share(ngx_http_request_t *r,
    const ngx_http_gateway_canary_t *canary, ngx_str_t *key);


static ngx_command_t  ngx_http_gateway_canary_commands[] = {

    { ngx_string("gateway_canary"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF|NGX_CONF_2MORE,
      ngx_http_gateway_canary,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_canary_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_canary_create_loc_conf, /* create location conf */
    ngx_http_gateway_canary_merge_loc_conf   /* merge location conf */
};


ngx_module_t  ngx_http_gateway_canary_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_canary_module_ctx,   /* module context */
    ngx_http_gateway_canary_commands,      /* module directives */
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
ngx_http_gateway_canary_go(ngx_http_request_t *r,
    const ngx_http_gateway_route_t **route)
{
    ngx_int_t                             rc;
    ngx_uint_t                            i, method;
    ngx_http_gateway_trail_t             *trail;
    const ngx_http_gateway_canary_t     **canary;
    ngx_http_gateway_canary_loc_conf_t   *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_canary_module);

    if (clcf->canaries == NULL) {
        return NGX_OK;
    }

    method = r->method == NGX_HTTP_HEAD ? NGX_HTTP_GET|NGX_HTTP_HEAD
                                        : r->method;
    canary = clcf->canaries->elts;

    for (i = 0; i < clcf->canaries->nelts; i++) {

        if (canary[i]->methods && (canary[i]->methods & method) == 0) {
            continue;
        }

        rc = ngx_http_gateway_canary_takes(r, canary[i]);

        if (rc == NGX_OK) {
            break;
        }

        if (rc == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (i == clcf->canaries->nelts) {
        return NGX_OK;
    }

    trail = ngx_http_gateway_trail_get(r);
    if (trail == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    trail->canary = canary[i]->name;
    (void) ngx_atomic_fetch_add(&(*route)->stats->canaries, 1);

    if (canary[i]->target.name.len) {
        return ngx_http_gateway_target_go(r, &canary[i]->target);
    }

    *route = &canary[i]->route;

    return NGX_OK;
}


/* NGX_OK, NGX_DECLINED or NGX_ERROR (memory) */

static ngx_int_t
ngx_http_gateway_canary_takes(ngx_http_request_t *r,
    const ngx_http_gateway_canary_t *canary)
{
    ngx_str_t    key, *known;
    ngx_uint_t   i;

    if (canary->condition) {

        if (ngx_http_complex_value(r, canary->condition, &key) != NGX_OK) {
            return NGX_ERROR;
        }

        if (key.len && !(key.len == 1 && key.data[0] == '0')) {
            return NGX_OK;
        }
    }

    if (canary->list == NULL && !canary->has_percent) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, canary->key, &key) != NGX_OK) {
        return NGX_ERROR;
    }

    /* nobody in particular is never taken: all of them would be */

    if (key.len == 0) {
        return NGX_DECLINED;
    }

    if (canary->list) {
        known = canary->list->elts;

        for (i = 0; i < canary->list->nelts; i++) {
            if (known[i].len == key.len
                && ngx_memcmp(known[i].data, key.data, key.len) == 0)
            {
                return NGX_OK;
            }
        }
    }

    return canary->has_percent
           && ngx_http_gateway_canary_share(r, canary, &key) < canary->percent
           ? NGX_OK : NGX_DECLINED;
}


/*
 * Where a key lies between 0 and 100 %: the same for all canaries to one
 * service, so that somebody is on one side with all their requests, and who
 * was taken stays taken when the percentage grows.
 */

static ngx_uint_t
ngx_http_gateway_canary_share(ngx_http_request_t *r,
    const ngx_http_gateway_canary_t *canary, ngx_str_t *key)
{
    uint64_t  hash;
    uint32_t  salt;

    salt = ngx_murmur_hash2(canary->salt.data, canary->salt.len);
    hash = ngx_murmur_hash2(key->data, key->len) ^ salt;

    /* mixed once more, or a salt would but move the borders */

    hash = ngx_murmur_hash2((u_char *) &hash, sizeof(hash));

    return (ngx_uint_t) ((hash * NGX_HTTP_GATEWAY_CANARY_ALL) >> 32);
}


static void *
ngx_http_gateway_canary_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_canary_loc_conf_t));
}


static char *
ngx_http_gateway_canary_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_gateway_canary_loc_conf_t  *prev = parent;
    ngx_http_gateway_canary_loc_conf_t  *conf = child;

    ngx_uint_t                     i;
    ngx_http_gateway_canary_t    **canary;
    ngx_http_gateway_loc_conf_t   *glcf;

    glcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_gateway_route_module);

    /* with the routes, that "if" and limit_except take over */

    if (conf->canaries == NULL && glcf->is_lent) {
        conf->canaries = prev->canaries;
    }

    if (conf->canaries == NULL) {
        return NGX_CONF_OK;
    }

    canary = conf->canaries->elts;

    for (i = 0; i < conf->canaries->nelts; i++) {

        if (ngx_http_gateway_canary_check(cf, canary[i], glcf)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (canary[i]->target.name.len
            && ngx_http_gateway_target_use(cf, &canary[i]->target)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_canary_check(ngx_conf_t *cf,
    const ngx_http_gateway_canary_t *canary,
    const ngx_http_gateway_loc_conf_t *glcf)
{
    ngx_uint_t                       methods;
    const ngx_http_gateway_route_t  *route;

    route = &canary->route;

    if (glcf->routes == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "gateway_canary is about a part of the requests and "
                      "there is no gateway_route for the others, add one to "
                      "the location, in %V:%ui", &route->file, route->line);
        return NGX_CONF_ERROR;
    }

    if (canary->methods & ~ngx_http_gateway_routed_methods(glcf)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "gateway_canary names a method that is not routed here, "
                      "leave it out or route it, in %V:%ui",
                      &route->file, route->line);
        return NGX_CONF_ERROR;
    }

    if (canary->methods == 0 && canary->target.name.len == 0
        && glcf->routes->nelts > 1)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "there are %ui routes, tell which of them gateway_canary "
                      "is for by its methods, as \"gateway_canary POST ...\", "
                      "in %V:%ui", glcf->routes->nelts,
                      &route->file, route->line);
        return NGX_CONF_ERROR;
    }

    methods = canary->methods ? canary->methods
                              : ngx_http_gateway_routed_methods(glcf);

    if (route->kind == NGX_HTTP_GATEWAY_SEND
        && (methods & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "GET and HEAD must not send a command, use \"call\" for "
                      "gateway_canary in %V:%ui", &route->file, route->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* gateway_canary [METHOD,...] WHO ... call|send SERVICE METHOD | @LOCATION */

static char *
ngx_http_gateway_canary(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_canary_loc_conf_t *clcf = conf;

    char                        *rv;
    ngx_str_t                   *value, subject;
    ngx_uint_t                   i, n, last;
    ngx_http_gateway_canary_t   *canary, **slot;

    canary = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_canary_t));
    if (canary == NULL) {
        return NGX_CONF_ERROR;
    }

    canary->route.file = cf->conf_file->file.name;
    canary->route.line = cf->conf_file->line;

    value = cf->args->elts;
    n = cf->args->nelts;
    i = 1;

    if (value[1].len && value[1].data[0] >= 'A' && value[1].data[0] <= 'Z') {

        rv = ngx_http_gateway_route_methods(cf, &value[1], &canary->methods);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        i = 2;
    }

    last = value[n - 1].data[0] == '@' ? n - 1 : n >= 4 ? n - 3 : n;

    for ( /* void */ ; i < last; i++) {

        rv = ngx_http_gateway_canary_who(cf, canary, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    rv = ngx_http_gateway_canary_where(cf, canary, &value[last], n - last);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (!canary->has_percent && canary->list == NULL
        && canary->condition == NULL)
    {
        return "says nobody, add a percentage, list= or if=, for example "
               "\"5%\"";
    }

    if (canary->key == NULL) {
        ngx_str_set(&subject, "$gateway_jwt_sub");

        rv = ngx_http_gateway_canary_value(cf, &subject, &canary->key);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (clcf->canaries == NULL) {
        clcf->canaries = ngx_array_create(cf->pool, 2,
                                          sizeof(ngx_http_gateway_canary_t *));
        if (clcf->canaries == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    slot = ngx_array_push(clcf->canaries);
    if (slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = canary;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_canary_where(ngx_conf_t *cf,
    ngx_http_gateway_canary_t *canary, ngx_str_t *value, ngx_uint_t n)
{
    char  *rv;

    if (n == 1) {
        rv = ngx_http_gateway_target(cf, value, &canary->target);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        canary->name = canary->target.name;

    } else if (n == 3) {
        rv = ngx_http_gateway_route_kind(cf, value,
                                         canary->methods ? canary->methods
                                                         : NGX_HTTP_POST,
                                         &canary->route.kind);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        canary->route.methods = canary->methods;

        rv = ngx_http_gateway_route_init(cf, &canary->route, &value[1],
                                         &value[2]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        canary->name.len = value[1].len + 1 + value[2].len;
        canary->name.data = ngx_pnalloc(cf->pool, canary->name.len);
        if (canary->name.data == NULL) {
            return NGX_CONF_ERROR;
        }

        (void) ngx_sprintf(canary->name.data, "%V.%V", &value[1], &value[2]);

    } else {
        return "does not say where to, end it with \"call SERVICE METHOD\" or "
               "\"@LOCATION\"";
    }

    if (canary->salt.data == NULL) {
        canary->salt = n == 1 ? canary->target.name : canary->route.service;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_canary_who(ngx_conf_t *cf, ngx_http_gateway_canary_t *canary,
    ngx_str_t *value)
{
    ngx_str_t  text;

    if (value->len && value->data[value->len - 1] == '%') {
        return ngx_http_gateway_canary_percent(cf, canary, value);
    }

    if (value->len > 4 && ngx_strncmp(value->data, "key=", 4) == 0) {
        text.data = value->data + 4;
        text.len = value->len - 4;

        return ngx_http_gateway_canary_value(cf, &text, &canary->key);
    }

    if (value->len > 3 && ngx_strncmp(value->data, "if=", 3) == 0) {
        text.data = value->data + 3;
        text.len = value->len - 3;

        return ngx_http_gateway_canary_value(cf, &text, &canary->condition);
    }

    if (value->len > 5 && ngx_strncmp(value->data, "list=", 5) == 0) {
        text.data = value->data + 5;
        text.len = value->len - 5;

        return ngx_http_gateway_canary_list(cf, canary, &text);
    }

    if (value->len > 5 && ngx_strncmp(value->data, "salt=", 5) == 0) {
        canary->salt.data = value->data + 5;
        canary->salt.len = value->len - 5;

        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter \"%V\" of gateway_canary, there are "
                       "N%%, key=, list=, if= and salt=", value);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gateway_canary_percent(ngx_conf_t *cf,
    ngx_http_gateway_canary_t *canary, ngx_str_t *value)
{
    ngx_int_t  n;

    if (canary->has_percent) {
        return "has two percentages, keep one of them";
    }

    n = ngx_atofp(value->data, value->len - 1, 2);

    if (n == NGX_ERROR || n > NGX_HTTP_GATEWAY_CANARY_ALL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid percentage \"%V\", use one from 0%% to "
                           "100%% with at most two decimals", value);
        return NGX_CONF_ERROR;
    }

    canary->percent = n;
    canary->has_percent = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_canary_list(ngx_conf_t *cf, ngx_http_gateway_canary_t *canary,
    ngx_str_t *list)
{
    u_char     *p, *last, *comma;
    ngx_str_t  *word;

    if (canary->list == NULL) {
        canary->list = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
        if (canary->list == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    p = list->data;
    last = list->data + list->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        word = ngx_array_push(canary->list);
        if (word == NULL) {
            return NGX_CONF_ERROR;
        }

        word->data = p;
        word->len = (comma ? comma : last) - p;

        if (word->len == 0) {
            return "has an empty word in its list";
        }

        if (comma == NULL) {
            return NGX_CONF_OK;
        }

        p = comma + 1;
    }
}


static char *
ngx_http_gateway_canary_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_complex_value_t **value_r)
{
    ngx_http_compile_complex_value_t  ccv;

    if (*value_r) {
        return "has a parameter twice";
    }

    *value_r = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*value_r == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = *value_r;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* one for all would be no key, and no condition */

    if ((*value_r)->lengths == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has no variable and is the same for "
                           "everybody, use one as $gateway_jwt_sub", text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
