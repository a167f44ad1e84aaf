/*
 * Copyright (C) the Warren authors
 *
 * Named locations that directives send requests to: one that does not exist is
 * found when the configuration is read.
 */

#include "ngx_http_gateway_private.h"


/* remembered until all locations of the server are known */

typedef struct {
    const ngx_http_gateway_target_t  *target;
    ngx_http_core_srv_conf_t         *server;
} ngx_http_gateway_target_use_t;


static ngx_uint_t ngx_http_gateway_target_is_known(
    ngx_http_core_srv_conf_t *server, const ngx_str_t *name);


char *
ngx_http_gateway_target(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_gateway_target_t *target_r)
{
    if (value->len < 2 || value->data[0] != '@') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid location \"%V\", name one as @monolith",
                           value);
        return NGX_CONF_ERROR;
    }

    target_r->name = *value;
    target_r->file = cf->conf_file->file.name;
    target_r->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


char *
ngx_http_gateway_target_use(ngx_conf_t *cf,
    const ngx_http_gateway_target_t *target)
{
    ngx_http_gateway_main_conf_t   *gmcf;
    ngx_http_gateway_target_use_t  *use;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gateway_module);

    if (gmcf->targets == NULL) {
        gmcf->targets = ngx_array_create(cf->pool, 4,
                                         sizeof(ngx_http_gateway_target_use_t));
        if (gmcf->targets == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    use = ngx_array_push(gmcf->targets);
    if (use == NULL) {
        return NGX_CONF_ERROR;
    }

    use->target = target;
    use->server = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gateway_target_check(ngx_conf_t *cf)
{
    ngx_uint_t                      i;
    ngx_http_gateway_main_conf_t   *gmcf;
    ngx_http_gateway_target_use_t  *use;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gateway_module);

    if (gmcf->targets == NULL) {
        return NGX_OK;
    }

    use = gmcf->targets->elts;

    for (i = 0; i < gmcf->targets->nelts; i++) {

        if (ngx_http_gateway_target_is_known(use[i].server,
                                             &use[i].target->name))
        {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "there is no \"location %V\" in its server, add one or "
                      "name another in %V:%ui",
                      &use[i].target->name, &use[i].target->file,
                      use[i].target->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_gateway_target_is_known(ngx_http_core_srv_conf_t *server,
    const ngx_str_t *name)
{
    ngx_http_core_loc_conf_t  **location;

    if (server->named_locations == NULL) {
        return 0;
    }

    for (location = server->named_locations; *location; location++) {
        if ((*location)->name.len == name->len
            && ngx_strncmp((*location)->name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_gateway_target_go(ngx_http_request_t *r,
    const ngx_http_gateway_target_t *target)
{
    ngx_str_t  name;

    name = target->name;

    return ngx_http_named_location(r, &name);
}
