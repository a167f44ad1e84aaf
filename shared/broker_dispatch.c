/*
 * Copyright (C) the Warren authors
 *
 * Frames that arrive: put together to messages by channel, or acted upon.
 *
 * The library's own functions for that lose the frames of other channels, so
 * only amqp_simple_wait_frame_noblock() is used.
 */

#include <inttypes.h>
#include <string.h>
#include <sys/time.h>

#include "broker_private.h"
#include "memory.h"
#include "stats.h"
#include "wire.h"


static void dispatch(struct broker_conn *conn, amqp_frame_t *frame);
static void on_connection_method(struct broker_conn *conn,
    const amqp_method_t *method);
static void on_channel_method(struct broker_conn *conn,
    struct broker_channel *channel, amqp_channel_t n,
    const amqp_method_t *method);
static void on_channel_close(struct broker_conn *conn, amqp_channel_t n,
    const amqp_channel_close_t *close);
static void on_deliver(struct broker_conn *conn,
    struct broker_channel *channel, const amqp_basic_deliver_t *deliver);
static void on_header(struct broker_conn *conn,
    struct broker_channel *channel, const amqp_frame_t *frame);
static void on_body(struct broker_conn *conn, struct broker_channel *channel,
    const amqp_frame_t *frame);
static void on_message(struct broker_conn *conn,
    struct broker_channel *channel);
static void tag_push(struct broker_conn *conn, struct broker_channel *channel,
    uint64_t tag);
static unsigned char *tag_find(struct broker_channel *channel, uint64_t tag);
static struct broker_channel *message_channel(struct wr_broker *broker,
    const struct wr_message *msg, unsigned char **tag_r);


void
broker_conn_pump(struct broker_conn *conn)
{
    int             rc;
    amqp_frame_t    frame;
    struct timeval  none;

    while (!conn->is_failed) {
        none.tv_sec = 0;
        none.tv_usec = 0;
        rc = amqp_simple_wait_frame_noblock(conn->state, &frame, &none);

        if (rc == AMQP_STATUS_TIMEOUT) {
            break;
        }

        if (rc != AMQP_STATUS_OK) {
            broker_conn_fail(conn, "%s", amqp_error_string2(rc));
            return;
        }

        dispatch(conn, &frame);
        amqp_maybe_release_buffers_on_channel(conn->state, frame.channel);
    }

    if (!conn->is_failed) {
        amqp_maybe_release_buffers(conn->state);
    }
}


static void
dispatch(struct broker_conn *conn, amqp_frame_t *frame)
{
    struct broker_channel  *channel;

    if (frame->channel == 0) {
        if (frame->frame_type == AMQP_FRAME_METHOD) {
            on_connection_method(conn, &frame->payload.method);
        }

        return;
    }

    if (frame->channel > BROKER_CHANNELS) {
        broker_conn_fail(conn, "frame for channel %d, which is not open",
                         frame->channel);
        return;
    }

    channel = &conn->channels[frame->channel - 1];

    /* what comes by a channel that is given up is the next consumer's */

    if (channel->consumer == BROKER_CONSUMER_CLOSING
        && (frame->frame_type != AMQP_FRAME_METHOD
            || frame->payload.method.id == AMQP_BASIC_DELIVER_METHOD))
    {
        return;
    }

    switch (frame->frame_type) {

    case AMQP_FRAME_METHOD:
        on_channel_method(conn, channel, frame->channel,
                          &frame->payload.method);
        break;

    case AMQP_FRAME_HEADER:
        on_header(conn, channel, frame);
        break;

    case AMQP_FRAME_BODY:
        on_body(conn, channel, frame);
        break;

    default:
        broker_conn_fail(conn, "frame of type %d", frame->frame_type);
    }
}


