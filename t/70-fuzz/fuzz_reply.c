/*
 * Copyright (C) the Warren authors
 *
 * What a worker replies, from its content header to the answer: whatever it
 * says, the answer has a status, headers that are allowed, once each, without
 * line ends, and a body no larger than it may be.
 */

#include <stdint.h>
#include <stdlib.h>

#include "nginx.h"
#include "ngx_amqp_frame.h"
#include "ngx_http_gateway_private.h"


/* of the location */
#define MAX_REPLY   256

/* more than any answer has */
#define HEADERS     32


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void reply_of(ngx_pool_t *pool, ngx_str_t *payload, ngx_str_t *body);
static void answer(ngx_http_request_t *r, ngx_http_gateway_reply_t *reply);
static void must(int condition);
static void must_be_safe(const ngx_str_t *text);


/* what the answer has, and how often it was sent */
static ngx_table_elt_t  headers[HEADERS];
static ngx_uint_t       nheaders;
static ngx_uint_t       nsent;

ngx_module_t  ngx_http_gateway_route_module;


/* the first byte is the method and says how long the body is */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t       len;
    ngx_str_t    payload, body;
    ngx_pool_t  *pool;

    if (size == 0) {
        return 0;
    }

    pool = fuzz_pool_create();

    len = ngx_min((size_t) (data[0] >> 1) * 4, size - 1);

    body.len = len;
    body.data = ngx_palloc(pool, len);
    memcpy(body.data, data + 1, len);

    payload.len = size - 1 - len;
    payload.data = ngx_palloc(pool, payload.len);
    memcpy(payload.data, data + 1 + len, payload.len);

    nheaders = 0;
    nsent = 0;

    reply_of(pool, &payload, &body);
    fuzz_pool_destroy(pool);

    return 0;
}


static void
reply_of(ngx_pool_t *pool, ngx_str_t *payload, ngx_str_t *body)
{
    char                         *reason;
    void                         *ctxs[1] = { NULL };
    ngx_int_t                     rc;
    ngx_log_t                     log;
    ngx_connection_t              connection;
    ngx_amqp_codec_t             *codec;
    ngx_amqp_reply_t              from;
    ngx_http_request_t            r;
    ngx_amqp_properties_t         props;
    ngx_http_gateway_call_t       ctx;
    ngx_http_gateway_reply_t      reply;
    ngx_http_gateway_loc_conf_t   conf;

    codec = ngx_amqp_codec_create(pool);

    if (codec == NULL
        || ngx_amqp_header_decode(codec, payload, pool, &props) != NGX_OK)
    {
        return;
    }

    memset(&log, 0, sizeof(ngx_log_t));
    memset(&r, 0, sizeof(ngx_http_request_t));
    memset(&ctx, 0, sizeof(ngx_http_gateway_call_t));
    memset(&conf, 0, sizeof(ngx_http_gateway_loc_conf_t));
    memset(&connection, 0, sizeof(ngx_connection_t));

    connection.log = &log;
    r.connection = &connection;
    r.pool = pool;
    r.main = &r;
    r.ctx = ctxs;
    r.method = body->len & 1 ? NGX_HTTP_GET : NGX_HTTP_POST;
    conf.max_reply = MAX_REPLY;
    ctx.request = &r;
    ctx.conf = &conf;

    from.content_type = props.content_type;
    from.message_id = props.message_id;
    from.headers = props.headers;
    from.body = *body;

    reason = NULL;
    rc = ngx_http_gateway_reply_read(&ctx, &from, &reply, &reason);

    must(rc == NGX_OK || rc == NGX_DECLINED);
    must(rc == NGX_OK || reason != NULL);

    /* what was read is a copy of its own */

    memset(payload->data, 'x', payload->len);
    memset(body->data, 'x', body->len);
    ngx_amqp_codec_reset(codec);

    if (rc == NGX_OK) {
        answer(&r, &reply);
    }
}


static void
answer(ngx_http_request_t *r, ngx_http_gateway_reply_t *reply)
{
    size_t      size;
    ngx_uint_t  i, n;

    must(reply->status >= WIRE_STATUS_MIN && reply->status <= WIRE_STATUS_MAX);
    must(reply->body.len <= MAX_REPLY);
    must(ngx_http_gateway_reply_send(r, reply) == NGX_OK && nsent == 1);
    must(r->headers_out.status == reply->status);

    must_be_safe(&r->headers_out.content_type);

    for (i = 0, size = 0; i < nheaders; i++) {
        must_be_safe(&headers[i].key);
        must_be_safe(&headers[i].value);
        size += headers[i].value.len;

        for (n = 0; n < i; n++) {
            must(headers[i].key.len != headers[n].key.len
                 || strncasecmp((char *) headers[i].key.data,
                                (char *) headers[n].key.data,
                                headers[n].key.len)
                    != 0);
        }
    }

    must(size <= 8192);
}


static void
must(int condition)
{
    if (!condition) {
        abort();
    }
}


static void
must_be_safe(const ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        must(text->data[i] != '\r' && text->data[i] != '\n'
             && text->data[i] != '\0');
    }
}


/* the rest of the gateway and of nginx */

ngx_int_t
ngx_http_gateway_header_out(ngx_http_request_t *r, char *name,
    ngx_str_t *value, ngx_table_elt_t **h_r)
{
    (void) r;

    must(nheaders < HEADERS);

    headers[nheaders].key.data = (u_char *) name;
    headers[nheaders].key.len = strlen(name);
    headers[nheaders].value = *value;

    if (h_r) {
        *h_r = &headers[nheaders];
    }

    nheaders++;

    return NGX_OK;
}


/* one name is let through, as gateway_response_header does */

ngx_uint_t
ngx_http_gateway_headers_may_answer(ngx_http_request_t *r, ngx_str_t *name)
{
    (void) r;

    return name->len == sizeof("x-total") - 1
           && memcmp(name->data, "x-total", name->len) == 0;
}


ngx_int_t
ngx_http_gateway_etag(ngx_http_request_t *r, ngx_http_gateway_reply_t *reply)
{
    fuzz_touch(reply->body.data, reply->body.len);
    must(r->headers_out.status != 0);

    return NGX_OK;
}


ngx_int_t
ngx_http_send_header(ngx_http_request_t *r)
{
    nsent += r->header_only;

    return NGX_OK;
}


ngx_int_t
ngx_http_output_filter(ngx_http_request_t *r, ngx_chain_t *chain)
{
    must(!r->header_only && chain->next == NULL);
    fuzz_touch(chain->buf->pos, chain->buf->last - chain->buf->pos);
    must(chain->buf->last_buf);
    nsent++;

    return NGX_OK;
}
