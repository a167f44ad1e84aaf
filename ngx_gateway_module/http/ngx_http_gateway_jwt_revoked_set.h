/*
 * Copyright (C) the Warren authors
 *
 * A set of tokens that must not be used any more, read from a text.  Plain C11,
 * so that it can be tested without nginx.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_REVOKED_SET_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_REVOKED_SET_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* larger texts are refused, and so are longer values, in bytes */

#define NGX_HTTP_GATEWAY_JWT_REVOKED_SIZE   (16 * 1024 * 1024)
#define NGX_HTTP_GATEWAY_JWT_REVOKED_VALUE  1024

/* a token without iat was issued before anything */

#define NGX_HTTP_GATEWAY_JWT_REVOKED_NEVER  INT64_MIN


typedef struct ngx_http_gateway_jwt_revoked_set_s
    ngx_http_gateway_jwt_revoked_set_t;


typedef enum {
    NGX_HTTP_GATEWAY_JWT_REVOKED_JTI = 0,
    NGX_HTTP_GATEWAY_JWT_REVOKED_SUB
} ngx_http_gateway_jwt_revoked_e;


/*
 * Reads a text of lines, the last one with its end, too:
 *
 *     jti VALUE             the token with that jti
 *     sub VALUE             all tokens of that subject
 *     before TIME VALUE     those of a subject that were issued before TIME
 *     # anything
 *
 * TIME is in seconds since the epoch.  VALUE goes to the end of the line.
 * Returns the set, which is the caller's to free.  NULL: *reason_r says why,
 * and *line_r where, from 1; a reason of NULL means that memory is short.
 */
ngx_http_gateway_jwt_revoked_set_t *ngx_http_gateway_jwt_revoked_set_new(
    const unsigned char *text, size_t len, size_t *line_r,
    const char **reason_r);

/* NULL is allowed. */
void ngx_http_gateway_jwt_revoked_set_free(
    ngx_http_gateway_jwt_revoked_set_t *set);

/* How many values it has. */
size_t ngx_http_gateway_jwt_revoked_set_number(
    const ngx_http_gateway_jwt_revoked_set_t *set);

/*
 * Whether a token with that value, issued at iat, is revoked.  The time that
 * takes does not depend on the size of the set.
 */
int ngx_http_gateway_jwt_revoked_set_has(
    const ngx_http_gateway_jwt_revoked_set_t *set,
    ngx_http_gateway_jwt_revoked_e kind, const unsigned char *value,
    size_t len, int64_t iat);


#endif /* _NGX_HTTP_GATEWAY_JWT_REVOKED_SET_H_INCLUDED_ */
