/*
 * Copyright (C) the Warren authors
 *
 * What the gateway's core, its routes and its metrics share and no other
 * module of the gateway needs: configuration, counters of routes, a call's
 * parts.
 */

#ifndef _NGX_HTTP_GATEWAY_PRIVATE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_PRIVATE_H_INCLUDED_


#include "ngx_http_gateway.h"
#include "ngx_http_gateway_trail.h"


/* a broker's name is a label of metrics and lies in shared memory */
#define NGX_HTTP_GATEWAY_NAME_MAX        63

/* a connection state's name in shared memory; longer ones are cut */
#define NGX_HTTP_GATEWAY_STATE_MAX       24

/* steps of the latency histogram, without the last one, "+Inf" */
#define NGX_HTTP_GATEWAY_BUCKETS         14

/* random bytes that a process has in store, and the most taken at once */
#define NGX_HTTP_GATEWAY_RANDOM          1024
#define NGX_HTTP_GATEWAY_RANDOM_MAX      32

/* replies are counted by their status: 2xx, 3xx, 4xx, 5xx */
#define NGX_HTTP_GATEWAY_CLASSES         4


typedef struct ngx_http_gateway_breaker_s        ngx_http_gateway_breaker_t;
typedef struct ngx_http_gateway_flight_s         ngx_http_gateway_flight_t;
typedef struct ngx_http_gateway_breaker_state_s
    ngx_http_gateway_breaker_state_t;


/* counters of a route, found by its name: they outlive a configuration */

typedef struct {
    ngx_queue_t                  queue;
    ngx_atomic_t                 replies[NGX_HTTP_GATEWAY_CLASSES];
    ngx_atomic_t                 outcomes[WIRE_ERROR_COUNT];
    ngx_atomic_t                 client_gone;
    ngx_atomic_t                 retries;
    ngx_atomic_t                 fallbacks;
    ngx_atomic_t                 canaries;    /* sent elsewhere by one */
    ngx_atomic_t                 buckets[NGX_HTTP_GATEWAY_BUCKETS + 1];
    ngx_atomic_t                 duration_usec;
    size_t                       len;
    u_char                       name[1];
} ngx_http_gateway_route_stats_t;


/*
 * What a worker process tells the others about one of its connections.  The
 * entry of a process that is gone is taken by the next one.
 */

typedef struct {
    ngx_queue_t                  queue;
    ngx_atomic_t                 pid;         /* 0: free */
    ngx_atomic_t                 generation;  /* of the configuration */
    ngx_atomic_t                 worker;
    ngx_atomic_t                 inflight;
    ngx_atomic_t                 streams;
    ngx_atomic_t                 is_ready;
    ngx_atomic_t                 is_blocked;
    u_char                       broker[NGX_HTTP_GATEWAY_NAME_MAX + 1];
    u_char                       state[NGX_HTTP_GATEWAY_STATE_MAX];
} ngx_http_gateway_peer_t;


/* the settings ssl_... and sasl of a broker block, as they stand there */

typedef struct {
    ngx_str_t                    trusted;
    ngx_str_t                    crl;
    ngx_str_t                    certificate;
    ngx_str_t                    key;
    ngx_str_t                    name;
    ngx_int_t                    verify;      /* NGX_CONF_UNSET, 0, 1 */
    ngx_int_t                    external;    /* the same; of "sasl" */
} ngx_http_gateway_broker_tls_t;


/* a broker block, and what a worker process has of it */

typedef struct {
    ngx_amqp_broker_t            broker;      /* the first member */
    ngx_http_gateway_broker_tls_t  tls;

    /* of the process; NULL until init_process and in processes without it */
    ngx_amqp_connection_t       *connection;
    ngx_http_gateway_peer_t     *peer;
    ngx_msec_t                   started;
    ngx_uint_t                   waiting;     /* requests, see _call.c */
    unsigned                     was_ready:1;
} ngx_http_gateway_link_t;


