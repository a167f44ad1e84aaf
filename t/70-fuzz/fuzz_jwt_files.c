/*
 * Copyright (C) the Warren authors
 *
 * Answers of a source of keys, and files of revoked tokens: what is found lies
 * within what came, whichever way it came in pieces.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_gateway_jwt_answer.h"
#include "ngx_http_gateway_jwt_revoked_set.h"


/* of a body */

#define BODY_MAX  2048


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
answer(const uint8_t *data, size_t size)
{
    int             rc, early;
    size_t          n, len;
    const char     *reason;
    const uint8_t  *body;

    rc = ngx_http_gateway_jwt_answer(data, size, 1, BODY_MAX, &body, &len,
                                     &reason);

    if (rc == NGX_HTTP_GATEWAY_JWT_ANSWER_MORE
        || (rc == NGX_HTTP_GATEWAY_JWT_ANSWER_BAD) != (reason != NULL))
    {
        abort();
    }

    if (rc == NGX_HTTP_GATEWAY_JWT_ANSWER_DONE
        && (body < data || len > BODY_MAX
            || len > size - (size_t) (body - data)))
    {
        abort();
    }

    /* what a part of it is found to be, all of it must not contradict */

    for (n = 0; n < size && n < 256; n++) {
        early = ngx_http_gateway_jwt_answer(data, n, 0, BODY_MAX, &body, &len,
                                            &reason);

        if (early == NGX_HTTP_GATEWAY_JWT_ANSWER_BAD
            && rc == NGX_HTTP_GATEWAY_JWT_ANSWER_DONE)
        {
            abort();
        }

        if (early == NGX_HTTP_GATEWAY_JWT_ANSWER_DONE
            && len > n - (size_t) (body - data))
        {
            abort();
        }
    }
}


static void
revoked(const uint8_t *data, size_t size)
{
    size_t                               line;
    const char                          *reason;
    ngx_http_gateway_jwt_revoked_set_t  *set;

    set = ngx_http_gateway_jwt_revoked_set_new(data, size, &line, &reason);

    if (set == NULL) {

        if (reason == NULL || line == 0) {
            abort();
        }

        return;
    }

    if (size != 0 && data[size - 1] != '\n') {
        abort();
    }

    (void) ngx_http_gateway_jwt_revoked_set_has(set,
                                           NGX_HTTP_GATEWAY_JWT_REVOKED_JTI,
                                           data, size, 0);

    /* of a file of one line the value is there */

    if (size > 5 && memcmp(data, "sub ", 4) == 0 && data[4] > ' '
        && memchr(data, '\n', size - 1) == NULL && data[size - 2] > ' '
        && !ngx_http_gateway_jwt_revoked_set_has(set,
                                           NGX_HTTP_GATEWAY_JWT_REVOKED_SUB,
                                           data + 4, size - 5, 0))
    {
        abort();
    }

    ngx_http_gateway_jwt_revoked_set_free(set);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    answer(data, size);
    revoked(data, size);

    return 0;
}
