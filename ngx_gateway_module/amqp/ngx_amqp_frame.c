/*
 * Copyright (C) the Warren authors
 *
 * The codec.  The only file that knows rabbitmq-c: its encoders, its decoders
 * and its pool, never its connections.
 *
 * The decoders of rabbitmq-c recurse into tables, so each table is scanned
 * flat before it is decoded.
 */


#include "ngx_amqp_frame.h"

#include <amqp.h>
#include <amqp_framing.h>

#include "wire.h"


/* pages of the pool kept between frames; a frame that took more frees all */
#define NGX_AMQP_POOL_PAGE            4096
#define NGX_AMQP_POOL_PAGES           4

/* property flags of the class basic */
#define NGX_AMQP_FLAG_CONTENT_TYPE    0x8000
#define NGX_AMQP_FLAG_ENCODING        0x4000
#define NGX_AMQP_FLAG_HEADERS         0x2000
#define NGX_AMQP_FLAG_MORE            0x0001


struct ngx_amqp_codec_s {
    amqp_pool_t                  pool;
};


typedef struct {
    uint32_t                     id;
    char                        *name;
    unsigned                     received:1;
} ngx_amqp_method_info_t;


static void ngx_amqp_codec_cleanup(void *data);
static const ngx_amqp_method_info_t *ngx_amqp_method_info(uint32_t id);
static void ngx_amqp_method_read(ngx_amqp_method_t *method, void *decoded);
static ngx_int_t ngx_amqp_method_fits(const ngx_amqp_method_t *method);
static int ngx_amqp_method_write(ngx_amqp_codec_t *codec,
    const ngx_amqp_method_t *method, amqp_bytes_t out);
static int ngx_amqp_start_ok_write(const ngx_amqp_method_t *method,
    amqp_bytes_t out);
static int ngx_amqp_declare_write(const ngx_amqp_method_t *method,
    amqp_bytes_t out);
static ngx_int_t ngx_amqp_header_strip(ngx_str_t *payload,
    ngx_amqp_properties_t *props);
static ngx_int_t ngx_amqp_headers_read(amqp_table_t *table, ngx_pool_t *pool,
    ngx_array_t *headers);
static ngx_uint_t ngx_amqp_value_read(amqp_field_value_t *value,
    ngx_amqp_header_t *h);
static amqp_bytes_t ngx_amqp_bytes(const ngx_str_t *s);
static ngx_str_t ngx_amqp_str(amqp_bytes_t bytes);


/* those that come with every call first */

