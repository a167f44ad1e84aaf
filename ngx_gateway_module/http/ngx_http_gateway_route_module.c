/*
 * Copyright (C) the Warren authors
 *
 * Routes: which method of which service a location and an HTTP method ask,
 * with which arguments and within what bounds.
 */

#include "ngx_http_gateway_private.h"


/* the longest name of a service or a method; they are AMQP short strings */
#define NGX_HTTP_GATEWAY_WORD_MAX  100

/* the longest name of an argument */
#define NGX_HTTP_GATEWAY_ARG_MAX   64

/* the default of gateway_max_body, and that of nginx */
#define NGX_HTTP_GATEWAY_MAX_BODY  1048576


static void *ngx_http_gateway_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_gateway_route_merge(ngx_conf_t *cf,
    ngx_http_gateway_loc_conf_t *conf);
static char *ngx_http_gateway_route_check(ngx_conf_t *cf,
    ngx_http_gateway_loc_conf_t *conf);
static char *ngx_http_gateway_route(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_route_name(ngx_conf_t *cf,
    ngx_http_gateway_route_t *route);
static char *ngx_http_gateway_arg(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_arg_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_gateway_arg_t *arg);
static char *ngx_http_gateway_use(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_timeout_post(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_gateway_max_body_post(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_gateway_max_reply_post(ngx_conf_t *cf, void *post,
    void *data);
static ngx_int_t ngx_http_gateway_route_handler(ngx_http_request_t *r);
static const ngx_http_gateway_route_t *ngx_http_gateway_route_find(
    const ngx_http_gateway_loc_conf_t *conf, ngx_uint_t method);
static ngx_int_t ngx_http_gateway_route_options(ngx_http_request_t *r);


static ngx_conf_post_t  ngx_http_gateway_timeout_check =
    { ngx_http_gateway_timeout_post };

static ngx_conf_post_t  ngx_http_gateway_max_body_check =
    { ngx_http_gateway_max_body_post };

static ngx_conf_post_t  ngx_http_gateway_max_reply_check =
    { ngx_http_gateway_max_reply_post };


/* in the order of the Allow header */

static ngx_conf_bitmask_t  ngx_http_gateway_methods[] = {
    { ngx_string("GET"), NGX_HTTP_GET },
    { ngx_string("HEAD"), NGX_HTTP_HEAD },
    { ngx_string("POST"), NGX_HTTP_POST },
    { ngx_string("PUT"), NGX_HTTP_PUT },
    { ngx_string("PATCH"), NGX_HTTP_PATCH },
    { ngx_string("DELETE"), NGX_HTTP_DELETE },
    { ngx_string("OPTIONS"), NGX_HTTP_OPTIONS },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_gateway_route_commands[] = {

    { ngx_string("gateway_route"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF
                       |NGX_CONF_TAKE3|NGX_CONF_TAKE4,
      ngx_http_gateway_route,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_use"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE1,
      ngx_http_gateway_use,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_arg"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE2,
      ngx_http_gateway_arg,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gateway_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_loc_conf_t, timeout),
      &ngx_http_gateway_timeout_check },

    { ngx_string("gateway_max_body"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_loc_conf_t, max_body),
      &ngx_http_gateway_max_body_check },

    { ngx_string("gateway_max_reply"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_loc_conf_t, max_reply),
      &ngx_http_gateway_max_reply_check },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_route_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_create_loc_conf,      /* create location configuration */
    ngx_http_gateway_merge_loc_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_route_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_route_module_ctx,    /* module context */
    ngx_http_gateway_route_commands,       /* module directives */
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
ngx_http_gateway_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->routes = NULL;
     *     conf->use = { 0, NULL };
     *     conf->link = NULL;
     *     conf->allow = { 0, NULL };
     *     conf->is_lent = 0;
     */

    conf->args = NGX_CONF_UNSET_PTR;
    conf->timeout = NGX_CONF_UNSET_MSEC;
    conf->max_body = NGX_CONF_UNSET_SIZE;
    conf->max_reply = NGX_CONF_UNSET_SIZE;

    return conf;
}


static char *
ngx_http_gateway_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gateway_loc_conf_t  *prev = parent;
    ngx_http_gateway_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_gateway_route_t  *route;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_conf_merge_ptr_value(conf->args, prev->args, NULL);
    ngx_conf_merge_str_value(conf->use, prev->use, "");
    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 5000);
    ngx_conf_merge_size_value(conf->max_body, prev->max_body,
                              NGX_HTTP_GATEWAY_MAX_BODY);
    ngx_conf_merge_size_value(conf->max_reply, prev->max_reply, 1024 * 1024);

    /* "if" and limit_except are nameless locations of their own */

    if (clcf->noname && conf->routes == NULL
        && (clcf->handler == NULL
            || clcf->handler == ngx_http_gateway_route_handler))
    {
        conf->routes = prev->routes;
        conf->allow = prev->allow;
        conf->is_lent = (conf->routes != NULL);
    }

    if (conf->routes == NULL) {
        return NGX_CONF_OK;
    }

    if (clcf->lmt_excpt && clcf->handler == NULL) {
        clcf->handler = ngx_http_gateway_route_handler;
    }

    /* the default is not worth a word: nobody asked for it */

    if (conf->max_body != NGX_HTTP_GATEWAY_MAX_BODY
        && clcf->client_max_body_size != 0
        && clcf->client_max_body_size < (off_t) conf->max_body)
    {
        route = conf->routes->elts;

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "gateway_max_body is above client_max_body_size, which "
                      "holds; raise that one too, for the route in %V:%ui",
                      &route->file, route->line);
    }

    /* so a body without a length is refused before it fills the disk */

    if (clcf->client_max_body_size == 0
        || clcf->client_max_body_size > (off_t) conf->max_body)
    {
        clcf->client_max_body_size = conf->max_body;
    }

    return ngx_http_gateway_route_merge(cf, conf);
}


/* what can be decided only now: brokers may be defined after their use */

static char *
ngx_http_gateway_route_merge(ngx_conf_t *cf, ngx_http_gateway_loc_conf_t *conf)
{
    u_char                        *p;
    size_t                         len;
    ngx_uint_t                     methods;
    ngx_conf_bitmask_t            *m;
    ngx_http_gateway_main_conf_t  *gmcf;

    if (ngx_http_gateway_route_check(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gateway_module);

    conf->link = ngx_http_gateway_link(gmcf, &conf->use);

    if (conf->link->broker.max_reply < conf->max_reply) {
        conf->link->broker.max_reply = conf->max_reply;
    }

    if (conf->allow.len) {
        return NGX_CONF_OK;
    }

    methods = NGX_HTTP_OPTIONS | ngx_http_gateway_routed_methods(conf);
    len = 0;

    for (m = ngx_http_gateway_methods; m->name.len; m++) {
        len += m->name.len + 2;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->allow.data = p;

    for (m = ngx_http_gateway_methods; m->name.len; m++) {
        if (methods & m->mask) {
            if (p != conf->allow.data) {
                *p++ = ',';
                *p++ = ' ';
            }

            p = ngx_cpymem(p, m->name.data, m->name.len);
        }
    }

    conf->allow.len = p - conf->allow.data;

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_http_gateway_routed_methods(const ngx_http_gateway_loc_conf_t *conf)
{
    ngx_uint_t                 i, methods;
    ngx_http_gateway_route_t  *route;

    methods = 0;
    route = conf->routes->elts;

    for (i = 0; i < conf->routes->nelts; i++) {
        methods |= route[i].methods;
    }

    if (methods & NGX_HTTP_GET) {
        methods |= NGX_HTTP_HEAD;
    }

    return methods;
}


static char *
ngx_http_gateway_route_check(ngx_conf_t *cf, ngx_http_gateway_loc_conf_t *conf)
{
    ngx_str_t                     *use;
    ngx_uint_t                     i;
    ngx_http_gateway_link_t       *link;
    ngx_http_gateway_route_t      *route;
    ngx_http_gateway_main_conf_t  *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gateway_module);

    use = &conf->use;
    route = conf->routes->elts;
    link = ngx_http_gateway_link(gmcf, use);

    if (link == NULL && use->len) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown broker \"%V\", define it with \"gateway_broker "
                      "%V { ... }\", for the route in %V:%ui",
                      use, use, &route->file, route->line);
        return NGX_CONF_ERROR;
    }

    if (link == NULL && gmcf->links.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no broker is defined, add \"gateway_broker NAME { ... "
                      "}\" to \"http\" for the route in %V:%ui",
                      &route->file, route->line);
        return NGX_CONF_ERROR;
    }

    if (link == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "there are %ui brokers, choose one with \"gateway_use "
                      "NAME\" for the route in %V:%ui",
                      gmcf->links.nelts, &route->file, route->line);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < conf->routes->nelts; i++) {
        if (route[i].parts
            && route[i].parts->nelts > link->broker.max_inflight)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "there are more parts than \"max_inflight\" of "
                          "broker \"%V\", they could never be sent, in "
                          "%V:%ui", &link->broker.name, &route[i].file,
                          route[i].line);
            return NGX_CONF_ERROR;
        }
    }

    if (conf->max_body > link->broker.max_output) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "gateway_max_body is above \"max_output\" of broker "
                      "\"%V\", such a body could never be sent; raise "
                      "max_output or lower the limit, for the route in %V:%ui",
                      &link->broker.name, &route->file, route->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* gateway_route [METHOD,...] call|send SERVICE METHOD */

