/*
 * Copyright (C) the Warren authors
 *
 * What the files about streams know of one another: the configuration, a
 * stream, and the hub that all streams of a process and an exchange share.
 *
 *     stream_module   directives
 *     stream          a request's life as a stream: opened, written to, ended
 *     stream_hub      the connection, bindings, who gets what, the clock
 *     stream_place    how many streams a person has in all processes
 *     stream_resume   what a client has missed, from a service
 *     stream_text     events as text, and the lists they are resumed from
 */

#ifndef _NGX_HTTP_GATEWAY_STREAM_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_STREAM_H_INCLUDED_


#include "ngx_http_gateway_digest.h"
#include "ngx_http_gateway_private.h"


/* a routing key is an AMQP short string */
#define NGX_HTTP_GATEWAY_STREAM_KEY_MAX  255

/* ids of events; longer ones, or others than of letters, are nobody's */
#define NGX_HTTP_GATEWAY_STREAM_ID_MAX   64

/* what stands for a key of a hub in shared memory: bytes of its SHA-256 */
#define NGX_HTTP_GATEWAY_STREAM_DIGEST   16


typedef struct ngx_http_gateway_stream_s         ngx_http_gateway_stream_t;
typedef struct ngx_http_gateway_stream_hub_s     ngx_http_gateway_stream_hub_t;
typedef struct ngx_http_gateway_stream_key_s     ngx_http_gateway_stream_key_t;
typedef struct ngx_http_gateway_stream_resume_s
    ngx_http_gateway_stream_resume_t;
typedef struct ngx_http_gateway_stream_shared_s
    ngx_http_gateway_stream_shared_t;


/* a piece of a key: text, or a variable that becomes a word */

typedef struct {
    ngx_str_t                    text;
    ngx_int_t                    index;       /* NGX_ERROR: text is used */
} ngx_http_gateway_stream_word_t;


/* const once it is merged */

typedef struct {
    ngx_str_t                    exchange;    /* empty: no stream here */
    ngx_str_t                    user;        /* whose messages are believed */
    ngx_array_t                 *words;       /* of ..._stream_word_t */
    ngx_http_gateway_stream_hub_t  *hub;

    /* who tells what was missed; empty: nobody */
    ngx_str_t                    service;
    ngx_str_t                    method;

    ngx_msec_t                   heartbeat;
    ngx_msec_t                   drain;
    ngx_msec_t                   retry;
    ngx_uint_t                   limit;       /* 0: none */
    size_t                       buffer;
} ngx_http_gateway_stream_conf_t;


/* where the streams of each person are counted; shared: NULL until then */

typedef struct {
    ngx_shm_zone_t              *shm_zone;    /* NULL: none counts */
    ngx_slab_pool_t             *shpool;
    ngx_http_gateway_stream_shared_t  *shared;

    /* of the process */
    time_t                       told;        /* when, that it is full */
    unsigned                     is_open:1;   /* it has a slot there */
} ngx_http_gateway_stream_zone_t;


typedef struct {
    ngx_array_t                  hubs;        /* of ..._stream_hub_t * */
    ngx_uint_t                   max;         /* streams of a process */
    ngx_uint_t                   queue;       /* messages that may wait */
    ngx_msec_t                   linger;      /* of keys without streams */
    ngx_http_gateway_stream_zone_t  zone;
    ngx_uint_t                   streams;     /* of the process */
} ngx_http_gateway_stream_main_conf_t;


/* bytes on the heap; all zero: none */

typedef struct {
    u_char                      *data;
    size_t                       len;
    size_t                       size;
} ngx_http_gateway_stream_text_t;


/* an event as it came; strings may be empty */

typedef struct {
    ngx_str_t                    id;
    ngx_str_t                    type;
    ngx_str_t                    body;
} ngx_http_gateway_stream_event_t;


/* a key, and who wants what has it; on the heap */

