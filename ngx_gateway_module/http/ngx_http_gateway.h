/*
 * Copyright (C) the Warren authors
 *
 * What the gateway's HTTP modules know of one another.  Each feature is a
 * module of its own with its own directives; they meet here.
 */

#ifndef _NGX_HTTP_GATEWAY_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "wire.h"
#include "ngx_amqp.h"


/*
 * Counters of all worker processes, in the shared memory of gateway_zone.
 * Without a zone each process counts for itself.  They survive a reload.
 */

typedef struct {
    ngx_atomic_t                 requests;    /* that reached a route */
    ngx_atomic_t                 outcomes[WIRE_ERROR_COUNT];
    ngx_atomic_t                 replied;     /* replies passed to clients */
    ngx_atomic_t                 client_gone;

    ngx_atomic_t                 jwt_verified;
    ngx_atomic_t                 jwt_refused;
    ngx_atomic_t                 jwt_cache_hits;
    ngx_atomic_t                 jwt_cache_misses;
    ngx_atomic_t                 jwt_key_fetches;
    ngx_atomic_t                 jwt_key_failures;

    ngx_atomic_t                 limit_passed;
    ngx_atomic_t                 limit_refused;
    ngx_atomic_t                 limit_delayed;
    ngx_atomic_t                 limit_dry;
    ngx_atomic_t                 limit_evicted;

    /* of limits that nodes share: messages, and keys that were not told */
    ngx_atomic_t                 sync_sent;
    ngx_atomic_t                 sync_received;
    ngx_atomic_t                 sync_refused;
    ngx_atomic_t                 sync_dropped;

    ngx_atomic_t                 stream_opened;
    ngx_atomic_t                 stream_refused;
    ngx_atomic_t                 stream_resumed;
    ngx_atomic_t                 stream_events;
    ngx_atomic_t                 stream_doubles;
    ngx_atomic_t                 stream_slow;
    ngx_atomic_t                 stream_dropped;

    ngx_amqp_counters_t          amqp;
    ngx_amqp_counters_t          sync_amqp;   /* of their connections */
    ngx_amqp_counters_t          stream_amqp; /* of those of streams */
} ngx_http_gateway_stats_t;


extern ngx_module_t  ngx_http_gateway_module;
extern ngx_module_t  ngx_http_gateway_jwt_module;
extern ngx_module_t  ngx_http_gateway_limit_module;
extern ngx_module_t  ngx_http_gateway_admission_module;
extern ngx_module_t  ngx_http_gateway_trail_module;
extern ngx_module_t  ngx_http_gateway_cors_module;
extern ngx_module_t  ngx_http_gateway_deprecated_module;
extern ngx_module_t  ngx_http_gateway_route_module;
extern ngx_module_t  ngx_http_gateway_send_module;
extern ngx_module_t  ngx_http_gateway_part_module;
extern ngx_module_t  ngx_http_gateway_stream_module;
extern ngx_module_t  ngx_http_gateway_inflight_module;
extern ngx_module_t  ngx_http_gateway_etag_module;
extern ngx_module_t  ngx_http_gateway_idempotency_module;
extern ngx_module_t  ngx_http_gateway_breaker_module;
extern ngx_module_t  ngx_http_gateway_canary_module;
extern ngx_module_t  ngx_http_gateway_fallback_module;
extern ngx_module_t  ngx_http_gateway_headers_module;
extern ngx_module_t  ngx_http_gateway_retry_module;
extern ngx_module_t  ngx_http_gateway_metrics_module;
extern ngx_module_t  ngx_http_gateway_problem_module;


/* ngx_http_gateway_module.c: brokers and their connections, counters */

/* The counters that requests of this configuration add to; never NULL. */
ngx_http_gateway_stats_t *ngx_http_gateway_stats(ngx_http_request_t *r);

#define ngx_http_gateway_count(r, field)                                      \
    (void) ngx_atomic_fetch_add(&ngx_http_gateway_stats(r)->field, 1)

/*
 * This worker's connection to a broker block; NULL in a process that has none
 * (master, cache manager) or if memory was short when it was made.
 */
ngx_amqp_connection_t *ngx_http_gateway_connection(
    const ngx_amqp_broker_t *broker);

/*
 * The broker of that name, or with an empty name the only one.  Returns NULL
 * after it has logged why to the configuration's log.
 */
ngx_amqp_broker_t *ngx_http_gateway_broker(ngx_conf_t *cf, ngx_str_t *name);


/* ngx_http_gateway_problem_module.c: a filter pair that writes the errors */

