/*
 * Copyright (C) the Warren authors
 *
 * AMQP 0-9-1 on nginx's event loop: one connection per worker process and
 * broker, and the calls that are in flight on it.  It knows nginx's core and
 * event layers, and never HTTP.
 *
 * Nothing here blocks.  All of it runs in the one thread of a worker process.
 */

#ifndef _NGX_AMQP_H_INCLUDED_
#define _NGX_AMQP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef struct ngx_amqp_connection_s  ngx_amqp_connection_t;
typedef struct ngx_amqp_call_s        ngx_amqp_call_t;


/* one way to reach the broker; a broker may have several, tried in turn */

typedef struct {
    ngx_str_t                    url;         /* as written, no password */
    ngx_str_t                    host;
    in_port_t                    port;
    ngx_str_t                    user;
    ngx_str_t                    vhost;
    unsigned                     tls:1;

    /* host is a name, for which a resolver may be asked */
    unsigned                     named:1;

    /* found when the configuration was read; NULL: the name did not resolve */
    ngx_addr_t                  *addrs;
    ngx_uint_t                   naddrs;
} ngx_amqp_url_t;


/* how brokers of amqps urls are spoken to; const as well */

typedef struct {
    ngx_ssl_t                   *ssl;         /* with our certificate */

    /* in the broker's certificate, and asked for; empty: the url's host */
    ngx_str_t                    name;
    unsigned                     verify:1;    /* certificate and name */

    /* our certificate says who we are (SASL EXTERNAL), no password does */
    unsigned                     external:1;
} ngx_amqp_tls_t;


/* a gateway_broker block; const once the configuration is merged */

typedef struct {
    ngx_str_t                    name;
    ngx_array_t                 *urls;        /* of ngx_amqp_url_t, not empty */
    ngx_str_t                    password;
    ngx_amqp_tls_t              *tls;         /* NULL: no url is amqps */
    ngx_msec_t                   heartbeat;   /* 0: none */
    ngx_msec_t                   connect_timeout;
    ngx_uint_t                   max_inflight;

    /* bytes waiting for the socket beyond which a call is refused */
    size_t                       max_output;

    /* a reply with a larger body ends its call with NGX_AMQP_BAD_REPLY */
    size_t                       max_reply;

    /*
     * Asked for names before each attempt; when it has no answer the last
     * one counts, at first what was found when the configuration was read.
     * NULL: that alone counts.
     */
    ngx_resolver_t              *resolver;
    ngx_msec_t                   resolver_timeout;
} ngx_amqp_broker_t;


/*
 * Counted by the connection, in memory that the owner supplies (shared by all
 * worker processes, or its own).
 */

typedef struct {
    ngx_atomic_t                 connects;    /* times ready was reached */
    ngx_atomic_t                 disconnects; /* times it was lost again */
    ngx_atomic_t                 blocked;     /* connection.blocked received */
    ngx_atomic_t                 published;
    ngx_atomic_t                 replies;
    ngx_atomic_t                 returned;
    ngx_atomic_t                 nacked;
    ngx_atomic_t                 late;        /* late, doubled or unknown */
    ngx_atomic_t                 foreign;     /* user_id is not the service's */
    ngx_atomic_t                 bytes_in;
    ngx_atomic_t                 bytes_out;
} ngx_amqp_counters_t;


typedef enum {
    ngx_amqp_header_str = 0,                  /* AMQP long string */
    ngx_amqp_header_int                       /* AMQP signed 64 bits */
} ngx_amqp_header_e;

typedef struct {
    ngx_str_t                    name;
    ngx_amqp_header_e            type;
    ngx_str_t                    value;       /* of str */
    int64_t                      number;      /* of int */
} ngx_amqp_header_t;


/*
 * What a call sends.  All of it is copied before ngx_amqp_call_start()
 * returns.  correlation_id, reply_to, user_id and app_id are the connection's.
 */

typedef struct {
    ngx_str_t                    exchange;
    ngx_str_t                    routing_key;
    ngx_str_t                    type;
    ngx_str_t                    content_type;
    ngx_str_t                    message_id;
    ngx_msec_t                   expiration;  /* ms; 0: it never expires */
    time_t                       timestamp;
    ngx_array_t                 *headers;     /* of ngx_amqp_header_t */
    ngx_chain_t                 *body;        /* in memory or in a file */
    off_t                        body_size;

    /* kept by the broker on its disk */
    unsigned                     persistent:1;
} ngx_amqp_message_t;


