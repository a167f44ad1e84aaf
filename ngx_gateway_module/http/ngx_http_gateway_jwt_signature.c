/*
 * Copyright (C) the Warren authors
 *
 * Signatures of tokens (RFC 7518, RFC 8037) checked with keys that were parsed
 * before.  OpenSSL finds its algorithms by name: that costs several times what
 * an HMAC does, so what was found and set up for a key is kept with it.
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "ngx_http_gateway_jwt_key.h"


/* r and s of P-521 have 66 bytes each; DER of both has at most 141 */

#define JWT_DER_MAX     160

#define JWT_ALGORITHMS  13


typedef enum {
    JWT_HMAC,
    JWT_RSA,
    JWT_PSS,
    JWT_ECDSA,
    JWT_EDDSA
} jwt_scheme_e;


typedef struct {
    unsigned         alg;
    jwt_scheme_e     scheme;
    const char      *md;                /* NULL: the scheme has its own */
    size_t           half;              /* of r and of s, bytes */
} jwt_algorithm_t;


/* what is ready to be used, again and again, for one algorithm of a key */

typedef struct {
    EVP_MAC_CTX     *mac;               /* of a secret */
    EVP_MD          *md;                /* of RSA and ECDSA */
    EVP_MD_CTX      *digest;
    EVP_PKEY_CTX    *pkey;
} jwt_ready_t;


struct ngx_http_gateway_jwt_verifier_s {
    jwt_ready_t     *ready[JWT_ALGORITHMS];  /* NULL: not asked for yet */
};


static int jwt_check_mac(const ngx_http_gateway_jwt_key_t *key,
    const jwt_ready_t *ready, const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content);
static int jwt_check_digest(const jwt_algorithm_t *a,
    const jwt_ready_t *ready, const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content);
static int jwt_check_eddsa(const ngx_http_gateway_jwt_key_t *key,
    const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content);
static int jwt_ready(const ngx_http_gateway_jwt_key_t *key, size_t i,
    const jwt_ready_t **ready_r);
static int jwt_ready_mac(const jwt_algorithm_t *a, jwt_ready_t *ready);
static int jwt_ready_digest(const ngx_http_gateway_jwt_key_t *key,
    const jwt_algorithm_t *a, jwt_ready_t *ready);
static void jwt_ready_free(jwt_ready_t *ready);
static int jwt_der_of(const unsigned char *sig, size_t half,
    unsigned char *der);


static const jwt_algorithm_t  jwt_algorithms[JWT_ALGORITHMS] = {
    { NGX_HTTP_GATEWAY_JWT_HS256, JWT_HMAC, "SHA256", 0 },
    { NGX_HTTP_GATEWAY_JWT_HS384, JWT_HMAC, "SHA384", 0 },
    { NGX_HTTP_GATEWAY_JWT_HS512, JWT_HMAC, "SHA512", 0 },
    { NGX_HTTP_GATEWAY_JWT_RS256, JWT_RSA, "SHA256", 0 },
    { NGX_HTTP_GATEWAY_JWT_RS384, JWT_RSA, "SHA384", 0 },
    { NGX_HTTP_GATEWAY_JWT_RS512, JWT_RSA, "SHA512", 0 },
    { NGX_HTTP_GATEWAY_JWT_PS256, JWT_PSS, "SHA256", 0 },
    { NGX_HTTP_GATEWAY_JWT_PS384, JWT_PSS, "SHA384", 0 },
    { NGX_HTTP_GATEWAY_JWT_PS512, JWT_PSS, "SHA512", 0 },
    { NGX_HTTP_GATEWAY_JWT_ES256, JWT_ECDSA, "SHA256", 32 },
    { NGX_HTTP_GATEWAY_JWT_ES384, JWT_ECDSA, "SHA384", 48 },
    { NGX_HTTP_GATEWAY_JWT_ES512, JWT_ECDSA, "SHA512", 66 },
    { NGX_HTTP_GATEWAY_JWT_EDDSA, JWT_EDDSA, NULL, 0 }
};


