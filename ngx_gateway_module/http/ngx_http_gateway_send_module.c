/*
 * Copyright (C) the Warren authors
 *
 * Commands: what a client is told when the broker has one, and where it may
 * look for what becomes of it.
 */

#include "ngx_http_gateway_private.h"


typedef struct {
    /* NGX_CONF_UNSET_PTR, then NULL: the answer has no Location */
    ngx_http_complex_value_t    *location;

    /* where it stands, if it stands in this very block */
    ngx_str_t                    file;
    ngx_uint_t                   line;
} ngx_http_gateway_send_conf_t;


static ngx_int_t ngx_http_gateway_send_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_gateway_send_message_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void *ngx_http_gateway_send_create_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_send_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_uint_t ngx_http_gateway_send_is_routed(
    ngx_http_gateway_loc_conf_t *glcf);
static char *ngx_http_gateway_send_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_gateway_send_escape(ngx_pool_t *pool,
    ngx_str_t *text);
static ngx_uint_t ngx_http_gateway_send_is_safe(u_char ch);


static ngx_command_t  ngx_http_gateway_send_commands[] = {

    { ngx_string("gateway_location"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_http_gateway_send_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_send_module_ctx = {
    ngx_http_gateway_send_variables,       /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_send_create_conf,     /* create location configuration */
    ngx_http_gateway_send_merge_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_send_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_send_module_ctx,     /* module context */
    ngx_http_gateway_send_commands,        /* module directives */
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


static ngx_int_t
ngx_http_gateway_send_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var;

    static ngx_str_t  name = ngx_string("gateway_message_id");

    var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_gateway_send_message_id;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_send_message_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gateway_call_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_gateway_module);

    if (ctx == NULL || ctx->message_id.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = ctx->message_id.len;
    v->data = ctx->message_id.data;

    return NGX_OK;
}


static void *
ngx_http_gateway_send_create_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_send_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_send_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->location = NGX_CONF_UNSET_PTR;

    return conf;
}


static char *
ngx_http_gateway_send_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gateway_send_conf_t *prev = parent;
    ngx_http_gateway_send_conf_t *conf = child;

    ngx_http_gateway_loc_conf_t  *glcf;

    ngx_conf_merge_ptr_value(conf->location, prev->location, NULL);

    if (conf->file.len == 0) {
        return NGX_CONF_OK;
    }

    glcf = ngx_http_conf_get_module_loc_conf(cf,
                                             ngx_http_gateway_route_module);

    if (!ngx_http_gateway_send_is_routed(glcf)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "gateway_location tells where a command can be followed, "
                      "add a \"gateway_route METHOD send SERVICE METHOD\" to "
                      "its location, in %V:%ui", &conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_gateway_send_is_routed(ngx_http_gateway_loc_conf_t *glcf)
{
    ngx_uint_t                 i;
    ngx_http_gateway_route_t  *route;

    if (glcf->routes == NULL) {
        return 0;
    }

    route = glcf->routes->elts;

    for (i = 0; i < glcf->routes->nelts; i++) {
        if (route[i].kind == NGX_HTTP_GATEWAY_SEND) {
            return 1;
        }
    }

    return 0;
}


/* gateway_location VALUE */

static char *
ngx_http_gateway_send_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_send_conf_t *gscf = conf;

    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (gscf->location != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "must not be empty, write it as "
               "\"gateway_location /imports/$gateway_message_id\"";
    }

    gscf->location = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (gscf->location == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = gscf->location;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    gscf->file = cf->conf_file->file.name;
    gscf->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gateway_send_location(ngx_http_gateway_call_t *ctx)
{
    ngx_http_request_t            *r;
    ngx_http_gateway_send_conf_t  *gscf;

    r = ctx->request;

    gscf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_send_module);

    if (ctx->route->kind != NGX_HTTP_GATEWAY_SEND || gscf->location == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, gscf->location, &ctx->location) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_gateway_send_escape(r->pool, &ctx->location);
}


/*
 * A capture is decoded, so it may have line ends, which would split the
 * answer: what cannot stand in a URI is written as %XX.
 */

static ngx_int_t
ngx_http_gateway_send_escape(ngx_pool_t *pool, ngx_str_t *text)
{
    size_t      i, n;
    u_char     *p;
    ngx_str_t   from;

    static u_char  hex[] = "0123456789ABCDEF";

    for (i = 0, n = 0; i < text->len; i++) {
        n += !ngx_http_gateway_send_is_safe(text->data[i]);
    }

    if (n == 0) {
        return NGX_OK;
    }

    from = *text;

    p = ngx_pnalloc(pool, from.len + 2 * n);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = from.len + 2 * n;

    for (i = 0; i < from.len; i++) {

        if (ngx_http_gateway_send_is_safe(from.data[i])) {
            *p++ = from.data[i];
            continue;
        }

        *p++ = '%';
        *p++ = hex[from.data[i] >> 4];
        *p++ = hex[from.data[i] & 0x0f];
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_gateway_send_is_safe(u_char ch)
{
    return ch > 0x20 && ch < 0x7f && ch != '"' && ch != '<' && ch != '>'
           && ch != '\\' && ch != '^' && ch != '`' && ch != '{' && ch != '|'
           && ch != '}';
}


ngx_int_t
ngx_http_gateway_send_accepted(ngx_http_gateway_call_t *ctx,
    ngx_http_gateway_reply_t *reply_r)
{
    u_char        *p;
    ngx_pool_t    *pool;
    ngx_keyval_t  *kv;

    pool = ctx->request->pool;

    ngx_memzero(reply_r, sizeof(ngx_http_gateway_reply_t));

    if (ngx_array_init(&reply_r->headers, pool, 2, sizeof(ngx_keyval_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(pool, sizeof("{\"id\":\"\"}") - 1 + ctx->message_id.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    reply_r->status = NGX_HTTP_ACCEPTED;
    ngx_str_set(&reply_r->content_type, WIRE_CONTENT_JSON);
    reply_r->body.data = p;
    reply_r->body.len = ngx_sprintf(p, "{\"id\":\"%V\"}", &ctx->message_id)
                        - p;

    if (ctx->location.len == 0) {
        return NGX_OK;
    }

    kv = ngx_array_push(&reply_r->headers);
    if (kv == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&kv->key, "location");
    kv->value = ctx->location;

    return NGX_OK;
}
