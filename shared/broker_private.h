/*
 * Copyright (C) the Warren authors
 *
 * What the files of the broker layer share.
 */

#ifndef WARREN_BROKER_PRIVATE_H
#define WARREN_BROKER_PRIVATE_H


#include <amqp.h>
#include <amqp_framing.h>

#include "arena.h"
#include "broker.h"
#include "log.h"


/* channels of the publishing connection */

#define BROKER_CHANNEL_REPLIES    1     /* no confirms; consumes replies */
#define BROKER_CHANNEL_CONFIRMS   2

#define BROKER_CHANNELS           WR_BROKER_QUEUES_MAX

/* also what the broker is asked for */
#define BROKER_FRAME_MAX          131072

/* Arenas kept for messages to come; more are freed. */
#define BROKER_ARENAS_MAX         256

#define BROKER_ERROR_SIZE         512


enum broker_tag_state {
    BROKER_TAG_OPEN = 0,    /* the lane has it */
    BROKER_TAG_SETTLED,     /* to be acked with the next flush */
    BROKER_TAG_GONE         /* acked or rejected */
};


enum broker_consumer_state {
    BROKER_CONSUMER_NONE = 0,
    BROKER_CONSUMER_ASKED,      /* basic.consume was sent */
    BROKER_CONSUMER_ACTIVE,
    BROKER_CONSUMER_CANCELLING, /* basic.cancel was sent */
    BROKER_CONSUMER_CLOSING     /* channel.close was sent */
};


struct broker_channel {
    enum wr_queue               queue;
    const char                 *name;       /* of the queue, in full */
    unsigned                    generation; /* of what comes from now on */
    bool                        is_open;
    int64_t                     consume_ms; /* not before; 0: not asked yet */
    enum broker_consumer_state  consumer;
    char                        consumer_tag[32];

    /* the message that is being put together; NULL: none */
    struct wr_message          *incoming;
    bool                        is_return;
    uint64_t                    body_size;

    /* Tags count up by one: tags[i] is the state of first_tag + i. */
    uint64_t                    first_tag;
    unsigned char              *tags;
    size_t                      ntags;
    size_t                      tags_size;
    bool                        has_settled;
};


struct broker_conn {
    struct wr_broker           *broker;
    const char                 *name;
    amqp_connection_state_t     state;      /* NULL: none */
    int                         fd;
    size_t                      room;       /* of the socket, in bytes */
    size_t                      free;       /* of it for sure, without a look */
    bool                        is_failed;
    bool                        is_blocked;
    bool                        is_corked;
    struct broker_channel       channels[BROKER_CHANNELS];
};


struct broker_fifo {
    struct wr_message          *first;
    struct wr_message         **last;
    int                         count;
};


struct wr_broker {
    const struct wr_broker_config  *config;
    const struct wr_log            *log;
    struct broker_conn              consuming;
    struct broker_conn              publishing;
    bool                            is_open;
    bool                            was_open;   /* once, at least */
    unsigned                        generation;
    unsigned                        next_url;
    unsigned                        consumers;  /* makes consumer tags */
    char                            user[128];
    char                            reply_queue[256];
    char                            error[BROKER_ERROR_SIZE];

    struct broker_fifo              messages;
    struct broker_fifo              replies;

    struct wr_arena                *arenas[BROKER_ARENAS_MAX];
    int                             narenas;

    /* A ring of what waits for confirms: seq stands at seq % window. */
    struct wr_confirm              *window[WR_BROKER_WINDOW];
    uint64_t                        next_seq;
    uint64_t                        first_seq;
    int                             nwaiting;
};


/* Ends the connection for a reason that is logged; it is closed later. */
void broker_conn_fail(struct broker_conn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Looks at what a call of rabbitmq-c returned: false if it failed. */
bool broker_conn_sent(struct broker_conn *conn, int status);

/* Takes in all frames that are there. */
void broker_conn_pump(struct broker_conn *conn);

/* Sends the acks of a channel. */
void broker_channel_flush(struct broker_conn *conn, amqp_channel_t n);

/* Forgets what was put together and what was open on the channel. */
void broker_channel_reset(struct wr_broker *broker,
    struct broker_channel *channel);

/* An empty message in an arena of its own. */
struct wr_message *broker_message_new(struct wr_broker *broker);

/* Fills in properties and headers. */
void broker_message_decode(struct wr_message *msg,
    const amqp_basic_properties_t *props);

/* The broker's word on one publishing or on all up to it, or of a return. */
void broker_confirmed(struct wr_broker *broker, uint64_t seq, bool multiple,
    enum wr_confirm_state state);
void broker_returned(struct wr_broker *broker, const struct wr_message *msg);
void broker_confirms_lost(struct wr_broker *broker);

/* Messages in order of arrival; pop gives NULL when there is none. */
void broker_fifo_init(struct broker_fifo *fifo);
void broker_fifo_push(struct broker_fifo *fifo, struct wr_message *msg);
struct wr_message *broker_fifo_pop(struct broker_fifo *fifo);

/* Gives back the memory of all that came by a channel. */
void broker_fifo_drop(struct broker_fifo *fifo, struct wr_broker *broker,
    unsigned channel);

/* A text that rabbitmq-c gives, for a log line. */
#define BROKER_TEXT(text)  (int) (text).len, (char *) (text).bytes


/* broker_tls.c */

/*
 * A socket of conn->state, which owns it; with is_tls it checks who answers.
 * NULL: a file of the configuration cannot be used, broker->error says which.
 */
amqp_socket_t *broker_socket(struct broker_conn *conn, bool is_tls);


#endif /* WARREN_BROKER_PRIVATE_H */