static void
on_connection_method(struct broker_conn *conn, const amqp_method_t *method)
{
    amqp_connection_close_t     *close;
    amqp_connection_close_ok_t   close_ok;
    amqp_connection_blocked_t   *blocked;

    switch (method->id) {

    case AMQP_CONNECTION_CLOSE_METHOD:
        close = method->decoded;
        memset(&close_ok, 0, sizeof(close_ok));
        amqp_send_method(conn->state, 0, AMQP_CONNECTION_CLOSE_OK_METHOD,
                         &close_ok);
        broker_conn_fail(conn, "closed by the broker: %.*s",
                         BROKER_TEXT(close->reply_text));
        break;

    case AMQP_CONNECTION_BLOCKED_METHOD:
        blocked = method->decoded;
        conn->is_blocked = true;
        wr_stats_add(WR_STAT_broker_blocked, 1);
        wr_log_warn(conn->broker->log, "%s connection blocked: %.*s",
                    conn->name, BROKER_TEXT(blocked->reason));
        break;

    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        conn->is_blocked = false;
        wr_log_info(conn->broker->log, "%s connection unblocked", conn->name);
        break;

    default:
        wr_log_debug(conn->broker->log, "method 0x%x ignored", method->id);
    }
}


static void
on_channel_method(struct broker_conn *conn, struct broker_channel *channel,
    amqp_channel_t n, const amqp_method_t *method)
{
    amqp_basic_ack_t        *ack;
    amqp_basic_nack_t       *nack;
    amqp_channel_flow_t     *flow;
    amqp_channel_flow_ok_t   flow_ok;

    switch (method->id) {

    case AMQP_BASIC_DELIVER_METHOD:
        on_deliver(conn, channel, method->decoded);
        break;

    case AMQP_BASIC_RETURN_METHOD:
        channel->incoming = broker_message_new(conn->broker);
        channel->is_return = true;
        break;

    case AMQP_BASIC_ACK_METHOD:
        ack = method->decoded;
        broker_confirmed(conn->broker, ack->delivery_tag, ack->multiple,
                         WR_CONFIRM_ACKED);
        break;

    case AMQP_BASIC_NACK_METHOD:
        nack = method->decoded;
        broker_confirmed(conn->broker, nack->delivery_tag, nack->multiple,
                         WR_CONFIRM_NACKED);
        break;

    case AMQP_BASIC_CONSUME_OK_METHOD:
        if (channel->consumer == BROKER_CONSUMER_ASKED) {
            channel->consumer = BROKER_CONSUMER_ACTIVE;
        }

        break;

    case AMQP_CHANNEL_CLOSE_OK_METHOD:
        broker_channel_reset(conn->broker, channel);
        break;

    case AMQP_BASIC_CANCEL_OK_METHOD:
        channel->consumer = BROKER_CONSUMER_NONE;
        break;

    case AMQP_BASIC_CANCEL_METHOD:
        /* the queue is gone, or its leader: begin anew */
        broker_conn_fail(conn, "consumer of \"%s\" cancelled by the broker",
                         channel->name);
        break;

    case AMQP_CHANNEL_CLOSE_METHOD:
        on_channel_close(conn, n, method->decoded);
        break;

    case AMQP_CHANNEL_FLOW_METHOD:
        flow = method->decoded;
        memset(&flow_ok, 0, sizeof(flow_ok));
        flow_ok.active = flow->active;
        broker_conn_sent(conn, amqp_send_method(conn->state, n,
                                                AMQP_CHANNEL_FLOW_OK_METHOD,
                                                &flow_ok));
        break;

    default:
        wr_log_debug(conn->broker->log, "method 0x%x ignored", method->id);
    }
}


/* What was unsettled on the channel is delivered again: begin anew. */

static void
on_channel_close(struct broker_conn *conn, amqp_channel_t n,
    const amqp_channel_close_t *close)
{
    amqp_channel_close_ok_t  close_ok;

    memset(&close_ok, 0, sizeof(close_ok));
    amqp_send_method(conn->state, n, AMQP_CHANNEL_CLOSE_OK_METHOD, &close_ok);
    broker_conn_fail(conn, "channel closed by the broker: %.*s",
                     BROKER_TEXT(close->reply_text));
}


