/*
 * Copyright (C) the Warren authors
 *
 * Keys out of files, read when the configuration is, or from a URL.
 */

#include "ngx_http_gateway_jwt_file.h"
#include "ngx_http_gateway_jwt_source.h"


static void ngx_http_gateway_jwt_source_cleanup(void *data);


ngx_http_gateway_jwt_source_t *
ngx_http_gateway_jwt_source_file(ngx_conf_t *cf, ngx_str_t *name)
{
    int                             rc;
    char                            error[NGX_HTTP_GATEWAY_JWT_KEYS_ERROR];
    ngx_str_t                       text;
    ngx_pool_cleanup_t             *cln;
    ngx_http_gateway_jwt_source_t  *source;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool,
                               sizeof(ngx_http_gateway_jwt_source_t));
    if (cln == NULL) {
        return NULL;
    }

    source = cln->data;
    ngx_memzero(source, sizeof(ngx_http_gateway_jwt_source_t));

    source->name = *name;
    cln->handler = ngx_http_gateway_jwt_source_cleanup;

    if (ngx_http_gateway_jwt_file_read(cf, cf->log, name,
                                       NGX_HTTP_GATEWAY_JWT_KEYS_SIZE, &text,
                                       NULL)
        != NGX_OK)
    {
        return NULL;
    }

    rc = ngx_http_gateway_jwt_keys_new((char *) name->data, text.data,
                                       text.len, 1, &source->keys, error);

    /* it may hold secrets */

    ngx_explicit_memzero(text.data, text.len);
    ngx_free(text.data);

    if (rc == NGX_HTTP_GATEWAY_JWT_REFUSED) {
        ngx_http_gateway_jwt_complain(cf, cf->log, 0, "%s", error);
    }

    return rc == NGX_HTTP_GATEWAY_JWT_FINE ? source : NULL;
}


ngx_http_gateway_jwt_source_t *
ngx_http_gateway_jwt_source_url(ngx_conf_t *cf)
{
    ngx_str_t                      *value;
    ngx_http_gateway_jwt_source_t  *source;

    source = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_jwt_source_t));
    if (source == NULL) {
        return NULL;
    }

    value = cf->args->elts;

    source->name = value[1];
    source->url = ngx_http_gateway_jwt_url(cf);

    return source->url != NULL ? source : NULL;
}


const ngx_http_gateway_jwt_keys_t *
ngx_http_gateway_jwt_source_keys(const ngx_http_gateway_jwt_source_t *source)
{
    return source->url == NULL ? source->keys
                               : ngx_http_gateway_jwt_url_keys(source->url);
}


static void
ngx_http_gateway_jwt_source_cleanup(void *data)
{
    ngx_http_gateway_jwt_source_t  *source = data;

    ngx_http_gateway_jwt_keys_unref(source->keys);
}
