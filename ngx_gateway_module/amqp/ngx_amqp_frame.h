/*
 * Copyright (C) the Warren authors
 *
 * The codec: frames, methods and content headers as bytes and as structures.
 * It knows no connection.  What it hands out points into the bytes it was
 * given or into the codec's own memory, and is gone after
 * ngx_amqp_codec_reset().
 */

#ifndef _NGX_AMQP_FRAME_H_INCLUDED_
#define _NGX_AMQP_FRAME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_amqp.h"


#define NGX_AMQP_FRAME_METHOD             1
#define NGX_AMQP_FRAME_HEADER             2
#define NGX_AMQP_FRAME_BODY               3
#define NGX_AMQP_FRAME_HEARTBEAT          8

/* type, channel and size before the payload; with the end mark behind it */
#define NGX_AMQP_FRAME_HEAD               7
#define NGX_AMQP_FRAME_ENVELOPE           8

/* a larger frame is never read, whatever the broker offers */
#define NGX_AMQP_FRAME_MAX                131072

/* a broker that allows less breaks the protocol and is left */
#define NGX_AMQP_FRAME_MIN                4096

/* a longer name, key or property cannot be encoded */
#define NGX_AMQP_SHORT_MAX                255


#define NGX_AMQP_CONNECTION_START         0x000a000a
#define NGX_AMQP_CONNECTION_START_OK      0x000a000b
#define NGX_AMQP_CONNECTION_TUNE          0x000a001e
#define NGX_AMQP_CONNECTION_TUNE_OK       0x000a001f
#define NGX_AMQP_CONNECTION_OPEN          0x000a0028
#define NGX_AMQP_CONNECTION_OPEN_OK       0x000a0029
#define NGX_AMQP_CONNECTION_CLOSE         0x000a0032
#define NGX_AMQP_CONNECTION_CLOSE_OK      0x000a0033
#define NGX_AMQP_CONNECTION_BLOCKED       0x000a003c
#define NGX_AMQP_CONNECTION_UNBLOCKED     0x000a003d
#define NGX_AMQP_CHANNEL_OPEN             0x0014000a
#define NGX_AMQP_CHANNEL_OPEN_OK          0x0014000b
#define NGX_AMQP_CHANNEL_FLOW             0x00140014
#define NGX_AMQP_CHANNEL_FLOW_OK          0x00140015
#define NGX_AMQP_CHANNEL_CLOSE            0x00140028
#define NGX_AMQP_CHANNEL_CLOSE_OK         0x00140029
#define NGX_AMQP_QUEUE_DECLARE            0x0032000a
#define NGX_AMQP_QUEUE_DECLARE_OK         0x0032000b
#define NGX_AMQP_QUEUE_BIND               0x00320014
#define NGX_AMQP_QUEUE_BIND_OK            0x00320015
#define NGX_AMQP_QUEUE_UNBIND             0x00320032
#define NGX_AMQP_QUEUE_UNBIND_OK          0x00320033
#define NGX_AMQP_BASIC_CONSUME            0x003c0014
#define NGX_AMQP_BASIC_CONSUME_OK         0x003c0015
#define NGX_AMQP_BASIC_CANCEL             0x003c001e
#define NGX_AMQP_BASIC_PUBLISH            0x003c0028
#define NGX_AMQP_BASIC_RETURN             0x003c0032
#define NGX_AMQP_BASIC_DELIVER            0x003c003c
#define NGX_AMQP_BASIC_ACK                0x003c0050
#define NGX_AMQP_BASIC_NACK               0x003c0078
#define NGX_AMQP_CONFIRM_SELECT           0x0055000a
#define NGX_AMQP_CONFIRM_SELECT_OK        0x0055000b


typedef struct ngx_amqp_codec_s  ngx_amqp_codec_t;


typedef struct {
    ngx_uint_t                   type;
    ngx_uint_t                   channel;
    ngx_str_t                    payload;

    /* with NGX_ERROR: what is wrong */
    char                        *error;
} ngx_amqp_frame_t;


/* the fields of all methods in use; each uses those that it has */

typedef struct {
    uint32_t                     id;

    /* close, return, blocked; mechanisms of start */
    ngx_uint_t                   code;
    ngx_str_t                    text;

    /* queue, consumer tag, virtual host; the connection's name in start-ok */
    ngx_str_t                    name;

    ngx_str_t                    exchange;
    ngx_str_t                    routing_key;

    /* start-ok: how we tell who we are, and what is sent for it */
    ngx_str_t                    mechanism;
    ngx_str_t                    response;

    /* queue.declare: x-max-length, oldest dropped first */
    ngx_uint_t                   max_length;

    /* queue.declare: where what was dropped goes; empty: nowhere */
    ngx_str_t                    dead_exchange;
    ngx_str_t                    dead_key;

    ngx_uint_t                   channel_max;
    ngx_uint_t                   frame_max;
    ngx_uint_t                   heartbeat;   /* seconds */

    uint64_t                     delivery_tag;
    unsigned                     multiple:1;
    unsigned                     active:1;
} ngx_amqp_method_t;