static void
on_deliver(struct broker_conn *conn, struct broker_channel *channel,
    const amqp_basic_deliver_t *deliver)
{
    struct wr_message  *msg;

    msg = broker_message_new(conn->broker);
    msg->queue = channel->queue;
    msg->from = channel->name != NULL ? channel->name : "";
    msg->channel = (unsigned) (channel - conn->channels);
    msg->generation = channel->generation;
    msg->tag = deliver->delivery_tag;
    msg->routing_key = wr_arena_copy(msg->arena, deliver->routing_key.bytes,
                                     deliver->routing_key.len);
    msg->is_redelivered = deliver->redelivered;
    channel->incoming = msg;
    channel->is_return = false;

    if (conn == &conn->broker->consuming) {
        tag_push(conn, channel, msg->tag);
    }
}


static void
on_header(struct broker_conn *conn, struct broker_channel *channel,
    const amqp_frame_t *frame)
{
    struct wr_message  *msg;

    msg = channel->incoming;

    if (msg == NULL) {
        broker_conn_fail(conn, "header without a method");
        return;
    }

    broker_message_decode(msg, frame->payload.properties.decoded);
    channel->body_size = frame->payload.properties.body_size;

    if (channel->body_size > WIRE_BODY_MAX) {
        msg->is_oversize = true;

    } else if (channel->body_size != 0) {
        msg->body = wr_arena_alloc(msg->arena, channel->body_size + 1);
    }

    if (channel->body_size == 0) {
        on_message(conn, channel);
    }
}


/* While an oversized body goes by, body_len only counts. */

static void
on_body(struct broker_conn *conn, struct broker_channel *channel,
    const amqp_frame_t *frame)
{
    amqp_bytes_t        part;
    struct wr_message  *msg;

    msg = channel->incoming;
    part = frame->payload.body_fragment;

    if (msg == NULL || part.len > channel->body_size - msg->body_len) {
        broker_conn_fail(conn, "body without a header, or too long");
        return;
    }

    if (!msg->is_oversize) {
        memcpy(msg->body + msg->body_len, part.bytes, part.len);
    }

    msg->body_len += part.len;

    if (msg->body_len == channel->body_size) {
        on_message(conn, channel);
    }
}


static void
on_message(struct broker_conn *conn, struct broker_channel *channel)
{
    struct wr_broker   *broker;
    struct wr_message  *msg;

    broker = conn->broker;
    msg = channel->incoming;
    channel->incoming = NULL;

    if (msg->is_oversize) {
        msg->body_len = 0;
    }

    if (channel->is_return) {
        broker_returned(broker, msg);
        wr_broker_release(broker, &msg);

    } else if (conn == &broker->publishing) {
        broker_fifo_push(&broker->replies, msg);

    } else {
        wr_stats_add(WR_STAT_messages_received, 1);
        broker_fifo_push(&broker->messages, msg);
    }
}


void
broker_channel_reset(struct wr_broker *broker, struct broker_channel *channel)
{
    if (channel->incoming != NULL) {
        wr_broker_release(broker, &channel->incoming);
    }

    channel->generation = ++broker->generation;
    channel->is_open = false;
    channel->consume_ms = 0;
    channel->consumer = BROKER_CONSUMER_NONE;
    channel->first_tag = 1;
    channel->ntags = 0;
    channel->has_settled = false;
}


static void
tag_push(struct broker_conn *conn, struct broker_channel *channel,
    uint64_t tag)
{
    if (tag != channel->first_tag + channel->ntags) {
        broker_conn_fail(conn, "delivery tag %" PRIu64 " out of order", tag);
        return;
    }

    if (channel->ntags == channel->tags_size) {
        channel->tags_size = channel->tags_size * 2 + 256;
        channel->tags = wr_memory_grow(channel->tags, channel->tags_size);
    }

    channel->tags[channel->ntags++] = BROKER_TAG_OPEN;
}


