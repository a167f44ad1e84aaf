/*
 * Copyright (C) the Warren authors
 *
 * Keys of tokens: JWK Sets (RFC 7517, RFC 7518, RFC 8037) and PEM into keys of
 * OpenSSL, each pinned to the algorithms that it may be used with.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "ngx_http_gateway_jwt_key.h"


/* levels of a set: the set, its list, a key, a key's list, and room */

#define JWT_DEPTH_MAX  8


struct ngx_http_gateway_jwt_keys_s {
    unsigned                    refs;
    unsigned                    algorithms;
    size_t                      n;
    ngx_http_gateway_jwt_key_t  keys[NGX_HTTP_GATEWAY_JWT_KEYS_MAX];
    unsigned char               digest[NGX_HTTP_GATEWAY_JWT_KEYS_DIGEST];
};


/* what is known while a text is read */

typedef struct {
    ngx_http_gateway_jwt_keys_t  *keys;
    const char                   *name;
    bool                          takes_secrets;
    size_t                        number;     /* of the key, from 1 */
    char                         *error;
} jwt_loader_t;


typedef struct {
    const char  *crv;                   /* as a JWK calls it */
    const char  *group;                 /* as OpenSSL does */
    size_t       size;                  /* of a coordinate, bytes */
    unsigned     algorithm;
} jwt_curve_t;


/* a kind of key that a JWK Set may have is read by a function like this */

typedef int (*jwt_reader_pt)(jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);