static const ngx_amqp_method_info_t  ngx_amqp_methods[] = {
    { NGX_AMQP_BASIC_DELIVER,        "basic.deliver",        1 },
    { NGX_AMQP_BASIC_ACK,            "basic.ack",            1 },
    { NGX_AMQP_CONNECTION_START,     "connection.start",     1 },
    { NGX_AMQP_CONNECTION_START_OK,  "connection.start-ok",  0 },
    { NGX_AMQP_CONNECTION_TUNE,      "connection.tune",      1 },
    { NGX_AMQP_CONNECTION_TUNE_OK,   "connection.tune-ok",   0 },
    { NGX_AMQP_CONNECTION_OPEN,      "connection.open",      0 },
    { NGX_AMQP_CONNECTION_OPEN_OK,   "connection.open-ok",   1 },
    { NGX_AMQP_CONNECTION_CLOSE,     "connection.close",     1 },
    { NGX_AMQP_CONNECTION_CLOSE_OK,  "connection.close-ok",  1 },
    { NGX_AMQP_CONNECTION_BLOCKED,   "connection.blocked",   1 },
    { NGX_AMQP_CONNECTION_UNBLOCKED, "connection.unblocked", 1 },
    { NGX_AMQP_CHANNEL_OPEN,         "channel.open",         0 },
    { NGX_AMQP_CHANNEL_OPEN_OK,      "channel.open-ok",      1 },
    { NGX_AMQP_CHANNEL_FLOW,         "channel.flow",         1 },
    { NGX_AMQP_CHANNEL_FLOW_OK,      "channel.flow-ok",      0 },
    { NGX_AMQP_CHANNEL_CLOSE,        "channel.close",        1 },
    { NGX_AMQP_CHANNEL_CLOSE_OK,     "channel.close-ok",     1 },
    { NGX_AMQP_QUEUE_DECLARE,        "queue.declare",        0 },
    { NGX_AMQP_QUEUE_DECLARE_OK,     "queue.declare-ok",     1 },
    { NGX_AMQP_QUEUE_BIND,           "queue.bind",           0 },
    { NGX_AMQP_QUEUE_BIND_OK,        "queue.bind-ok",        1 },
    { NGX_AMQP_QUEUE_UNBIND,         "queue.unbind",         0 },
    { NGX_AMQP_QUEUE_UNBIND_OK,      "queue.unbind-ok",      1 },
    { NGX_AMQP_BASIC_CONSUME,        "basic.consume",        0 },
    { NGX_AMQP_BASIC_CONSUME_OK,     "basic.consume-ok",     1 },
    { NGX_AMQP_BASIC_CANCEL,         "basic.cancel",         1 },
    { NGX_AMQP_BASIC_PUBLISH,        "basic.publish",        0 },
    { NGX_AMQP_BASIC_RETURN,         "basic.return",         1 },
    { NGX_AMQP_BASIC_NACK,           "basic.nack",           1 },
    { NGX_AMQP_CONFIRM_SELECT,       "confirm.select",       0 },
    { NGX_AMQP_CONFIRM_SELECT_OK,    "confirm.select-ok",    1 }
};


ngx_amqp_codec_t *
ngx_amqp_codec_create(ngx_pool_t *pool)
{
    ngx_amqp_codec_t    *codec;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_amqp_codec_t));
    if (cln == NULL) {
        return NULL;
    }

    codec = cln->data;
    init_amqp_pool(&codec->pool, NGX_AMQP_POOL_PAGE);
    cln->handler = ngx_amqp_codec_cleanup;

    return codec;
}


static void
ngx_amqp_codec_cleanup(void *data)
{
    ngx_amqp_codec_t  *codec = data;

    empty_amqp_pool(&codec->pool);
}


void
ngx_amqp_codec_reset(ngx_amqp_codec_t *codec)
{
    if (codec->pool.pages.num_blocks > NGX_AMQP_POOL_PAGES) {
        empty_amqp_pool(&codec->pool);
        init_amqp_pool(&codec->pool, NGX_AMQP_POOL_PAGE);

    } else {
        recycle_amqp_pool(&codec->pool);
    }
}


ngx_int_t
ngx_amqp_frame_parse(u_char *p, size_t len, size_t frame_max,
    ngx_uint_t channel_max, ngx_amqp_frame_t *frame)
{
    size_t  size;

    if (len < NGX_AMQP_FRAME_HEAD) {
        return NGX_AGAIN;
    }

    frame->type = p[0];
    frame->channel = (ngx_uint_t) p[1] << 8 | p[2];
    size = (size_t) p[3] << 24 | (size_t) p[4] << 16
           | (size_t) p[5] << 8 | (size_t) p[6];

    switch (frame->type) {

    case NGX_AMQP_FRAME_METHOD:
    case NGX_AMQP_FRAME_HEADER:
    case NGX_AMQP_FRAME_BODY:
        break;

    case NGX_AMQP_FRAME_HEARTBEAT:
        if (frame->channel != 0 || size != 0) {
            frame->error = "malformed heartbeat";
            return NGX_ERROR;
        }

        break;

    case 'A':
        frame->error = "other version of the protocol";
        return NGX_ERROR;

    default:
        frame->error = "unknown frame type";
        return NGX_ERROR;
    }

    if (frame->channel > channel_max) {
        frame->error = "frame on a channel that was not opened";
        return NGX_ERROR;
    }

    if (size > frame_max - NGX_AMQP_FRAME_ENVELOPE) {
        frame->error = "frame larger than agreed";
        return NGX_ERROR;
    }

    if (len < size + NGX_AMQP_FRAME_ENVELOPE) {
        return NGX_AGAIN;
    }

    if (p[NGX_AMQP_FRAME_HEAD + size] != AMQP_FRAME_END) {
        frame->error = "frame without its end mark";
        return NGX_ERROR;
    }

    frame->payload.data = p + NGX_AMQP_FRAME_HEAD;
    frame->payload.len = size;

    return NGX_OK;
}


