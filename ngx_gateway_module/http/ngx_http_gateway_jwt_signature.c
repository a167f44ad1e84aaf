/*
 * Copyright (C) the Warren authors
 *
 * Signatures of tokens (RFC 7518, RFC 8037) checked with keys that were parsed
 * before.
 */

#include <string.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "ngx_http_gateway_jwt_key.h"


/* r and s of P-521 have 66 bytes each; DER of both has at most 141 */

#define JWT_DER_MAX  160


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
    const EVP_MD  *(*md)(void);         /* NULL: the scheme has its own */
    size_t           half;              /* of r and of s, bytes */
} jwt_algorithm_t;


static int jwt_check_mac(const ngx_http_gateway_jwt_key_t *key,
    const EVP_MD *md, const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content);
static int jwt_der_of(const unsigned char *sig, size_t half,
    unsigned char *der);


static const jwt_algorithm_t  jwt_algorithms[] = {
    { NGX_HTTP_GATEWAY_JWT_HS256, JWT_HMAC, EVP_sha256, 0 },
    { NGX_HTTP_GATEWAY_JWT_HS384, JWT_HMAC, EVP_sha384, 0 },
    { NGX_HTTP_GATEWAY_JWT_HS512, JWT_HMAC, EVP_sha512, 0 },
    { NGX_HTTP_GATEWAY_JWT_RS256, JWT_RSA, EVP_sha256, 0 },
    { NGX_HTTP_GATEWAY_JWT_RS384, JWT_RSA, EVP_sha384, 0 },
    { NGX_HTTP_GATEWAY_JWT_RS512, JWT_RSA, EVP_sha512, 0 },
    { NGX_HTTP_GATEWAY_JWT_PS256, JWT_PSS, EVP_sha256, 0 },
    { NGX_HTTP_GATEWAY_JWT_PS384, JWT_PSS, EVP_sha384, 0 },
    { NGX_HTTP_GATEWAY_JWT_PS512, JWT_PSS, EVP_sha512, 0 },
    { NGX_HTTP_GATEWAY_JWT_ES256, JWT_ECDSA, EVP_sha256, 32 },
    { NGX_HTTP_GATEWAY_JWT_ES384, JWT_ECDSA, EVP_sha384, 48 },
    { NGX_HTTP_GATEWAY_JWT_ES512, JWT_ECDSA, EVP_sha512, 66 },
    { NGX_HTTP_GATEWAY_JWT_EDDSA, JWT_EDDSA, NULL, 0 }
};


int
ngx_http_gateway_jwt_signature_check(const ngx_http_gateway_jwt_key_t *key,
    unsigned alg, const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content)
{
    int                     rc;
    size_t                  i;
    EVP_MD_CTX             *ctx;
    EVP_PKEY_CTX           *pctx;
    unsigned char           der[JWT_DER_MAX];
    const EVP_MD           *md;
    const jwt_algorithm_t  *a;

    a = NULL;

    for (i = 0; i < sizeof(jwt_algorithms) / sizeof(jwt_algorithms[0]); i++) {
        if (jwt_algorithms[i].alg == alg) {
            a = &jwt_algorithms[i];
        }
    }

    /* the caller has asked for both; a key is never used for another scheme */

    if (a == NULL || !(key->algorithms & alg)
        || (a->scheme == JWT_HMAC) != (key->pkey == NULL))
    {
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    md = a->md != NULL ? a->md() : NULL;

    if (a->scheme == JWT_HMAC) {
        return jwt_check_mac(key, md, sig, len, content);
    }

    if (a->scheme == JWT_ECDSA) {

        if (len != 2 * a->half) {
            return NGX_HTTP_GATEWAY_JWT_REFUSED;
        }

        rc = jwt_der_of(sig, a->half, der);

        if (rc <= 0) {
            ERR_clear_error();
            return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
        }

        sig = der;
        len = (size_t) rc;
    }

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        ERR_clear_error();
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    /*
     * The padding of RSA is PKCS #1 v1.5 unless one asks for another; with PSS
     * the salt is as long as the digest, and the mask is made with the same.
     */

    if (EVP_DigestVerifyInit(ctx, &pctx, md, NULL, key->pkey) != 1
        || (a->scheme == JWT_PSS
            && (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) <= 0
                || EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx,
                                                    RSA_PSS_SALTLEN_DIGEST)
                   <= 0)))
    {
        /* as a key of RSASSA-PSS does that is for another digest */

        EVP_MD_CTX_free(ctx);
        ERR_clear_error();
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    rc = EVP_DigestVerify(ctx, sig, len, content->data, content->len);

    EVP_MD_CTX_free(ctx);

    /* else the next TLS connection would be blamed for it */

    ERR_clear_error();

    return rc == 1 ? NGX_HTTP_GATEWAY_JWT_FINE : NGX_HTTP_GATEWAY_JWT_REFUSED;
}


static int
jwt_check_mac(const ngx_http_gateway_jwt_key_t *key, const EVP_MD *md,
    const unsigned char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content)
{
    unsigned       n;
    unsigned char  mac[EVP_MAX_MD_SIZE];

    if (HMAC(md, key->secret, (int) key->secret_len, content->data,
             content->len, mac, &n)
        == NULL)
    {
        ERR_clear_error();
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    return n == len && CRYPTO_memcmp(mac, sig, n) == 0
           ? NGX_HTTP_GATEWAY_JWT_FINE : NGX_HTTP_GATEWAY_JWT_REFUSED;
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