ngx_http_gateway_jwt_verifier_t *
ngx_http_gateway_jwt_verifier_new(void)
{
    return calloc(1, sizeof(ngx_http_gateway_jwt_verifier_t));
}


void
ngx_http_gateway_jwt_verifier_free(ngx_http_gateway_jwt_verifier_t *verifier)
{
    size_t  i;

    if (verifier == NULL) {
        return;
    }

    for (i = 0; i < JWT_ALGORITHMS; i++) {
        jwt_ready_free(verifier->ready[i]);
    }

    free(verifier);
}


int
ngx_http_gateway_jwt_signature_check(const ngx_http_gateway_jwt_key_t *key,
    unsigned alg, const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content)
{
    int                     rc;
    size_t                  i;
    const jwt_ready_t      *ready;
    const jwt_algorithm_t  *a;

    for (i = 0; i < JWT_ALGORITHMS; i++) {
        if (jwt_algorithms[i].alg == alg) {
            break;
        }
    }

    /* the caller has asked for both; a key is never used for another scheme */

    if (i == JWT_ALGORITHMS || !(key->algorithms & alg)
        || (jwt_algorithms[i].scheme == JWT_HMAC) != (key->pkey == NULL))
    {
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    a = &jwt_algorithms[i];

    if (a->scheme == JWT_EDDSA) {
        rc = jwt_check_eddsa(key, sig, len, content);

    } else {
        rc = jwt_ready(key, i, &ready);

        if (rc == NGX_HTTP_GATEWAY_JWT_FINE) {
            rc = a->scheme == JWT_HMAC
                 ? jwt_check_mac(key, ready, sig, len, content)
                 : jwt_check_digest(a, ready, sig, len, content);
        }
    }

    /* else the next TLS connection would be blamed for it */

    ERR_clear_error();

    return rc;
}


static int
jwt_check_mac(const ngx_http_gateway_jwt_key_t *key, const jwt_ready_t *ready,
    const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content)
{
    size_t         n;
    unsigned char  mac[EVP_MAX_MD_SIZE];

    /* not every OpenSSL 3.0 begins anew with the key of before */

    if (EVP_MAC_init(ready->mac, key->secret, key->secret_len, NULL) != 1
        || EVP_MAC_update(ready->mac, content->data, content->len) != 1
        || EVP_MAC_final(ready->mac, mac, &n, sizeof(mac)) != 1)
    {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    return n == len && CRYPTO_memcmp(mac, sig, n) == 0
           ? NGX_HTTP_GATEWAY_JWT_FINE : NGX_HTTP_GATEWAY_JWT_REFUSED;
}


/* of RSA and ECDSA, which sign a digest */

static int
jwt_check_digest(const jwt_algorithm_t *a, const jwt_ready_t *ready,
    const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content)
{
    int            rc;
    unsigned       n;
    unsigned char  der[JWT_DER_MAX], digest[EVP_MAX_MD_SIZE];

    if (a->scheme == JWT_ECDSA) {

        if (len != 2 * a->half) {
            return NGX_HTTP_GATEWAY_JWT_REFUSED;
        }

        rc = jwt_der_of(sig, a->half, der);

        if (rc <= 0) {
            return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
        }

        sig = der;
        len = (size_t) rc;
    }

    if (EVP_DigestInit_ex(ready->digest, ready->md, NULL) != 1
        || EVP_DigestUpdate(ready->digest, content->data, content->len) != 1
        || EVP_DigestFinal_ex(ready->digest, digest, &n) != 1)
    {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    return EVP_PKEY_verify(ready->pkey, sig, len, digest, n) == 1
           ? NGX_HTTP_GATEWAY_JWT_FINE : NGX_HTTP_GATEWAY_JWT_REFUSED;
}


/* it signs the content itself, which OpenSSL takes with a new context only */

static int
jwt_check_eddsa(const ngx_http_gateway_jwt_key_t *key,
    const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content)
{
    int          rc;
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    rc = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1
         && EVP_DigestVerify(ctx, sig, len, content->data, content->len) == 1;

    EVP_MD_CTX_free(ctx);

    return rc ? NGX_HTTP_GATEWAY_JWT_FINE : NGX_HTTP_GATEWAY_JWT_REFUSED;
}


/* FINE, NO_MEMORY, or REFUSED if the key is not for such signatures */

static int
jwt_ready(const ngx_http_gateway_jwt_key_t *key, size_t i,
    const jwt_ready_t **ready_r)
{
    int           rc;
    jwt_ready_t  *ready;

    ready = key->verifier->ready[i];

    if (ready == NULL) {
        ready = calloc(1, sizeof(jwt_ready_t));
        if (ready == NULL) {
            return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
        }

        rc = key->pkey == NULL
             ? jwt_ready_mac(&jwt_algorithms[i], ready)
             : jwt_ready_digest(key, &jwt_algorithms[i], ready);

        if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
            jwt_ready_free(ready);
            return rc;
        }

        key->verifier->ready[i] = ready;
    }

    *ready_r = ready;

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


static int
jwt_ready_mac(const jwt_algorithm_t *a, jwt_ready_t *ready)
{
    EVP_MAC     *mac;
    OSSL_PARAM   params[2];

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char *) a->md, 0);
    params[1] = OSSL_PARAM_construct_end();

    mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    if (mac == NULL) {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    ready->mac = EVP_MAC_CTX_new(mac);

    /* the context has a reference of its own */

    EVP_MAC_free(mac);

    return ready->mac != NULL && EVP_MAC_CTX_set_params(ready->mac, params) == 1
           ? NGX_HTTP_GATEWAY_JWT_FINE : NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
}


static int
jwt_ready_digest(const ngx_http_gateway_jwt_key_t *key,
    const jwt_algorithm_t *a, jwt_ready_t *ready)
{
    ready->md = EVP_MD_fetch(NULL, a->md, NULL);
    ready->digest = EVP_MD_CTX_new();
    ready->pkey = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);

    if (ready->md == NULL || ready->digest == NULL || ready->pkey == NULL) {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    /*
     * With PSS the salt is as long as the digest, and the mask is made with
     * the same.  A key of RSASSA-PSS may be for another digest.
     */

    if (EVP_PKEY_verify_init(ready->pkey) != 1
        || (a->scheme == JWT_RSA
            && EVP_PKEY_CTX_set_rsa_padding(ready->pkey, RSA_PKCS1_PADDING)
               <= 0)
        || (a->scheme == JWT_PSS
            && EVP_PKEY_CTX_set_rsa_padding(ready->pkey,
                                            RSA_PKCS1_PSS_PADDING)
               <= 0)
        || EVP_PKEY_CTX_set_signature_md(ready->pkey, ready->md) <= 0
        || (a->scheme == JWT_PSS
            && EVP_PKEY_CTX_set_rsa_pss_saltlen(ready->pkey,
                                                RSA_PSS_SALTLEN_DIGEST)
               <= 0))
    {
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


static void
jwt_ready_free(jwt_ready_t *ready)
{
    if (ready == NULL) {
        return;
    }

    EVP_MAC_CTX_free(ready->mac);
    EVP_PKEY_CTX_free(ready->pkey);
    EVP_MD_CTX_free(ready->digest);
    EVP_MD_free(ready->md);

    free(ready);
}


/* the length of what was written to der, or less than 1 */

static int
jwt_der_of(const unsigned char *sig, size_t half, unsigned char *der)
{
    int         n;
    BIGNUM     *r, *s;
    ECDSA_SIG  *pair;

    n = -1;

    r = BN_bin2bn(sig, (int) half, NULL);
    s = BN_bin2bn(sig + half, (int) half, NULL);
    pair = ECDSA_SIG_new();

    if (r == NULL || s == NULL || pair == NULL
        || ECDSA_SIG_set0(pair, r, s) != 1)
    {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return n;
    }

    /* r and s are the pair's now */

    n = i2d_ECDSA_SIG(pair, &der);

    ECDSA_SIG_free(pair);

    return n;
}