static unsigned char *
tag_find(struct broker_channel *channel, uint64_t tag)
{
    if (tag < channel->first_tag || tag - channel->first_tag >= channel->ntags)
    {
        return NULL;
    }

    return &channel->tags[tag - channel->first_tag];
}


/* NULL if the message is of an older generation, or done with */

static struct broker_channel *
message_channel(struct wr_broker *broker, const struct wr_message *msg,
    unsigned char **tag_r)
{
    struct broker_channel  *channel;

    if (!wr_broker_is_open(broker) || msg->queue >= WR_QUEUE_COUNT) {
        return NULL;
    }

    channel = &broker->consuming.channels[msg->channel];

    if (msg->generation != channel->generation) {
        return NULL;
    }

    *tag_r = tag_find(channel, msg->tag);

    return (*tag_r != NULL && **tag_r == BROKER_TAG_OPEN) ? channel : NULL;
}


void
wr_broker_settle(struct wr_broker *broker, const struct wr_message *msg)
{
    unsigned char          *tag;
    struct broker_channel  *channel;

    channel = message_channel(broker, msg, &tag);

    if (channel != NULL) {
        *tag = BROKER_TAG_SETTLED;
        channel->has_settled = true;
    }
}


void
wr_broker_reject(struct wr_broker *broker, const struct wr_message *msg,
    bool requeue)
{
    unsigned char          *tag;
    struct broker_channel  *channel;

    channel = message_channel(broker, msg, &tag);

    if (channel != NULL) {
        *tag = BROKER_TAG_GONE;
        broker_conn_sent(&broker->consuming,
                         amqp_basic_nack(broker->consuming.state,
                                         msg->channel + 1, msg->tag, 0,
                                         requeue));
    }
}


void
wr_broker_reject_all(struct wr_broker *broker)
{
    unsigned                i;
    struct wr_message      *msg;
    struct broker_channel  *channel;

    wr_broker_flush(broker);

    for (i = 0; i < broker->config->nqueues && wr_broker_is_open(broker); i++)
    {
        channel = &broker->consuming.channels[i];

        /* tag 0: all that is unacked on the channel */

        if (channel->ntags != 0
            && broker_conn_sent(&broker->consuming,
                                amqp_basic_nack(broker->consuming.state,
                                                i + 1, 0, 1, 1)))
        {
            channel->first_tag += channel->ntags;
            channel->ntags = 0;
        }
    }

    while ((msg = broker_fifo_pop(&broker->messages)) != NULL) {
        wr_broker_release(broker, &msg);
    }
}


void
broker_channel_flush(struct broker_conn *conn, amqp_channel_t n)
{
    size_t                  i, prefix;
    bool                    is_new;
    struct broker_channel  *channel;

    channel = &conn->channels[n - 1];
    channel->has_settled = false;
    is_new = false;

    for (prefix = 0; prefix < channel->ntags; prefix++) {
        if (channel->tags[prefix] == BROKER_TAG_OPEN) {
            break;
        }

        is_new = is_new || channel->tags[prefix] == BROKER_TAG_SETTLED;
    }

    /* the broker wants the last tag to be one that it knows */

    for (i = prefix; is_new && channel->tags[i - 1] == BROKER_TAG_GONE; i--) {
        /* void */
    }

    if (is_new
        && !broker_conn_sent(conn, amqp_basic_ack(conn->state, n,
                                                  channel->first_tag + i - 1,
                                                  1)))
    {
        return;
    }

    for (i = prefix; i < channel->ntags; i++) {
        if (channel->tags[i] == BROKER_TAG_SETTLED) {
            channel->tags[i] = BROKER_TAG_GONE;

            if (!broker_conn_sent(conn, amqp_basic_ack(conn->state, n,
                                                       channel->first_tag + i,
                                                       0)))
            {
                return;
            }
        }
    }

    channel->first_tag += prefix;
    channel->ntags -= prefix;
    memmove(channel->tags, channel->tags + prefix, channel->ntags);
}