static char *
ngx_http_gateway_route(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_loc_conf_t *glcf = conf;

    char                           *rv;
    ngx_str_t                      *value, *kind;
    ngx_uint_t                      methods;
    ngx_http_gateway_kind_e         what;
    ngx_http_gateway_route_t       *route;

    value = cf->args->elts;
    kind = &value[cf->args->nelts - 3];
    methods = NGX_HTTP_GET;

    if (cf->args->nelts == 5) {
        rv = ngx_http_gateway_route_methods(cf, &value[1], &methods);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    rv = ngx_http_gateway_route_kind(cf, kind, methods, &what);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    route = ngx_http_gateway_route_add(cf, glcf, what, methods);
    if (route == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_gateway_route_init(cf, route, &kind[1], &kind[2]);
}


ngx_http_gateway_route_t *
ngx_http_gateway_route_add(ngx_conf_t *cf, ngx_http_gateway_loc_conf_t *glcf,
    ngx_http_gateway_kind_e kind, ngx_uint_t methods)
{
    ngx_uint_t                 i;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_gateway_route_t  *route;

    if (glcf->routes == NULL) {
        glcf->routes = ngx_array_create(cf->pool, 6,
                                        sizeof(ngx_http_gateway_route_t));
        if (glcf->routes == NULL) {
            return NULL;
        }
    }

    route = glcf->routes->elts;

    for (i = 0; i < glcf->routes->nelts; i++) {
        if (route[i].methods & methods) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "a route of the same method is in %V:%ui, "
                               "keep one of them",
                               &route[i].file, route[i].line);
            return NULL;
        }
    }

    /* at most one route for each method: the array never moves */

    route = ngx_array_push(glcf->routes);
    if (route == NULL) {
        return NULL;
    }

    ngx_memzero(route, sizeof(ngx_http_gateway_route_t));

    route->kind = kind;
    route->methods = methods;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_gateway_route_handler;

    return route;
}


