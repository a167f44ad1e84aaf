/*
 * Copyright (C) the Warren authors
 *
 * SHA-256, with what OpenSSL needs for it made once.
 */

#ifndef _NGX_HTTP_GATEWAY_DIGEST_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_DIGEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_GATEWAY_DIGEST_LEN  32


/* of one process; OpenSSL looks nothing up again while it lives */

typedef struct ngx_http_gateway_digest_s  ngx_http_gateway_digest_t;


/* Returns NULL if memory is short; the caller frees it. */
ngx_http_gateway_digest_t *ngx_http_gateway_digest_create(ngx_log_t *log);

/* NULL is allowed. */
void ngx_http_gateway_digest_free(ngx_http_gateway_digest_t *digest);

/*
 * Writes the digest of first and second, one after the other, to out, which
 * has room for NGX_HTTP_GATEWAY_DIGEST_LEN bytes.  Returns NGX_OK or
 * NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_digest_sum(ngx_http_gateway_digest_t *digest,
    ngx_str_t *first, ngx_str_t *second, u_char *out);

/* The same of one string, without preparation: slower. */
ngx_int_t ngx_http_gateway_sha256(ngx_str_t *text, u_char *out);


#endif /* _NGX_HTTP_GATEWAY_DIGEST_H_INCLUDED_ */
