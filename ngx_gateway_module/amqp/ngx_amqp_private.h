/*
 * Copyright (C) the Warren authors
 *
 * What the files of this directory know of one another: the connection's
 * structure, its states, and who may call whom.
 *
 *     connection  the socket, reading, timers, trying again
 *     address     where the broker may be, and what the resolver says
 *     output      what waits for the socket
 *     tls         what comes before the first byte, on amqps
 *     handshake   states, and the methods that lead to ready
 *     channel     frames and methods that may come in any state, contents
 *     call        the table of calls, publishing, confirms, ends
 *     subscribe   what a connection that only consumes does otherwise
 *     frame       bytes; see ngx_amqp_frame.h
 */

#ifndef _NGX_AMQP_PRIVATE_H_INCLUDED_
#define _NGX_AMQP_PRIVATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "ngx_amqp.h"
#include "ngx_amqp_frame.h"


/* our only channel; 0 is the connection's own */
#define NGX_AMQP_CHANNEL              1

/* read in one turn of the event loop; then others have theirs */
#define NGX_AMQP_TURN_BYTES           262144
#define NGX_AMQP_TURN_FRAMES          1024

/* output is gathered in blocks of this size; a larger header has its own */
#define NGX_AMQP_BLOCK_SIZE           16384

/* empty blocks kept for what comes next */
#define NGX_AMQP_BLOCKS_KEPT          8

/* full jitter: a random time up to a limit that doubles with each round */
#define NGX_AMQP_BACKOFF_MIN          100
#define NGX_AMQP_BACKOFF_MAX          30000

/* a connection that was ready for so long ends the doubling, in ms */
#define NGX_AMQP_STABLE               5000

/* a correlation id has 16 bits for the slot */
#define NGX_AMQP_SLOTS_MAX            65535

#define NGX_AMQP_NO_SLOT              ((uint32_t) -1)


typedef enum {
    /* the protocol header is sent; the broker owes connection.start */
    ngx_amqp_st_start = 0,
    /* start-ok is sent with our credentials; the broker tunes, or closes */
    ngx_amqp_st_tune,
    /* tune-ok and open are sent; the broker owes open-ok */
    ngx_amqp_st_open,
    /* channel.open is sent */
    ngx_amqp_st_channel,
    /* confirm.select is sent; from its reply on, each publish has a number */
    ngx_amqp_st_confirm,
    /* queue.declare is sent; the broker names our reply queue */
    ngx_amqp_st_queue,
    /* queue.bind to the exchange of replies is sent */
    ngx_amqp_st_bind,
    /* basic.consume is sent */
    ngx_amqp_st_consume,
    /* of a subscriber: queue.declare of the queue that it reads is sent */
    ngx_amqp_st_feed,
    /* a first queue.bind of it is sent, which shows whether it may */
    ngx_amqp_st_feed_bind,
    /* basic.consume of it is sent */
    ngx_amqp_st_feed_consume,
    /* calls may be published */
    ngx_amqp_st_ready,
    /* no socket; a timer will try again, or there is no address to try */
    ngx_amqp_st_waiting,
    /* no socket; the resolver is asked for the broker's name */
    ngx_amqp_st_resolving,
    /* the socket is being connected */
    ngx_amqp_st_connecting,
    /* it is connected; TLS is agreed on, and the broker's name checked */
    ngx_amqp_st_securing,
    /* closed by its owner; nothing will happen any more */
    ngx_amqp_st_closed
} ngx_amqp_state_e;


/* a url that can be tried, and what is known of it now */

typedef struct {
    const ngx_amqp_url_t        *url;

    /* to be asked for; empty: the addresses stay as they were found */
    ngx_str_t                    name;

    /* those of the url, until the resolver has answered */
    ngx_addr_t                  *addrs;
    ngx_uint_t                   naddrs;

    /* holds the resolver's answer; NULL: there was none */
    ngx_pool_t                  *pool;

    /* of TLS, to be taken up again; NULL: none */
    void                        *session;
} ngx_amqp_target_t;


/* bytes for the socket; link.buf is &buf */

typedef struct {
    ngx_chain_t                  link;
    ngx_buf_t                    buf;
    size_t                       size;
} ngx_amqp_block_t;


/* how far output had come, to take back what was added since */

