/*
 * Copyright (C) the Warren authors
 *
 * A JSON object of a token: its header or its claims.  Plain C11 and jansson,
 * so that it can be tested without nginx.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_DOCUMENT_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_DOCUMENT_H_INCLUDED_


#include "ngx_http_gateway_jwt_token.h"


struct json_t;

typedef struct ngx_http_gateway_jwt_document_s
    ngx_http_gateway_jwt_document_t;


typedef enum {
    NGX_HTTP_GATEWAY_JWT_VALUE_ABSENT = 0,
    NGX_HTTP_GATEWAY_JWT_VALUE_STRING,
    NGX_HTTP_GATEWAY_JWT_VALUE_INTEGER,
    NGX_HTTP_GATEWAY_JWT_VALUE_REAL,
    NGX_HTTP_GATEWAY_JWT_VALUE_ARRAY,
    NGX_HTTP_GATEWAY_JWT_VALUE_OTHER
} ngx_http_gateway_jwt_value_e;


/* a value of a document, as long as that lives */

typedef struct {
    ngx_http_gateway_jwt_value_e   kind;
    ngx_http_gateway_jwt_slice_t   string;  /* of STRING */
    int64_t                        integer; /* of INTEGER */
    double                         real;    /* of REAL */
    size_t                         n;       /* of ARRAY */

    /* where the items of an ARRAY are: one of them */
    const struct json_t           *json;
    size_t                         first;
} ngx_http_gateway_jwt_member_t;


/*
 * Reads a JSON object.  One that is nested deeper than
 * NGX_HTTP_GATEWAY_JWT_DEPTH_MAX, has two members of a name, more than
 * NGX_HTTP_GATEWAY_JWT_MEMBERS_MAX in an object or more than
 * NGX_HTTP_GATEWAY_JWT_VALUES_MAX values is refused.  The text, of at most
 * NGX_HTTP_GATEWAY_JWT_TOKEN_MAX bytes, may go afterwards.  *size_r is about
 * what it takes at most.  Returns FINE, REFUSED or NO_MEMORY.
 */
int ngx_http_gateway_jwt_document_new(const unsigned char *text, size_t len,
    ngx_http_gateway_jwt_document_t **document_r, size_t *size_r);

/* NULL is allowed. */
void ngx_http_gateway_jwt_document_free(
    ngx_http_gateway_jwt_document_t *document);

/* The member of that name; its kind is ABSENT if there is none. */
ngx_http_gateway_jwt_member_t ngx_http_gateway_jwt_document_get(
    const ngx_http_gateway_jwt_document_t *document,
    const unsigned char *name, size_t len);

/* The item i of an ARRAY that has more of them than i. */
ngx_http_gateway_jwt_member_t ngx_http_gateway_jwt_document_item(
    const ngx_http_gateway_jwt_document_t *document,
    const ngx_http_gateway_jwt_member_t *array, size_t i);

/*
 * The whole of it as jansson has it, as long as the document lives; made when
 * it is asked for first.  NULL if memory is short.
 */
const struct json_t *ngx_http_gateway_jwt_document_json(
    const ngx_http_gateway_jwt_document_t *document);

/* Whether it was read without jansson; for tests. */
int ngx_http_gateway_jwt_document_is_flat(
    const ngx_http_gateway_jwt_document_t *document);


#endif /* _NGX_HTTP_GATEWAY_JWT_DOCUMENT_H_INCLUDED_ */