static int jwt_refuse(jwt_loader_t *loader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int jwt_refuse_key(jwt_loader_t *loader, const char *what);
static int jwt_parse(jwt_loader_t *loader, const unsigned char *text,
    size_t len);
static bool jwt_is_shallow(const unsigned char *p, size_t len);
static int jwt_add(jwt_loader_t *loader, ngx_http_gateway_jwt_key_t *key);
static void jwt_key_clear(ngx_http_gateway_jwt_key_t *key);

static int jwt_jwks_parse(jwt_loader_t *loader, const unsigned char *text,
    size_t len);
static int jwt_jwk_parse(jwt_loader_t *loader, json_t *jwk);
static int jwt_jwk_kid(jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);
static int jwt_jwk_usable(jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);
static int jwt_jwk_oct(jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);
static int jwt_jwk_rsa(jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);
static int jwt_jwk_ec(jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);
static int jwt_jwk_okp(jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);
static long jwt_jwk_bytes(json_t *jwk, const char *name, unsigned char *buf,
    size_t size);
static EVP_PKEY *jwt_pkey_make(const char *type, OSSL_PARAM_BLD *bld);

static int jwt_pem_parse(jwt_loader_t *loader, const unsigned char *text,
    size_t len);
static int jwt_pem_key(jwt_loader_t *loader, const char *name,
    const unsigned char *der, long len);
static int jwt_pem_algorithms(jwt_loader_t *loader,
    ngx_http_gateway_jwt_key_t *key);
static int jwt_pkey_check(jwt_loader_t *loader,
    ngx_http_gateway_jwt_key_t *key);

static bool jwt_fits(const ngx_http_gateway_jwt_key_t *key,
    const ngx_http_gateway_jwt_token_t *token);


/* each curve has one algorithm (RFC 7518, section 3.4) */

static const jwt_curve_t  jwt_curves[] = {
    { "P-256", "prime256v1", 32, NGX_HTTP_GATEWAY_JWT_ES256 },
    { "P-384", "secp384r1", 48, NGX_HTTP_GATEWAY_JWT_ES384 },
    { "P-521", "secp521r1", 66, NGX_HTTP_GATEWAY_JWT_ES512 }
};

#define JWT_CURVES     (sizeof(jwt_curves) / sizeof(jwt_curves[0]))
#define JWT_COORD_MAX  66


/* algorithms of a kind, before the key itself says which of them */

static const struct {
    const char     *kty;
    unsigned        algorithms;
    jwt_reader_pt   read;
} jwt_kinds[] = {
    { "RSA", NGX_HTTP_GATEWAY_JWT_RSA, jwt_jwk_rsa },
    { "EC", NGX_HTTP_GATEWAY_JWT_ES256|NGX_HTTP_GATEWAY_JWT_ES384
            |NGX_HTTP_GATEWAY_JWT_ES512, jwt_jwk_ec },
    { "OKP", NGX_HTTP_GATEWAY_JWT_EDDSA, jwt_jwk_okp },
    { "oct", NGX_HTTP_GATEWAY_JWT_HS, jwt_jwk_oct }
};


/* a key that is not for us, and skipped as RFC 7517, section 5, wants it */

#define JWT_SKIPPED    2


int
ngx_http_gateway_jwt_keys_new(const char *name, const unsigned char *text,
    size_t len, int takes_secrets, ngx_http_gateway_jwt_keys_t **keys_r,
    char *error_r)
{
    int           rc;
    jwt_loader_t  loader;

    *keys_r = NULL;
    *error_r = '\0';

    loader.keys = calloc(1, sizeof(ngx_http_gateway_jwt_keys_t));
    if (loader.keys == NULL) {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    loader.keys->refs = 1;
    loader.name = name;
    loader.takes_secrets = takes_secrets;
    loader.number = 0;
    loader.error = error_r;

    ERR_clear_error();

    if (len > NGX_HTTP_GATEWAY_JWT_KEYS_SIZE) {
        rc = jwt_refuse(&loader, "\"%s\" has more than %u bytes", name,
                        (unsigned) NGX_HTTP_GATEWAY_JWT_KEYS_SIZE);

    } else {
        rc = jwt_parse(&loader, text, len);
    }

    if (rc == NGX_HTTP_GATEWAY_JWT_FINE
        && EVP_Digest(text, len, loader.keys->digest, NULL, EVP_sha256(),
                      NULL) != 1)
    {
        rc = NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    ERR_clear_error();

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
        ngx_http_gateway_jwt_keys_unref(loader.keys);
        return rc;
    }

    *keys_r = loader.keys;

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


static int
jwt_refuse(jwt_loader_t *loader, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    (void) vsnprintf(loader->error, NGX_HTTP_GATEWAY_JWT_KEYS_ERROR, format,
                     args);
    va_end(args);

    return NGX_HTTP_GATEWAY_JWT_REFUSED;
}


static int
jwt_refuse_key(jwt_loader_t *loader, const char *what)
{
    return jwt_refuse(loader, "key %zu in \"%s\" is refused: %s",
                      loader->number, loader->name, what);
}


static int
jwt_parse(jwt_loader_t *loader, const unsigned char *text, size_t len)
{
    int            rc;
    size_t         i;
    bool           is_pem;
    unsigned char  ch;

    for (i = 0; i < len; i++) {
        ch = text[i];

        if (ch != ' ' && ch != '\t' && ch != '\r' && ch != '\n') {
            break;
        }
    }

    if (i < len && text[i] == '{') {
        rc = jwt_jwks_parse(loader, text, len);

    } else {
        is_pem = false;

        for (i = 0; i + 11 <= len && !is_pem; i++) {
            is_pem = memcmp(text + i, "-----BEGIN ", 11) == 0;
        }

        if (!is_pem) {
            return jwt_refuse(loader, "\"%s\" is neither a JWK Set nor PEM",
                              loader->name);
        }

        rc = jwt_pem_parse(loader, text, len);
    }

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
        return rc;
    }

    if (loader->keys->n == 0) {
        return jwt_refuse(loader, "\"%s\" holds no key that can be used: RSA, "
                          "EC on P-256, P-384 or P-521, Ed25519, Ed448 or "
                          "oct, to verify signatures with", loader->name);
    }

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


/* takes over what hangs on key, also if it fails */

static int
jwt_add(jwt_loader_t *loader, ngx_http_gateway_jwt_key_t *key)
{
    ngx_http_gateway_jwt_keys_t  *keys = loader->keys;

    if (keys->n == NGX_HTTP_GATEWAY_JWT_KEYS_MAX) {
        jwt_key_clear(key);
        return jwt_refuse_key(loader, "one key too many");
    }

    key->verifier = ngx_http_gateway_jwt_verifier_new();

    if (key->verifier == NULL) {
        jwt_key_clear(key);
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    keys->keys[keys->n++] = *key;
    keys->algorithms |= key->algorithms;

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


static void
jwt_key_clear(ngx_http_gateway_jwt_key_t *key)
{
    ngx_http_gateway_jwt_verifier_free(key->verifier);
    EVP_PKEY_free(key->pkey);
    free(key->kid);

    if (key->secret != NULL) {
        OPENSSL_cleanse(key->secret, key->secret_len);
        free(key->secret);
    }

    memset(key, 0, sizeof(ngx_http_gateway_jwt_key_t));
}


ngx_http_gateway_jwt_keys_t *
ngx_http_gateway_jwt_keys_ref(ngx_http_gateway_jwt_keys_t *keys)
{
    keys->refs++;

    return keys;
}


void
ngx_http_gateway_jwt_keys_unref(ngx_http_gateway_jwt_keys_t *keys)
{
    size_t  i;

    if (keys == NULL || --keys->refs != 0) {
        return;
    }

    for (i = 0; i < keys->n; i++) {
        jwt_key_clear(&keys->keys[i]);
    }

    free(keys);
}


unsigned
ngx_http_gateway_jwt_keys_algorithms(const ngx_http_gateway_jwt_keys_t *keys)
{
    return keys->algorithms;
}


size_t
ngx_http_gateway_jwt_keys_number(const ngx_http_gateway_jwt_keys_t *keys)
{
    return keys->n;
}


const unsigned char *
ngx_http_gateway_jwt_keys_digest(const ngx_http_gateway_jwt_keys_t *keys)
{
    return keys->digest;
}


static int
jwt_jwks_parse(jwt_loader_t *loader, const unsigned char *text, size_t len)
{
    int            rc;
    size_t         i;
    json_t        *set, *jwks, *jwk;
    json_error_t   error;

    if (!jwt_is_shallow(text, len)) {
        return jwt_refuse(loader, "\"%s\" is nested too deeply", loader->name);
    }

    set = json_loadb((const char *) text, len, JSON_REJECT_DUPLICATES, &error);

    if (set == NULL) {

        if (json_error_code(&error) == json_error_out_of_memory) {
            return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
        }

        return jwt_refuse(loader, "\"%s\" is not valid JSON, line %d: %s",
                          loader->name, error.line, error.text);
    }

    jwks = json_object_get(set, "keys");

    if (!json_is_array(jwks)) {
        json_decref(set);
        return jwt_refuse(loader, "\"%s\" is not a JWK Set: {\"keys\": [...]} "
                          "is expected", loader->name);
    }

    rc = NGX_HTTP_GATEWAY_JWT_FINE;

    json_array_foreach(jwks, i, jwk) {
        loader->number = i + 1;

        rc = jwt_jwk_parse(loader, jwk);

        if (rc == JWT_SKIPPED) {
            rc = NGX_HTTP_GATEWAY_JWT_FINE;
        }

        if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
            break;
        }
    }

    json_decref(set);

    return rc;
}


/* looks at the depth before a parser that recurses does */

static bool
jwt_is_shallow(const unsigned char *p, size_t len)
{
    bool      is_string;
    size_t    i;
    unsigned  depth;

    depth = 0;
    is_string = false;

    for (i = 0; i < len; i++) {

        if (is_string) {

            if (p[i] == '\\') {
                i++;

            } else if (p[i] == '"') {
                is_string = false;
            }

        } else if (p[i] == '"') {
            is_string = true;

        } else if (p[i] == '{' || p[i] == '[') {

            if (++depth > JWT_DEPTH_MAX) {
                return false;
            }

        } else if ((p[i] == '}' || p[i] == ']') && depth != 0) {
            depth--;
        }
    }

    return true;
}


static int
jwt_jwk_parse(jwt_loader_t *loader, json_t *jwk)
{
    int                          rc;
    size_t                       i;
    const char                  *kty;
    jwt_reader_pt                read;
    ngx_http_gateway_jwt_key_t   key;

    memset(&key, 0, sizeof(ngx_http_gateway_jwt_key_t));

    kty = json_string_value(json_object_get(jwk, "kty"));

    if (kty == NULL) {
        return jwt_refuse_key(loader, "it has no kty");
    }

    read = NULL;

    for (i = 0; i < sizeof(jwt_kinds) / sizeof(jwt_kinds[0]); i++) {
        if (strcmp(kty, jwt_kinds[i].kty) == 0) {
            key.algorithms = jwt_kinds[i].algorithms;
            read = jwt_kinds[i].read;
        }
    }

    if (read == NULL) {
        return JWT_SKIPPED;
    }

    if (read != jwt_jwk_oct && json_object_get(jwk, "d") != NULL) {
        return jwt_refuse_key(loader, "it is a private key; give the gateway "
                                      "the public part only");
    }

    rc = jwt_jwk_usable(loader, jwk, &key);

    if (rc == NGX_HTTP_GATEWAY_JWT_FINE) {
        rc = jwt_jwk_kid(loader, jwk, &key);
    }

    if (rc == NGX_HTTP_GATEWAY_JWT_FINE) {
        rc = read(loader, jwk, &key);
    }

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
        jwt_key_clear(&key);
        return rc;
    }

    return jwt_add(loader, &key);
}


static int
jwt_jwk_kid(jwt_loader_t *loader, json_t *jwk, ngx_http_gateway_jwt_key_t *key)
{
    json_t  *kid;

    kid = json_object_get(jwk, "kid");

    if (kid == NULL) {
        return NGX_HTTP_GATEWAY_JWT_FINE;
    }

    if (!json_is_string(kid)) {
        return jwt_refuse_key(loader, "its kid is not a string");
    }

    key->kid_len = json_string_length(kid);
    key->kid = malloc(key->kid_len + 1);

    if (key->kid == NULL) {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    memcpy(key->kid, json_string_value(kid), key->kid_len + 1);

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


/* what the key says of its own use: alg, use, key_ops */

static int
jwt_jwk_usable(jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key)
{
    size_t   i;
    json_t  *alg, *use, *ops, *op;

    alg = json_object_get(jwk, "alg");
    use = json_object_get(jwk, "use");
    ops = json_object_get(jwk, "key_ops");

    if ((alg != NULL && !json_is_string(alg))
        || (use != NULL && !json_is_string(use))
        || (ops != NULL && !json_is_array(ops)))
    {
        return jwt_refuse_key(loader, "alg and use must be strings, key_ops "
                                      "must be an array");
    }

    if (alg != NULL) {
        key->algorithms &= ngx_http_gateway_jwt_algorithm(
                               (const unsigned char *) json_string_value(alg),
                               json_string_length(alg));
        if (key->algorithms == 0) {
            return JWT_SKIPPED;
        }
    }

    if (use != NULL && strcmp(json_string_value(use), "sig") != 0) {
        return JWT_SKIPPED;
    }

    if (ops == NULL) {
        return NGX_HTTP_GATEWAY_JWT_FINE;
    }

    json_array_foreach(ops, i, op) {
        if (json_is_string(op)
            && strcmp(json_string_value(op), "verify") == 0)
        {
            return NGX_HTTP_GATEWAY_JWT_FINE;
        }
    }

    return JWT_SKIPPED;
}


/* a secret is at least as long as the digest (RFC 7518, section 3.2) */

static int
jwt_jwk_oct(jwt_loader_t *loader, json_t *jwk, ngx_http_gateway_jwt_key_t *key)
{
    long           len;
    unsigned char  buf[NGX_HTTP_GATEWAY_JWT_SECRET_MAX];

    if (!loader->takes_secrets) {
        return jwt_refuse_key(loader, "it is an HMAC secret, which must not "
                                      "be handed out");
    }

    len = jwt_jwk_bytes(jwk, "k", buf, sizeof(buf));

    if (len < 64) {
        key->algorithms &= ~(unsigned) NGX_HTTP_GATEWAY_JWT_HS512;
    }

    if (len < 48) {
        key->algorithms &= ~(unsigned) NGX_HTTP_GATEWAY_JWT_HS384;
    }

    if (len < NGX_HTTP_GATEWAY_JWT_SECRET_MIN || key->algorithms == 0) {
        OPENSSL_cleanse(buf, sizeof(buf));
        return jwt_refuse_key(loader, "k must be 32 to 1024 bytes in "
                              "base64url, 48 for HS384, 64 for HS512 (RFC "
                              "7518, 3.2)");
    }

    key->secret = malloc((size_t) len);

    if (key->secret != NULL) {
        key->secret_len = (size_t) len;
        memcpy(key->secret, buf, (size_t) len);
    }

    OPENSSL_cleanse(buf, sizeof(buf));

    return key->secret != NULL ? NGX_HTTP_GATEWAY_JWT_FINE
                               : NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
}


static int
jwt_jwk_rsa(jwt_loader_t *loader, json_t *jwk, ngx_http_gateway_jwt_key_t *key)
{
    long             nlen, elen;
    BIGNUM          *n, *e;
    unsigned char    nbuf[NGX_HTTP_GATEWAY_JWT_RSA_MAX / 8], ebuf[8];
    OSSL_PARAM_BLD  *bld;

    nlen = jwt_jwk_bytes(jwk, "n", nbuf, sizeof(nbuf));
    elen = jwt_jwk_bytes(jwk, "e", ebuf, sizeof(ebuf));

    if (nlen <= 0 || elen <= 0) {
        return jwt_refuse_key(loader, "n and e must be base64url of at most "
                                      "1024 bytes and 8 bytes");
    }

    n = BN_bin2bn(nbuf, (int) nlen, NULL);
    e = BN_bin2bn(ebuf, (int) elen, NULL);
    bld = OSSL_PARAM_BLD_new();

    if (n != NULL && e != NULL && bld != NULL
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
    {
        key->pkey = jwt_pkey_make("RSA", bld);
    }

    OSSL_PARAM_BLD_free(bld);
    BN_free(e);
    BN_free(n);

    return jwt_pkey_check(loader, key);
}


static int
jwt_jwk_ec(jwt_loader_t *loader, json_t *jwk, ngx_http_gateway_jwt_key_t *key)
{
    size_t              i, size;
    const char         *name;
    unsigned char       point[1 + 2 * JWT_COORD_MAX];
    OSSL_PARAM_BLD     *bld;
    const jwt_curve_t  *curve;

    name = json_string_value(json_object_get(jwk, "crv"));

    if (name == NULL) {
        return jwt_refuse_key(loader, "it has no crv");
    }

    curve = NULL;

    for (i = 0; i < JWT_CURVES; i++) {
        if (strcmp(name, jwt_curves[i].crv) == 0) {
            curve = &jwt_curves[i];
        }
    }

    if (curve == NULL) {
        return JWT_SKIPPED;
    }

    key->algorithms &= curve->algorithm;

    if (key->algorithms == 0) {
        return JWT_SKIPPED;
    }

    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    size = curve->size;

    if (jwt_jwk_bytes(jwk, "x", point + 1, size) != (long) size
        || jwt_jwk_bytes(jwk, "y", point + 1 + size, size) != (long) size)
    {
        return jwt_refuse_key(loader, "x and y must be 32 bytes each in "
                              "base64url, 48 of P-384, 66 of P-521");
    }

    bld = OSSL_PARAM_BLD_new();

    if (bld != NULL
        && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                           curve->group, 0) == 1
        && OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, 1 + 2 * size) == 1)
    {
        key->pkey = jwt_pkey_make("EC", bld);
    }

    OSSL_PARAM_BLD_free(bld);

    return jwt_pkey_check(loader, key);
}


static int
jwt_jwk_okp(jwt_loader_t *loader, json_t *jwk, ngx_http_gateway_jwt_key_t *key)
{
    int            type;
    size_t         size;
    const char    *crv;
    unsigned char  x[57];

    crv = json_string_value(json_object_get(jwk, "crv"));

    if (crv == NULL) {
        return jwt_refuse_key(loader, "it has no crv");
    }

    if (strcmp(crv, "Ed25519") == 0) {
        type = EVP_PKEY_ED25519;
        size = 32;

    } else if (strcmp(crv, "Ed448") == 0) {
        type = EVP_PKEY_ED448;
        size = 57;

    } else {
        return JWT_SKIPPED;
    }

    if (jwt_jwk_bytes(jwk, "x", x, size) != (long) size) {
        return jwt_refuse_key(loader, "x must be 32 bytes in base64url, 57 of "
                                      "Ed448");
    }

    key->pkey = EVP_PKEY_new_raw_public_key(type, NULL, x, size);

    return jwt_pkey_check(loader, key);
}


/* the length, or -1 */

static long
jwt_jwk_bytes(json_t *jwk, const char *name, unsigned char *buf, size_t size)
{
    json_t  *value;

    value = json_object_get(jwk, name);

    if (!json_is_string(value)) {
        return -1;
    }

    return ngx_http_gateway_jwt_base64url(buf, size,
                             (const unsigned char *) json_string_value(value),
                             json_string_length(value));
}


/* NULL also means that OpenSSL does not take the parameters */

static EVP_PKEY *
jwt_pkey_make(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY      *pkey;
    OSSL_PARAM    *params;
    EVP_PKEY_CTX  *ctx;

    pkey = NULL;

    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    params = OSSL_PARAM_BLD_to_param(bld);

    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
    {
        pkey = NULL;
    }

    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);

    return pkey;
}


/* one or more PUBLIC KEY or CERTIFICATE blocks; text around them is skipped */

static int
jwt_pem_parse(jwt_loader_t *loader, const unsigned char *text, size_t len)
{
    int             rc;
    BIO            *bio;
    char           *name, *header;
    long            der_len;
    unsigned char  *der;

    bio = BIO_new_mem_buf(text, (int) len);
    if (bio == NULL) {
        return NGX_HTTP_GATEWAY_JWT_NO_MEMORY;
    }

    rc = NGX_HTTP_GATEWAY_JWT_FINE;

    while (rc == NGX_HTTP_GATEWAY_JWT_FINE
           && PEM_read_bio(bio, &name, &header, &der, &der_len) == 1)
    {
        loader->number++;

        rc = jwt_pem_key(loader, name, der, der_len);

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t) der_len);
    }

    if (rc == NGX_HTTP_GATEWAY_JWT_FINE
        && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    {
        loader->number++;
        rc = jwt_refuse_key(loader, "it is broken PEM");
    }

    BIO_free(bio);

    return rc;
}


static int
jwt_pem_key(jwt_loader_t *loader, const char *name, const unsigned char *der,
    long len)
{
    int                          rc;
    X509                        *cert;
    ngx_http_gateway_jwt_key_t   key;

    memset(&key, 0, sizeof(ngx_http_gateway_jwt_key_t));

    if (strstr(name, "PRIVATE KEY") != NULL) {
        return jwt_refuse_key(loader, "it is a private key; give the gateway "
                              "the public part only (openssl pkey -pubout)");
    }

    if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        key.pkey = d2i_PUBKEY(NULL, &der, len);

    } else if (strcmp(name, PEM_STRING_X509) == 0) {
        cert = d2i_X509(NULL, &der, len);

        if (cert != NULL) {
            key.pkey = X509_get_pubkey(cert);
            X509_free(cert);
        }

    } else {
        return jwt_refuse_key(loader, "it is neither a PUBLIC KEY nor a "
                                      "CERTIFICATE");
    }

    if (key.pkey == NULL) {
        return jwt_refuse_key(loader, "it cannot be read");
    }

    rc = jwt_pem_algorithms(loader, &key);

    if (rc == NGX_HTTP_GATEWAY_JWT_FINE) {
        rc = jwt_pkey_check(loader, &key);
    }

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {
        jwt_key_clear(&key);
        return rc;
    }

    return jwt_add(loader, &key);
}


static int
jwt_pem_algorithms(jwt_loader_t *loader, ngx_http_gateway_jwt_key_t *key)
{
    char    group[64];
    size_t  i;

    if (EVP_PKEY_is_a(key->pkey, "RSA")) {
        key->algorithms = NGX_HTTP_GATEWAY_JWT_RSA;

    } else if (EVP_PKEY_is_a(key->pkey, "RSA-PSS")) {
        key->algorithms = NGX_HTTP_GATEWAY_JWT_PS256
                          |NGX_HTTP_GATEWAY_JWT_PS384
                          |NGX_HTTP_GATEWAY_JWT_PS512;

    } else if (EVP_PKEY_is_a(key->pkey, "ED25519")
               || EVP_PKEY_is_a(key->pkey, "ED448"))
    {
        key->algorithms = NGX_HTTP_GATEWAY_JWT_EDDSA;

    } else if (!EVP_PKEY_is_a(key->pkey, "EC")) {
        return jwt_refuse_key(loader, "it is none of RSA, EC, Ed25519, Ed448");

    } else if (EVP_PKEY_get_utf8_string_param(key->pkey,
                       OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL)
               == 1)
    {
        for (i = 0; i < JWT_CURVES; i++) {
            if (strcmp(group, jwt_curves[i].group) == 0) {
                key->algorithms = jwt_curves[i].algorithm;
            }
        }
    }

    if (key->algorithms == 0) {
        return jwt_refuse_key(loader, "its curve is none of P-256, P-384, "
                                      "P-521");
    }

    return NGX_HTTP_GATEWAY_JWT_FINE;
}


/* what can be wrong with a public key that could be read */

static int
jwt_pkey_check(jwt_loader_t *loader, ngx_http_gateway_jwt_key_t *key)
{
    int            bits;
    const char    *what;
    EVP_PKEY_CTX  *ctx;

    if (key->pkey == NULL) {
        return jwt_refuse_key(loader, "its numbers do not make a public key");
    }

    what = NULL;
    bits = EVP_PKEY_get_bits(key->pkey);

    if (key->algorithms & NGX_HTTP_GATEWAY_JWT_RSA) {

        if (bits < NGX_HTTP_GATEWAY_JWT_RSA_MIN) {
            what = "RSA keys of less than 2048 bits are too weak";

        } else if (bits > NGX_HTTP_GATEWAY_JWT_RSA_MAX) {
            what = "RSA keys of more than 8192 bits are too slow";
        }
    }

    if (what == NULL) {
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);

        if (ctx == NULL || EVP_PKEY_public_check(ctx) != 1) {
            what = "its numbers do not make a public key";
        }

        EVP_PKEY_CTX_free(ctx);
    }

    return what == NULL ? NGX_HTTP_GATEWAY_JWT_FINE
                        : jwt_refuse_key(loader, what);
}