u_char *
ngx_amqp_frame_head(u_char *p, ngx_uint_t type, ngx_uint_t channel,
    size_t size)
{
    *p++ = (u_char) type;
    *p++ = (u_char) (channel >> 8);
    *p++ = (u_char) channel;
    *p++ = (u_char) (size >> 24);
    *p++ = (u_char) (size >> 16);
    *p++ = (u_char) (size >> 8);
    *p++ = (u_char) size;

    return p;
}


u_char *
ngx_amqp_frame_end(u_char *p)
{
    *p++ = AMQP_FRAME_END;

    return p;
}


ngx_int_t
ngx_amqp_method_decode(ngx_amqp_codec_t *codec, ngx_str_t *payload,
    ngx_amqp_method_t *method)
{
    void                          *decoded;
    u_char                        *p;
    amqp_bytes_t                   bytes;
    const ngx_amqp_method_info_t  *info;

    ngx_memzero(method, sizeof(ngx_amqp_method_t));

    if (payload->len < 4) {
        return NGX_ERROR;
    }

    p = payload->data;
    method->id = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
                 | (uint32_t) p[2] << 8 | (uint32_t) p[3];

    info = ngx_amqp_method_info(method->id);

    if (info == NULL || !info->received) {
        return NGX_DECLINED;
    }

    bytes.bytes = p + 4;
    bytes.len = payload->len - 4;

    /* the only one of them that carries a table, behind two octets */

    if (method->id == NGX_AMQP_CONNECTION_START
        && (bytes.len < 2 || !wire_table_is_sane(p + 6, bytes.len - 2)))
    {
        return NGX_ERROR;
    }

    if (amqp_decode_method(method->id, &codec->pool, bytes, &decoded) < 0) {
        return NGX_ERROR;
    }

    ngx_amqp_method_read(method, decoded);

    return NGX_OK;
}


static const ngx_amqp_method_info_t *
ngx_amqp_method_info(uint32_t id)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(ngx_amqp_methods) / sizeof(ngx_amqp_methods[0]);
         i++)
    {
        if (ngx_amqp_methods[i].id == id) {
            return &ngx_amqp_methods[i];
        }
    }

    return NULL;
}


