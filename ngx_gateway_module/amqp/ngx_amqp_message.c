/*
 * Copyright (C) the Warren authors
 *
 * A publish, written straight to its place: basic.publish and the content
 * header.  The encoders of rabbitmq-c would have it put together in structures
 * first, and copy each header twice.
 */


#include "ngx_amqp_frame.h"

#include "wire.h"


#define NGX_AMQP_CLASS_BASIC          60

/* of basic.publish */
#define NGX_AMQP_MANDATORY            0x01

/* properties of the class basic, in the order in which they stand */
#define NGX_AMQP_PROP_CONTENT_TYPE    0x8000
#define NGX_AMQP_PROP_HEADERS         0x2000
#define NGX_AMQP_PROP_DELIVERY_MODE   0x1000
#define NGX_AMQP_PROP_CORRELATION_ID  0x0400
#define NGX_AMQP_PROP_REPLY_TO        0x0200
#define NGX_AMQP_PROP_EXPIRATION      0x0100
#define NGX_AMQP_PROP_MESSAGE_ID      0x0080
#define NGX_AMQP_PROP_TIMESTAMP       0x0040
#define NGX_AMQP_PROP_TYPE            0x0020
#define NGX_AMQP_PROP_USER_ID         0x0010
#define NGX_AMQP_PROP_APP_ID          0x0008

/*
 * What does not depend on the message: of basic.publish its number, ticket, two
 * lengths and flags; of the header class, weight, size, flags, the length of
 * the table, delivery mode, timestamp, and eight lengths
 */
#define NGX_AMQP_PUBLISH_FIXED        (NGX_AMQP_FRAME_ENVELOPE + 9)
#define NGX_AMQP_HEADER_FIXED         (NGX_AMQP_FRAME_ENVELOPE + 35)

/* kind and value of a header: a length and a string, or a number */
#define NGX_AMQP_VALUE_FIXED          9


static ngx_int_t ngx_amqp_message_fits(const ngx_amqp_message_t *message,
    const ngx_amqp_sender_t *sender);
static u_char *ngx_amqp_message_publish(u_char *p, ngx_uint_t channel,
    const ngx_amqp_message_t *message);
static u_char *ngx_amqp_message_header(u_char *p, ngx_uint_t channel,
    const ngx_amqp_message_t *message, const ngx_amqp_sender_t *sender);
static u_char *ngx_amqp_message_table(u_char *p, const ngx_array_t *headers);
static u_char *ngx_amqp_message_expiration(u_char *p, ngx_msec_t expiration);


static inline u_char *
ngx_amqp_put_u16(u_char *p, ngx_uint_t n)
{
    *p++ = (u_char) (n >> 8);
    *p++ = (u_char) n;

    return p;
}


static inline u_char *
ngx_amqp_put_u32(u_char *p, uint32_t n)
{
    *p++ = (u_char) (n >> 24);
    *p++ = (u_char) (n >> 16);
    *p++ = (u_char) (n >> 8);
    *p++ = (u_char) n;

    return p;
}


static inline u_char *
ngx_amqp_put_u64(u_char *p, uint64_t n)
{
    p = ngx_amqp_put_u32(p, (uint32_t) (n >> 32));

    return ngx_amqp_put_u32(p, (uint32_t) n);
}


/* what is empty may have no data at all, which memcpy() must not be given */

static inline u_char *
ngx_amqp_put_text(u_char *p, const ngx_str_t *s)
{
    return s->len == 0 ? p : ngx_cpymem(p, s->data, s->len);
}


/* its length is known to be at most NGX_AMQP_SHORT_MAX */

static inline u_char *
ngx_amqp_put_short(u_char *p, const ngx_str_t *s)
{
    *p++ = (u_char) s->len;

    return ngx_amqp_put_text(p, s);
}


size_t
ngx_amqp_message_size(const ngx_amqp_message_t *message,
    const ngx_amqp_sender_t *sender)
{
    size_t              size;
    ngx_uint_t          i;
    ngx_amqp_header_t  *h;

    size = NGX_AMQP_PUBLISH_FIXED + NGX_AMQP_HEADER_FIXED + NGX_INT64_LEN
           + message->exchange.len + message->routing_key.len
           + message->content_type.len + message->message_id.len
           + message->type.len + sender->correlation_id.len
           + sender->reply_to.len + sender->user_id.len + sender->app_id.len;

    if (message->headers == NULL) {
        return size;
    }

    h = message->headers->elts;

    for (i = 0; i < message->headers->nelts; i++) {
        size += 1 + h[i].name.len + NGX_AMQP_VALUE_FIXED;

        if (h[i].type == ngx_amqp_header_str) {
            size += h[i].value.len;
        }
    }

    return size;
}


ngx_int_t
ngx_amqp_message_encode(ngx_buf_t *b, ngx_uint_t channel, size_t frame_max,
    const ngx_amqp_message_t *message, const ngx_amqp_sender_t *sender)
{
    u_char  *p, *last;

    if (ngx_amqp_message_fits(message, sender) != NGX_OK
        || (size_t) (b->end - b->last) < ngx_amqp_message_size(message,
                                                               sender))
    {
        return NGX_ERROR;
    }

    p = ngx_amqp_message_publish(b->last, channel, message);
    last = ngx_amqp_message_header(p, channel, message, sender);

    if ((size_t) (last - p) > frame_max) {
        return NGX_ERROR;
    }

    b->last = last;

    return NGX_OK;
}


