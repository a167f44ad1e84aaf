/*
 * Copyright (C) the Warren authors
 *
 * Sets of keys that tokens are verified with, parsed once and const from then
 * on.  Plain C11, jansson and OpenSSL, so that it can be tested without nginx.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_KEY_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_KEY_H_INCLUDED_


#include "ngx_http_gateway_jwt_token.h"


/* larger texts are refused */

#define NGX_HTTP_GATEWAY_JWT_KEYS_SIZE    262144

/* sets of more keys are refused */

#define NGX_HTTP_GATEWAY_JWT_KEYS_MAX     256

/* keys tried for a token without kid; further ones that fit are not */

#define NGX_HTTP_GATEWAY_JWT_KEYS_TRIED   4

/* bits of a modulus, bytes of a secret; others are refused */

#define NGX_HTTP_GATEWAY_JWT_RSA_MIN      2048
#define NGX_HTTP_GATEWAY_JWT_RSA_MAX      8192
#define NGX_HTTP_GATEWAY_JWT_SECRET_MIN   32
#define NGX_HTTP_GATEWAY_JWT_SECRET_MAX   1024

/* bytes of the text that says why a set is refused; it is cut there */

#define NGX_HTTP_GATEWAY_JWT_KEYS_ERROR   512

/* bytes of a set's digest */

#define NGX_HTTP_GATEWAY_JWT_KEYS_DIGEST  32


struct evp_pkey_st;

typedef struct ngx_http_gateway_jwt_keys_s  ngx_http_gateway_jwt_keys_t;
typedef struct ngx_http_gateway_jwt_verifier_s
    ngx_http_gateway_jwt_verifier_t;


typedef struct {
    char                *kid;           /* NULL: it has none */
    size_t               kid_len;

    /* bits of algorithms that it may be used with; never 0 */
    unsigned             algorithms;

    struct evp_pkey_st  *pkey;          /* NULL: it is a secret */
    unsigned char       *secret;        /* NULL: it is a public key */
    size_t               secret_len;

    /* what checking needs, made at first use: the key's, never NULL in a set */
    ngx_http_gateway_jwt_verifier_t  *verifier;
} ngx_http_gateway_jwt_key_t;


/*
 * Makes a set of one reference from a JWK Set or from public keys and
 * certificates in PEM.  name is for errors.  Without takes_secrets a key of
 * the kind oct makes it refused.  Returns FINE, REFUSED with a text in error_r
 * of NGX_HTTP_GATEWAY_JWT_KEYS_ERROR bytes, or NO_MEMORY.
 */
int ngx_http_gateway_jwt_keys_new(const char *name, const unsigned char *text,
    size_t len, int takes_secrets, ngx_http_gateway_jwt_keys_t **keys_r,
    char *error_r);

/* One more owner; returns keys. */
ngx_http_gateway_jwt_keys_t *ngx_http_gateway_jwt_keys_ref(
    ngx_http_gateway_jwt_keys_t *keys);

/* One owner less; the last one frees it.  NULL is allowed. */
void ngx_http_gateway_jwt_keys_unref(ngx_http_gateway_jwt_keys_t *keys);

/* The algorithms that its keys can verify, together, as bits. */
unsigned ngx_http_gateway_jwt_keys_algorithms(
    const ngx_http_gateway_jwt_keys_t *keys);

/* How many keys it has; at least one. */
size_t ngx_http_gateway_jwt_keys_number(
    const ngx_http_gateway_jwt_keys_t *keys);

/*
 * The SHA-256 of the text it was made of, NGX_HTTP_GATEWAY_JWT_KEYS_DIGEST
 * bytes: the same content is the same set.
 */
const unsigned char *ngx_http_gateway_jwt_keys_digest(
    const ngx_http_gateway_jwt_keys_t *keys);

/*
 * Whether there is a key of the token's algorithm and, where both name one, of
 * its kid.
 */
int ngx_http_gateway_jwt_keys_fit(const ngx_http_gateway_jwt_keys_t *keys,
    const ngx_http_gateway_jwt_token_t *token);

/*
 * Whether one of the keys that fit made the signature.  Returns FINE, REFUSED
 * with the reason in a static string, or NO_MEMORY.
 */
int ngx_http_gateway_jwt_keys_verify(const ngx_http_gateway_jwt_keys_t *keys,
    const ngx_http_gateway_jwt_token_t *token,
    const ngx_http_gateway_jwt_parts_t *parts, const char **reason_r);


/* ngx_http_gateway_jwt_signature.c */

/* An empty one, or NULL if memory is short. */
ngx_http_gateway_jwt_verifier_t *ngx_http_gateway_jwt_verifier_new(void);

/* Frees what it holds too; NULL is allowed. */
void ngx_http_gateway_jwt_verifier_free(
    ngx_http_gateway_jwt_verifier_t *verifier);

/*
 * Whether the key made that signature of content with the algorithm alg, which
 * must be one of the key's.  Returns FINE, REFUSED or NO_MEMORY.
 */
int ngx_http_gateway_jwt_signature_check(const ngx_http_gateway_jwt_key_t *key,
    unsigned alg, const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content);


#endif /* _NGX_HTTP_GATEWAY_JWT_KEY_H_INCLUDED_ */