static void
ngx_amqp_method_read(ngx_amqp_method_t *method, void *decoded)
{
    amqp_basic_ack_t           *ack;
    amqp_basic_nack_t          *nack;
    amqp_basic_return_t        *returned;
    amqp_basic_deliver_t       *deliver;
    amqp_channel_close_t       *close;
    amqp_connection_tune_t     *tune;

    switch (method->id) {

    case NGX_AMQP_CONNECTION_START:
        method->text =
            ngx_amqp_str(((amqp_connection_start_t *) decoded)->mechanisms);
        break;

    case NGX_AMQP_CONNECTION_TUNE:
        tune = decoded;
        method->channel_max = tune->channel_max;
        method->frame_max = tune->frame_max;
        method->heartbeat = tune->heartbeat;
        break;

    case NGX_AMQP_CONNECTION_BLOCKED:
        method->text =
            ngx_amqp_str(((amqp_connection_blocked_t *) decoded)->reason);
        break;

    case NGX_AMQP_CONNECTION_CLOSE:
        method->code = ((amqp_connection_close_t *) decoded)->reply_code;
        method->text =
            ngx_amqp_str(((amqp_connection_close_t *) decoded)->reply_text);
        break;

    case NGX_AMQP_CHANNEL_CLOSE:
        close = decoded;
        method->code = close->reply_code;
        method->text = ngx_amqp_str(close->reply_text);
        break;

    case NGX_AMQP_CHANNEL_FLOW:
        method->active = (((amqp_channel_flow_t *) decoded)->active != 0);
        break;

    case NGX_AMQP_QUEUE_DECLARE_OK:
        method->name =
            ngx_amqp_str(((amqp_queue_declare_ok_t *) decoded)->queue);
        break;

    case NGX_AMQP_BASIC_CANCEL:
        method->name =
            ngx_amqp_str(((amqp_basic_cancel_t *) decoded)->consumer_tag);
        break;

    case NGX_AMQP_BASIC_DELIVER:
        deliver = decoded;
        method->name = ngx_amqp_str(deliver->consumer_tag);
        method->routing_key = ngx_amqp_str(deliver->routing_key);
        break;

    case NGX_AMQP_BASIC_RETURN:
        returned = decoded;
        method->code = returned->reply_code;
        method->text = ngx_amqp_str(returned->reply_text);
        break;

    case NGX_AMQP_BASIC_ACK:
        ack = decoded;
        method->delivery_tag = ack->delivery_tag;
        method->multiple = (ack->multiple != 0);
        break;

    case NGX_AMQP_BASIC_NACK:
        nack = decoded;
        method->delivery_tag = nack->delivery_tag;
        method->multiple = (nack->multiple != 0);
        break;
    }
}


ngx_int_t
ngx_amqp_method_encode(ngx_amqp_codec_t *codec, ngx_buf_t *b,
    ngx_uint_t channel, const ngx_amqp_method_t *method)
{
    int           n;
    u_char       *p;
    amqp_bytes_t  out;

    if (ngx_amqp_method_fits(method) != NGX_OK
        || b->end - b->last < NGX_AMQP_FRAME_ENVELOPE + 4)
    {
        return NGX_ERROR;
    }

    p = b->last + NGX_AMQP_FRAME_HEAD;

    out.bytes = p + 4;
    out.len = b->end - p - 4 - 1;

    n = ngx_amqp_method_write(codec, method, out);
    if (n < 0) {
        return NGX_ERROR;
    }

    *p++ = (u_char) (method->id >> 24);
    *p++ = (u_char) (method->id >> 16);
    *p++ = (u_char) (method->id >> 8);
    *p++ = (u_char) method->id;

    (void) ngx_amqp_frame_head(b->last, NGX_AMQP_FRAME_METHOD, channel, n + 4);

    b->last = ngx_amqp_frame_end(p + n);

    return NGX_OK;
}


