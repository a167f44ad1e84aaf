/*
 * Copyright (C) the Warren authors
 *
 * From a request to the message of its call or command.
 */

#include "ngx_http_gateway_private.h"


/* AMQP short strings end here */
#define NGX_HTTP_GATEWAY_SHORT_MAX        255

/* W3C Trace Context: a tracestate need not be passed on beyond this */
#define NGX_HTTP_GATEWAY_TRACESTATE_MAX   512

/* fixed headers of a call beside its arguments */
#define NGX_HTTP_GATEWAY_MESSAGE_HEADERS  7


static ngx_int_t ngx_http_gateway_message_body(ngx_http_gateway_call_t *ctx,
    ngx_amqp_message_t *message);
static ngx_int_t ngx_http_gateway_message_deadline(
    ngx_http_gateway_call_t *ctx, ngx_amqp_message_t *message);
static ngx_int_t ngx_http_gateway_message_headers(
    ngx_http_gateway_call_t *ctx, ngx_amqp_message_t *message);
static ngx_int_t ngx_http_gateway_message_args(ngx_http_gateway_call_t *ctx,
    ngx_array_t *headers);
static ngx_int_t ngx_http_gateway_message_arg(ngx_http_request_t *r,
    const ngx_http_gateway_arg_t *arg, ngx_array_t *headers);
static ngx_uint_t ngx_http_gateway_message_has_arg(ngx_array_t *args,
    const ngx_str_t *name);
static ngx_int_t ngx_http_gateway_message_decode(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_http_gateway_message_bad_arg(ngx_http_request_t *r,
    const ngx_http_gateway_arg_t *arg);


ngx_int_t
ngx_http_gateway_message(ngx_http_gateway_call_t *ctx,
    ngx_amqp_message_t *message)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    static ngx_str_t  rpc = ngx_string(WIRE_EXCHANGE_RPC);
    static ngx_str_t  commands = ngx_string(WIRE_EXCHANGE_COMMANDS);

    r = ctx->request;

    ngx_memzero(message, sizeof(ngx_amqp_message_t));

    if (ctx->route->kind == NGX_HTTP_GATEWAY_SEND) {
        message->exchange = commands;
        message->persistent = 1;

    } else {
        message->exchange = rpc;
    }

    message->routing_key = ctx->route->service;
    message->type = ctx->route->method;
    message->timestamp = ngx_time();

    message->headers = ngx_array_create(r->pool,
                                        NGX_HTTP_GATEWAY_MESSAGE_HEADERS
                                        + (ctx->conf->args
                                           ? ctx->conf->args->nelts : 0),
                                        sizeof(ngx_amqp_header_t));
    if (message->headers == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_gateway_message_body(ctx, message);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_gateway_message_deadline(ctx, message);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_gateway_message_headers(ctx, message);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_gateway_message_args(ctx, message->headers);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_gateway_headers_put(r, message->headers);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_gateway_message_id(ctx, message) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_message_body(ngx_http_gateway_call_t *ctx,
    ngx_amqp_message_t *message)
{
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    static ngx_str_t  json = ngx_string(WIRE_CONTENT_JSON);
    static ngx_str_t  detail = ngx_string("the Content-Type is too long");
    static ngx_str_t  size = ngx_string("the body is too large for this place");

    r = ctx->request;
    message->content_type = json;

    if (ctx->is_part
        || (r != r->main && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))))
    {
        /* the body of the main request is not this one's */

        return NGX_OK;
    }

    if (r->headers_in.content_type
        && r->headers_in.content_type->value.len != 0)
    {
        message->content_type = r->headers_in.content_type->value;

        if (message->content_type.len > NGX_HTTP_GATEWAY_SHORT_MAX) {
            return ngx_http_gateway_refuse(r, WIRE_ERROR_UNSUPPORTED, &detail);
        }
    }

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    message->body = r->request_body->bufs;

    for (cl = message->body; cl; cl = cl->next) {
        message->body_size += ngx_buf_size(cl->buf);
    }

    /* it may have been read where another limit held, before a redirect */

    if (message->body_size > (off_t) ctx->conf->max_body) {
        return ngx_http_gateway_refuse(r, WIRE_ERROR_TOO_LARGE, &size);
    }

    return NGX_OK;
}


/* commands have none: they are worth something as long as it takes */

