/*
 * Copyright (C) the Warren authors
 *
 * Identifiers: random ones, ones in the order of time, and ones made of what
 * they stand for.  OpenSSL gives the randomness and the digest.
 */

#include "ngx_http_gateway_private.h"

#include <openssl/evp.h>
#include <openssl/rand.h>


static ngx_int_t ngx_http_gateway_random(ngx_http_request_t *r,
    u_char *bytes_r, size_t n);
static void ngx_http_gateway_uuid_text(u_char *bytes, u_char *uuid_r);


ngx_int_t
ngx_http_gateway_uuid7(ngx_http_request_t *r, u_char *uuid_r)
{
    u_char       bytes[16];
    uint64_t     now;
    ngx_uint_t   i;
    ngx_time_t  *tp;

    /* the first six are the time */

    if (ngx_http_gateway_random(r, bytes + 6, sizeof(bytes) - 6) != NGX_OK) {
        return NGX_ERROR;
    }

    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    for (i = 0; i < 6; i++) {
        bytes[i] = (u_char) (now >> (40 - 8 * i));
    }

    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);

    ngx_http_gateway_uuid_text(bytes, uuid_r);

    return NGX_OK;
}


ngx_int_t
ngx_http_gateway_uuid_of(ngx_str_t *parts, ngx_uint_t n, u_char *uuid_r)
{
    u_char       size[4], digest[EVP_MAX_MD_SIZE];
    ngx_int_t    rc;
    ngx_uint_t   i;
    EVP_MD_CTX  *md;

    md = EVP_MD_CTX_new();
    if (md == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        goto done;
    }

    for (i = 0; i < n; i++) {
        size[0] = (u_char) (parts[i].len >> 24);
        size[1] = (u_char) (parts[i].len >> 16);
        size[2] = (u_char) (parts[i].len >> 8);
        size[3] = (u_char) parts[i].len;

        if (EVP_DigestUpdate(md, size, sizeof(size)) != 1
            || EVP_DigestUpdate(md, parts[i].data, parts[i].len) != 1)
        {
            goto done;
        }
    }

    if (EVP_DigestFinal_ex(md, digest, NULL) != 1) {
        goto done;
    }

    digest[6] = 0x80 | (digest[6] & 0x0f);
    digest[8] = 0x80 | (digest[8] & 0x3f);

    ngx_http_gateway_uuid_text(digest, uuid_r);

    rc = NGX_OK;

done:

    EVP_MD_CTX_free(md);

    return rc;
}


ngx_int_t
ngx_http_gateway_random_hex(ngx_http_request_t *r, u_char *hex_r, size_t n)
{
    u_char      bytes[NGX_HTTP_GATEWAY_RANDOM_MAX], any;
    ngx_uint_t  i;

    if (n > sizeof(bytes)) {
        return NGX_ERROR;
    }

    do {
        if (ngx_http_gateway_random(r, bytes, n) != NGX_OK) {
            return NGX_ERROR;
        }

        for (i = 0, any = 0; i < n; i++) {
            any |= bytes[i];
        }

    } while (any == 0 && n != 0);

    (void) ngx_hex_dump(hex_r, bytes, n);

    return NGX_OK;
}


/*
 * OpenSSL is asked for many bytes at a time: each question makes a system call
 * and passes several locks, and a request needs four.  n is at most
 * NGX_HTTP_GATEWAY_RANDOM_MAX.
 */

static ngx_int_t
ngx_http_gateway_random(ngx_http_request_t *r, u_char *bytes_r, size_t n)
{
    ngx_http_gateway_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gateway_module);

    if (gmcf->nrandom < n) {

        if (RAND_bytes(gmcf->random, sizeof(gmcf->random)) != 1) {
            return NGX_ERROR;
        }

        gmcf->nrandom = sizeof(gmcf->random);
    }

    gmcf->nrandom -= n;
    ngx_memcpy(bytes_r, gmcf->random + gmcf->nrandom, n);

    return NGX_OK;
}


static void
ngx_http_gateway_uuid_text(u_char *bytes, u_char *uuid_r)
{
    u_char      *p;
    ngx_uint_t   i;

    static ngx_uint_t  groups[] = { 4, 2, 2, 2, 6 };

    p = uuid_r;

    for (i = 0; i < 5; i++) {

        if (i) {
            *p++ = '-';
        }

        p = ngx_hex_dump(p, bytes, groups[i]);
        bytes += groups[i];
    }
}