typedef struct {
    ngx_chain_t                 *last;
    u_char                      *pos;
    size_t                       size;
} ngx_amqp_mark_t;


/* the content that basic.deliver or basic.return announced */

typedef struct {
    /* 0: no content is due */
    uint32_t                     method;

    /* its header has come, so that bytes of its body are due */
    unsigned                     has_header:1;

    /* whoever it was for, its bytes are not kept */
    unsigned                     skip:1;

    uint64_t                     rest;        /* bytes still to come */
    ngx_amqp_properties_t        props;

    /* of the slot of the call that it replies to; not set with skip */
    uint64_t                     id;

    /* of a subscriber: under which key it came */
    ngx_str_t                    routing_key;

    /* and whether it came from the queue of what was dropped */
    unsigned                     is_dropped:1;

    /* where the body is put together; NULL while no part of it has come */
    u_char                      *body;
    u_char                      *last;
} ngx_amqp_content_t;


typedef struct {
    ngx_amqp_call_t             *call;        /* NULL: the slot is free */

    /* 16 bits of slot, 48 random bits */
    uint64_t                     id;

    /* the number of its publish on this channel */
    uint64_t                     tag;
    uint32_t                     next;        /* free slot */
} ngx_amqp_slot_t;


struct ngx_amqp_connection_s {

    /* event ident must be after 3 pointers as in ngx_connection_t */

    void                        *unused[3];
    ngx_socket_t                 ident;

    const ngx_amqp_broker_t     *broker;
    const ngx_amqp_listener_t   *listener;    /* NULL: replies are taken, */
    const ngx_amqp_subscriber_t *subscriber;  /* if this is NULL, too */
    ngx_amqp_counters_t         *counters;
    ngx_pool_t                  *pool;
    ngx_log_t                    log;
    ngx_amqp_state_e             state;

    /* changes whenever what was known of the channel is void */
    ngx_uint_t                   epoch;

    unsigned                     blocked:1;   /* connection.blocked */
    unsigned                     paused:1;    /* channel.flow */

    /* the resolver has been asked for target in this turn of it */
    unsigned                     asked:1;

    /* "gateway.<host>.<pid>" */
    ngx_str_t                    name;

    /* in order; urls of which nothing can be known are not among them */
    ngx_amqp_target_t           *targets;
    ngx_uint_t                   ntargets;
    ngx_uint_t                   target;      /* the one in use */
    ngx_uint_t                   addr;        /* of target, the one in use */

    /* waits for the resolver's answer; NULL: nothing is asked */
    ngx_resolver_ctx_t          *query;

    ngx_uint_t                   failed;      /* of this round, in turn */
    ngx_uint_t                   rounds;      /* in which all failed */

    ngx_peer_connection_t        peer;

    ngx_event_t                  deadline;    /* of connect and each step */
    ngx_event_t                  retry;
    ngx_event_t                  pulse;       /* heartbeats both ways */

    ngx_msec_t                   interval;    /* of heartbeats, 0: none */
    ngx_msec_t                   received;    /* when bytes came last */
    ngx_msec_t                   sent;        /* when bytes left last */
    ngx_msec_t                   ready_since;

    ngx_amqp_codec_t            *codec;
    size_t                       frame_max;

    /* holds one frame of the largest size, or many small ones */
    ngx_buf_t                    in;
    ngx_uint_t                   turn_frames;

    ngx_chain_t                 *out;
    ngx_chain_t                 *out_last;
    size_t                       out_size;
    ngx_chain_t                 *blocks;      /* free ones */
    ngx_uint_t                   nblocks;

    /* what is kept of the content that is being received */
    ngx_pool_t                  *content_pool;
    ngx_amqp_content_t           content;

    ngx_str_t                    reply_queue;
    u_char                       reply_queue_data[NGX_AMQP_SHORT_MAX];

    /* what a subscriber reads; reply_queue then has what was dropped there */
    ngx_str_t                    feed;
    u_char                       feed_data[NGX_AMQP_SHORT_MAX];

    ngx_amqp_slot_t             *slots;
    ngx_uint_t                   nslots;
    uint32_t                     free_slot;
    ngx_uint_t                   inflight;
    ngx_uint_t                   commands;    /* of those in flight */