static ngx_int_t
ngx_amqp_method_fits(const ngx_amqp_method_t *method)
{
    if (method->name.len > NGX_AMQP_SHORT_MAX
        || method->text.len > NGX_AMQP_SHORT_MAX
        || method->exchange.len > NGX_AMQP_SHORT_MAX
        || method->routing_key.len > NGX_AMQP_SHORT_MAX
        || method->dead_exchange.len > NGX_AMQP_SHORT_MAX
        || method->dead_key.len > NGX_AMQP_SHORT_MAX)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


size_t
ngx_amqp_method_size(const ngx_amqp_method_t *method)
{
    /* fixed fields, length bytes and constant tables take less than 512 */

    return 512 + NGX_AMQP_FRAME_ENVELOPE + method->text.len
           + 2 * method->name.len + method->exchange.len
           + method->routing_key.len + method->response.len
           + method->dead_exchange.len + method->dead_key.len;
}


static int
ngx_amqp_method_write(ngx_amqp_codec_t *codec,
    const ngx_amqp_method_t *method, amqp_bytes_t out)
{
    union {
        amqp_connection_tune_ok_t    tune_ok;
        amqp_connection_open_t       open;
        amqp_connection_close_t      close;
        amqp_channel_close_t         channel_close;
        amqp_channel_flow_ok_t       flow_ok;
        amqp_queue_bind_t            bind;
        amqp_queue_unbind_t          unbind;
        amqp_basic_consume_t         consume;
    } m;

    ngx_memzero(&m, sizeof(m));

    switch (method->id) {

    case NGX_AMQP_CONNECTION_START_OK:
        return ngx_amqp_start_ok_write(method, out);

    case NGX_AMQP_QUEUE_DECLARE:
        return ngx_amqp_declare_write(method, out);

    case NGX_AMQP_CONNECTION_TUNE_OK:
        m.tune_ok.channel_max = (uint16_t) method->channel_max;
        m.tune_ok.frame_max = (uint32_t) method->frame_max;
        m.tune_ok.heartbeat = (uint16_t) method->heartbeat;
        break;

    case NGX_AMQP_CONNECTION_OPEN:
        m.open.virtual_host = ngx_amqp_bytes(&method->name);
        break;

    case NGX_AMQP_CONNECTION_CLOSE:
        m.close.reply_code = (uint16_t) method->code;
        m.close.reply_text = ngx_amqp_bytes(&method->text);
        break;

    case NGX_AMQP_CHANNEL_CLOSE:
        m.channel_close.reply_code = (uint16_t) method->code;
        m.channel_close.reply_text = ngx_amqp_bytes(&method->text);
        break;

    case NGX_AMQP_CHANNEL_FLOW_OK:
        m.flow_ok.active = method->active;
        break;

    case NGX_AMQP_QUEUE_BIND:
        m.bind.queue = ngx_amqp_bytes(&method->name);
        m.bind.exchange = ngx_amqp_bytes(&method->exchange);
        m.bind.routing_key = ngx_amqp_bytes(&method->routing_key);
        break;

    case NGX_AMQP_QUEUE_UNBIND:
        m.unbind.queue = ngx_amqp_bytes(&method->name);
        m.unbind.exchange = ngx_amqp_bytes(&method->exchange);
        m.unbind.routing_key = ngx_amqp_bytes(&method->routing_key);
        break;

    case NGX_AMQP_BASIC_CONSUME:
        m.consume.queue = ngx_amqp_bytes(&method->routing_key);
        m.consume.consumer_tag = ngx_amqp_bytes(&method->name);
        m.consume.no_ack = 1;
        m.consume.exclusive = 1;
        break;

    case NGX_AMQP_CHANNEL_OPEN:
    case NGX_AMQP_CHANNEL_CLOSE_OK:
    case NGX_AMQP_CONNECTION_CLOSE_OK:
    case NGX_AMQP_CONFIRM_SELECT:
        /* zeros are what they say */
        break;

    default:
        return -1;
    }

    return amqp_encode_method(method->id, &m, out);
}


static int
ngx_amqp_start_ok_write(const ngx_amqp_method_t *method, amqp_bytes_t out)
{
    static const char  *names[] = {
        "consumer_cancel_notify", "connection.blocked", "basic.nack",
        "publisher_confirms", "authentication_failure_close",
        "exchange_exchange_bindings"
    };

    ngx_uint_t                  i;
    amqp_table_entry_t          props[4], caps[6];
    amqp_connection_start_ok_t  m;

    for (i = 0; i < 6; i++) {
        caps[i].key = amqp_cstring_bytes(names[i]);
        caps[i].value.kind = AMQP_FIELD_KIND_BOOLEAN;
        caps[i].value.value.boolean = 1;
    }

    props[0].key = amqp_cstring_bytes("product");
    props[0].value.kind = AMQP_FIELD_KIND_UTF8;
    props[0].value.value.bytes = amqp_cstring_bytes("Warren gateway");

    props[1].key = amqp_cstring_bytes("platform");
    props[1].value.kind = AMQP_FIELD_KIND_UTF8;
    props[1].value.value.bytes = amqp_cstring_bytes("nginx");

    props[2].key = amqp_cstring_bytes("connection_name");
    props[2].value.kind = AMQP_FIELD_KIND_UTF8;
    props[2].value.value.bytes = ngx_amqp_bytes(&method->name);

    props[3].key = amqp_cstring_bytes("capabilities");
    props[3].value.kind = AMQP_FIELD_KIND_TABLE;
    props[3].value.value.table.num_entries = 6;
    props[3].value.value.table.entries = caps;

    m.client_properties.num_entries = 4;
    m.client_properties.entries = props;
    m.mechanism = ngx_amqp_bytes(&method->mechanism);
    m.response = ngx_amqp_bytes(&method->response);
    m.locale = amqp_cstring_bytes("en_US");

    return amqp_encode_method(method->id, &m, out);
}


static int
ngx_amqp_declare_write(const ngx_amqp_method_t *method, amqp_bytes_t out)
{
    amqp_table_entry_t    args[4];
    amqp_queue_declare_t  m;

    ngx_memzero(&m, sizeof(m));

    args[0].key = amqp_cstring_bytes("x-max-length");
    args[0].value.kind = AMQP_FIELD_KIND_I32;
    args[0].value.value.i32 = (int32_t) method->max_length;
    args[1].key = amqp_cstring_bytes("x-overflow");
    args[1].value.kind = AMQP_FIELD_KIND_UTF8;
    args[1].value.value.bytes = amqp_cstring_bytes("drop-head");
    args[2].key = amqp_cstring_bytes("x-dead-letter-exchange");
    args[2].value.kind = AMQP_FIELD_KIND_UTF8;
    args[2].value.value.bytes = ngx_amqp_bytes(&method->dead_exchange);
    args[3].key = amqp_cstring_bytes("x-dead-letter-routing-key");
    args[3].value.kind = AMQP_FIELD_KIND_UTF8;
    args[3].value.value.bytes = ngx_amqp_bytes(&method->dead_key);

    m.queue = ngx_amqp_bytes(&method->name);
    m.exclusive = 1;
    m.auto_delete = 1;
    m.arguments.num_entries = method->dead_exchange.len ? 4 : 2;
    m.arguments.entries = args;

    return amqp_encode_method(method->id, &m, out);
}


ngx_int_t
ngx_amqp_header_decode(ngx_amqp_codec_t *codec, ngx_str_t *payload,
    ngx_pool_t *pool, ngx_amqp_properties_t *props)
{
    void                     *decoded;
    u_char                   *p;
    ngx_uint_t                i;
    amqp_bytes_t              bytes;
    amqp_basic_properties_t  *bp;

    ngx_memzero(props, sizeof(ngx_amqp_properties_t));

    p = payload->data;

    if (payload->len < 14
        || p[0] != AMQP_BASIC_CLASS >> 8
        || p[1] != (AMQP_BASIC_CLASS & 0xff))
    {
        return NGX_ERROR;
    }

    for (i = 4; i < 12; i++) {
        props->body_size = props->body_size << 8 | p[i];
    }

    if (ngx_amqp_header_strip(payload, props) != NGX_OK) {
        return NGX_ERROR;
    }

    bytes.bytes = payload->data + 12;
    bytes.len = payload->len - 12;

    if (amqp_decode_properties(AMQP_BASIC_CLASS, &codec->pool, bytes, &decoded)
        < 0)
    {
        return NGX_ERROR;
    }

    bp = decoded;

    if (bp->_flags & AMQP_BASIC_CONTENT_TYPE_FLAG) {
        props->content_type = ngx_amqp_str(bp->content_type);
    }

    if (bp->_flags & AMQP_BASIC_CORRELATION_ID_FLAG) {
        props->correlation_id = ngx_amqp_str(bp->correlation_id);
    }

    if (bp->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) {
        props->message_id = ngx_amqp_str(bp->message_id);
    }

    if (bp->_flags & AMQP_BASIC_TYPE_FLAG) {
        props->type = ngx_amqp_str(bp->type);
    }

    if (bp->_flags & AMQP_BASIC_USER_ID_FLAG) {
        props->user_id = ngx_amqp_str(bp->user_id);
    }

    if (!(bp->_flags & AMQP_BASIC_HEADERS_FLAG)) {
        bp->headers.num_entries = 0;
    }

    return ngx_amqp_headers_read(&bp->headers, pool, &props->headers);
}


/*
 * Cuts a table that is not sane out of the payload, since who else is meant by
 * the message stands behind it.
 */

static ngx_int_t
ngx_amqp_header_strip(ngx_str_t *payload, ngx_amqp_properties_t *props)
{
    size_t      size;
    u_char     *p, *last;
    ngx_uint_t  flags, i;

    p = payload->data + 12;
    last = payload->data + payload->len;
    flags = (ngx_uint_t) p[0] << 8 | p[1];
    p += 2;

    if (flags & NGX_AMQP_FLAG_MORE) {
        return NGX_ERROR;
    }

    if (!(flags & NGX_AMQP_FLAG_HEADERS)) {
        return NGX_OK;
    }

    for (i = NGX_AMQP_FLAG_CONTENT_TYPE; i >= NGX_AMQP_FLAG_ENCODING; i >>= 1)
    {
        if (flags & i) {
            if (last - p < 1 || last - p - 1 < p[0]) {
                return NGX_ERROR;
            }

            p += 1 + p[0];
        }
    }

    if (wire_table_is_sane(p, last - p)) {
        return NGX_OK;
    }

    if (last - p < 4) {
        return NGX_ERROR;
    }

    size = (size_t) p[0] << 24 | (size_t) p[1] << 16
           | (size_t) p[2] << 8 | (size_t) p[3];

    if (size > (size_t) (last - p - 4)) {
        return NGX_ERROR;
    }

    size += 4;

    ngx_memmove(p, p + size, last - p - size);
    payload->len -= size;
    payload->data[12] &= (u_char) ~(NGX_AMQP_FLAG_HEADERS >> 8);
    props->bad_headers = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_amqp_headers_read(amqp_table_t *table, ngx_pool_t *pool,
    ngx_array_t *headers)
{
    int                 i;
    ngx_amqp_header_t  *h;

    if (ngx_array_init(headers, pool,
                       table->num_entries > 0 ? table->num_entries : 1,
                       sizeof(ngx_amqp_header_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < table->num_entries; i++) {
        h = ngx_array_push(headers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(h, sizeof(ngx_amqp_header_t));

        if (!ngx_amqp_value_read(&table->entries[i].value, h)) {
            headers->nelts--;
            continue;
        }

        h->name = ngx_amqp_str(table->entries[i].key);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_amqp_value_read(amqp_field_value_t *value, ngx_amqp_header_t *h)
{
    h->type = ngx_amqp_header_int;

    switch (value->kind) {

    case AMQP_FIELD_KIND_I8:
        h->number = value->value.i8;
        return 1;

    case AMQP_FIELD_KIND_U8:
        h->number = value->value.u8;
        return 1;

    case AMQP_FIELD_KIND_I16:
        h->number = value->value.i16;
        return 1;

    case AMQP_FIELD_KIND_U16:
        h->number = value->value.u16;
        return 1;

    case AMQP_FIELD_KIND_I32:
        h->number = value->value.i32;
        return 1;

    case AMQP_FIELD_KIND_U32:
        h->number = value->value.u32;
        return 1;

    case AMQP_FIELD_KIND_I64:
        h->number = value->value.i64;
        return 1;

    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
        h->type = ngx_amqp_header_str;
        h->value = ngx_amqp_str(value->value.bytes);
        return 1;

    default:
        return 0;
    }
}


char *
ngx_amqp_method_name(uint32_t id)
{
    const ngx_amqp_method_info_t  *info;

    info = ngx_amqp_method_info(id);

    return info ? info->name : "unknown method";
}


static amqp_bytes_t
ngx_amqp_bytes(const ngx_str_t *s)
{
    amqp_bytes_t  bytes;

    bytes.len = s->len;
    bytes.bytes = s->data;

    return bytes;
}


static ngx_str_t
ngx_amqp_str(amqp_bytes_t bytes)
{
    ngx_str_t  s;

    s.len = bytes.len;
    s.data = bytes.bytes;

    return s;
}
