/*
 * Copyright (C) the Warren authors
 *
 * Keys of tokens: JWK Sets (RFC 7517, RFC 7518) and PEM into EVP_PKEY, and the
 * verification of signatures with them.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include <jansson.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "ngx_http_gateway_jwt_key.h"


/* r and s of a P-256 signature, 32 bytes each; and DER of both at most */

#define NGX_HTTP_GATEWAY_JWT_ES256_LEN  64
#define NGX_HTTP_GATEWAY_JWT_DER_MAX    80


typedef struct {
    ngx_str_t    kid;                   /* data is NULL: it has none */

    /* one of NGX_HTTP_GATEWAY_JWT_*256: the only one it is used with */
    ngx_uint_t   algorithm;

    EVP_PKEY    *pkey;                  /* of RS256 and ES256 */
    ngx_str_t    secret;                /* of HS256 */
} ngx_http_gateway_jwt_key_t;


/* what is known while a file is read */

typedef struct {
    ngx_conf_t                   *cf;
    ngx_http_gateway_jwt_keys_t  *keys;
    ngx_uint_t                    number;     /* of the key, from 1 */
} ngx_http_gateway_jwt_loader_t;


static void ngx_http_gateway_jwt_keys_cleanup(void *data);
static ngx_int_t ngx_http_gateway_jwt_keys_read(ngx_conf_t *cf,
    ngx_str_t *name, ngx_str_t *text);
static ngx_int_t ngx_http_gateway_jwt_keys_parse(
    ngx_http_gateway_jwt_loader_t *loader, ngx_str_t *text);
static ngx_int_t ngx_http_gateway_jwt_keys_add(
    ngx_http_gateway_jwt_loader_t *loader, ngx_http_gateway_jwt_key_t *key);
static ngx_int_t ngx_http_gateway_jwt_keys_error(
    ngx_http_gateway_jwt_loader_t *loader, const char *what);

static ngx_int_t ngx_http_gateway_jwt_jwks_parse(
    ngx_http_gateway_jwt_loader_t *loader, ngx_str_t *text);
static ngx_int_t ngx_http_gateway_jwt_jwk_parse(
    ngx_http_gateway_jwt_loader_t *loader, json_t *jwk);
static ngx_int_t ngx_http_gateway_jwt_jwk_is_usable(
    ngx_http_gateway_jwt_loader_t *loader, json_t *jwk, ngx_uint_t algorithm);
static ngx_int_t ngx_http_gateway_jwt_jwk_oct(
    ngx_http_gateway_jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);
static ngx_int_t ngx_http_gateway_jwt_jwk_rsa(
    ngx_http_gateway_jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);
static ngx_int_t ngx_http_gateway_jwt_jwk_ec(
    ngx_http_gateway_jwt_loader_t *loader, json_t *jwk,
    ngx_http_gateway_jwt_key_t *key);
static long ngx_http_gateway_jwt_jwk_bytes(json_t *jwk, const char *name,
    u_char *buf, size_t size);
static EVP_PKEY *ngx_http_gateway_jwt_pkey_make(const char *type,
    OSSL_PARAM_BLD *bld);

static ngx_int_t ngx_http_gateway_jwt_pem_parse(
    ngx_http_gateway_jwt_loader_t *loader, ngx_str_t *text);
static ngx_int_t ngx_http_gateway_jwt_pem_key(
    ngx_http_gateway_jwt_loader_t *loader, const char *name,
    const u_char *der, long len);
static ngx_int_t ngx_http_gateway_jwt_pkey_check(
    ngx_http_gateway_jwt_loader_t *loader, ngx_http_gateway_jwt_key_t *key);

static ngx_int_t ngx_http_gateway_jwt_key_fits(
    const ngx_http_gateway_jwt_key_t *key,
    const ngx_http_gateway_jwt_token_t *token);
static ngx_int_t ngx_http_gateway_jwt_key_verify(
    const ngx_http_gateway_jwt_key_t *key, const u_char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content);
static ngx_int_t ngx_http_gateway_jwt_secret_verify(const ngx_str_t *secret,
    const u_char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content);