    /*
     * The slots of the publishes tag_first to tag_next - 1, by tag.  An entry
     * counts only if its slot still has this tag.
     */
    uint32_t                    *tags;
    ngx_uint_t                   tags_mask;
    uint64_t                     tag_first;
    uint64_t                     tag_next;

    u_char                       random[256];
    ngx_uint_t                   nrandom;     /* bytes not used yet */
};


#define ngx_amqp_count(ac, field, n)                                          \
    (void) ngx_atomic_fetch_add(&(ac)->counters->field, (n))


/* ngx_amqp_connection.c */

/*
 * Leaves the broker and tries again later; calls in flight end, so their
 * handlers run before it returns.  Why has been logged.
 */
void ngx_amqp_lost(ngx_amqp_connection_t *ac);

/* Connects to the address in use, or goes on to the next if there is none. */
void ngx_amqp_dial(ngx_amqp_connection_t *ac);


/* Goes on when TLS is agreed on: sends the protocol header. */
void ngx_amqp_secured(ngx_amqp_connection_t *ac);


/* ngx_amqp_tls.c */

/*
 * Begins the handshake on the connected socket.
 *
 *     NGX_OK     done
 *     NGX_AGAIN  ngx_amqp_secured() will be called, or ngx_amqp_lost()
 *     NGX_ERROR  it has been logged
 */
ngx_int_t ngx_amqp_tls_start(ngx_amqp_connection_t *ac);

/* Frees the session of a url, if there is one. */
void ngx_amqp_tls_forget(ngx_amqp_target_t *target);

/* Logs that the broker is ready, with what TLS has to say of it. */
void ngx_amqp_tls_told(ngx_amqp_connection_t *ac);

/* Says goodbye without waiting, if there is TLS on this connection. */
void ngx_amqp_tls_close(ngx_connection_t *c);


/* ngx_amqp_address.c */

/* Makes the targets.  Returns NGX_OK or NGX_ERROR. */
ngx_int_t ngx_amqp_address_init(ngx_amqp_connection_t *ac);

/* Frees the resolver's answers. */
void ngx_amqp_address_free(ngx_amqp_connection_t *ac);

/* The url in use. */
ngx_amqp_target_t *ngx_amqp_target(ngx_amqp_connection_t *ac);

/* Its address in use; NULL: none is known. */
ngx_addr_t *ngx_amqp_address(ngx_amqp_connection_t *ac);

/* Goes on to the next address, and after the last of a url to the next url. */
void ngx_amqp_address_next(ngx_amqp_connection_t *ac);

/* How many attempts it takes until each address had its turn. */
ngx_uint_t ngx_amqp_address_count(ngx_amqp_connection_t *ac);

/*
 * Asks the resolver for the name of the url in use, once in each turn of the
 * url.  If it has no answer what was known stays, and that is logged.
 *
 *     NGX_OK     ngx_amqp_address() may be used
 *     NGX_AGAIN  ngx_amqp_dial() will be called, never before this function
 *                has returned
 */
ngx_int_t ngx_amqp_address_ask(ngx_amqp_connection_t *ac);

/* Gives up waiting for the resolver, if it was asked. */
void ngx_amqp_address_cancel(ngx_amqp_connection_t *ac);


/* ngx_amqp_output.c */

/*
 * A buffer with at least size contiguous bytes free at its end; what is
 * appended must be told to ngx_amqp_output_added().  NULL if memory is short.
 */
ngx_buf_t *ngx_amqp_output_reserve(ngx_amqp_connection_t *ac, size_t size);

/* Accounts for bytes appended to the reserved buffer; posts the write. */
void ngx_amqp_output_added(ngx_amqp_connection_t *ac, size_t size);

/* Appends bytes.  Returns NGX_OK, or NGX_ERROR if memory is short. */
ngx_int_t ngx_amqp_output_write(ngx_amqp_connection_t *ac, u_char *p,
    size_t size);

/* Appends the frame of a method.  Returns NGX_OK or NGX_ERROR. */
ngx_int_t ngx_amqp_output_method(ngx_amqp_connection_t *ac,
    ngx_uint_t channel, const ngx_amqp_method_t *method);