/*
 * Makes error what the client will be told if the request ends with its
 * status: the filters replace nginx's page by a problem document.  Sends
 * nothing.  detail may be NULL and is otherwise kept, not copied.  Returns
 * the HTTP status of error, for the caller to return or finalize with, or
 * NGX_HTTP_INTERNAL_SERVER_ERROR if memory is short.
 */
ngx_int_t ngx_http_gateway_refuse(ngx_http_request_t *r,
    enum wire_error error, ngx_str_t *detail);

/* The same with Retry-After, in seconds. */
ngx_int_t ngx_http_gateway_refuse_later(ngx_http_request_t *r,
    enum wire_error error, ngx_str_t *detail, ngx_uint_t seconds);


/* ngx_http_gateway_cors_module.c: which sites may call */

/* Whether gateway_cors holds for the request's location. */
ngx_uint_t ngx_http_gateway_cors_is_on(ngx_http_request_t *r);

/*
 * Whether the request is a browser's question (a preflight) that the gateway
 * answers in this location; the same in all phases.
 */
ngx_uint_t ngx_http_gateway_cors_is_preflight(ngx_http_request_t *r);

/*
 * Answers it, from a phase handler: NGX_DONE if the request is finalized, or
 * 403 (told so with ngx_http_gateway_refuse()) or 500.
 */
ngx_int_t ngx_http_gateway_cors_preflight(ngx_http_request_t *r);


/* ngx_http_gateway_deprecated_module.c: what is to go */

/* Whether gateway_deprecated or gateway_sunset is set for the location. */
ngx_uint_t ngx_http_gateway_deprecated_is_on(ngx_http_request_t *r);


/* ngx_http_gateway_route_module.c: locations and what is behind them */

/* Whether the request's location has a gateway_route. */
ngx_uint_t ngx_http_gateway_is_routed(ngx_http_request_t *r);

/* Whether what is being sent for this request is a worker's reply. */
ngx_uint_t ngx_http_gateway_is_reply(ngx_http_request_t *r);


/* ngx_http_gateway_trace.c: who asks for what, across hops */

/*
 * The request's id: the client's X-Request-Id if it is well formed, else a new
 * one.  Made once for the main request; survives redirects.  It is also sent
 * with every answer of a gateway location.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_request_id(ngx_http_request_t *r, ngx_str_t *id);

/*
 * The traceparent to pass on: the client's trace id, or a new one, with a new
 * parent id.  Made once for the main request.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_traceparent(ngx_http_request_t *r, ngx_str_t *tp);


/* ngx_http_gateway_jwt_module.c: tokens */

/*
 * Verifies the request's token against the configuration of its location.
 *
 *     NGX_OK        a token was verified
 *     NGX_DECLINED  gateway_jwt is off, or optional and there is no token
 *     NGX_AGAIN     it waits for keys: its phases are run again
 *     401, 403      refused, and told so with ngx_http_gateway_refuse()
 *     503           its key is not known and cannot be asked for now
 *     500           memory
 *
 * The verdict is remembered in r->ctx, and so made anew after a redirect.
 */
ngx_int_t ngx_http_gateway_jwt_verify(ngx_http_request_t *r);

/*
 * Takes back what a refusal by ngx_http_gateway_jwt_verify() has left for the
 * answer, since another module admitted the request ("satisfy any").  The
 * verdict stays: there are no claims.
 */
void ngx_http_gateway_jwt_forgive(ngx_http_request_t *r);

/*
 * A claim of the token that ngx_http_gateway_jwt_verify() accepted for this
 * request.  Strings as they are; integers in decimal; an array of strings
 * joined by blanks; anything else is absent.  The value lives as long as the
 * request.  Returns NGX_OK, or NGX_DECLINED if there is none.
 */
ngx_int_t ngx_http_gateway_jwt_claim(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);

/*
 * Why the token that was accepted for this request would be refused by now, for
 * its time or because it was revoked; NULL: it would not, or there was none.
 */
const char *ngx_http_gateway_jwt_lapsed(ngx_http_request_t *r);


/* ngx_http_gateway_limit_module.c: rates */

/*
 * Charges the zones of the location that were not charged yet for the main
 * request: with is_early those whose key needs no token, else the rest.  All
 * or none.
 *
 *     NGX_OK        charged, or nothing to charge
 *     NGX_AGAIN     charged, and the request waits for its turn; then its
 *                   phases go on and come here again
 *     429           refused, and told so with ngx_http_gateway_refuse()
 *     500           memory
 */
ngx_int_t ngx_http_gateway_limit_charge(ngx_http_request_t *r,
    ngx_uint_t is_early);


#endif /* _NGX_HTTP_GATEWAY_H_INCLUDED_ */