/* how a call ended; every started call ends once, unless it is cancelled */

typedef enum {
    /* a reply came */
    NGX_AMQP_REPLY = 0,

    /* basic.return: no queue is bound, nothing happened */
    NGX_AMQP_RETURNED,

    /* basic.nack: the queue is full, nothing happened */
    NGX_AMQP_NACKED,

    /* the connection was lost; it may have happened */
    NGX_AMQP_LOST,

    /* the reply was larger than max_reply */
    NGX_AMQP_BAD_REPLY,

    /* of a command: the broker has it, and will keep it */
    NGX_AMQP_CONFIRMED
} ngx_amqp_end_e;


/*
 * A reply.  It lies in the connection's memory and is gone when the handler
 * returns, and before that if the handler does anything that may run other
 * requests' code: copy first, finalize after.
 */

typedef struct {
    ngx_str_t                    content_type;
    ngx_str_t                    message_id;
    ngx_array_t                  headers;     /* of ngx_amqp_header_t */
    ngx_str_t                    body;
} ngx_amqp_reply_t;


/*
 * reply is NULL but for NGX_AMQP_REPLY.  The call has left the table when the
 * handler runs, and may be reused or freed by it.  The handler may start and
 * cancel calls, this one's siblings too.  It is never run from within
 * ngx_amqp_call_start() or ngx_amqp_call_cancel().
 */
typedef void (*ngx_amqp_call_handler_pt)(ngx_amqp_call_t *call,
    ngx_amqp_end_e end, ngx_amqp_reply_t *reply);


/*
 * What was said on the exchange that a connection listens to; NULL: something
 * that is too large or whose headers are nested too deep.  It lies in the
 * connection's memory and is gone when the handler returns.
 */
typedef void (*ngx_amqp_listen_handler_pt)(void *data, ngx_str_t *body);

/* const, and outlives the connection */

typedef struct {
    ngx_str_t                    exchange;    /* fanout; it exists */
    ngx_amqp_listen_handler_pt   handler;
    void                        *data;
    size_t                       max_body;
} ngx_amqp_listener_t;


/*
 * What a subscriber is told.  It lies in the connection's memory and is gone
 * when the handler returns.
 */

typedef struct {
    ngx_str_t                    routing_key;
    ngx_str_t                    message_id;  /* may be empty */
    ngx_str_t                    type;        /* may be empty */

    /* data is NULL: too large, or its headers are nested too deep */
    ngx_str_t                    body;
} ngx_amqp_news_t;


/*
 * Const, and outlives the connection.  Its handlers may bind and unbind, and
 * must not close the connection.
 */

typedef struct {
    ngx_str_t                    exchange;    /* topic; it exists */
    ngx_str_t                    user;        /* whose messages are believed */
    ngx_uint_t                   max_length;  /* of the queue */
    size_t                       max_body;
    void                        *data;

    /* keys may be bound; none is */
    void                       (*ready)(void *data);

    /* nothing is bound any more, and no answer will come */
    void                       (*lost)(void *data);

    /*
     * The broker has done what it was asked longest ago, which was a bind
     * unless is_unbind.  NGX_ERROR: it was not asked for that.
     */
    ngx_int_t                  (*done)(void *data, ngx_uint_t is_unbind);

    /* the queue was full: messages that came before this one are missing */
    void                       (*dropped)(void *data);

    void                       (*news)(void *data, ngx_amqp_news_t *news);
} ngx_amqp_subscriber_t;


/* belongs to the requester, who sets the first fields and keeps it in place */

struct ngx_amqp_call_s {
    ngx_amqp_call_handler_pt     handler;
    void                        *data;

    /* the broker user whose reply is believed: the service's name */
    ngx_str_t                    service_user;

    /*
     * Nobody replies to it, and what says it is a reply is dropped: it ends
     * with the broker's confirm.
     */
    unsigned                     command:1;

    /* of the table; slot is meaningless unless active */
    ngx_uint_t                   slot;
    unsigned                     active:1;
};


/*
 * Makes the connection of this worker process and begins to connect.  It has
 * a pool of its own and logs to the cycle's log.  broker and counters must
 * outlive it.  Returns NULL if memory is short.  A broker that
 * is down is no error: the connection goes on trying.
 */