typedef enum {
    /* waits for its reply, until the deadline */
    NGX_HTTP_GATEWAY_CALL = 0,

    /* a command: it has its answer when the broker has it */
    NGX_HTTP_GATEWAY_SEND,

    /* several calls, one answer: service and method are empty */
    NGX_HTTP_GATEWAY_PARTS,

    /* what comes with a key, until it ends: service and method are empty */
    NGX_HTTP_GATEWAY_STREAM
} ngx_http_gateway_kind_e;


/* routes to one method of a service */

typedef struct {
    ngx_http_gateway_kind_e      kind;
    ngx_uint_t                   methods;     /* NGX_HTTP_GET, ... */
    ngx_str_t                    service;
    ngx_str_t                    method;
    ngx_str_t                    name;        /* of the counters */
    ngx_http_gateway_route_stats_t  *stats;
    ngx_http_gateway_breaker_t  *breaker;     /* NULL: none */

    /* of the process: requests in flight; NULL where none are counted */
    ngx_atomic_t                *inflight;

    /* over those of the location; of ngx_http_gateway_arg_t, or NULL */
    ngx_array_t                 *args;

    /* of an answer in parts: of ngx_http_gateway_part_t, in their order */
    ngx_array_t                 *parts;

    /* where it stands, for errors found when all is read */
    ngx_str_t                    file;
    ngx_uint_t                   line;
} ngx_http_gateway_route_t;


typedef struct {
    ngx_str_t                    name;        /* of the header: x-arg-... */

    /* of a variable that may be absent; NGX_ERROR: value is used */
    ngx_int_t                    index;
    ngx_http_complex_value_t    *value;
    unsigned                     is_encoded:1;
} ngx_http_gateway_arg_t;


/* a named location that a directive sends requests to */

typedef struct {
    ngx_str_t                    name;        /* with the "@" */
    ngx_str_t                    file;
    ngx_uint_t                   line;
} ngx_http_gateway_target_t;


/* a part of an answer: a member of its object, and the call that fills it */

typedef struct {
    ngx_str_t                    name;
    ngx_http_gateway_route_t    *route;       /* a call; not of a location */
    unsigned                     is_optional:1;
} ngx_http_gateway_part_t;

typedef struct ngx_http_gateway_parts_s  ngx_http_gateway_parts_t;


typedef struct {
    ngx_array_t                  links;       /* ngx_http_gateway_link_t * */
    ngx_array_t                  routes;      /* ngx_http_gateway_route_t * */
    ngx_array_t                 *breakers;    /* ..._breaker_t *, or NULL */
    ngx_array_t                 *targets;     /* to be checked, of target.c */
    ngx_shm_zone_t              *zone;        /* NULL: no gateway_zone */
    ngx_http_gateway_stats_t    *stats;
    ngx_atomic_uint_t            generation;
    ngx_uint_t                   nworkers;
    ngx_event_t                 *report;      /* of the process */
    ngx_http_gateway_flight_t   *flight;      /* of the process; may be NULL */

    /* of the process, too: randomness in store, taken from its end */
    size_t                       nrandom;
    u_char                       random[NGX_HTTP_GATEWAY_RANDOM];
} ngx_http_gateway_main_conf_t;


typedef struct {
    ngx_array_t                 *routes;      /* of ngx_http_gateway_route_t */
    ngx_array_t                 *args;        /* of ngx_http_gateway_arg_t */
    ngx_str_t                    use;
    ngx_http_gateway_link_t     *link;
    ngx_str_t                    allow;       /* "GET, HEAD" */
    ngx_msec_t                   timeout;
    size_t                       max_body;
    size_t                       max_reply;

    /* of "if" and limit_except: routes are those of the location around it */
    unsigned                     is_lent:1;
} ngx_http_gateway_loc_conf_t;


/* how a call passed its service's breaker; zeroed: it asked none */

typedef struct {
    ngx_http_gateway_breaker_t  *breaker;
    ngx_log_t                   *log;
    ngx_uint_t                   how;         /* of breaker_module.c */
} ngx_http_gateway_pass_t;