char *
ngx_http_gateway_route_kind(ngx_conf_t *cf, ngx_str_t *kind,
    ngx_uint_t methods, ngx_http_gateway_kind_e *kind_r)
{
    *kind_r = NGX_HTTP_GATEWAY_CALL;

    if (kind->len == 4 && ngx_strncmp(kind->data, "call", 4) == 0) {
        return NGX_CONF_OK;
    }

    if (kind->len != 4 || ngx_strncmp(kind->data, "send", 4) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown kind of route \"%V\", write \"gateway_route"
                           " [METHOD,...] call|send SERVICE METHOD\"", kind);
        return NGX_CONF_ERROR;
    }

    if (methods & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "GET and HEAD must not send a command, whoever "
                           "follows a link would; name the methods, for "
                           "example \"gateway_route POST send ...\"");
        return NGX_CONF_ERROR;
    }

    *kind_r = NGX_HTTP_GATEWAY_SEND;

    return NGX_CONF_OK;
}


char *
ngx_http_gateway_route_methods(ngx_conf_t *cf, ngx_str_t *list,
    ngx_uint_t *methods_r)
{
    u_char              *p, *last, *comma;
    ngx_str_t            word;
    ngx_uint_t           methods;
    ngx_conf_bitmask_t  *m;

    methods = 0;
    p = list->data;
    last = list->data + list->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        word.data = p;
        word.len = (comma ? comma : last) - p;

        for (m = ngx_http_gateway_methods; m->name.len; m++) {
            if (m->name.len == word.len
                && ngx_strncmp(m->name.data, word.data, word.len) == 0)
            {
                break;
            }
        }

        if (m->mask == NGX_HTTP_OPTIONS) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "OPTIONS is answered by the gateway, leave it "
                               "out");
            return NGX_CONF_ERROR;
        }

        if (m->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown method \"%V\" in \"%V\", use GET, "
                               "HEAD, POST, PUT, PATCH or DELETE, separated "
                               "by commas", &word, list);
            return NGX_CONF_ERROR;
        }

        if (methods & m->mask) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate method \"%V\" in \"%V\"",
                               &word, list);
            return NGX_CONF_ERROR;
        }

        methods |= m->mask;

        if (comma == NULL) {
            break;
        }

        p = comma + 1;
    }

    *methods_r = methods;

    return NGX_CONF_OK;
}