ngx_amqp_connection_t *ngx_amqp_connect(ngx_cycle_t *cycle,
    const ngx_amqp_broker_t *broker, ngx_amqp_counters_t *counters);

/*
 * A connection that takes no replies, but listens: its queue is bound to an
 * exchange, and what users of our own name say there goes to the listener's
 * handler; others are counted as foreign.  What it tells comes back as well.
 * Else as ngx_amqp_connect().
 */
ngx_amqp_connection_t *ngx_amqp_listen(ngx_cycle_t *cycle,
    const ngx_amqp_broker_t *broker, ngx_amqp_counters_t *counters,
    const ngx_amqp_listener_t *listener);

/*
 * A connection that only consumes and binds, so that no alarm blocks it: what
 * is said on the subscriber's exchange by its user, under the keys that are
 * bound, goes to its handlers.  Else as ngx_amqp_connect().
 */
ngx_amqp_connection_t *ngx_amqp_subscribe(ngx_cycle_t *cycle,
    const ngx_amqp_broker_t *broker, ngx_amqp_counters_t *counters,
    const ngx_amqp_subscriber_t *subscriber);

/*
 * Ask the broker to bind a key of the subscriber's exchange, or to bind it no
 * longer.  NGX_OK: done() will tell, or lost(); NGX_DECLINED: not connected;
 * NGX_ERROR: memory, or the key is too long.
 */
ngx_int_t ngx_amqp_bind(ngx_amqp_connection_t *ac, const ngx_str_t *key);
ngx_int_t ngx_amqp_unbind(ngx_amqp_connection_t *ac, const ngx_str_t *key);

/*
 * For exit_process: writes channel.close and connection.close once, waits for
 * nothing, closes the socket.  Calls still in the table end with
 * NGX_AMQP_LOST first.
 */
void ngx_amqp_close(ngx_amqp_connection_t *ac);

/* Whether a call may be started: the handshake is over, no alarm blocks. */
ngx_uint_t ngx_amqp_is_ready(ngx_amqp_connection_t *ac);

/* Whether the broker has blocked this connection (connection.blocked). */
ngx_uint_t ngx_amqp_is_blocked(ngx_amqp_connection_t *ac);

/* A static word for the connection's state, for logs and metrics. */
char *ngx_amqp_state_name(ngx_amqp_connection_t *ac);

/* Calls in flight on this connection. */
ngx_uint_t ngx_amqp_inflight(ngx_amqp_connection_t *ac);

/*
 * Publishes a call, mandatory, on the confirm channel; call->handler will
 * tell its end.  The frames leave at the end of this turn of the event loop.
 * The deadline is the requester's: it arms its own timer and cancels.
 *
 *     NGX_OK        started
 *     NGX_DECLINED  not connected, or blocked by an alarm: unavailable
 *     NGX_BUSY      max_inflight or max_output is reached: overloaded
 *     NGX_ERROR     the message cannot be encoded, or its file not be read
 *
 * Unless NGX_OK is returned nothing has been sent and the handler will not
 * run.
 */
ngx_int_t ngx_amqp_call_start(ngx_amqp_connection_t *ac,
    ngx_amqp_call_t *call, const ngx_amqp_message_t *message);

/*
 * Starts n calls that leave together, or none of them: their places and the
 * bytes of all are there before the first is written.  calls[i] sends
 * messages[i].  Returns as ngx_amqp_call_start() does.
 */
ngx_int_t ngx_amqp_calls_start(ngx_amqp_connection_t *ac,
    ngx_amqp_call_t **calls, const ngx_amqp_message_t *messages,
    ngx_uint_t n);

/*
 * Publishes a message whose end nobody waits for.  Returns as
 * ngx_amqp_call_start() does.
 */
ngx_int_t ngx_amqp_tell(ngx_amqp_connection_t *ac,
    const ngx_amqp_message_t *message);

/*
 * Forgets a call: its handler will not run, and a reply to it is dropped and
 * counted as late.  Harmless for a call that is not active.
 */
void ngx_amqp_call_cancel(ngx_amqp_connection_t *ac, ngx_amqp_call_t *call);


#endif /* _NGX_AMQP_H_INCLUDED_ */