static ngx_int_t
ngx_http_gateway_message_deadline(ngx_http_gateway_call_t *ctx,
    ngx_amqp_message_t *message)
{
    ngx_time_t         *tp;
    ngx_amqp_header_t  *h;

    if (ctx->route->kind == NGX_HTTP_GATEWAY_SEND) {
        return NGX_OK;
    }

    message->expiration = ngx_http_gateway_call_left(ctx);

    h = ngx_array_push(message->headers);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    tp = ngx_timeofday();

    ngx_memzero(h, sizeof(ngx_amqp_header_t));
    ngx_str_set(&h->name, WIRE_HEADER_DEADLINE);
    h->type = ngx_amqp_header_int;
    h->number = (int64_t) tp->sec * 1000 + tp->msec + message->expiration;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_message_headers(ngx_http_gateway_call_t *ctx,
    ngx_amqp_message_t *message)
{
    ngx_str_t            value, name;
    ngx_array_t         *headers;
    ngx_http_request_t  *r;

    r = ctx->request;
    headers = message->headers;

    if (ngx_http_gateway_request_id(r, &value) != NGX_OK
        || ngx_http_gateway_message_put(headers, WIRE_HEADER_REQUEST_ID, &value)
           != NGX_OK
        || ngx_http_gateway_traceparent(r, &value) != NGX_OK
        || ngx_http_gateway_message_put(headers, WIRE_HEADER_TRACEPARENT,
                                        &value)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a state belongs to a trace that the client began */

    if (ngx_http_gateway_header_in(r, "tracestate", &value) == NGX_OK
        && value.len <= NGX_HTTP_GATEWAY_TRACESTATE_MAX
        && ngx_http_gateway_header_in(r, "traceparent", &name) == NGX_OK
        && wire_traceparent_is_valid((char *) name.data, name.len)
        && ngx_http_gateway_message_put(headers, WIRE_HEADER_TRACESTATE,
                                        &value)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&name, "sub");

    if (ngx_http_gateway_jwt_claim(r, &name, &value) == NGX_OK
        && ngx_http_gateway_message_put(headers, WIRE_HEADER_SUB, &value)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&name, "scope");

    if (ngx_http_gateway_jwt_claim(r, &name, &value) == NGX_OK
        && ngx_http_gateway_message_put(headers, WIRE_HEADER_SCOPE, &value)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_OK;
}


/* those of the location, then what the route has in their place or more */

static ngx_int_t
ngx_http_gateway_message_args(ngx_http_gateway_call_t *ctx,
    ngx_array_t *headers)
{
    ngx_int_t                      rc;
    ngx_uint_t                     i;
    const ngx_http_gateway_arg_t  *arg;

    if (ctx->conf->args) {
        arg = ctx->conf->args->elts;

        for (i = 0; i < ctx->conf->args->nelts; i++) {

            if (ngx_http_gateway_message_has_arg(ctx->route->args,
                                                 &arg[i].name))
            {
                continue;
            }

            rc = ngx_http_gateway_message_arg(ctx->request, &arg[i], headers);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    if (ctx->route->args) {
        arg = ctx->route->args->elts;

        for (i = 0; i < ctx->route->args->nelts; i++) {
            rc = ngx_http_gateway_message_arg(ctx->request, &arg[i], headers);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_gateway_message_has_arg(ngx_array_t *args, const ngx_str_t *name)
{
    ngx_uint_t               i;
    ngx_http_gateway_arg_t  *arg;

    if (args == NULL) {
        return 0;
    }

    arg = args->elts;

    for (i = 0; i < args->nelts; i++) {
        if (arg[i].name.len == name->len
            && ngx_strncmp(arg[i].name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_gateway_message_arg(ngx_http_request_t *r,
    const ngx_http_gateway_arg_t *arg, ngx_array_t *headers)
{
    ngx_str_t                   value;
    ngx_amqp_header_t          *h;
    ngx_http_variable_value_t  *vv;

    if (arg->value) {
        if (ngx_http_complex_value(r, arg->value, &value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else {
        vv = ngx_http_get_flushed_variable(r, arg->index);

        if (vv == NULL || vv->not_found) {
            return NGX_OK;
        }

        value.data = vv->data;
        value.len = vv->len;
    }

    if (arg->is_encoded
        && ngx_http_gateway_message_decode(r, &value) != NGX_OK)
    {
        return ngx_http_gateway_message_bad_arg(r, arg);
    }

    /* who reads it as text would read a part of it */

    if (ngx_strlchr(value.data, value.data + value.len, '\0')) {
        return ngx_http_gateway_message_bad_arg(r, arg);
    }

    h = ngx_array_push(headers);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_amqp_header_t));
    h->name = arg->name;
    h->type = ngx_amqp_header_str;
    h->value = value;

    return NGX_OK;
}


/* of a query: %XX strictly, "+" is a blank */

static ngx_int_t
ngx_http_gateway_message_decode(ngx_http_request_t *r, ngx_str_t *value)
{
    u_char     *p, *src, *last;
    ngx_int_t   n;

    if (ngx_strlchr(value->data, value->data + value->len, '%') == NULL
        && ngx_strlchr(value->data, value->data + value->len, '+') == NULL)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, value->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    src = value->data;
    last = src + value->len;
    value->data = p;

    while (src < last) {

        if (*src == '+') {
            *p++ = ' ';
            src++;
            continue;
        }

        if (*src != '%') {
            *p++ = *src++;
            continue;
        }

        if (last - src < 3) {
            return NGX_ERROR;
        }

        n = ngx_hextoi(src + 1, 2);
        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        *p++ = (u_char) n;
        src += 3;
    }

    value->len = p - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gateway_message_bad_arg(ngx_http_request_t *r,
    const ngx_http_gateway_arg_t *arg)
{
    ngx_str_t  detail, name;

    name.data = arg->name.data + sizeof(WIRE_HEADER_ARG_PREFIX) - 1;
    name.len = arg->name.len - (sizeof(WIRE_HEADER_ARG_PREFIX) - 1);

    detail.len = sizeof("the argument  is not well encoded") - 1 + name.len;
    detail.data = ngx_pnalloc(r->pool, detail.len);
    if (detail.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_sprintf(detail.data, "the argument %V is not well encoded",
                       &name);

    return ngx_http_gateway_refuse(r, WIRE_ERROR_INVALID, &detail);
}


ngx_int_t
ngx_http_gateway_message_put(ngx_array_t *headers, char *name,
    ngx_str_t *value)
{
    ngx_amqp_header_t  *h;

    h = ngx_array_push(headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->name.data = (u_char *) name;
    h->name.len = ngx_strlen(name);
    h->type = ngx_amqp_header_str;
    h->value = *value;
    h->number = 0;

    return NGX_OK;
}
