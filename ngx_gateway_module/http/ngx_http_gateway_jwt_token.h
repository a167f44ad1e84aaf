/*
 * Copyright (C) the Warren authors
 *
 * Strict reading of a token (RFC 7515, RFC 7519): what it says, not whether it
 * is true.  Plain C11 and jansson, so that it can be tested without nginx.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_TOKEN_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_TOKEN_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* beyond any of these the token is refused */

#define NGX_HTTP_GATEWAY_JWT_TOKEN_MAX    8192  /* bytes, as sent */
#define NGX_HTTP_GATEWAY_JWT_HEADER_MAX   1024  /* bytes, decoded */
#define NGX_HTTP_GATEWAY_JWT_SIG_MAX      1024  /* bytes, decoded */
#define NGX_HTTP_GATEWAY_JWT_DEPTH_MAX    8     /* the object itself is 1 */
#define NGX_HTTP_GATEWAY_JWT_MEMBERS_MAX  64    /* of one object */
#define NGX_HTTP_GATEWAY_JWT_VALUES_MAX   1024  /* of a document, in all */

/* algorithms, also as bits of a list */

#define NGX_HTTP_GATEWAY_JWT_HS256        0x0001
#define NGX_HTTP_GATEWAY_JWT_HS384        0x0002
#define NGX_HTTP_GATEWAY_JWT_HS512        0x0004
#define NGX_HTTP_GATEWAY_JWT_RS256        0x0010
#define NGX_HTTP_GATEWAY_JWT_RS384        0x0020
#define NGX_HTTP_GATEWAY_JWT_RS512        0x0040
#define NGX_HTTP_GATEWAY_JWT_PS256        0x0100
#define NGX_HTTP_GATEWAY_JWT_PS384        0x0200
#define NGX_HTTP_GATEWAY_JWT_PS512        0x0400
#define NGX_HTTP_GATEWAY_JWT_ES256        0x1000
#define NGX_HTTP_GATEWAY_JWT_ES384        0x2000
#define NGX_HTTP_GATEWAY_JWT_ES512        0x4000
#define NGX_HTTP_GATEWAY_JWT_EDDSA        0x8000

/* those of a secret, and those of an RSA key */

#define NGX_HTTP_GATEWAY_JWT_HS           0x0007
#define NGX_HTTP_GATEWAY_JWT_RSA          0x0770

/* results of the functions below that can refuse */

#define NGX_HTTP_GATEWAY_JWT_FINE         0
#define NGX_HTTP_GATEWAY_JWT_REFUSED      1
#define NGX_HTTP_GATEWAY_JWT_NO_MEMORY    -1


struct json_t;

typedef struct ngx_http_gateway_jwt_token_s  ngx_http_gateway_jwt_token_t;


typedef struct {
    const unsigned char  *data;
    size_t                len;
} ngx_http_gateway_jwt_slice_t;


/* the segments of a token, still in base64url, in the memory of the token */

typedef struct {
    ngx_http_gateway_jwt_slice_t  header;
    ngx_http_gateway_jwt_slice_t  claims;
    ngx_http_gateway_jwt_slice_t  signature;

    /* the bytes that the signature is about: header, dot, claims */
    ngx_http_gateway_jwt_slice_t  content;
} ngx_http_gateway_jwt_parts_t;


/* how a claim came out */

typedef enum {
    NGX_HTTP_GATEWAY_JWT_ABSENT = 0,
    NGX_HTTP_GATEWAY_JWT_STRING,
    NGX_HTTP_GATEWAY_JWT_INTEGER,
    NGX_HTTP_GATEWAY_JWT_STRINGS,
    NGX_HTTP_GATEWAY_JWT_OTHER
} ngx_http_gateway_jwt_kind_e;


/*
 * The algorithm of exactly that name, or 0 if it is none that we verify;
 * "none" is none of them.
 */
unsigned ngx_http_gateway_jwt_algorithm(const unsigned char *name,
    size_t len);

/*
 * Decodes strict base64url: no padding, no other bytes, and no bits left over
 * that are not zero, so that each value has one spelling.  Returns the length
 * of what was written to dst, or -1 if src is not valid or size too small.
 */
long ngx_http_gateway_jwt_base64url(unsigned char *dst, size_t size,
    const unsigned char *src, size_t len);

/*
 * Finds the three segments.  Returns FINE or REFUSED; *reason_r then says why
 * in a static string, here and below.
 */