static int ngx_http_gateway_jwt_es256_der(const u_char *sig, u_char *der);


ngx_http_gateway_jwt_keys_t *
ngx_http_gateway_jwt_keys_load(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_int_t                      rc;
    ngx_str_t                      text;
    ngx_pool_cleanup_t            *cln;
    ngx_http_gateway_jwt_keys_t   *keys;
    ngx_http_gateway_jwt_loader_t  loader;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NULL;
    }

    keys = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_jwt_keys_t));
    if (keys == NULL) {
        return NULL;
    }

    keys->name = *name;

    if (ngx_array_init(&keys->keys, cf->pool, 4,
                       sizeof(ngx_http_gateway_jwt_key_t))
        != NGX_OK)
    {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_gateway_jwt_keys_cleanup;
    cln->data = keys;

    if (ngx_http_gateway_jwt_keys_read(cf, name, &text) != NGX_OK) {
        return NULL;
    }

    loader.cf = cf;
    loader.keys = keys;
    loader.number = 0;

    rc = ngx_http_gateway_sha256(&text, keys->digest);

    if (rc == NGX_OK) {
        rc = ngx_http_gateway_jwt_keys_parse(&loader, &text);
    }

    /* it may hold secrets */

    OPENSSL_cleanse(text.data, text.len);
    ngx_free(text.data);

    ERR_clear_error();

    return rc == NGX_OK ? keys : NULL;
}


static void
ngx_http_gateway_jwt_keys_cleanup(void *data)
{
    ngx_http_gateway_jwt_keys_t  *keys = data;

    ngx_uint_t                   i;
    ngx_http_gateway_jwt_key_t  *key;

    key = keys->keys.elts;

    for (i = 0; i < keys->keys.nelts; i++) {
        EVP_PKEY_free(key[i].pkey);

        if (key[i].secret.len) {
            OPENSSL_cleanse(key[i].secret.data, key[i].secret.len);
        }
    }
}


/* the text is the caller's to free */

static ngx_int_t
ngx_http_gateway_jwt_keys_read(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *text)
{
    ssize_t          n;
    ngx_file_t       file;
    ngx_file_info_t  fi;

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = *name;
    file.log = cf->log;

    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "could not read the keys: " ngx_open_file_n
                           " \"%V\" failed", name);
        return NGX_ERROR;
    }

    text->data = NULL;

    if (ngx_fd_info(file.fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", name);
        goto failed;
    }

    if (!ngx_is_file(&fi)
        || ngx_file_size(&fi) > NGX_HTTP_GATEWAY_JWT_KEYS_SIZE)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a file of at most %ui bytes", name,
                           (ngx_uint_t) NGX_HTTP_GATEWAY_JWT_KEYS_SIZE);
        goto failed;
    }

    text->len = (size_t) ngx_file_size(&fi);

    text->data = ngx_alloc(text->len + 1, cf->log);
    if (text->data == NULL) {
        goto failed;
    }

    n = ngx_read_file(&file, text->data, text->len, 0);

    if (n == NGX_ERROR || (size_t) n != text->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "could not read the keys in \"%V\"", name);
        goto failed;
    }

    (void) ngx_close_file(file.fd);

    return NGX_OK;

