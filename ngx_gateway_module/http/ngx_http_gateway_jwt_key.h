/*
 * Copyright (C) the Warren authors
 *
 * Sets of keys that tokens are verified with: read and parsed once, when the
 * configuration is, and const from then on.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_KEY_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_KEY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gateway_digest.h"
#include "ngx_http_gateway_jwt_token.h"


/* larger files are refused */

#define NGX_HTTP_GATEWAY_JWT_KEYS_SIZE   262144

/* sets of more keys are refused */

#define NGX_HTTP_GATEWAY_JWT_KEYS_MAX    256

/* keys tried for a token without kid; further ones that fit are not */

#define NGX_HTTP_GATEWAY_JWT_KEYS_TRIED  4

/* bits of a modulus, bytes of a secret; others are refused */

#define NGX_HTTP_GATEWAY_JWT_RSA_MIN     2048
#define NGX_HTTP_GATEWAY_JWT_RSA_MAX     8192
#define NGX_HTTP_GATEWAY_JWT_SECRET_MIN  32
#define NGX_HTTP_GATEWAY_JWT_SECRET_MAX  1024


typedef struct {
    ngx_str_t    name;                  /* of the file */
    ngx_array_t  keys;                  /* never empty */

    /* of what the file held: the same content is the same set */
    u_char       digest[NGX_HTTP_GATEWAY_DIGEST_LEN];

    /* NGX_HTTP_GATEWAY_JWT_*256: what the keys can verify, together */
    ngx_uint_t   algorithms;
} ngx_http_gateway_jwt_keys_t;


/*
 * Reads a file that holds a JWK Set or public keys and certificates in PEM.
 * name is made absolute.  The keys live as long as cf->pool.  Returns NULL
 * after it has logged what to mend.
 */
ngx_http_gateway_jwt_keys_t *ngx_http_gateway_jwt_keys_load(ngx_conf_t *cf,
    ngx_str_t *name);

/*
 * Whether one of the keys made the signature.  A key fits if it is of the
 * algorithm's type and, where the token names a kid and the key has one, of
 * that kid.
 *
 *     NGX_OK        it is good
 *     NGX_DECLINED  it is not; *reason_r says why in a static string
 *     NGX_ERROR     memory
 */
ngx_int_t ngx_http_gateway_jwt_keys_verify(
    const ngx_http_gateway_jwt_keys_t *keys,
    const ngx_http_gateway_jwt_token_t *token,
    const ngx_http_gateway_jwt_parts_t *parts, const char **reason_r);


#endif /* _NGX_HTTP_GATEWAY_JWT_KEY_H_INCLUDED_ */