/* The end of output, and the way back to it if nothing left since. */
void ngx_amqp_output_mark(ngx_amqp_connection_t *ac, ngx_amqp_mark_t *mark);
void ngx_amqp_output_rollback(ngx_amqp_connection_t *ac,
    ngx_amqp_mark_t *mark);

/*
 * Gives the socket what it takes.  Returns NGX_OK, also if something is left,
 * or NGX_ERROR after the error was logged; the caller then leaves the broker.
 */
ngx_int_t ngx_amqp_output_flush(ngx_amqp_connection_t *ac);

/* Forgets what was not sent. */
void ngx_amqp_output_reset(ngx_amqp_connection_t *ac);

/* Frees the blocks that are kept for later. */
void ngx_amqp_output_free(ngx_amqp_connection_t *ac);


/* ngx_amqp_handshake.c */

/* The only function that sets the state; sets log->action too. */
void ngx_amqp_set_state(ngx_amqp_connection_t *ac, ngx_amqp_state_e state);

/* Sends the protocol header.  Returns NGX_OK or NGX_ERROR. */
ngx_int_t ngx_amqp_greet(ngx_amqp_connection_t *ac);

/*
 * Takes a method in a state before ready.  Returns NGX_OK, or NGX_ERROR after
 * the error was logged.
 */
ngx_int_t ngx_amqp_handshake_method(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);

/* Opens the channel, the first time or again.  Returns NGX_OK or NGX_ERROR. */
ngx_int_t ngx_amqp_channel_open(ngx_amqp_connection_t *ac);


/* ngx_amqp_channel.c */

/*
 * Takes a frame.  It may run handlers of calls.
 *
 *     NGX_OK     taken
 *     NGX_DONE   the connection was closed meanwhile; the frame is gone
 *     NGX_ERROR  the broker must be left; why has been logged
 */
ngx_int_t ngx_amqp_frame(ngx_amqp_connection_t *ac, ngx_amqp_frame_t *frame);

/* Forgets the content that is being received. */
void ngx_amqp_content_reset(ngx_amqp_connection_t *ac);


/* ngx_amqp_call.c */

/* Makes the table.  Returns NGX_OK or NGX_ERROR. */
ngx_int_t ngx_amqp_calls_init(ngx_amqp_connection_t *ac);

/* Numbers publishes from 1 again, after confirm.select. */
void ngx_amqp_calls_renumber(ngx_amqp_connection_t *ac);

/* The call of a correlation id, or NULL: unknown, ended or not ours. */
ngx_amqp_call_t *ngx_amqp_call_find(ngx_amqp_connection_t *ac,
    ngx_str_t *correlation_id);

/* The same by the id of its slot. */
ngx_amqp_call_t *ngx_amqp_call_of(ngx_amqp_connection_t *ac, uint64_t id);

/* Takes a call out of the table and runs its handler. */
void ngx_amqp_call_end(ngx_amqp_connection_t *ac, ngx_amqp_call_t *call,
    ngx_amqp_end_e end, ngx_amqp_reply_t *reply);

/* Ends all calls with NGX_AMQP_LOST, and tells a subscriber. */
void ngx_amqp_calls_lost(ngx_amqp_connection_t *ac);

/*
 * Takes basic.ack or basic.nack; handlers may run.  Returns NGX_OK, NGX_DONE
 * if the channel was lost meanwhile, or NGX_ERROR after the error was logged.
 */
ngx_int_t ngx_amqp_calls_confirm(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);


/* ngx_amqp_subscribe.c */

/*
 * Steps of the handshake: declare the queue that is read, try to bind it,
 * consume it.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_amqp_feed_declare(ngx_amqp_connection_t *ac);
ngx_int_t ngx_amqp_feed_bind(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
ngx_int_t ngx_amqp_feed_consume(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);

/* Notes what basic.deliver says of the content to come.  NGX_OK, NGX_ERROR. */
ngx_int_t ngx_amqp_feed_deliver(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);

/* Takes queue.bind-ok or queue.unbind-ok.  NGX_OK, or NGX_ERROR when logged. */
ngx_int_t ngx_amqp_feed_done(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);

/* Hands the content to the subscriber; body NULL: it is not kept. */
void ngx_amqp_feed_news(ngx_amqp_connection_t *ac, ngx_str_t *body);


#endif /* _NGX_AMQP_PRIVATE_H_INCLUDED_ */
