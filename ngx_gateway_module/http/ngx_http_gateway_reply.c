/*
 * Copyright (C) the Warren authors
 *
 * From a worker's reply to the answer of a request.  Nothing a worker sends is
 * believed unseen.
 */

#include "ngx_http_gateway_private.h"


/* bytes of all headers of a reply; proxies before us take little more */
#define NGX_HTTP_GATEWAY_REPLY_HEADERS  8192


static char *ngx_http_gateway_reply_header(ngx_http_request_t *r,
    ngx_amqp_header_t *h, ngx_http_gateway_reply_t *reply);
static char *ngx_http_gateway_reply_header_fits(
    ngx_http_gateway_reply_t *reply, ngx_str_t *name, ngx_str_t *value);
static ngx_uint_t ngx_http_gateway_reply_text_is_safe(ngx_str_t *text);
static ngx_int_t ngx_http_gateway_reply_copy(ngx_pool_t *pool, ngx_str_t *from,
    ngx_str_t *to_r);
static ngx_int_t ngx_http_gateway_reply_headers(ngx_http_request_t *r,
    ngx_http_gateway_reply_t *reply);


ngx_int_t
ngx_http_gateway_reply_read(ngx_http_gateway_call_t *ctx,
    ngx_amqp_reply_t *from, ngx_http_gateway_reply_t *reply_r,
    char **reason_r)
{
    char                *reason;
    ngx_uint_t           i;
    ngx_amqp_header_t   *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_memzero(reply_r, sizeof(ngx_http_gateway_reply_t));

    if (from->body.len > ctx->conf->max_reply) {
        *reason_r = "its body is larger than gateway_max_reply";
        return NGX_DECLINED;
    }

    if (!ngx_http_gateway_reply_text_is_safe(&from->content_type)) {
        *reason_r = "its content type has control characters";
        return NGX_DECLINED;
    }

    if (ngx_array_init(&reply_r->headers, r->pool, 4, sizeof(ngx_keyval_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    h = from->headers.elts;

    for (i = 0; i < from->headers.nelts; i++) {
        reason = ngx_http_gateway_reply_header(r, &h[i], reply_r);

        if (reason == NGX_CONF_ERROR) {
            return NGX_ERROR;
        }

        if (reason) {
            *reason_r = reason;
            return NGX_DECLINED;
        }
    }

    if (reply_r->status == 0) {
        *reason_r = "it has no status";
        return NGX_DECLINED;
    }

    if (ngx_http_gateway_reply_copy(r->pool, &from->content_type,
                                    &reply_r->content_type)
        != NGX_OK
        || ngx_http_gateway_reply_copy(r->pool, &from->body, &reply_r->body)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* NULL; NGX_CONF_ERROR: memory; else why the reply is refused */

static char *
ngx_http_gateway_reply_header(ngx_http_request_t *r, ngx_amqp_header_t *h,
    ngx_http_gateway_reply_t *reply)
{
    char          *reason;
    u_char         buf[NGX_INT64_LEN], *last;
    ngx_str_t      name, value;
    ngx_keyval_t  *kv;

    if (h->name.len == sizeof(WIRE_HEADER_STATUS) - 1
        && ngx_strncmp(h->name.data, WIRE_HEADER_STATUS, h->name.len) == 0)
    {
        if (h->type != ngx_amqp_header_int) {
            return "its status is not a number";
        }

        if (h->number < WIRE_STATUS_MIN || h->number > WIRE_STATUS_MAX) {
            return "its status is not from 200 to 599";
        }

        if (reply->status) {
            return "it has two statuses";
        }

        reply->status = (ngx_uint_t) h->number;
        return NULL;
    }

    if (h->name.len <= sizeof(WIRE_HEADER_HTTP_PREFIX) - 1
        || ngx_strncmp(h->name.data, WIRE_HEADER_HTTP_PREFIX,
                       sizeof(WIRE_HEADER_HTTP_PREFIX) - 1)
           != 0)
    {
        return NULL;
    }

    name.data = h->name.data + sizeof(WIRE_HEADER_HTTP_PREFIX) - 1;
    name.len = h->name.len - (sizeof(WIRE_HEADER_HTTP_PREFIX) - 1);

    value = h->value;

    if (h->type == ngx_amqp_header_int) {
        last = ngx_sprintf(buf, "%L", h->number);
        value.data = buf;
        value.len = last - buf;
    }

    if (!ngx_http_gateway_reply_text_is_safe(&name)
        || !ngx_http_gateway_reply_text_is_safe(&value))
    {
        return "one of its headers has control characters";
    }

    if (!wire_reply_header_is_allowed((char *) name.data, name.len)
        && !ngx_http_gateway_headers_may_answer(r, &name))
    {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "gateway header of reply dropped: \"%V\"", &name);
        return NULL;
    }

    reason = ngx_http_gateway_reply_header_fits(reply, &name, &value);
    if (reason) {
        return reason;
    }

    if (value.len == 0) {
        return NULL;
    }

    kv = ngx_array_push(&reply->headers);

    if (kv == NULL
        || ngx_http_gateway_reply_copy(r->pool, &name, &kv->key) != NGX_OK
        || ngx_http_gateway_reply_copy(r->pool, &value, &kv->value) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NULL;
}


/* who reads the first and who reads the last must read the same */

static char *
ngx_http_gateway_reply_header_fits(ngx_http_gateway_reply_t *reply,
    ngx_str_t *name, ngx_str_t *value)
{
    size_t         size;
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    kv = reply->headers.elts;
    size = value->len;

    for (i = 0; i < reply->headers.nelts; i++) {
        size += kv[i].value.len;

        if (kv[i].key.len == name->len
            && ngx_strncmp(kv[i].key.data, name->data, name->len) == 0)
        {
            return "one of its headers comes twice";
        }
    }

    return size > NGX_HTTP_GATEWAY_REPLY_HEADERS ? "its headers are too long"
                                                 : NULL;
}


/* no CR, LF, NUL nor other controls: an answer could be split by them */

static ngx_uint_t
ngx_http_gateway_reply_text_is_safe(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if ((text->data[i] < 0x20 && text->data[i] != '\t')
            || text->data[i] == 0x7f)
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_gateway_reply_copy(ngx_pool_t *pool, ngx_str_t *from,
    ngx_str_t *to_r)
{
    to_r->len = from->len;
    to_r->data = NULL;

    if (from->len == 0) {
        return NGX_OK;
    }

    /* terminated, for those of nginx that read headers as C strings */

    to_r->data = ngx_pnalloc(pool, from->len + 1);
    if (to_r->data == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(to_r->data, from->data, from->len) = '\0';

    return NGX_OK;
}


ngx_int_t
ngx_http_gateway_reply_send(ngx_http_request_t *r,
    ngx_http_gateway_reply_t *reply)
{
    u_char      *p;
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    /* what is sent from here on is a reply: see ngx_http_gateway_is_reply() */

    ngx_http_set_ctx(r, reply, ngx_http_gateway_route_module);

    r->headers_out.status = reply->status;

    /* conditions of the client hold for what is read, not for what was done */

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) || reply->is_partial) {
        r->disable_not_modified = 1;
    }

    /*
     * A condition on a date is void where there is none (RFC 9110, section
     * 13.1.4); nginx would take it for not fulfilled.
     */

    r->headers_in.if_unmodified_since = NULL;

    if (ngx_http_gateway_reply_headers(r, reply) != NGX_OK
        || ngx_http_gateway_etag(r, reply) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (reply->status == NGX_HTTP_NO_CONTENT
        || reply->status == NGX_HTTP_NOT_MODIFIED)
    {
        r->header_only = 1;

    } else {
        r->headers_out.content_length_n = reply->body.len;

        if (reply->body.len && reply->content_type.len == 0) {
            ngx_str_set(&reply->content_type, WIRE_CONTENT_JSON);
        }

        r->headers_out.content_type = reply->content_type;
        r->headers_out.content_type_len = reply->content_type.len;
        r->headers_out.content_type_lowcase = NULL;

        /* parameters are kept, and compared types are without them */

        p = NULL;

        if (reply->content_type.len) {
            p = ngx_strlchr(reply->content_type.data,
                            reply->content_type.data
                            + reply->content_type.len, ';');
        }

        if (p) {
            while (p > reply->content_type.data && p[-1] == ' ') {
                p--;
            }

            r->headers_out.content_type_len = p - reply->content_type.data;
        }
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    if (reply->body.len) {
        b->pos = reply->body.data;
        b->last = b->pos + reply->body.len;
        b->memory = 1;

    } else {
        b->sync = (r != r->main);
    }

    /* the chain is copied by the filters that keep it */

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_http_gateway_reply_headers(ngx_http_request_t *r,
    ngx_http_gateway_reply_t *reply)
{
    ngx_uint_t        i, n;
    ngx_keyval_t     *kv;
    ngx_table_elt_t  *h;

    static struct {
        ngx_str_t   key;
        char       *name;
    } names[] = {
        { ngx_string("location"), "Location" },
        { ngx_string("etag"), "ETag" },
        { ngx_string("cache-control"), "Cache-Control" },
        { ngx_string("retry-after"), "Retry-After" },
        { ngx_string("link"), "Link" }
    };

    kv = reply->headers.elts;

    for (i = 0; i < reply->headers.nelts; i++) {

        for (n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
            if (names[n].key.len == kv[i].key.len
                && ngx_strncmp(names[n].key.data, kv[i].key.data,
                               kv[i].key.len)
                   == 0)
            {
                break;
            }
        }

        /* one that is allowed but has no spelling here keeps its own */

        if (ngx_http_gateway_header_out(r,
                                        n < sizeof(names) / sizeof(names[0])
                                        ? names[n].name
                                        : (char *) kv[i].key.data,
                                        &kv[i].value, &h)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        /* nginx answers If-None-Match by it, and weakens it when it zips */

        if (n == 1) {
            r->headers_out.etag = h;
        }

        /* what is packed already is not packed once more */

        if (kv[i].key.len == sizeof("content-encoding") - 1
            && ngx_strncmp(kv[i].key.data, "content-encoding", kv[i].key.len)
               == 0)
        {
            r->headers_out.content_encoding = h;
        }
    }

    return NGX_OK;
}
