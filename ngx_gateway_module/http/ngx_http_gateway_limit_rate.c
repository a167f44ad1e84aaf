/*
 * Copyright (C) the Warren authors
 *
 * Rates as text: "10r/s", "10r/s:20", in the configuration and as the value of
 * a variable.
 */

#include "ngx_http_gateway_limit_private.h"


/* 60e6 us in a minute; rates are kept as units a minute while they are read */

#define NGX_HTTP_GATEWAY_LIMIT_MINUTE    60000000


ngx_int_t
ngx_http_gateway_limit_rate(ngx_str_t *value, ngx_http_gateway_gcra_t *gcra)
{
    size_t      len;
    u_char     *p;
    ngx_int_t   n, burst;
    ngx_uint_t  per_minute;

    p = ngx_strlchr(value->data, value->data + value->len, ':');
    len = p ? (size_t) (p - value->data) : value->len;
    burst = (ngx_int_t) gcra->quota - 1;

    if (p) {
        burst = ngx_atoi(p + 1, value->len - len - 1);

        if (burst == NGX_ERROR || burst >= NGX_HTTP_GATEWAY_GCRA_QUOTA_MAX) {
            return NGX_ERROR;
        }
    }

    if (len < 4) {
        return NGX_ERROR;
    }

    if (ngx_strncmp(value->data + len - 3, "r/s", 3) == 0) {
        per_minute = 60;

    } else if (ngx_strncmp(value->data + len - 3, "r/m", 3) == 0) {
        per_minute = 1;

    } else {
        return NGX_ERROR;
    }

    n = ngx_atoi(value->data, len - 3);

    if (n <= 0
        || (ngx_uint_t) n > NGX_HTTP_GATEWAY_LIMIT_RATE_MAX * 60 / per_minute)
    {
        return NGX_ERROR;
    }

    n *= per_minute;

    gcra->quota = (uint64_t) burst + 1;
    gcra->interval = (NGX_HTTP_GATEWAY_LIMIT_MINUTE + (uint64_t) n / 2)
                     / (uint64_t) n;

    return NGX_OK;
}