typedef struct {
    uint64_t                     body_size;
    ngx_str_t                    content_type;
    ngx_str_t                    correlation_id;
    ngx_str_t                    message_id;
    ngx_str_t                    type;
    ngx_str_t                    user_id;

    /* strings and integers; what is of another kind is left out */
    ngx_array_t                  headers;     /* of ngx_amqp_header_t */

    /* the headers are nested too deep, and were not looked at */
    unsigned                     bad_headers:1;
} ngx_amqp_properties_t;


/* what the connection adds to a message */

typedef struct {
    ngx_str_t                    correlation_id;
    ngx_str_t                    reply_to;    /* empty: nobody replies */
    ngx_str_t                    user_id;
    ngx_str_t                    app_id;
} ngx_amqp_sender_t;


/* Made in pool and freed with it.  Returns NULL if memory is short. */
ngx_amqp_codec_t *ngx_amqp_codec_create(ngx_pool_t *pool);

/* Frees what decoding the last frame took; to be called after each frame. */
void ngx_amqp_codec_reset(ngx_amqp_codec_t *codec);

/*
 * Looks for a frame at the beginning of len bytes.  channel and size are
 * judged as soon as the seven bytes of its head are there.
 *
 *     NGX_OK     a frame; it took payload.len + NGX_AMQP_FRAME_ENVELOPE bytes
 *     NGX_AGAIN  it is not complete
 *     NGX_ERROR  frame->error says why
 */
ngx_int_t ngx_amqp_frame_parse(u_char *p, size_t len, size_t frame_max,
    ngx_uint_t channel_max, ngx_amqp_frame_t *frame);

/* Writes the seven bytes before a payload of size; returns what follows. */
u_char *ngx_amqp_frame_head(u_char *p, ngx_uint_t type, ngx_uint_t channel,
    size_t size);

/* Writes the end mark; returns what follows. */
u_char *ngx_amqp_frame_end(u_char *p);

/*
 * Reads a method that a broker may send to us.
 *
 *     NGX_OK        read
 *     NGX_DECLINED  another method; method->id is set
 *     NGX_ERROR     malformed, or a table is nested too deep
 */
ngx_int_t ngx_amqp_method_decode(ngx_amqp_codec_t *codec, ngx_str_t *payload,
    ngx_amqp_method_t *method);

/*
 * Appends the frame of a method to b.  Returns NGX_OK, or NGX_ERROR if it does
 * not fit between b->last and b->end.
 */
ngx_int_t ngx_amqp_method_encode(ngx_amqp_codec_t *codec, ngx_buf_t *b,
    ngx_uint_t channel, const ngx_amqp_method_t *method);

/* Bytes that suffice for the frame of a method. */
size_t ngx_amqp_method_size(const ngx_amqp_method_t *method);

/*
 * Reads a content header.  The payload is changed if its headers are bad.
 * props->headers is allocated from pool.  Returns NGX_OK, or NGX_ERROR if it
 * is malformed or memory is short.
 */
ngx_int_t ngx_amqp_header_decode(ngx_amqp_codec_t *codec, ngx_str_t *payload,
    ngx_pool_t *pool, ngx_amqp_properties_t *props);

/* The name of a method as the protocol spells it: "connection.start". */
char *ngx_amqp_method_name(uint32_t id);


/* ngx_amqp_message.c */

/* Bytes that suffice for basic.publish and the content header of a message. */
size_t ngx_amqp_message_size(const ngx_amqp_message_t *message,
    const ngx_amqp_sender_t *sender);

/*
 * Appends basic.publish, mandatory, and the content header to b.  Returns
 * NGX_OK, or NGX_ERROR if something in it is too long to be encoded, if the
 * header is larger than frame_max, or if b has no room for
 * ngx_amqp_message_size(); then b->last is what it was.
 */
ngx_int_t ngx_amqp_message_encode(ngx_buf_t *b, ngx_uint_t channel,
    size_t frame_max, const ngx_amqp_message_t *message,
    const ngx_amqp_sender_t *sender);


#endif /* _NGX_AMQP_FRAME_H_INCLUDED_ */
