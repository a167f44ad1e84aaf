/*
 * Copyright (C) the Warren authors
 *
 * An ETag made of an answer's body, for workers that give none.  nginx
 * compares it with what the client has.
 */

#include "ngx_http_gateway_digest.h"
#include "ngx_http_gateway_private.h"


#define NGX_HTTP_GATEWAY_ETAG_OFF     0
#define NGX_HTTP_GATEWAY_ETAG_ON      1
#define NGX_HTTP_GATEWAY_ETAG_WEAK    2

/* bytes of the digest that are told */
#define NGX_HTTP_GATEWAY_ETAG_LEN     16


typedef struct {
    ngx_uint_t                   etag;        /* NGX_HTTP_GATEWAY_ETAG_... */
} ngx_http_gateway_etag_conf_t;


static void *ngx_http_gateway_etag_create_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_etag_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);


static ngx_conf_enum_t  ngx_http_gateway_etag_kinds[] = {
    { ngx_string("off"), NGX_HTTP_GATEWAY_ETAG_OFF },
    { ngx_string("on"), NGX_HTTP_GATEWAY_ETAG_ON },
    { ngx_string("weak"), NGX_HTTP_GATEWAY_ETAG_WEAK },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_gateway_etag_commands[] = {

    { ngx_string("gateway_etag"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_etag_conf_t, etag),
      ngx_http_gateway_etag_kinds },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_etag_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_etag_create_conf,     /* create location configuration */
    ngx_http_gateway_etag_merge_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_etag_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_etag_module_ctx,     /* module context */
    ngx_http_gateway_etag_commands,        /* module directives */
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
ngx_http_gateway_etag_create_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_etag_conf_t  *conf;

    conf = ngx_palloc(cf->pool, sizeof(ngx_http_gateway_etag_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->etag = NGX_CONF_UNSET_UINT;

    return conf;
}


static char *
ngx_http_gateway_etag_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gateway_etag_conf_t *prev = parent;
    ngx_http_gateway_etag_conf_t *conf = child;

    ngx_conf_merge_uint_value(conf->etag, prev->etag,
                              NGX_HTTP_GATEWAY_ETAG_OFF);

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gateway_etag(ngx_http_request_t *r, ngx_http_gateway_reply_t *reply)
{
    u_char                        *p, digest[NGX_HTTP_GATEWAY_DIGEST_LEN];
    ngx_str_t                      value;
    ngx_http_gateway_etag_conf_t  *gecf;

    gecf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_etag_module);

    if (gecf->etag == NGX_HTTP_GATEWAY_ETAG_OFF
        || r->headers_out.etag
        || reply->status != NGX_HTTP_OK
        || reply->is_partial
        || r != r->main
        || !(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        return NGX_OK;
    }

    if (ngx_http_gateway_sha256(&reply->body, digest) != NGX_OK) {
        return NGX_ERROR;
    }

    /* terminated, for those of nginx that read headers as C strings */

    p = ngx_pnalloc(r->pool, sizeof("W/\"\"")
                             + 2 * NGX_HTTP_GATEWAY_ETAG_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;

    if (gecf->etag == NGX_HTTP_GATEWAY_ETAG_WEAK) {
        *p++ = 'W';
        *p++ = '/';
    }

    *p++ = '"';
    p = ngx_hex_dump(p, digest, NGX_HTTP_GATEWAY_ETAG_LEN);
    *p++ = '"';
    *p = '\0';

    value.len = p - value.data;

    return ngx_http_gateway_header_out(r, "ETag", &value,
                                       &r->headers_out.etag);
}
