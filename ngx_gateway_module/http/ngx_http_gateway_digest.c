/*
 * Copyright (C) the Warren authors
 *
 * SHA-256 by OpenSSL.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "ngx_http_gateway_digest.h"


struct ngx_http_gateway_digest_s {
    EVP_MD      *md;
    EVP_MD_CTX  *ctx;
};


ngx_http_gateway_digest_t *
ngx_http_gateway_digest_create(ngx_log_t *log)
{
    ngx_http_gateway_digest_t  *digest;

    digest = ngx_calloc(sizeof(ngx_http_gateway_digest_t), log);
    if (digest == NULL) {
        return NULL;
    }

    digest->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    digest->ctx = EVP_MD_CTX_new();

    if (digest->md == NULL || digest->ctx == NULL) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "could not prepare SHA-256");
        ngx_http_gateway_digest_free(digest);
        ERR_clear_error();
        return NULL;
    }

    return digest;
}


void
ngx_http_gateway_digest_free(ngx_http_gateway_digest_t *digest)
{
    if (digest == NULL) {
        return;
    }

    EVP_MD_CTX_free(digest->ctx);
    EVP_MD_free(digest->md);

    ngx_free(digest);
}


ngx_int_t
ngx_http_gateway_digest_sum(ngx_http_gateway_digest_t *digest,
    ngx_str_t *first, ngx_str_t *second, u_char *out)
{
    if (EVP_DigestInit_ex(digest->ctx, digest->md, NULL) != 1
        || EVP_DigestUpdate(digest->ctx, first->data, first->len) != 1
        || EVP_DigestUpdate(digest->ctx, second->data, second->len) != 1
        || EVP_DigestFinal_ex(digest->ctx, out, NULL) != 1)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_gateway_sha256(ngx_str_t *text, u_char *out)
{
    if (EVP_Digest(text->data, text->len, out, NULL, EVP_sha256(), NULL) != 1)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    return NGX_OK;
}
