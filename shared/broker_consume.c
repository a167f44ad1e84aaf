/*
 * Copyright (C) the Warren authors
 *
 * Consumers: begun, ended, and handed over where order matters.
 *
 * A queue in order has one active consumer.  When that is cancelled, a quorum
 * queue makes the next one active at once, and what the first still holds
 * would be overtaken.  So its channel is closed instead: what is unsettled is
 * back in the queue, in its old place, before anybody else gets any.
 */

#include <stdio.h>
#include <string.h>

#include "broker_private.h"
#include "clock.h"
#include "wire.h"


static bool is_early(struct broker_channel *channel,
    const struct wr_broker_queue *queue);
static bool open_again(struct wr_broker *broker, unsigned i);
static void give_up(struct wr_broker *broker, unsigned i);


/* A tag used twice on a channel with unacked messages crashes the channel in
   RabbitMQ 3.10: each consumer has a new one. */

void
wr_broker_consume(struct wr_broker *broker)
{
    unsigned                       i;
    amqp_basic_consume_t           method;
    struct broker_channel         *channel;
    const struct wr_broker_queue  *queue;

    for (i = 0; i < broker->config->nqueues && wr_broker_is_open(broker); i++)
    {
        queue = &broker->config->queues[i];
        channel = &broker->consuming.channels[i];

        if (channel->consumer != BROKER_CONSUMER_NONE
            || is_early(channel, queue)
            || (!channel->is_open && !open_again(broker, i)))
        {
            continue;
        }

        snprintf(channel->consumer_tag, sizeof(channel->consumer_tag),
                 "%s-%u", wr_queue_name(queue->kind), ++broker->consumers);
        memset(&method, 0, sizeof(method));
        method.queue = amqp_cstring_bytes(queue->name);
        method.consumer_tag = amqp_cstring_bytes(channel->consumer_tag);
        channel->consumer = BROKER_CONSUMER_ASKED;
        broker_conn_sent(&broker->consuming,
                         amqp_send_method(broker->consuming.state, i + 1,
                                          AMQP_BASIC_CONSUME_METHOD,
                                          &method));
    }
}


/* The first to consume is the active one. */

static bool
is_early(struct broker_channel *channel, const struct wr_broker_queue *queue)
{
    if (queue->standby_ms == 0) {
        return false;
    }

    if (channel->consume_ms == 0) {
        channel->consume_ms = wr_clock_ms() + queue->standby_ms;
    }

    return wr_clock_ms() < channel->consume_ms;
}


/* Nothing is waited for: the broker does one after the other. */

static bool
open_again(struct wr_broker *broker, unsigned i)
{
    amqp_basic_qos_t      qos;
    amqp_channel_open_t   open;
    struct broker_conn   *conn;

    conn = &broker->consuming;
    memset(&open, 0, sizeof(open));
    memset(&qos, 0, sizeof(qos));
    qos.prefetch_count = (uint16_t) broker->config->prefetch;
    conn->channels[i].is_open = true;

    return broker_conn_sent(conn, amqp_send_method(conn->state, i + 1,
                                                   AMQP_CHANNEL_OPEN_METHOD,
                                                   &open))
           && broker_conn_sent(conn, amqp_send_method(conn->state, i + 1,
                                                      AMQP_BASIC_QOS_METHOD,
                                                      &qos));
}


void
wr_broker_cancel(struct wr_broker *broker)
{
    unsigned                i;
    amqp_basic_cancel_t     method;
    struct broker_channel  *channel;

    for (i = 0; i < broker->config->nqueues && wr_broker_is_open(broker); i++)
    {
        channel = &broker->consuming.channels[i];
        channel->consume_ms = 0;

        if (channel->consumer != BROKER_CONSUMER_ASKED
            && channel->consumer != BROKER_CONSUMER_ACTIVE)
        {
            continue;
        }

        if (channel->queue == WR_QUEUE_ORDERED) {
            give_up(broker, i);
            continue;
        }

        memset(&method, 0, sizeof(method));
        method.consumer_tag = amqp_cstring_bytes(channel->consumer_tag);
        channel->consumer = BROKER_CONSUMER_CANCELLING;
        broker_conn_sent(&broker->consuming,
                         amqp_send_method(broker->consuming.state, i + 1,
                                          AMQP_BASIC_CANCEL_METHOD, &method));
    }
}


/* What is settled is told before; the rest is the broker's again. */

static void
give_up(struct wr_broker *broker, unsigned i)
{
    amqp_channel_close_t    method;
    struct broker_conn     *conn;
    struct broker_channel  *channel;

    conn = &broker->consuming;
    channel = &conn->channels[i];

    if (channel->has_settled) {
        broker_channel_flush(conn, i + 1);
    }

    broker_fifo_drop(&broker->messages, broker, i);
    broker_channel_reset(broker, channel);
    channel->consumer = BROKER_CONSUMER_CLOSING;

    memset(&method, 0, sizeof(method));
    method.reply_code = AMQP_REPLY_SUCCESS;
    method.reply_text = amqp_cstring_bytes("handed over");
    broker_conn_sent(conn, amqp_send_method(conn->state, i + 1,
                                            AMQP_CHANNEL_CLOSE_METHOD,
                                            &method));
}


bool
wr_broker_is_cancelled(const struct wr_broker *broker)
{
    unsigned  i;

    for (i = 0; i < broker->config->nqueues; i++) {
        if (broker->consuming.channels[i].consumer != BROKER_CONSUMER_NONE) {
            return false;
        }
    }

    return true;
}


bool
wr_broker_is_stale(const struct wr_broker *broker,
    const struct wr_message *msg)
{
    return msg->queue == WR_QUEUE_ORDERED
           && msg->generation
              != broker->consuming.channels[msg->channel].generation;
}


const char *
wr_queue_name(enum wr_queue queue)
{
    static const char  *names[] = {
        "rpc", "commands", "events", "again", "park", "events", "channel",
        "replies"
    };

    return names[queue];
}