int
ngx_http_gateway_jwt_keys_fit(const ngx_http_gateway_jwt_keys_t *keys,
    const ngx_http_gateway_jwt_token_t *token)
{
    size_t  i;

    for (i = 0; i < keys->n; i++) {
        if (jwt_fits(&keys->keys[i], token)) {
            return 1;
        }
    }

    return 0;
}


int
ngx_http_gateway_jwt_keys_verify(const ngx_http_gateway_jwt_keys_t *keys,
    const ngx_http_gateway_jwt_token_t *token,
    const ngx_http_gateway_jwt_parts_t *parts, const char **reason_r)
{
    int            rc;
    long           len;
    size_t         i, tried;
    unsigned char  sig[NGX_HTTP_GATEWAY_JWT_SIG_MAX];

    len = ngx_http_gateway_jwt_base64url(sig, sizeof(sig),
                                         parts->signature.data,
                                         parts->signature.len);
    if (len <= 0) {
        *reason_r = "the signature of the token is not base64url";
        return NGX_HTTP_GATEWAY_JWT_REFUSED;
    }

    tried = 0;

    for (i = 0; i < keys->n; i++) {

        if (!jwt_fits(&keys->keys[i], token)) {
            continue;
        }

        if (tried++ == NGX_HTTP_GATEWAY_JWT_KEYS_TRIED) {
            break;
        }

        rc = ngx_http_gateway_jwt_signature_check(&keys->keys[i],
                                        ngx_http_gateway_jwt_token_alg(token),
                                        sig, (size_t) len, &parts->content);

        if (rc != NGX_HTTP_GATEWAY_JWT_REFUSED) {
            return rc;
        }
    }

    *reason_r = tried == 0 ? "no key fits the token"
                           : "the signature of the token is wrong";

    return NGX_HTTP_GATEWAY_JWT_REFUSED;
}


static bool
jwt_fits(const ngx_http_gateway_jwt_key_t *key,
    const ngx_http_gateway_jwt_token_t *token)
{
    ngx_http_gateway_jwt_slice_t  kid;

    if (!(key->algorithms & ngx_http_gateway_jwt_token_alg(token))) {
        return false;
    }

    kid = ngx_http_gateway_jwt_token_kid(token);

    if (kid.data == NULL || key->kid == NULL) {
        return true;
    }

    return kid.len == key->kid_len
           && memcmp(kid.data, key->kid, kid.len) == 0;
}
