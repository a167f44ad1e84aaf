/*
 * Copyright (C) the Warren authors
 *
 * The answer of an HTTP/1.0 server: its body, and nothing else of it.  Plain
 * C11, so that it can be tested without nginx.
 */

#ifndef _NGX_HTTP_GATEWAY_JWT_ANSWER_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_JWT_ANSWER_H_INCLUDED_


#include <stddef.h>


/* a longer head is refused */

#define NGX_HTTP_GATEWAY_JWT_ANSWER_HEAD  16384

#define NGX_HTTP_GATEWAY_JWT_ANSWER_DONE  0
#define NGX_HTTP_GATEWAY_JWT_ANSWER_MORE  1
#define NGX_HTTP_GATEWAY_JWT_ANSWER_BAD   -1


/*
 * Looks at what has come so far of an answer whose body may have max bytes;
 * is_end says that no more will.  DONE: the body is there, within text; MORE:
 * it is not yet; BAD: *reason_r says why in a static string.  Only status 200
 * without a transfer coding will do.
 */
int ngx_http_gateway_jwt_answer(const unsigned char *text, size_t len,
    int is_end, size_t max, const unsigned char **body_r, size_t *body_len_r,
    const char **reason_r);


#endif /* _NGX_HTTP_GATEWAY_JWT_ANSWER_H_INCLUDED_ */
