/*
 * Copyright (C) the Warren authors
 *
 * What is demanded of a claim: found by its name or by a path, and compared.
 * Plain C11 and jansson, so that it can be tested without nginx.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_CLAIM_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_CLAIM_H_INCLUDED_


#include "ngx_http_gateway_jwt_token.h"


/* names of a path; longer ones are refused */

#define NGX_HTTP_GATEWAY_JWT_PATH_MAX  8


typedef enum {
    NGX_HTTP_GATEWAY_JWT_OP_IS = 0,
    NGX_HTTP_GATEWAY_JWT_OP_IN,
    NGX_HTTP_GATEWAY_JWT_OP_HAS,
    NGX_HTTP_GATEWAY_JWT_OP_HAS_ANY,
    NGX_HTTP_GATEWAY_JWT_OP_PREFIX,
    NGX_HTTP_GATEWAY_JWT_OP_LT,
    NGX_HTTP_GATEWAY_JWT_OP_LE,
    NGX_HTTP_GATEWAY_JWT_OP_GT,
    NGX_HTTP_GATEWAY_JWT_OP_GE,
    NGX_HTTP_GATEWAY_JWT_OP_PRESENT
} ngx_http_gateway_jwt_op_e;


/* where a claim is; the names lie in memory of ngx_http_gateway_jwt_path() */

typedef struct {
    unsigned                      n;
    char                         *names[NGX_HTTP_GATEWAY_JWT_PATH_MAX];
} ngx_http_gateway_jwt_path_t;


/* what it is compared with, with the number that it spells, if it does */

typedef struct {
    ngx_http_gateway_jwt_slice_t  text;
    int                           is_integer;
    int                           is_number;
    int64_t                       integer;
    double                        real;
} ngx_http_gateway_jwt_value_t;


/*
 * Reads the place of a claim: a name as it is, or, when it begins with "/", a
 * JSON Pointer (RFC 6901).  buf has len + 1 bytes, in which the names lie then.
 * Returns 0, or -1 if it is not valid.
 */
int ngx_http_gateway_jwt_path(const unsigned char *text, size_t len, char *buf,
    ngx_http_gateway_jwt_path_t *path_r);

/* Sets a value; the text is kept, not copied. */
void ngx_http_gateway_jwt_value(const unsigned char *text, size_t len,
    ngx_http_gateway_jwt_value_t *value_r);

/*
 * Whether the claim stands to the values as op says.  An empty value meets
 * nothing; neither does an absent claim, nor one of another kind.
 *
 *     IS, IN      the claim is one of the values: a string to the byte, a
 *                 number as a number, true or false
 *     HAS         each value is an element of the list, or a word of the string
 *     HAS_ANY     one of them is
 *     PREFIX      the string begins with one of the values
 *     LT to GE    the number is less than, ... the only value
 *     PRESENT     it is there and not null
 */
int ngx_http_gateway_jwt_claim_meets(const ngx_http_gateway_jwt_token_t *token,
    const ngx_http_gateway_jwt_path_t *path, ngx_http_gateway_jwt_op_e op,
    const ngx_http_gateway_jwt_value_t *values, size_t n);


#endif /* _NGX_HTTP_GATEWAY_JWT_CLAIM_H_INCLUDED_ */
