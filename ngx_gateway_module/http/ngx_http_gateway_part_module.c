/*
 * Copyright (C) the Warren authors
 *
 * The directive gateway_part: an answer that several calls make together.
 */

#include "ngx_http_gateway_private.h"


/* the name of a part, a member of the answer */
#define NGX_HTTP_GATEWAY_PART_NAME_MAX    64

/* calls of one request; whoever needs more needs another service */
#define NGX_HTTP_GATEWAY_PARTS_MAX        32

/* the member that says what is not there; no part has its name */
#define NGX_HTTP_GATEWAY_PART_MISSING     "missing"


static char *ngx_http_gateway_part_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_http_gateway_route_t *ngx_http_gateway_part_owner(ngx_conf_t *cf,
    ngx_http_gateway_loc_conf_t *glcf);
static char *ngx_http_gateway_part_name(ngx_conf_t *cf, ngx_array_t *parts,
    ngx_str_t *name);
static char *ngx_http_gateway_part_option(ngx_conf_t *cf,
    ngx_http_gateway_part_t *part, ngx_str_t *option);


static ngx_command_t  ngx_http_gateway_part_commands[] = {

    { ngx_string("gateway_part"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_2MORE,
      ngx_http_gateway_part_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_part_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_part_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_part_module_ctx,     /* module context */
    ngx_http_gateway_part_commands,        /* module directives */
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


/* gateway_part NAME SERVICE METHOD [optional] [arg=NAME:VALUE ...] */

static char *
ngx_http_gateway_part_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_http_gateway_part_t      *part;
    ngx_http_gateway_route_t     *owner;
    ngx_http_gateway_loc_conf_t  *glcf;

    value = cf->args->elts;

    if (cf->args->nelts < 4) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments, write "
                           "\"gateway_part NAME SERVICE METHOD [optional] "
                           "[arg=NAME:VALUE ...]\"");
        return NGX_CONF_ERROR;
    }

    glcf = ngx_http_conf_get_module_loc_conf(cf,
                                             ngx_http_gateway_route_module);

    owner = ngx_http_gateway_part_owner(cf, glcf);

    if (owner == NULL
        || ngx_http_gateway_part_name(cf, owner->parts, &value[1])
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    part = ngx_array_push(owner->parts);
    if (part == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(part, sizeof(ngx_http_gateway_part_t));

    part->name = value[1];

    part->route = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_route_t));
    if (part->route == NULL) {
        return NGX_CONF_ERROR;
    }

    part->route->kind = NGX_HTTP_GATEWAY_CALL;

    for (i = 4; i < cf->args->nelts; i++) {
        if (ngx_http_gateway_part_option(cf, part, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_gateway_route_init(cf, part->route, &value[2], &value[3]);
}


/* the route of this location that the parts belong to, made by the first */

static ngx_http_gateway_route_t *
ngx_http_gateway_part_owner(ngx_conf_t *cf, ngx_http_gateway_loc_conf_t *glcf)
{
    ngx_uint_t                 i;
    ngx_http_gateway_route_t  *route;

    if (glcf->routes) {
        route = glcf->routes->elts;

        for (i = 0; i < glcf->routes->nelts; i++) {
            if (route[i].kind == NGX_HTTP_GATEWAY_PARTS) {
                return &route[i];
            }
        }
    }

    route = ngx_http_gateway_route_add(cf, glcf, NGX_HTTP_GATEWAY_PARTS,
                                       NGX_HTTP_GET);
    if (route == NULL) {
        return NULL;
    }

    route->parts = ngx_array_create(cf->pool, 4,
                                    sizeof(ngx_http_gateway_part_t));
    if (route->parts == NULL
        || ngx_http_gateway_route_init(cf, route, NULL, NULL) != NGX_CONF_OK)
    {
        return NULL;
    }

    return route;
}


static char *
ngx_http_gateway_part_name(ngx_conf_t *cf, ngx_array_t *parts,
    ngx_str_t *name)
{
    size_t                    i;
    u_char                    ch;
    ngx_http_gateway_part_t  *part;

    for (i = 0; i < name->len && i < NGX_HTTP_GATEWAY_PART_NAME_MAX; i++) {
        ch = name->data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-'))
        {
            break;
        }
    }

    if (name->len == 0 || i != name->len
        || ngx_strcmp(name->data, NGX_HTTP_GATEWAY_PART_MISSING) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of a part \"%V\", use at most %d "
                           "letters, digits, \"-\" and \"_\", and not \"%s\", "
                           "which tells what is not there", name,
                           NGX_HTTP_GATEWAY_PART_NAME_MAX,
                           NGX_HTTP_GATEWAY_PART_MISSING);
        return NGX_CONF_ERROR;
    }

    part = parts->elts;

    for (i = 0; i < parts->nelts; i++) {
        if (part[i].name.len == name->len
            && ngx_strncmp(part[i].name.data, name->data, name->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate part \"%V\", the other one is in "
                               "%V:%ui", name, &part[i].route->file,
                               part[i].route->line);
            return NGX_CONF_ERROR;
        }
    }

    if (parts->nelts == NGX_HTTP_GATEWAY_PARTS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %d parts of one answer, let a service "
                           "put some of them together",
                           NGX_HTTP_GATEWAY_PARTS_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_part_option(ngx_conf_t *cf, ngx_http_gateway_part_t *part,
    ngx_str_t *option)
{
    u_char     *colon;
    ngx_str_t   name, value;

    if (option->len == sizeof("optional") - 1
        && ngx_strncmp(option->data, "optional", option->len) == 0)
    {
        part->is_optional = 1;
        return NGX_CONF_OK;
    }

    if (option->len > 4 && ngx_strncmp(option->data, "arg=", 4) == 0) {

        name.data = option->data + 4;
        colon = ngx_strlchr(name.data, option->data + option->len, ':');

        if (colon) {
            name.len = colon - name.data;
            value.data = colon + 1;
            value.len = option->data + option->len - value.data;

            return ngx_http_gateway_arg_add(cf, &part->route->args, &name,
                                            &value);
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", use \"optional\" and "
                       "\"arg=NAME:VALUE\"", option);
    return NGX_CONF_ERROR;
}