int ngx_http_gateway_jwt_split(const unsigned char *token, size_t len,
    ngx_http_gateway_jwt_parts_t *parts, const char **reason_r);

/*
 * Reads the header and makes a token of one reference from it, without claims.
 * An algorithm that we do not know and "crit" are refused.
 * Returns FINE, REFUSED or NO_MEMORY.
 */
int ngx_http_gateway_jwt_token_new(const ngx_http_gateway_jwt_parts_t *parts,
    ngx_http_gateway_jwt_token_t **token_r, const char **reason_r);

/*
 * Reads the claims into the token.  To be called once, and after the signature
 * was found good.  Returns FINE, REFUSED or NO_MEMORY; the token remains the
 * caller's.
 */
int ngx_http_gateway_jwt_token_read_claims(
    ngx_http_gateway_jwt_token_t *token,
    const ngx_http_gateway_jwt_parts_t *parts, const char **reason_r);

/* One more owner; returns token. */
ngx_http_gateway_jwt_token_t *ngx_http_gateway_jwt_token_ref(
    ngx_http_gateway_jwt_token_t *token);

/* One owner less; the last one frees it.  NULL is allowed. */
void ngx_http_gateway_jwt_token_unref(ngx_http_gateway_jwt_token_t *token);

/* The algorithm of its header; one of the bits above, never 0. */
unsigned ngx_http_gateway_jwt_token_alg(
    const ngx_http_gateway_jwt_token_t *token);

/* The "kid" of its header, as long as the token lives; data is NULL if none. */
ngx_http_gateway_jwt_slice_t ngx_http_gateway_jwt_token_kid(
    const ngx_http_gateway_jwt_token_t *token);

/*
 * Whether the "typ" of its header is name: a media type, compared without case,
 * of which "application/" may be left out.  An empty name is for tokens without
 * a "typ".
 */
int ngx_http_gateway_jwt_token_is_type(
    const ngx_http_gateway_jwt_token_t *token, const unsigned char *name,
    size_t len);

/*
 * The claims, an object of jansson that lives as long as the token; NULL until
 * they are read.
 */
const struct json_t *ngx_http_gateway_jwt_token_claims(
    const ngx_http_gateway_jwt_token_t *token);

/* About how many bytes of memory the token occupies. */
size_t ngx_http_gateway_jwt_token_size(
    const ngx_http_gateway_jwt_token_t *token);

/*
 * Decides exp, which is required, and nbf against the time now, all in
 * seconds, with a tolerance of leeway seconds.  Unless max is 0, exp must not
 * be further off than that.  Returns NULL if the token may be used, else the
 * reason.
 */
const char *ngx_http_gateway_jwt_token_check_time(
    const ngx_http_gateway_jwt_token_t *token, int64_t now, int64_t leeway,
    int64_t max);

/* Whether it has an iat, which is then written to *iat_r. */
int ngx_http_gateway_jwt_token_iat(const ngx_http_gateway_jwt_token_t *token,
    int64_t *iat_r);

/*
 * Whether the claim is that string or, if it is an array, has it among its
 * elements.  name ends with a zero.
 */
int ngx_http_gateway_jwt_token_has(const ngx_http_gateway_jwt_token_t *token,
    const char *name, const unsigned char *value, size_t len);

/*
 * What a claim is.  A STRING and an INTEGER are written to the outputs, of
 * which the string lives as long as the token.  STRINGS is an array of strings
 * only, whose length comes in *number_r; its elements are had with
 * ngx_http_gateway_jwt_token_element().  Strings with control characters count
 * as OTHER, and so do elements that are empty or have blanks in them: they
 * could not be told apart once joined.
 */
ngx_http_gateway_jwt_kind_e ngx_http_gateway_jwt_token_claim(
    const ngx_http_gateway_jwt_token_t *token, const unsigned char *name,
    size_t len, ngx_http_gateway_jwt_slice_t *string_r, int64_t *number_r);

/* The element i of a claim of the kind STRINGS. */
ngx_http_gateway_jwt_slice_t ngx_http_gateway_jwt_token_element(
    const ngx_http_gateway_jwt_token_t *token, const unsigned char *name,
    size_t len, size_t i);


#endif /* _NGX_HTTP_GATEWAY_JWT_TOKEN_H_INCLUDED_ */