struct ngx_http_gateway_stream_key_s {
    ngx_str_node_t               sn;
    ngx_queue_t                  streams;
    ngx_queue_t                  idle;        /* of the hub, if no streams */
    ngx_msec_t                   since;       /* when the last one ended */
    ngx_uint_t                   nstreams;
    ngx_uint_t                   asked;       /* binds without an answer */
    u_char                       digest[NGX_HTTP_GATEWAY_STREAM_DIGEST];
    unsigned                     wanted:1;    /* the last of them is a bind */
    unsigned                     bound:1;
};


/* all streams of a process that an exchange feeds */

struct ngx_http_gateway_stream_hub_s {
    ngx_http_gateway_link_t     *link;
    ngx_amqp_subscriber_t        subscriber;
    ngx_http_gateway_stream_main_conf_t  *conf;
    u_char                       digest[NGX_HTTP_GATEWAY_DIGEST_LEN];

    /* of the process, once it has a stream */
    ngx_cycle_t                 *cycle;
    ngx_http_gateway_stats_t    *stats;
    ngx_amqp_connection_t       *connection;
    ngx_rbtree_t                 keys;
    ngx_rbtree_node_t            sentinel;
    ngx_queue_t                  idle;
    ngx_queue_t                  asked;       /* what the broker shall answer */
    ngx_queue_t                  streams;
    ngx_queue_t                  busy;        /* streams with work to do */
    ngx_event_t                  work;
    ngx_event_t                  tick;
    ngx_uint_t                   ticks;
};


/* a stream; in its request's pool */

struct ngx_http_gateway_stream_s {
    ngx_queue_t                  queue;       /* of the hub */
    ngx_queue_t                  mates;       /* of its key */
    ngx_queue_t                  busy;        /* of the hub, if is_busy */
    ngx_http_request_t          *request;
    const ngx_http_gateway_stream_conf_t  *conf;
    const ngx_http_gateway_route_t        *route;
    ngx_http_gateway_stream_hub_t         *hub;
    ngx_http_gateway_stream_key_t         *key;
    ngx_http_gateway_trail_t    *trail;

    /* what is with the filters, and what follows it */
    ngx_chain_t                  link;
    ngx_buf_t                    buf;
    ngx_http_gateway_stream_text_t  next;

    /* NULL: it was never resumed, or that was long ago */
    ngx_http_gateway_stream_resume_t  *resume;

    ngx_msec_t                   due;         /* the next heartbeat */
    ngx_msec_t                   ends;        /* if is_leaving */

    /* why it shall end; NULL: it shall not */
    char                        *reason;

    unsigned                     is_open:1;   /* its header was sent */
    unsigned                     is_busy:1;
    unsigned                     is_deaf:1;   /* something is missing */
    unsigned                     is_leaving:1;
    unsigned                     is_cut:1;    /* at once, sent or not */
    unsigned                     is_joined:1; /* the hub knows it */
    unsigned                     has_place:1; /* it is counted in the zone */
};


/* ngx_http_gateway_stream.c */

/* Does what there is to do: opens, writes, ends.  The stream may be gone. */
void ngx_http_gateway_stream_work(ngx_http_gateway_stream_t *s);

/* Lets it end as soon as may be; at once: without waiting for the client. */
void ngx_http_gateway_stream_end(ngx_http_gateway_stream_t *s, char *reason,
    ngx_uint_t at_once);

/*
 * Notes if the client leaves, unless that is done already.  nginx itself looks
 * no more once it has discarded a body that came late.
 */
void ngx_http_gateway_stream_listen(ngx_http_request_t *r);

/* Appends an event for the client, or ends it if that is too much for it. */
void ngx_http_gateway_stream_push(ngx_http_gateway_stream_t *s,
    const ngx_http_gateway_stream_event_t *event);


/* ngx_http_gateway_stream_hub.c */

/*
 * Lets a stream have what comes with the key, and tells it when that is so.
 * NGX_OK, NGX_BUSY: its person has as many as allowed; NGX_ERROR: memory.
 */
ngx_int_t ngx_http_gateway_stream_join(ngx_http_gateway_stream_t *s,
    ngx_str_t *key);

/* The end of that. */
void ngx_http_gateway_stream_leave(ngx_http_gateway_stream_t *s);