/* a request's life as a call; in the request's pool */

typedef struct {
    ngx_amqp_call_t              call;        /* the first member */
    ngx_http_request_t          *request;
    const ngx_http_gateway_loc_conf_t  *conf;
    const ngx_http_gateway_route_t     *route;
    ngx_http_gateway_stats_t    *stats;
    ngx_http_gateway_trail_t    *trail;
    ngx_event_t                  timer;
    ngx_msec_t                   deadline;    /* of ngx_current_msec */
    uint64_t                     started_usec;
    ngx_uint_t                   retries;     /* begun so far */
    enum wire_error              retried;     /* why the last one was */
    ngx_http_gateway_pass_t      pass;
    ngx_uint_t                   later;       /* s: a breaker refused it */

    /* the client's Idempotency-Key; empty: none counts */
    ngx_str_t                    key;

    /* once its message was made */
    ngx_str_t                    message_id;
    ngx_str_t                    location;    /* of a command; may be empty */

    /* the calls of an answer in parts; NULL until they are sent */
    ngx_http_gateway_parts_t    *parts;

    /* where it is counted for gateway_max_inflight; NULL: it is not */
    ngx_uint_t                  *inflight;

    /* what a problem has to say beside its title; may be empty */
    ngx_str_t                    detail;

    /* the message to be made is one of several: it has no body */
    unsigned                     is_part:1;

    /* counted in flight: neither ended nor torn down */
    unsigned                     is_running:1;

    /* waits for the first connection of a young process */
    unsigned                     is_waiting:1;
} ngx_http_gateway_call_t;


/* what the client is told of a reply, copied out of the connection's memory */

typedef struct {
    ngx_uint_t                   status;
    ngx_str_t                    content_type;
    ngx_str_t                    body;
    ngx_array_t                  headers;     /* of ngx_keyval_t */

    /* not all of what was asked for: another answer may have more */
    unsigned                     is_partial:1;
} ngx_http_gateway_reply_t;


/* ngx_http_gateway_broker.c */

/* The setter of "gateway_broker NAME { ... }". */
char *ngx_http_gateway_broker_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* The broker of that name, or NULL; an empty name finds the only one. */
ngx_http_gateway_link_t *ngx_http_gateway_link(
    ngx_http_gateway_main_conf_t *gmcf, ngx_str_t *name);


/* ngx_http_gateway_broker_tls.c */