static ngx_int_t
ngx_amqp_message_fits(const ngx_amqp_message_t *message,
    const ngx_amqp_sender_t *sender)
{
    ngx_uint_t          i;
    ngx_amqp_header_t  *h;

    if (message->exchange.len > NGX_AMQP_SHORT_MAX
        || message->routing_key.len > NGX_AMQP_SHORT_MAX
        || message->content_type.len > NGX_AMQP_SHORT_MAX
        || message->message_id.len > NGX_AMQP_SHORT_MAX
        || message->type.len > NGX_AMQP_SHORT_MAX
        || sender->correlation_id.len > NGX_AMQP_SHORT_MAX
        || sender->reply_to.len > NGX_AMQP_SHORT_MAX
        || sender->user_id.len > NGX_AMQP_SHORT_MAX
        || sender->app_id.len > NGX_AMQP_SHORT_MAX)
    {
        return NGX_ERROR;
    }

    if (message->headers == NULL) {
        return NGX_OK;
    }

    h = message->headers->elts;

    for (i = 0; i < message->headers->nelts; i++) {
        if (h[i].name.len > NGX_AMQP_SHORT_MAX) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static u_char *
ngx_amqp_message_publish(u_char *p, ngx_uint_t channel,
    const ngx_amqp_message_t *message)
{
    size_t  size;

    size = 4 + 2 + 1 + message->exchange.len + 1 + message->routing_key.len
           + 1;

    p = ngx_amqp_frame_head(p, NGX_AMQP_FRAME_METHOD, channel, size);
    p = ngx_amqp_put_u32(p, NGX_AMQP_BASIC_PUBLISH);
    p = ngx_amqp_put_u16(p, 0);
    p = ngx_amqp_put_short(p, &message->exchange);
    p = ngx_amqp_put_short(p, &message->routing_key);
    *p++ = NGX_AMQP_MANDATORY;

    return ngx_amqp_frame_end(p);
}


static u_char *
ngx_amqp_message_header(u_char *p, ngx_uint_t channel,
    const ngx_amqp_message_t *message, const ngx_amqp_sender_t *sender)
{
    u_char      *head;
    ngx_uint_t   flags;

    flags = NGX_AMQP_PROP_HEADERS | NGX_AMQP_PROP_DELIVERY_MODE
            | NGX_AMQP_PROP_CORRELATION_ID | NGX_AMQP_PROP_TIMESTAMP
            | NGX_AMQP_PROP_USER_ID | NGX_AMQP_PROP_APP_ID
            | (message->content_type.len ? NGX_AMQP_PROP_CONTENT_TYPE : 0)
            | (sender->reply_to.len ? NGX_AMQP_PROP_REPLY_TO : 0)
            | (message->expiration ? NGX_AMQP_PROP_EXPIRATION : 0)
            | (message->message_id.len ? NGX_AMQP_PROP_MESSAGE_ID : 0)
            | (message->type.len ? NGX_AMQP_PROP_TYPE : 0);

    head = p;

    p = ngx_amqp_put_u16(p + NGX_AMQP_FRAME_HEAD, NGX_AMQP_CLASS_BASIC);
    p = ngx_amqp_put_u16(p, 0);
    p = ngx_amqp_put_u64(p, (uint64_t) message->body_size);
    p = ngx_amqp_put_u16(p, flags);

    if (flags & NGX_AMQP_PROP_CONTENT_TYPE) {
        p = ngx_amqp_put_short(p, &message->content_type);
    }

    p = ngx_amqp_message_table(p, message->headers);

    *p++ = message->persistent ? WIRE_DELIVERY_PERSISTENT
                               : WIRE_DELIVERY_TRANSIENT;

    p = ngx_amqp_put_short(p, &sender->correlation_id);

    if (flags & NGX_AMQP_PROP_REPLY_TO) {
        p = ngx_amqp_put_short(p, &sender->reply_to);
    }

    if (flags & NGX_AMQP_PROP_EXPIRATION) {
        p = ngx_amqp_message_expiration(p, message->expiration);
    }

    if (flags & NGX_AMQP_PROP_MESSAGE_ID) {
        p = ngx_amqp_put_short(p, &message->message_id);
    }

    p = ngx_amqp_put_u64(p, (uint64_t) message->timestamp);

    if (flags & NGX_AMQP_PROP_TYPE) {
        p = ngx_amqp_put_short(p, &message->type);
    }

    p = ngx_amqp_put_short(p, &sender->user_id);
    p = ngx_amqp_put_short(p, &sender->app_id);

    (void) ngx_amqp_frame_head(head, NGX_AMQP_FRAME_HEADER, channel,
                               p - head - NGX_AMQP_FRAME_HEAD);

    return ngx_amqp_frame_end(p);
}


static u_char *
ngx_amqp_message_table(u_char *p, const ngx_array_t *headers)
{
    u_char             *size;
    ngx_uint_t          i;
    ngx_amqp_header_t  *h;

    size = p;
    p += 4;

    if (headers) {
        h = headers->elts;

        for (i = 0; i < headers->nelts; i++) {
            p = ngx_amqp_put_short(p, &h[i].name);

            if (h[i].type == ngx_amqp_header_int) {
                *p++ = 'l';
                p = ngx_amqp_put_u64(p, (uint64_t) h[i].number);

            } else {
                *p++ = 'S';
                p = ngx_amqp_put_u32(p, (uint32_t) h[i].value.len);
                p = ngx_amqp_put_text(p, &h[i].value);
            }
        }
    }

    (void) ngx_amqp_put_u32(size, (uint32_t) (p - size - 4));

    return p;
}


static u_char *
ngx_amqp_message_expiration(u_char *p, ngx_msec_t expiration)
{
    u_char  digits[NGX_INT64_LEN], *first, *last;

    last = digits + sizeof(digits);
    first = last;

    do {
        *--first = (u_char) ('0' + expiration % 10);
        expiration /= 10;
    } while (expiration);

    *p++ = (u_char) (last - first);

    return ngx_cpymem(p, first, last - first);
}
