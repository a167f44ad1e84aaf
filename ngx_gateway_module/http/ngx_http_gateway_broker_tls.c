/*
 * Copyright (C) the Warren authors
 *
 * The settings of gateway_broker about TLS, named as those of proxy_pass, and
 * whether a certificate is enough to come in.
 */

#include "ngx_http_gateway_private.h"


/* intermediate certificates between the broker's and a trusted one */

#define NGX_HTTP_GATEWAY_TLS_DEPTH    4


static char *ngx_http_gateway_broker_file(ngx_conf_t *cf, ngx_str_t *slot);
static char *ngx_http_gateway_broker_context(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);


char *
ngx_http_gateway_broker_trusted(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    return ngx_http_gateway_broker_file(cf, &link->tls.trusted);
}


char *
ngx_http_gateway_broker_crl(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    return ngx_http_gateway_broker_file(cf, &link->tls.crl);
}


char *
ngx_http_gateway_broker_certificate(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link)
{
    return ngx_http_gateway_broker_file(cf, &link->tls.certificate);
}


char *
ngx_http_gateway_broker_key(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    return ngx_http_gateway_broker_file(cf, &link->tls.key);
}


static char *
ngx_http_gateway_broker_file(ngx_conf_t *cf, ngx_str_t *slot)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (slot->len || value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           slot->len ? "\"%V\" is duplicate"
                                     : "\"%V\" must name a file", &value[0]);
        return NGX_CONF_ERROR;
    }

    *slot = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_gateway_broker_name(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (link->tls.name.len) {
        return "\"ssl_name\" is duplicate";
    }

    if (value[1].len == 0 || value[1].len > NGX_MAXHOSTNAMELEN) {
        return "\"ssl_name\" must be the name in the broker's certificate";
    }

    link->tls.name = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_gateway_broker_verify(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (link->tls.verify != NGX_CONF_UNSET) {
        return "\"ssl_verify\" is duplicate";
    }

    if (ngx_strcmp(value[1].data, "on") == 0) {
        link->tls.verify = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "off") == 0) {
        link->tls.verify = 0;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid ssl_verify \"%V\", use \"on\" or \"off\"",
                       &value[1]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_gateway_broker_sasl(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (link->tls.external != NGX_CONF_UNSET) {
        return "\"sasl\" is duplicate";
    }

    if (ngx_strcmp(value[1].data, "external") == 0) {
        link->tls.external = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "plain") == 0) {
        link->tls.external = 0;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid sasl \"%V\", use \"plain\" with a "
                       "\"password_file\", or \"external\" with an "
                       "\"ssl_certificate\"", &value[1]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_gateway_broker_tls(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ngx_uint_t       i, n;
    ngx_amqp_url_t  *url;

    url = link->broker.urls->elts;
    n = 0;

    for (i = 0; i < link->broker.urls->nelts; i++) {
        n += url[i].tls;
    }

    if (n && n < link->broker.urls->nelts) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "gateway_broker \"%V\" mixes \"amqps\" and "
                           "\"amqp\": who can disturb the one would read the "
                           "password on the other, use \"amqps\" for all",
                           &link->broker.name);
        return NGX_CONF_ERROR;
    }

    if (n) {
        return ngx_http_gateway_broker_context(cf, link);
    }

    if (link->tls.trusted.len || link->tls.crl.len
        || link->tls.certificate.len || link->tls.key.len
        || link->tls.name.len || link->tls.verify != NGX_CONF_UNSET
        || link->tls.external == 1)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "gateway_broker \"%V\" has settings of TLS, but no "
                           "TLS: write its urls as amqps://USER@HOST",
                           &link->broker.name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


#if (NGX_SSL)

static ngx_int_t ngx_http_gateway_broker_files(ngx_conf_t *cf,
    ngx_http_gateway_broker_tls_t *conf, ngx_ssl_t *ssl);


static char *
ngx_http_gateway_broker_context(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ngx_ssl_t                      *ssl;
    ngx_amqp_tls_t                 *tls;
    ngx_pool_cleanup_t             *cln;
    ngx_http_gateway_broker_tls_t  *conf;

    conf = &link->tls;

    if ((conf->certificate.len == 0) != (conf->key.len == 0)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "gateway_broker \"%V\" must have both or none of "
                           "\"ssl_certificate\" and \"ssl_certificate_key\"",
                           &link->broker.name);
        return NGX_CONF_ERROR;
    }

    if (conf->external == 1 && conf->certificate.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "gateway_broker \"%V\" has \"sasl external\" and no "
                           "\"ssl_certificate\" that could tell who it is",
                           &link->broker.name);
        return NGX_CONF_ERROR;
    }

    tls = ngx_pcalloc(cf->pool, sizeof(ngx_amqp_tls_t));
    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));

    if (tls == NULL || ssl == NULL) {
        return NGX_CONF_ERROR;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (ngx_http_gateway_broker_files(cf, conf, ssl) != NGX_OK) {

        /* the file and why have been told, but not where it is named */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "gateway_broker \"%V\" cannot use a file of its "
                           "ssl_... settings, see the line before",
                           &link->broker.name);
        return NGX_CONF_ERROR;
    }

    tls->ssl = ssl;
    tls->name = conf->name;
    tls->verify = (conf->verify != 0);
    tls->external = (conf->external == 1);

    link->broker.tls = tls;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gateway_broker_files(ngx_conf_t *cf,
    ngx_http_gateway_broker_tls_t *conf, ngx_ssl_t *ssl)
{
    if (conf->certificate.len
        && ngx_ssl_certificate(cf, ssl, &conf->certificate, &conf->key, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->trusted.len) {

        if (ngx_ssl_trusted_certificate(cf, ssl, &conf->trusted,
                                        NGX_HTTP_GATEWAY_TLS_DEPTH)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

    } else if (SSL_CTX_set_default_verify_paths(ssl->ctx) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the system's certificates cannot be used, set "
                           "\"ssl_trusted_certificate\"");
        return NGX_ERROR;
    }

    if (conf->crl.len && ngx_ssl_crl(cf, ssl, &conf->crl) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_ssl_client_session_cache(cf, ssl, 1);
}

#else

static char *
ngx_http_gateway_broker_context(ngx_conf_t *cf, ngx_http_gateway_link_t *link)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "gateway_broker \"%V\" needs an nginx with OpenSSL, "
                       "this one was built without", &link->broker.name);

    return NGX_CONF_ERROR;
}

#endif
