/*
 * Copyright (C) the Warren authors
 *
 * Bytes that a broker sends: frames are taken as the connection takes them,
 * methods and content headers are decoded and all that they hand out is read.
 */

#include <stdint.h>
#include <stdlib.h>

#include "nginx.h"
#include "ngx_amqp_frame.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(ngx_amqp_codec_t *codec, const ngx_amqp_frame_t *frame);
static void take_method(ngx_amqp_codec_t *codec, ngx_str_t *payload);
static void take_header(ngx_amqp_codec_t *codec, ngx_str_t *payload);
static void touch(const ngx_str_t *text, const ngx_str_t *within);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char            *p, *last;
    ngx_pool_t        *pool;
    ngx_amqp_codec_t  *codec;
    ngx_amqp_frame_t   frame;

    pool = fuzz_pool_create();
    codec = ngx_amqp_codec_create(pool);

    if (codec == NULL) {
        abort();
    }

    p = (u_char *) data;
    last = p + size;

    while (ngx_amqp_frame_parse(p, last - p, NGX_AMQP_FRAME_MAX, 1, &frame)
           == NGX_OK)
    {
        if (frame.channel > 1
            || frame.payload.data != p + NGX_AMQP_FRAME_HEAD
            || frame.payload.len + NGX_AMQP_FRAME_ENVELOPE
               > (size_t) (last - p))
        {
            abort();
        }

        take(codec, &frame);
        ngx_amqp_codec_reset(codec);

        p += frame.payload.len + NGX_AMQP_FRAME_ENVELOPE;
    }

    /* most changes break an envelope: here is what would be in one */

    frame.payload.data = (u_char *) data;
    frame.payload.len = size;

    frame.type = NGX_AMQP_FRAME_METHOD;
    take(codec, &frame);
    ngx_amqp_codec_reset(codec);

    frame.type = NGX_AMQP_FRAME_HEADER;
    take(codec, &frame);
    ngx_amqp_codec_reset(codec);

    fuzz_pool_destroy(pool);

    return 0;
}


/* in memory of its own length: what is behind it is another frame's */

static void
take(ngx_amqp_codec_t *codec, const ngx_amqp_frame_t *frame)
{
    ngx_str_t  payload;

    payload.len = frame->payload.len;
    payload.data = malloc(payload.len ? payload.len : 1);

    if (payload.data == NULL) {
        abort();
    }

    memcpy(payload.data, frame->payload.data, payload.len);

    if (frame->type == NGX_AMQP_FRAME_METHOD) {
        take_method(codec, &payload);

    } else if (frame->type == NGX_AMQP_FRAME_HEADER) {
        take_header(codec, &payload);
    }

    free(payload.data);
}


static void
take_method(ngx_amqp_codec_t *codec, ngx_str_t *payload)
{
    ngx_amqp_method_t  method;

    if (ngx_amqp_method_decode(codec, payload, &method) != NGX_OK) {
        return;
    }

    touch(&method.text, payload);
    touch(&method.name, payload);
    touch(&method.exchange, payload);
    touch(&method.routing_key, payload);
    fuzz_touch(ngx_amqp_method_name(method.id),
               strlen(ngx_amqp_method_name(method.id)));
}


static void
take_header(ngx_amqp_codec_t *codec, ngx_str_t *payload)
{
    ngx_uint_t              i;
    ngx_pool_t             *pool;
    ngx_amqp_header_t      *h;
    ngx_amqp_properties_t   props;

    pool = fuzz_pool_create();

    if (ngx_amqp_header_decode(codec, payload, pool, &props) == NGX_OK) {

        touch(&props.content_type, payload);
        touch(&props.correlation_id, payload);
        touch(&props.message_id, payload);
        touch(&props.user_id, payload);

        h = props.headers.elts;

        for (i = 0; i < props.headers.nelts; i++) {
            touch(&h[i].name, payload);

            if (h[i].type == ngx_amqp_header_str) {
                touch(&h[i].value, payload);
            }
        }
    }

    fuzz_pool_destroy(pool);
}


/* what is handed out lies in what was given, or is empty */

static void
touch(const ngx_str_t *text, const ngx_str_t *within)
{
    if (text->len
        && (text->data < within->data
            || text->data + text->len > within->data + within->len))
    {
        abort();
    }

    fuzz_touch(text->data, text->len);
}