char *
ngx_http_gateway_route_init(ngx_conf_t *cf, ngx_http_gateway_route_t *route,
    ngx_str_t *service, ngx_str_t *method)
{
    char                          *rv;
    ngx_http_gateway_route_t     **known;
    ngx_http_gateway_main_conf_t  *gmcf;

    if ((service && ngx_http_gateway_word(cf, service) != NGX_CONF_OK)
        || (method && ngx_http_gateway_word(cf, method) != NGX_CONF_OK))
    {
        return NGX_CONF_ERROR;
    }

    if (service) {
        route->service = *service;
        route->method = *method;
    }

    route->file = cf->conf_file->file.name;
    route->line = cf->conf_file->line;

    rv = ngx_http_gateway_route_name(cf, route);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gateway_module);

    known = ngx_array_push(&gmcf->routes);
    if (known == NULL) {
        return NGX_CONF_ERROR;
    }

    *known = route;

    return NGX_CONF_OK;
}


/*
 * "LOCATION SERVICE.METHOD", "LOCATION (parts)" or "LOCATION (stream)":
 * indexes would change between configurations.
 */

static char *
ngx_http_gateway_route_name(ngx_conf_t *cf, ngx_http_gateway_route_t *route)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    route->name.len = clcf->name.len + 1
                      + (route->service.len ? route->service.len + 1
                                              + route->method.len
                                            : sizeof("(stream)") - 1);

    route->name.data = ngx_pnalloc(cf->pool, route->name.len);
    if (route->name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    if (route->service.len) {
        (void) ngx_sprintf(route->name.data, "%V %V.%V",
                           &clcf->name, &route->service, &route->method);

    } else {
        route->name.len = ngx_sprintf(route->name.data, "%V (%s)",
                                      &clcf->name,
                                      route->kind == NGX_HTTP_GATEWAY_STREAM
                                          ? "stream" : "parts")
                          - route->name.data;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_gateway_word(ngx_conf_t *cf, ngx_str_t *word)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < word->len && i < NGX_HTTP_GATEWAY_WORD_MAX; i++) {
        ch = word->data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-'))
        {
            break;
        }
    }

    if (word->len && i == word->len) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid name \"%V\", use at most %d letters, digits, "
                       "\"-\" and \"_\"", word, NGX_HTTP_GATEWAY_WORD_MAX);

    return NGX_CONF_ERROR;
}