/* The setters of the block's settings about TLS. */
char *ngx_http_gateway_broker_trusted(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
char *ngx_http_gateway_broker_crl(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
char *ngx_http_gateway_broker_certificate(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
char *ngx_http_gateway_broker_key(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
char *ngx_http_gateway_broker_name(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
char *ngx_http_gateway_broker_verify(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);
char *ngx_http_gateway_broker_sasl(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);

/* When the block is read: makes broker.tls if its urls are amqps. */
char *ngx_http_gateway_broker_tls(ngx_conf_t *cf,
    ngx_http_gateway_link_t *link);


/* ngx_http_gateway_stats.c */

/* The setter of "gateway_zone NAME:SIZE". */
char *ngx_http_gateway_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Counters in private memory, for want of a zone.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_gateway_stats_init(ngx_conf_t *cf,
    ngx_http_gateway_main_conf_t *gmcf);

/*
 * Takes an entry for a connection of this process; never NULL: without a zone,
 * or when it is full, the entry is private to the process.  NULL only if
 * memory is short.
 */
ngx_http_gateway_peer_t *ngx_http_gateway_peer_acquire(ngx_cycle_t *cycle,
    ngx_http_gateway_main_conf_t *gmcf, ngx_str_t *broker);

/* Gives it back when the process leaves. */
void ngx_http_gateway_peer_release(ngx_http_gateway_peer_t *peer);

/* Writes down how the connection is. */
void ngx_http_gateway_peer_report(ngx_http_gateway_link_t *link);

/*
 * Copies of the entries of all live processes, those of other configurations
 * too.  NGX_OK or NGX_ERROR (memory).
 */
ngx_int_t ngx_http_gateway_peers(ngx_http_gateway_main_conf_t *gmcf,
    ngx_pool_t *pool, ngx_array_t *peers_r);

/* The queue of flight.c in gateway_zone, and its pool; NULL without a zone. */
ngx_queue_t *ngx_http_gateway_stats_flights(
    ngx_http_gateway_main_conf_t *gmcf, ngx_slab_pool_t **shpool_r);

/* Adds a request's duration to the histogram of its route. */
void ngx_http_gateway_stats_duration(ngx_http_gateway_route_stats_t *stats,
    uint64_t usec);

/* The upper bound of a histogram's step in microseconds. */
uint64_t ngx_http_gateway_stats_bucket(ngx_uint_t n);


/* ngx_http_gateway_flight.c */

/*
 * Gives each route a place of this process to count its requests in flight.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_flight_acquire(ngx_cycle_t *cycle,
    ngx_http_gateway_main_conf_t *gmcf);

/* Takes them away when the process leaves. */
void ngx_http_gateway_flight_release(ngx_http_gateway_main_conf_t *gmcf);

/* Copies what all live processes have in flight.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_gateway_flights(ngx_http_gateway_main_conf_t *gmcf,
    ngx_pool_t *pool, ngx_array_t *counts_r);

/* The sum of a route in such a copy. */
ngx_atomic_uint_t ngx_http_gateway_flight_sum(ngx_array_t *counts,
    const ngx_http_gateway_route_stats_t *stats);


/* ngx_http_gateway_header.c */

/*
 * The request's header of that name, in lower case.  NGX_OK, or NGX_DECLINED
 * if there is none, or NGX_ABORT if there are several.
 */
ngx_int_t ngx_http_gateway_header_in(ngx_http_request_t *r, char *name,
    ngx_str_t *value);

/*
 * Adds a header to the answer, or sets *h_r too unless it is NULL.  name and
 * value are kept, not copied.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_header_out(ngx_http_request_t *r, char *name,
    ngx_str_t *value, ngx_table_elt_t **h_r);

/*
 * Whether the answer has a header of that name.  A filter asks before it adds
 * one of which there must not be two: proxy_pass may have brought it, and
 * headers are made twice if another filter, as that of ranges, refuses them.
 */
ngx_uint_t ngx_http_gateway_header_is_out(ngx_http_request_t *r, char *name);


/* ngx_http_gateway_headers_module.c */

/*
 * Adds the request's headers that gateway_request_header names to those of its
 * message.  NGX_OK; 400, told; 500.
 */
ngx_int_t ngx_http_gateway_headers_put(ngx_http_request_t *r,
    ngx_array_t *headers);

/* Whether gateway_response_header names it; name is in lower case. */
ngx_uint_t ngx_http_gateway_headers_may_answer(ngx_http_request_t *r,
    ngx_str_t *name);

/* The names of both directives as ", A, B"; empty if there are none. */
void ngx_http_gateway_headers_lists(ngx_http_request_t *r,
    ngx_str_t *request_r, ngx_str_t *response_r);


/* ngx_http_gateway_id.c */

#define NGX_HTTP_GATEWAY_UUID_LEN        36

/* A new UUID of version 7 as text.  NGX_OK, or NGX_ERROR: no randomness. */
ngx_int_t ngx_http_gateway_uuid7(ngx_http_request_t *r, u_char *uuid_r);

/*
 * The UUID (version 8) that is made of a SHA-256 of the parts; each is
 * preceded by its length, so that no two lists are alike.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_uuid_of(ngx_str_t *parts, ngx_uint_t n,
    u_char *uuid_r);

/*
 * n random bytes, at most NGX_HTTP_GATEWAY_RANDOM_MAX, as 2n hex digits, not
 * all zero.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_random_hex(ngx_http_request_t *r, u_char *hex_r,
    size_t n);


/* ngx_http_gateway_message.c */

/*
 * Makes the message of a call from its request; what it points to lies in the
 * request's pool.
 *
 *     NGX_OK
 *     400, 415      the request cannot be passed on, and was told why
 *     500           memory
 */
ngx_int_t ngx_http_gateway_message(ngx_http_gateway_call_t *ctx,
    ngx_amqp_message_t *message);

/* Adds a header of text; both are kept, not copied.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_gateway_message_put(ngx_array_t *headers, char *name,
    ngx_str_t *value);


/* ngx_http_gateway_reply.c */

/*
 * Checks and copies a reply.  NGX_OK; NGX_DECLINED if it cannot be passed on
 * (*reason_r says why, in static text); NGX_ERROR if memory is short.
 */
ngx_int_t ngx_http_gateway_reply_read(ngx_http_gateway_call_t *ctx,
    ngx_amqp_reply_t *from, ngx_http_gateway_reply_t *reply_r,
    char **reason_r);

/* Sends it; returns what to finalize the request with. */
ngx_int_t ngx_http_gateway_reply_send(ngx_http_request_t *r,
    ngx_http_gateway_reply_t *reply);


/* ngx_http_gateway_route_module.c */

/*
 * Adds a route to what is being configured: for methods that have none yet,
 * else NULL after that was logged.
 */
ngx_http_gateway_route_t *ngx_http_gateway_route_add(ngx_conf_t *cf,
    ngx_http_gateway_loc_conf_t *glcf, ngx_http_gateway_kind_e kind,
    ngx_uint_t methods);

/*
 * Adds an argument to an array that is made if there is none (NULL or
 * NGX_CONF_UNSET_PTR).  NGX_CONF_OK, or NGX_CONF_ERROR after it was logged.
 */
char *ngx_http_gateway_arg_add(ngx_conf_t *cf, ngx_array_t **args,
    ngx_str_t *name, ngx_str_t *value);


/* ngx_http_gateway_parts.c */

/*
 * Sends the calls of all parts at once, but for optional ones whose service's
 * breaker is open.  Returns what ngx_amqp_calls_start() does, or an HTTP status
 * if one of their messages cannot be made.  NGX_DECLINED too if a breaker
 * refuses one that must be there, or all; ctx->later is then set.
 */
ngx_int_t ngx_http_gateway_parts_start(ngx_http_gateway_call_t *ctx,
    ngx_amqp_connection_t *ac);

/* Ends it by what has come until now; returns what to finalize with. */
ngx_int_t ngx_http_gateway_parts_timeout(ngx_http_gateway_call_t *ctx);

/* Forgets the calls that have not ended. */
void ngx_http_gateway_parts_cancel(ngx_http_gateway_call_t *ctx,
    ngx_amqp_connection_t *ac);


/* ngx_http_gateway_stream.c */

/* Begins the stream of a request; returns what a content handler returns. */
ngx_int_t ngx_http_gateway_stream(ngx_http_request_t *r,
    const ngx_http_gateway_loc_conf_t *conf,
    const ngx_http_gateway_route_t *route);


/* ngx_http_gateway_inflight_module.c */

/*
 * Counts a request as one that its location has in flight, unless it is
 * counted already.  NGX_OK, or NGX_BUSY if there are as many as it may have;
 * ctx->detail then says so.
 */
ngx_int_t ngx_http_gateway_inflight_acquire(ngx_http_gateway_call_t *ctx);

/* Counts it no longer.  Harmless if it was not counted. */
void ngx_http_gateway_inflight_release(ngx_http_gateway_call_t *ctx);


/* ngx_http_gateway_etag_module.c */

/*
 * Gives an answer an ETag made of its body, if its location wants that and the
 * worker gave none.  To be called before the header is sent.  NGX_OK or
 * NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_etag(ngx_http_request_t *r,
    ngx_http_gateway_reply_t *reply);


/* ngx_http_gateway_idempotency_module.c */

/*
 * Reads the client's Idempotency-Key, to be called before the body is read.
 *
 *     NGX_OK        ctx->key is set, or stays empty if none counts
 *     400           it is missing, malformed, or of somebody unknown
 *     500           memory
 */
ngx_int_t ngx_http_gateway_idempotency_key(ngx_http_gateway_call_t *ctx);

/*
 * The id of a message: made of the key if there is one, else a new one.
 * Adds the header that says so.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_message_id(ngx_http_gateway_call_t *ctx,
    ngx_amqp_message_t *message);


/* ngx_http_gateway_send_module.c */

/*
 * To be called when the message of a command was made: finds out where the
 * client will be told to look for what becomes of it.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_send_location(ngx_http_gateway_call_t *ctx);

/* The answer to a command that the broker has.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_gateway_send_accepted(ngx_http_gateway_call_t *ctx,
    ngx_http_gateway_reply_t *reply_r);


/* ngx_http_gateway_call.c */

/*
 * Begins the call of a request whose route was found: reads the body, then
 * sends it.  Returns what a content handler returns.
 */
ngx_int_t ngx_http_gateway_call(ngx_http_request_t *r,
    const ngx_http_gateway_loc_conf_t *conf,
    const ngx_http_gateway_route_t *route);


/* What an end that is not a good one is for the client. */
enum wire_error ngx_http_gateway_call_error(ngx_amqp_end_e end);

/*
 * Ends a call: settles and counts it, and prepares the answer or the problem,
 * which may run other requests' code.  Returns what to finalize with.
 */
ngx_int_t ngx_http_gateway_call_answer(ngx_http_gateway_call_t *ctx,
    ngx_http_gateway_reply_t *reply);
ngx_int_t ngx_http_gateway_call_failed(ngx_http_gateway_call_t *ctx,
    enum wire_error error);

/* Finalizes the request from an event that is not its own; ctx is gone. */
void ngx_http_gateway_call_finalize(ngx_http_gateway_call_t *ctx,
    ngx_int_t rc);

/* Microseconds of the monotonic clock; nginx's has steps of turns. */
uint64_t ngx_http_gateway_call_usec(void);

/* Milliseconds until its deadline, at least one. */
ngx_msec_t ngx_http_gateway_call_left(ngx_http_gateway_call_t *ctx);


/* ngx_http_gateway_route_module.c */

/* Whether it may name a service or a method; tells if not. */
char *ngx_http_gateway_word(ngx_conf_t *cf, ngx_str_t *word);

/* "GET,POST" as bits of NGX_HTTP_GET, ...; tells what is wrong with it. */
char *ngx_http_gateway_route_methods(ngx_conf_t *cf, ngx_str_t *list,
    ngx_uint_t *methods_r);

/*
 * "call" or "send" with what follows it in the messages; methods are those
 * that the route is for.  Tells what is wrong.
 */
char *ngx_http_gateway_route_kind(ngx_conf_t *cf, ngx_str_t *kind,
    ngx_uint_t methods, ngx_http_gateway_kind_e *kind_r);

/* The methods that a location has routes for, HEAD with GET. */
ngx_uint_t ngx_http_gateway_routed_methods(
    const ngx_http_gateway_loc_conf_t *conf);

/*
 * Sets up a route to a method of a service: checks the names, tells what is
 * wrong with them, and registers it with the counters.  Without service and
 * method (NULL) it is one of parts.  route must stay where it is.
 */
char *ngx_http_gateway_route_init(ngx_conf_t *cf,
    ngx_http_gateway_route_t *route, ngx_str_t *service, ngx_str_t *method);


/* ngx_http_gateway_breaker_module.c */

typedef struct {
    ngx_str_t                    service;
    ngx_uint_t                   state;       /* 0 closed, 1 half, 2 open */
    ngx_atomic_uint_t            opened;
    ngx_atomic_uint_t            refused;
} ngx_http_gateway_breaker_stats_t;

/*
 * Whether a call of a route may be sent.  NGX_OK: one of the three below is
 * told how it ended, the last one of them whenever it is not known; none of
 * them counts it twice.  NGX_BUSY: its service has a pause, of *later_r
 * seconds.
 */
ngx_int_t ngx_http_gateway_breaker_ask(ngx_http_gateway_call_t *ctx,
    const ngx_http_gateway_route_t *route, ngx_http_gateway_pass_t *pass,
    ngx_uint_t *later_r);
void ngx_http_gateway_breaker_failed(ngx_http_gateway_pass_t *pass,
    enum wire_error error);
void ngx_http_gateway_breaker_answered(ngx_http_gateway_pass_t *pass,
    ngx_uint_t status);
void ngx_http_gateway_breaker_leave(ngx_http_gateway_pass_t *pass);

/* Finds or makes the states in shared memory.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_gateway_breaker_share(ngx_http_gateway_main_conf_t *gmcf,
    ngx_queue_t *states, ngx_slab_pool_t *shpool);

/* What the breaker n of gmcf->breakers has counted. */
void ngx_http_gateway_breaker_stats(ngx_http_gateway_main_conf_t *gmcf,
    ngx_uint_t n, ngx_http_gateway_breaker_stats_t *stats_r);


/* ngx_http_gateway_canary_module.c */

/*
 * After admission: puts the route of a canary that takes the request in place
 * of its own.  NGX_OK; NGX_DONE if it was sent to another location; 500.
 */
ngx_int_t ngx_http_gateway_canary_go(ngx_http_request_t *r,
    const ngx_http_gateway_route_t **route);


/* ngx_http_gateway_target.c */

/* Reads "@name"; tells what is wrong with it. */
char *ngx_http_gateway_target(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_gateway_target_t *target_r);

/* From a merge: the server being merged must have the location. */
char *ngx_http_gateway_target_use(ngx_conf_t *cf,
    const ngx_http_gateway_target_t *target);

/* When all is merged: whether they exist.  NGX_OK, or NGX_ERROR and told. */
ngx_int_t ngx_http_gateway_target_check(ngx_conf_t *cf);

/*
 * Sends the request there; nothing may be in its headers_out.  Returns
 * NGX_DONE, for a content handler to return or to finalize with.
 */
ngx_int_t ngx_http_gateway_target_go(ngx_http_request_t *r,
    const ngx_http_gateway_target_t *target);


/* ngx_http_gateway_fallback_module.c */

#define ngx_http_gateway_bit(error)      ((ngx_uint_t) 1 << (error))

/* Adds the bit of an outcome, one of those allowed; tells what is wrong. */
char *ngx_http_gateway_outcome(ngx_conf_t *cf, ngx_str_t *word,
    ngx_uint_t allowed, ngx_uint_t *outcomes);

/* The same of a list with commas. */
char *ngx_http_gateway_outcomes(ngx_conf_t *cf, ngx_str_t *list,
    ngx_uint_t allowed, ngx_uint_t *outcomes);

/*
 * Sends the request of a settled call where gateway_fallback says.  NGX_DONE,
 * or NGX_DECLINED if it says nothing of this error.
 */
ngx_int_t ngx_http_gateway_fallback_go(ngx_http_gateway_call_t *ctx,
    enum wire_error error);


/* ngx_http_gateway_retry_module.c */

/*
 * Whether a call that failed so is to be sent again, and after how many
 * milliseconds; it is counted then.
 */
ngx_uint_t ngx_http_gateway_retry_pause(ngx_http_gateway_call_t *ctx,
    enum wire_error error, ngx_msec_t *pause_r);


/* ngx_http_gateway_trace.c */

/* The request id if one was made already.  NGX_OK or NGX_DECLINED. */
ngx_int_t ngx_http_gateway_request_id_known(ngx_http_request_t *r,
    ngx_str_t *id);


#endif /* _NGX_HTTP_GATEWAY_PRIVATE_H_INCLUDED_ */
