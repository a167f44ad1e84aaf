/*
 * Copyright (C) the Warren authors
 *
 * What the client of a limited location is told
 * (draft-ietf-httpapi-ratelimit-headers-10).
 */

#include "ngx_http_gateway_limit_private.h"
#include "ngx_http_gateway_version.h"


static ngx_int_t ngx_http_gateway_limit_policies(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx,
    const ngx_http_gateway_limits_t *limits);
static u_char *ngx_http_gateway_limit_policy(u_char *p,
    const ngx_http_gateway_limit_charge_t *charge);
static ngx_int_t ngx_http_gateway_limit_state(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx);
static ngx_int_t ngx_http_gateway_limit_field(ngx_http_request_t *r,
    const char *name, const char *lowcase, u_char *data, size_t len);
static ngx_table_elt_t *ngx_http_gateway_limit_field_ours(
    ngx_http_request_t *r, const char *name);


/* compared by their addresses, so each stands once */

static const char  ngx_http_gateway_limit_policy_name[] = "RateLimit-Policy";
static const char  ngx_http_gateway_limit_state_name[] = "RateLimit";
static const char  ngx_http_gateway_limit_later_name[] = "Retry-After";


ngx_int_t
ngx_http_gateway_limit_fields(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx, const ngx_http_gateway_limits_t *limits)
{
    if (ngx_http_gateway_limit_policies(r, ctx, limits) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx == NULL || ctx->charges.nelts == 0) {
        return NGX_OK;
    }

    return ngx_http_gateway_limit_state(r, ctx);
}


/*
 * RateLimit-Policy: of the zones that were charged, and of those that would
 * have been had the request come so far.
 */

static ngx_int_t
ngx_http_gateway_limit_policies(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx, const ngx_http_gateway_limits_t *limits)
{
    size_t                            len;
    u_char                           *p, *start;
    ngx_uint_t                        i, ncharges, nlimits;
    const ngx_http_gateway_limit_t   *limit;
    ngx_http_gateway_limit_charge_t  *charge;

    charge = ctx != NULL ? ctx->charges.elts : NULL;
    ncharges = ctx != NULL ? ctx->charges.nelts : 0;

    limit = limits != NULL ? limits->limits.elts : NULL;
    nlimits = limits != NULL ? limits->limits.nelts : 0;

    len = 0;

    for (i = 0; i < ncharges; i++) {
        len += sizeof(", \"\";q=;w=") - 1 + 2 * NGX_INT64_LEN
               + charge[i].zone->name.len;
    }

    for (i = 0; i < nlimits; i++) {
        len += sizeof(", ") - 1 + limit[i].zone->policy.len;
    }

    if (len == 0) {
        return NGX_OK;
    }

    start = ngx_pnalloc(r->pool, len);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = start;

    for (i = 0; i < ncharges; i++) {
        if (!charge[i].is_dry) {
            p = ngx_sprintf(p, "%s", p == start ? "" : ", ");
            p = ngx_http_gateway_limit_policy(p, &charge[i]);
        }
    }

    for (i = 0; i < nlimits; i++) {
        if (!limit[i].is_dry
            && (ctx == NULL
                || ngx_http_gateway_limit_find(ctx, limit[i].zone) == NULL))
        {
            p = ngx_sprintf(p, "%s%V", p == start ? "" : ", ",
                            &limit[i].zone->policy);
        }
    }

    if (p == start) {
        return NGX_OK;
    }

    return ngx_http_gateway_limit_field(r, ngx_http_gateway_limit_policy_name,
                                        "ratelimit-policy", start, p - start);
}


/* a rate from a variable has a policy for each request */

static u_char *
ngx_http_gateway_limit_policy(u_char *p,
    const ngx_http_gateway_limit_charge_t *charge)
{
    if (charge->zone->rate == NULL) {
        return ngx_cpymem(p, charge->zone->policy.data,
                          charge->zone->policy.len);
    }

    return ngx_sprintf(p, "\"%V\";q=%uL;w=%uL", &charge->zone->name,
                       charge->gcra.quota,
                       ngx_http_gateway_gcra_window(&charge->gcra));
}


/* RateLimit of each zone that was charged; Retry-After if one refused */

static ngx_int_t
ngx_http_gateway_limit_state(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx)
{
    size_t                            len;
    u_char                           *p, *start;
    uint64_t                          retry;
    ngx_uint_t                        i;
    ngx_http_gateway_limit_charge_t  *charge;

    charge = ctx->charges.elts;
    len = 0;

    for (i = 0; i < ctx->charges.nelts; i++) {
        len += sizeof(", \"\";r=;t=") - 1 + charge[i].zone->name.len
               + 2 * NGX_INT64_LEN;
    }

    start = ngx_pnalloc(r->pool, len + NGX_INT64_LEN);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = start;
    retry = 0;

    for (i = 0; i < ctx->charges.nelts; i++) {

        if (charge[i].is_dry) {
            continue;
        }

        p = ngx_sprintf(p, "%s\"%V\";r=%uL", p == start ? "" : ", ",
                        &charge[i].zone->name, charge[i].result.remaining);

        if (charge[i].result.reset) {
            p = ngx_sprintf(p, ";t=%uL", charge[i].result.reset);
        }

        if (!charge[i].result.is_allowed) {
            retry = ngx_max(retry, charge[i].result.retry);
        }
    }

    if (p == start) {
        return NGX_OK;
    }

    if (ngx_http_gateway_limit_field(r, ngx_http_gateway_limit_state_name,
                                     "ratelimit", start, p - start)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (retry == 0 || r->headers_out.status != NGX_HTTP_TOO_MANY_REQUESTS) {
        return NGX_OK;
    }

    start = p;
    p = ngx_sprintf(p, "%uL", retry);

    return ngx_http_gateway_limit_field(r, ngx_http_gateway_limit_later_name,
                                        "retry-after", start, p - start);
}


/*
 * A filter behind this one may refuse the headers, as that of ranges does:
 * then they are sent once more, with an error, and our fields are in place.
 */

static ngx_int_t
ngx_http_gateway_limit_field(ngx_http_request_t *r, const char *name,
    const char *lowcase, u_char *data, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_http_gateway_limit_field_ours(r, name);

    if (h == NULL) {
        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_ERROR;
        }
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->lowcase_key = (u_char *) lowcase;
    h->value.data = data;
    h->value.len = len;
    ngx_http_gateway_set_next(h, NULL);

    return NGX_OK;
}


/* by the address of its name: another of that name is somebody else's */

static ngx_table_elt_t *
ngx_http_gateway_limit_field_ours(ngx_http_request_t *r, const char *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.data == (u_char *) name) {
                return &h[i];
            }
        }
    }

    return NULL;
}
