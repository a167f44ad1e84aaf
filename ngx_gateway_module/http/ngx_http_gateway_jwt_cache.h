/*
 * Copyright (C) the Warren authors
 *
 * The verified tokens of one worker process.  An entry says that a key of a
 * set with that content signed these bytes, and nothing else: whatever a
 * location demands is decided at every use.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_CACHE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_CACHE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gateway_digest.h"
#include "ngx_http_gateway_jwt_key.h"


typedef struct ngx_http_gateway_jwt_cache_s  ngx_http_gateway_jwt_cache_t;


/*
 * Makes a cache whose tokens occupy about size bytes; when they are more, the
 * one that was not used for longest goes.  Returns NULL if memory is short.
 */
ngx_http_gateway_jwt_cache_t *ngx_http_gateway_jwt_cache_create(size_t size,
    ngx_log_t *log);

/* Frees it with all it holds; NULL is allowed. */
void ngx_http_gateway_jwt_cache_free(ngx_http_gateway_jwt_cache_t *cache);

/*
 * Computes the digest under which a token of that text is kept for a set of
 * keys.  It has NGX_HTTP_GATEWAY_DIGEST_LEN bytes.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_jwt_cache_digest(
    ngx_http_gateway_jwt_cache_t *cache,
    const ngx_http_gateway_jwt_keys_t *keys, ngx_str_t *text, u_char *digest);

/* The token, with a reference for the caller, or NULL if it is not there. */
ngx_http_gateway_jwt_token_t *ngx_http_gateway_jwt_cache_find(
    ngx_http_gateway_jwt_cache_t *cache, const u_char *digest);

/*
 * Keeps a token that was verified, with a reference of its own.  Memory that
 * is short is no error: the token is then not kept.
 */
void ngx_http_gateway_jwt_cache_keep(ngx_http_gateway_jwt_cache_t *cache,
    const u_char *digest, ngx_http_gateway_jwt_token_t *token);


#endif /* _NGX_HTTP_GATEWAY_JWT_CACHE_H_INCLUDED_ */