failed:

    ngx_free(text->data);
    (void) ngx_close_file(file.fd);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_gateway_jwt_keys_parse(ngx_http_gateway_jwt_loader_t *loader,
    ngx_str_t *text)
{
    size_t     i;
    ngx_int_t  rc;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] != ' ' && text->data[i] != '\t'
            && text->data[i] != CR && text->data[i] != LF)
        {
            break;
        }
    }

    if (i < text->len && text->data[i] == '{') {
        rc = ngx_http_gateway_jwt_jwks_parse(loader, text);

    } else if (ngx_strlcasestrn(text->data, text->data + text->len,
                                (u_char *) "-----begin ", 11 - 1)
               != NULL)
    {
        rc = ngx_http_gateway_jwt_pem_parse(loader, text);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, loader->cf, 0,
                           "\"%V\" is neither a JWK Set nor PEM",
                           &loader->keys->name);
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (loader->keys->keys.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, loader->cf, 0,
                           "\"%V\" holds no key that can be used: RSA for "
                           "RS256, EC on P-256 for ES256 or oct for HS256, to "
                           "verify signatures with", &loader->keys->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* takes over what hangs on key, also if it fails */

static ngx_int_t
ngx_http_gateway_jwt_keys_add(ngx_http_gateway_jwt_loader_t *loader,
    ngx_http_gateway_jwt_key_t *key)
{
    ngx_http_gateway_jwt_key_t  *slot;

    if (loader->keys->keys.nelts == NGX_HTTP_GATEWAY_JWT_KEYS_MAX) {
        EVP_PKEY_free(key->pkey);
        return ngx_http_gateway_jwt_keys_error(loader, "one key too many");
    }

    slot = ngx_array_push(&loader->keys->keys);
    if (slot == NULL) {
        EVP_PKEY_free(key->pkey);
        return NGX_ERROR;
    }

    *slot = *key;
    loader->keys->algorithms |= key->algorithm;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_jwt_keys_error(ngx_http_gateway_jwt_loader_t *loader,
    const char *what)
{
    ngx_conf_log_error(NGX_LOG_EMERG, loader->cf, 0,
                       "key %ui in \"%V\" is refused: %s", loader->number,
                       &loader->keys->name, what);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_gateway_jwt_jwks_parse(ngx_http_gateway_jwt_loader_t *loader,
    ngx_str_t *text)
{
    size_t         i;
    json_t        *set, *jwks, *jwk;
    ngx_int_t      rc;
    json_error_t   error;

    set = json_loadb((char *) text->data, text->len, JSON_REJECT_DUPLICATES,
                     &error);

    if (set == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, loader->cf, 0,
                           "\"%V\" is not valid JSON, line %d: %s",
                           &loader->keys->name, error.line, error.text);
        return NGX_ERROR;
    }

    jwks = json_object_get(set, "keys");

    if (!json_is_array(jwks)) {
        ngx_conf_log_error(NGX_LOG_EMERG, loader->cf, 0,
                           "\"%V\" is not a JWK Set: {\"keys\": [...]} is "
                           "expected", &loader->keys->name);
        json_decref(set);
        return NGX_ERROR;
    }

    rc = NGX_OK;

    json_array_foreach(jwks, i, jwk) {
        loader->number = i + 1;

        rc = ngx_http_gateway_jwt_jwk_parse(loader, jwk);

        if (rc == NGX_ERROR) {
            break;
        }

        rc = NGX_OK;
    }

    json_decref(set);

    return rc;
}


/* NGX_DECLINED: not for us, and skipped as RFC 7517, section 5, wants it */

static ngx_int_t
ngx_http_gateway_jwt_jwk_parse(ngx_http_gateway_jwt_loader_t *loader,
    json_t *jwk)
{
    json_t                      *kid;
    ngx_int_t                    rc;
    const char                  *kty;
    ngx_http_gateway_jwt_key_t   key;

    ngx_memzero(&key, sizeof(ngx_http_gateway_jwt_key_t));

    kty = json_string_value(json_object_get(jwk, "kty"));

    if (kty == NULL) {
        return ngx_http_gateway_jwt_keys_error(loader, "it has no kty");
    }

    if (ngx_strcmp(kty, "RSA") == 0) {
        key.algorithm = NGX_HTTP_GATEWAY_JWT_RS256;

    } else if (ngx_strcmp(kty, "EC") == 0) {
        key.algorithm = NGX_HTTP_GATEWAY_JWT_ES256;

    } else if (ngx_strcmp(kty, "oct") == 0) {
        key.algorithm = NGX_HTTP_GATEWAY_JWT_HS256;

    } else {
        return NGX_DECLINED;
    }

    if (key.algorithm != NGX_HTTP_GATEWAY_JWT_HS256
        && json_object_get(jwk, "d") != NULL)
    {
        return ngx_http_gateway_jwt_keys_error(loader, "it is a private key; "
                                  "give the gateway the public part only");
    }

    rc = ngx_http_gateway_jwt_jwk_is_usable(loader, jwk, key.algorithm);

    if (rc != NGX_OK) {
        return rc;
    }

    kid = json_object_get(jwk, "kid");

    if (kid != NULL) {

        if (!json_is_string(kid)) {
            return ngx_http_gateway_jwt_keys_error(loader,
                                                   "its kid is not a string");
        }

        key.kid.len = json_string_length(kid);
        key.kid.data = ngx_pnalloc(loader->cf->pool, key.kid.len + 1);

        if (key.kid.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(key.kid.data, json_string_value(kid), key.kid.len + 1);
    }

    switch (key.algorithm) {

    case NGX_HTTP_GATEWAY_JWT_HS256:
        rc = ngx_http_gateway_jwt_jwk_oct(loader, jwk, &key);
        break;

    case NGX_HTTP_GATEWAY_JWT_RS256:
        rc = ngx_http_gateway_jwt_jwk_rsa(loader, jwk, &key);
        break;

    default: /* NGX_HTTP_GATEWAY_JWT_ES256 */
        rc = ngx_http_gateway_jwt_jwk_ec(loader, jwk, &key);
        break;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_gateway_jwt_keys_add(loader, &key);
}


/* what the key says of its own use: alg, use, key_ops */

static ngx_int_t
ngx_http_gateway_jwt_jwk_is_usable(ngx_http_gateway_jwt_loader_t *loader,
    json_t *jwk, ngx_uint_t algorithm)
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
        return ngx_http_gateway_jwt_keys_error(loader, "alg and use must be "
                                         "strings, key_ops must be an array");
    }

    if (alg != NULL
        && ngx_http_gateway_jwt_algorithm((u_char *) json_string_value(alg),
                                          json_string_length(alg))
           != algorithm)
    {
        return NGX_DECLINED;
    }

    if (use != NULL && ngx_strcmp(json_string_value(use), "sig") != 0) {
        return NGX_DECLINED;
    }

    if (ops == NULL) {
        return NGX_OK;
    }

    json_array_foreach(ops, i, op) {
        if (json_is_string(op)
            && ngx_strcmp(json_string_value(op), "verify") == 0)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_gateway_jwt_jwk_oct(ngx_http_gateway_jwt_loader_t *loader,
    json_t *jwk, ngx_http_gateway_jwt_key_t *key)
{
    long    len;
    u_char  buf[NGX_HTTP_GATEWAY_JWT_SECRET_MAX];

    len = ngx_http_gateway_jwt_jwk_bytes(jwk, "k", buf, sizeof(buf));

    if (len < NGX_HTTP_GATEWAY_JWT_SECRET_MIN) {
        return ngx_http_gateway_jwt_keys_error(loader, "k must be 32 to 1024 "
                                          "bytes in base64url (RFC 7518, 3.2)");
    }

    key->secret.data = ngx_pnalloc(loader->cf->pool, len);

    if (key->secret.data != NULL) {
        key->secret.len = len;
        ngx_memcpy(key->secret.data, buf, len);
    }

    OPENSSL_cleanse(buf, sizeof(buf));

    return key->secret.data != NULL ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_gateway_jwt_jwk_rsa(ngx_http_gateway_jwt_loader_t *loader,
    json_t *jwk, ngx_http_gateway_jwt_key_t *key)
{
    long             nlen, elen;
    u_char           nbuf[NGX_HTTP_GATEWAY_JWT_RSA_MAX / 8], ebuf[8];
    BIGNUM          *n, *e;
    OSSL_PARAM_BLD  *bld;

    nlen = ngx_http_gateway_jwt_jwk_bytes(jwk, "n", nbuf, sizeof(nbuf));
    elen = ngx_http_gateway_jwt_jwk_bytes(jwk, "e", ebuf, sizeof(ebuf));

    if (nlen <= 0 || elen <= 0) {
        return ngx_http_gateway_jwt_keys_error(loader, "n and e must be "
                              "base64url of at most 1024 bytes and 8 bytes");
    }

    n = BN_bin2bn(nbuf, (int) nlen, NULL);
    e = BN_bin2bn(ebuf, (int) elen, NULL);
    bld = OSSL_PARAM_BLD_new();

    if (n != NULL && e != NULL && bld != NULL
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
    {
        key->pkey = ngx_http_gateway_jwt_pkey_make("RSA", bld);
    }

    OSSL_PARAM_BLD_free(bld);
    BN_free(e);
    BN_free(n);

    return ngx_http_gateway_jwt_pkey_check(loader, key);
}


static ngx_int_t
ngx_http_gateway_jwt_jwk_ec(ngx_http_gateway_jwt_loader_t *loader,
    json_t *jwk, ngx_http_gateway_jwt_key_t *key)
{
    u_char           point[65];
    const char      *crv;
    OSSL_PARAM_BLD  *bld;

    crv = json_string_value(json_object_get(jwk, "crv"));

    if (crv == NULL) {
        return ngx_http_gateway_jwt_keys_error(loader, "it has no crv");
    }

    if (ngx_strcmp(crv, "P-256") != 0) {
        return NGX_DECLINED;
    }

    point[0] = POINT_CONVERSION_UNCOMPRESSED;

    if (ngx_http_gateway_jwt_jwk_bytes(jwk, "x", point + 1, 32) != 32
        || ngx_http_gateway_jwt_jwk_bytes(jwk, "y", point + 33, 32) != 32)
    {
        return ngx_http_gateway_jwt_keys_error(loader, "x and y must be 32 "
                                               "bytes each in base64url");
    }

    bld = OSSL_PARAM_BLD_new();

    if (bld != NULL
        && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                           "prime256v1", 0) == 1
        && OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, sizeof(point)) == 1)
    {
        key->pkey = ngx_http_gateway_jwt_pkey_make("EC", bld);
    }

    OSSL_PARAM_BLD_free(bld);

    return ngx_http_gateway_jwt_pkey_check(loader, key);
}


/* the length, or -1 */

static long
ngx_http_gateway_jwt_jwk_bytes(json_t *jwk, const char *name, u_char *buf,
    size_t size)
{
    json_t  *value;

    value = json_object_get(jwk, name);

    if (!json_is_string(value)) {
        return -1;
    }

    return ngx_http_gateway_jwt_base64url(buf, size,
                                          (u_char *) json_string_value(value),
                                          json_string_length(value));
}


/* NULL also means that OpenSSL does not take the parameters */

static EVP_PKEY *
ngx_http_gateway_jwt_pkey_make(const char *type, OSSL_PARAM_BLD *bld)
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

static ngx_int_t
ngx_http_gateway_jwt_pem_parse(ngx_http_gateway_jwt_loader_t *loader,
    ngx_str_t *text)
{
    BIO        *bio;
    char       *name, *header;
    long        len;
    u_char     *der;
    ngx_int_t   rc;

    bio = BIO_new_mem_buf(text->data, (int) text->len);
    if (bio == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    while (rc == NGX_OK && PEM_read_bio(bio, &name, &header, &der, &len) == 1)
    {
        loader->number++;

        rc = ngx_http_gateway_jwt_pem_key(loader, name, der, len);

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t) len);
    }

    if (rc == NGX_OK
        && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    {
        loader->number++;
        rc = ngx_http_gateway_jwt_keys_error(loader, "it is broken PEM");
    }

    BIO_free(bio);

    return rc;
}


static ngx_int_t
ngx_http_gateway_jwt_pem_key(ngx_http_gateway_jwt_loader_t *loader,
    const char *name, const u_char *der, long len)
{
    X509                        *cert;
    ngx_int_t                    rc;
    ngx_http_gateway_jwt_key_t   key;

    ngx_memzero(&key, sizeof(ngx_http_gateway_jwt_key_t));

    if (ngx_strstr(name, "PRIVATE KEY") != NULL) {
        return ngx_http_gateway_jwt_keys_error(loader, "it is a private key; "
                "give the gateway the public part only (openssl pkey -pubout)");
    }

    if (ngx_strcmp(name, PEM_STRING_PUBLIC) == 0) {
        key.pkey = d2i_PUBKEY(NULL, &der, len);

    } else if (ngx_strcmp(name, PEM_STRING_X509) == 0) {
        cert = d2i_X509(NULL, &der, len);

        if (cert != NULL) {
            key.pkey = X509_get_pubkey(cert);
            X509_free(cert);
        }

    } else {
        return ngx_http_gateway_jwt_keys_error(loader, "it is neither a "
                                           "PUBLIC KEY nor a CERTIFICATE");
    }

    if (key.pkey == NULL) {
        return ngx_http_gateway_jwt_keys_error(loader, "it cannot be read");
    }

    if (EVP_PKEY_is_a(key.pkey, "RSA")) {
        key.algorithm = NGX_HTTP_GATEWAY_JWT_RS256;

    } else if (EVP_PKEY_is_a(key.pkey, "EC")) {
        key.algorithm = NGX_HTTP_GATEWAY_JWT_ES256;

    } else {
        EVP_PKEY_free(key.pkey);
        return ngx_http_gateway_jwt_keys_error(loader,
                                               "it is neither RSA nor EC");
    }

    rc = ngx_http_gateway_jwt_pkey_check(loader, &key);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_gateway_jwt_keys_add(loader, &key);
}


/* frees the key if it is not NGX_OK */

static ngx_int_t
ngx_http_gateway_jwt_pkey_check(ngx_http_gateway_jwt_loader_t *loader,
    ngx_http_gateway_jwt_key_t *key)
{
    int            bits;
    char           group[64];
    const char    *what;
    EVP_PKEY_CTX  *ctx;

    if (key->pkey == NULL) {
        return ngx_http_gateway_jwt_keys_error(loader, "its numbers do not "
                                               "make a public key");
    }

    what = NULL;
    bits = EVP_PKEY_get_bits(key->pkey);

    if (key->algorithm == NGX_HTTP_GATEWAY_JWT_RS256) {

        if (bits < NGX_HTTP_GATEWAY_JWT_RSA_MIN) {
            what = "RSA keys of less than 2048 bits are too weak";

        } else if (bits > NGX_HTTP_GATEWAY_JWT_RSA_MAX) {
            what = "RSA keys of more than 8192 bits are too slow";
        }

    } else if (EVP_PKEY_get_utf8_string_param(key->pkey,
                   OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL) != 1
               || ngx_strcmp(group, "prime256v1") != 0)
    {
        what = "its curve is not P-256";
    }

    if (what == NULL) {
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);

        if (ctx == NULL || EVP_PKEY_public_check(ctx) != 1) {
            what = "its numbers do not make a public key";
        }

        EVP_PKEY_CTX_free(ctx);
    }

    if (what == NULL) {
        return NGX_OK;
    }

    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;

    return ngx_http_gateway_jwt_keys_error(loader, what);
}


ngx_int_t
ngx_http_gateway_jwt_keys_verify(const ngx_http_gateway_jwt_keys_t *keys,
    const ngx_http_gateway_jwt_token_t *token,
    const ngx_http_gateway_jwt_parts_t *parts, const char **reason_r)
{
    long                               len;
    u_char                             sig[NGX_HTTP_GATEWAY_JWT_SIG_MAX];
    ngx_int_t                          rc;
    ngx_uint_t                         i, tried;
    const ngx_http_gateway_jwt_key_t  *key;

    len = ngx_http_gateway_jwt_base64url(sig, sizeof(sig),
                                         parts->signature.data,
                                         parts->signature.len);
    if (len <= 0) {
        *reason_r = "the signature of the token is not base64url";
        return NGX_DECLINED;
    }

    key = keys->keys.elts;
    tried = 0;

    for (i = 0; i < keys->keys.nelts; i++) {

        if (!ngx_http_gateway_jwt_key_fits(&key[i], token)) {
            continue;
        }

        if (tried++ == NGX_HTTP_GATEWAY_JWT_KEYS_TRIED) {
            break;
        }

        rc = ngx_http_gateway_jwt_key_verify(&key[i], sig, (size_t) len,
                                             &parts->content);
        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    *reason_r = tried == 0 ? "no key fits the token"
                           : "the signature of the token is wrong";
    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_gateway_jwt_key_fits(const ngx_http_gateway_jwt_key_t *key,
    const ngx_http_gateway_jwt_token_t *token)
{
    ngx_http_gateway_jwt_slice_t  kid;

    if (key->algorithm != ngx_http_gateway_jwt_token_alg(token)) {
        return 0;
    }

    kid = ngx_http_gateway_jwt_token_kid(token);

    if (kid.data == NULL || key->kid.data == NULL) {
        return 1;
    }

    return kid.len == key->kid.len
           && ngx_memcmp(kid.data, key->kid.data, kid.len) == 0;
}


static ngx_int_t
ngx_http_gateway_jwt_key_verify(const ngx_http_gateway_jwt_key_t *key,
    const u_char *sig, size_t len,
    const ngx_http_gateway_jwt_slice_t *content)
{
    int          rc;
    u_char       der[NGX_HTTP_GATEWAY_JWT_DER_MAX];
    EVP_MD_CTX  *ctx;

    if (key->algorithm == NGX_HTTP_GATEWAY_JWT_HS256) {
        return ngx_http_gateway_jwt_secret_verify(&key->secret, sig, len,
                                                  content);
    }

    if (key->algorithm == NGX_HTTP_GATEWAY_JWT_ES256) {

        if (len != NGX_HTTP_GATEWAY_JWT_ES256_LEN) {
            return NGX_DECLINED;
        }

        rc = ngx_http_gateway_jwt_es256_der(sig, der);

        if (rc <= 0) {
            ERR_clear_error();
            return NGX_ERROR;
        }

        sig = der;
        len = (size_t) rc;
    }

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        ERR_clear_error();
        return NGX_ERROR;
    }

    /* the padding of RSA is PKCS #1 v1.5 unless one asks for another */

    if (EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) != 1) {
        EVP_MD_CTX_free(ctx);
        ERR_clear_error();
        return NGX_ERROR;
    }

    rc = EVP_DigestVerify(ctx, sig, len, content->data, content->len);

    EVP_MD_CTX_free(ctx);

    /* else the next TLS connection would be blamed for it */

    ERR_clear_error();

    return rc == 1 ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_gateway_jwt_secret_verify(const ngx_str_t *secret, const u_char *sig,
    size_t len, const ngx_http_gateway_jwt_slice_t *content)
{
    u_char    mac[EVP_MAX_MD_SIZE];
    unsigned  n;

    if (HMAC(EVP_sha256(), secret->data, (int) secret->len, content->data,
             content->len, mac, &n)
        == NULL)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    return n == len && CRYPTO_memcmp(mac, sig, n) == 0 ? NGX_OK
                                                       : NGX_DECLINED;
}


/* the length of what was written to der, or less than 1 */

static int
ngx_http_gateway_jwt_es256_der(const u_char *sig, u_char *der)
{
    int         n;
    BIGNUM     *r, *s;
    ECDSA_SIG  *pair;

    n = -1;

    r = BN_bin2bn(sig, NGX_HTTP_GATEWAY_JWT_ES256_LEN / 2, NULL);
    s = BN_bin2bn(sig + NGX_HTTP_GATEWAY_JWT_ES256_LEN / 2,
                  NGX_HTTP_GATEWAY_JWT_ES256_LEN / 2, NULL);
    pair = ECDSA_SIG_new();

    if (r == NULL || s == NULL || pair == NULL
        || ECDSA_SIG_set0(pair, r, s) != 1)
    {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return n;
    }

    /* r and s are the pair's now; DER of both has at most 72 bytes */

    n = i2d_ECDSA_SIG(pair, &der);

    ECDSA_SIG_free(pair);

    return n;
}