/* gateway_arg NAME VALUE */

static char *
ngx_http_gateway_arg(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_loc_conf_t *glcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_gateway_arg_add(cf, &glcf->args, &value[1], &value[2]);
}


char *
ngx_http_gateway_arg_add(ngx_conf_t *cf, ngx_array_t **args, ngx_str_t *name,
    ngx_str_t *value)
{
    size_t                   i;
    u_char                   ch;
    ngx_http_gateway_arg_t  *arg;

    for (i = 0; i < name->len && i < NGX_HTTP_GATEWAY_ARG_MAX; i++) {
        ch = name->data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')
              || ch == '_' || ch == '-'))
        {
            break;
        }
    }

    if (name->len == 0 || i != name->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of an argument \"%V\", use at most "
                           "%d lower case letters, digits, \"-\" and \"_\"",
                           name, NGX_HTTP_GATEWAY_ARG_MAX);
        return NGX_CONF_ERROR;
    }

    if (*args == NULL || *args == NGX_CONF_UNSET_PTR) {
        *args = ngx_array_create(cf->pool, 4, sizeof(ngx_http_gateway_arg_t));
        if (*args == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    arg = (*args)->elts;

    for (i = 0; i < (*args)->nelts; i++) {
        if (arg[i].name.len == name->len + sizeof(WIRE_HEADER_ARG_PREFIX) - 1
            && ngx_strncmp(arg[i].name.data
                           + sizeof(WIRE_HEADER_ARG_PREFIX) - 1,
                           name->data, name->len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate argument \"%V\"", name);
            return NGX_CONF_ERROR;
        }
    }

    arg = ngx_array_push(*args);
    if (arg == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(arg, sizeof(ngx_http_gateway_arg_t));

    arg->name.len = sizeof(WIRE_HEADER_ARG_PREFIX) - 1 + name->len;
    arg->name.data = ngx_pnalloc(cf->pool, arg->name.len);
    if (arg->name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_sprintf(arg->name.data, WIRE_HEADER_ARG_PREFIX "%V", name);

    return ngx_http_gateway_arg_value(cf, value, arg);
}


/*
 * A value that is one variable is absent when the variable is; and only of
 * $arg_... alone it is known that it is encoded.
 */

static char *
ngx_http_gateway_arg_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_gateway_arg_t *arg)
{
    size_t                             i, len;
    ngx_str_t                          var;
    ngx_http_compile_complex_value_t   ccv;

    var.len = 0;
    var.data = NULL;
    arg->index = NGX_ERROR;

    if (value->len > 1 && value->data[0] == '$') {

        var.data = value->data + 1;
        var.len = value->len - 1;

        if (var.len > 2 && var.data[0] == '{'
            && var.data[var.len - 1] == '}')
        {
            var.data++;
            var.len -= 2;
        }

        for (i = 0; i < var.len; i++) {
            if (!((var.data[i] >= 'a' && var.data[i] <= 'z')
                  || (var.data[i] >= 'A' && var.data[i] <= 'Z')
                  || (var.data[i] >= '0' && var.data[i] <= '9')
                  || var.data[i] == '_'))
            {
                var.len = 0;
                break;
            }
        }

        /* a capture by number has no variable of its own */

        if (var.len == 1 && var.data[0] >= '1' && var.data[0] <= '9') {
            var.len = 0;
        }
    }

    if (var.len) {
        arg->index = ngx_http_get_variable_index(cf, &var);
        if (arg->index == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        arg->is_encoded = var.len > 4
                          && ngx_strncasecmp(var.data, (u_char *) "arg_", 4)
                             == 0;
        return NGX_CONF_OK;
    }

    len = value->len > 5 ? value->len - 5 : 0;

    for (i = 0; i < len; i++) {
        if (value->data[i] == '$'
            && (ngx_strncasecmp(&value->data[i + 1], (u_char *) "arg_", 4) == 0
                || ngx_strncasecmp(&value->data[i + 1], (u_char *) "{arg_", 5)
                   == 0))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "a variable \"$arg_...\" must be the whole "
                               "value, since it has to be decoded: \"%V\"",
                               value);
            return NGX_CONF_ERROR;
        }
    }

    arg->value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (arg->value == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = arg->value;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_use(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_loc_conf_t *glcf = conf;

    ngx_str_t  *value;

    if (glcf->use.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "must name a \"gateway_broker\"";
    }

    glcf->use = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_timeout_post(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t  *timeout = data;

    if (*timeout == 0) {
        return "must be above zero, for example \"gateway_timeout 2s\"";
    }

    if (*timeout > WIRE_RPC_TTL_MS) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "gateway_timeout is above %ds, the time that a "
                           "call may wait in the queue of its service; a "
                           "longer one gains nothing there",
                           WIRE_RPC_TTL_MS / 1000);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_max_body_post(ngx_conf_t *cf, void *post, void *data)
{
    size_t  *size = data;

    if (*size == 0 || *size > WIRE_BODY_MAX) {
        return "must be from 1 to 16m, the largest message that every broker "
               "takes";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_max_reply_post(ngx_conf_t *cf, void *post, void *data)
{
    size_t  *size = data;

    if (*size == 0 || *size > WIRE_BODY_MAX) {
        return "must be from 1 to 16m, the largest message that every broker "
               "takes";
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gateway_route_handler(ngx_http_request_t *r)
{
    ngx_int_t                           rc;
    ngx_str_t                           allow;
    const ngx_http_gateway_route_t     *route;
    const ngx_http_gateway_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_route_module);

    if (glcf->routes == NULL) {

        /* "if" took over the handler of a location, but not its routes */

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_gateway_count(r, requests);

    route = ngx_http_gateway_route_find(glcf, r->method);

    if (route) {
        rc = ngx_http_gateway_canary_go(r, &route);

        if (rc != NGX_OK) {
            return rc;
        }

        return route->kind == NGX_HTTP_GATEWAY_STREAM
               ? ngx_http_gateway_stream(r, glcf, route)
               : ngx_http_gateway_call(r, glcf, route);
    }

    allow = glcf->allow;

    if (ngx_http_gateway_header_out(r, "Allow", &allow, NULL) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_OPTIONS) {
        rc = ngx_http_gateway_route_options(r);
        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return ngx_http_gateway_refuse(r, WIRE_ERROR_METHOD_NOT_ALLOWED, NULL);
}


static const ngx_http_gateway_route_t *
ngx_http_gateway_route_find(const ngx_http_gateway_loc_conf_t *conf,
    ngx_uint_t method)
{
    ngx_uint_t                       i;
    const ngx_http_gateway_route_t  *route;

    route = conf->routes->elts;

    for (i = 0; i < conf->routes->nelts; i++) {
        if (route[i].methods & method) {
            return &route[i];
        }
    }

    if (method == NGX_HTTP_HEAD) {
        return ngx_http_gateway_route_find(conf, NGX_HTTP_GET);
    }

    return NULL;
}


/* NGX_DECLINED: a browser asks whether another site may call, it may not */

static ngx_int_t
ngx_http_gateway_route_options(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  origin;

    if (!ngx_http_gateway_cors_is_on(r)
        && ngx_http_gateway_header_in(r, "origin", &origin) != NGX_DECLINED)
    {
        return NGX_DECLINED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->header_only = 1;

    return ngx_http_send_header(r);
}


ngx_uint_t
ngx_http_gateway_is_routed(ngx_http_request_t *r)
{
    const ngx_http_gateway_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_route_module);

    return glcf->routes != NULL;
}


ngx_uint_t
ngx_http_gateway_is_reply(ngx_http_request_t *r)
{
    /* set by ngx_http_gateway_reply_send() alone */

    return ngx_http_get_module_ctx(r, ngx_http_gateway_route_module) != NULL;
}