/* Lets ngx_http_gateway_stream_work() be called at the end of this turn. */
void ngx_http_gateway_stream_post(ngx_http_gateway_stream_t *s);

/* For exit_process. */
void ngx_http_gateway_stream_hub_close(ngx_http_gateway_stream_hub_t *hub);


/* ngx_http_gateway_stream_place.c */

/* The init handler of the shared memory, whose data is the zone. */
ngx_int_t ngx_http_gateway_stream_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);

/* For init_process: takes the process's slot, and clears those of the gone. */
void ngx_http_gateway_stream_zone_open(ngx_http_gateway_stream_zone_t *zone);

/* For exit_process: gives back what the process has there. */
void ngx_http_gateway_stream_zone_close(ngx_http_gateway_stream_zone_t *zone);

/*
 * Counts a stream of a key's digest.  NGX_OK; NGX_BUSY: all processes together
 * have limit of them, which is 0 for none; NGX_DECLINED: there is no room, or
 * no zone.
 */
ngx_int_t ngx_http_gateway_stream_place_acquire(
    ngx_http_gateway_stream_zone_t *zone, const u_char *key,
    ngx_uint_t limit);

/* The end of a stream that was counted. */
void ngx_http_gateway_stream_place_release(
    ngx_http_gateway_stream_zone_t *zone, const u_char *key);


/* ngx_http_gateway_stream_resume.c */

/*
 * Asks for what came after an event; until that is there, what comes is kept
 * back.  NGX_OK, or NGX_ERROR: it cannot be asked for.
 */
ngx_int_t ngx_http_gateway_stream_resume(ngx_http_gateway_stream_t *s,
    ngx_str_t *since);

/* Asks for more, once the client has what came, if there is.  As above. */
ngx_int_t ngx_http_gateway_stream_resume_more(ngx_http_gateway_stream_t *s);

/*
 * Whether an event is not to be sent now: it is kept back, or was sent before.
 */
ngx_uint_t ngx_http_gateway_stream_resume_takes(ngx_http_gateway_stream_t *s,
    const ngx_http_gateway_stream_event_t *event);

/* From the clock: deadlines, and what need be remembered no longer. */
void ngx_http_gateway_stream_resume_tick(ngx_http_gateway_stream_t *s);

/* Forgets it all. */
void ngx_http_gateway_stream_resume_free(ngx_http_gateway_stream_t *s);


/* ngx_http_gateway_stream_text.c */

/*
 * Appends an event.  NGX_OK; NGX_DECLINED: its id or type has what would end a
 * line; NGX_ERROR: memory.
 */
ngx_int_t ngx_http_gateway_stream_text_event(
    ngx_http_gateway_stream_text_t *text,
    const ngx_http_gateway_stream_event_t *event);

/* Appends bytes as they are.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_gateway_stream_text_put(
    ngx_http_gateway_stream_text_t *text, const u_char *p, size_t len);

/* Frees it. */
void ngx_http_gateway_stream_text_free(ngx_http_gateway_stream_text_t *text);

/* Whether it may be the id of an event. */
ngx_uint_t ngx_http_gateway_stream_is_id(const ngx_str_t *id);

/* where the list of {"NAME":[{...}, ...],"more":BOOL} is read */

typedef struct {
    u_char                      *pos;         /* the next element */
    ngx_uint_t                   more;
} ngx_http_gateway_stream_list_t;

/* Finds the list.  NGX_OK, or NGX_DECLINED: it is not of that form. */
ngx_int_t ngx_http_gateway_stream_list(const ngx_str_t *json,
    ngx_http_gateway_stream_list_t *list);

/*
 * The next of its elements as an event: "id", "kind", and the whole of it.
 * NGX_OK; NGX_DONE: there is none; NGX_DECLINED: it has no such id or kind.
 */
ngx_int_t ngx_http_gateway_stream_list_next(
    ngx_http_gateway_stream_list_t *list,
    ngx_http_gateway_stream_event_t *event);


#endif /* _NGX_HTTP_GATEWAY_STREAM_H_INCLUDED_ */
