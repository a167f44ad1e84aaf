/*
 * Copyright (C) the Warren authors
 *
 * The state of rates in shared memory: a timestamp for each key, and the
 * oldest key makes room for a new one.
 */

#ifndef _NGX_HTTP_GATEWAY_LIMIT_ZONE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_LIMIT_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gateway_limit_gcra.h"
#include "ngx_http_gateway_limit_message.h"


/* longer keys are kept as their SHA-256 */

#define NGX_HTTP_GATEWAY_LIMIT_KEY_MAX   64

/*
 * What a zone that other nodes share remembers beyond an empty quota: so many
 * quotas, and as often the time that a message may be late.  Beyond it what
 * they spent is forgotten.
 */

#define NGX_HTTP_GATEWAY_LIMIT_NODES     16
#define NGX_HTTP_GATEWAY_LIMIT_LATE      10000000

/* zones of a location; more are refused when the configuration is read */

#define NGX_HTTP_GATEWAY_LIMIT_ZONES     8

/* of a gateway_limit: what is over the rate does not wait */

#define NGX_HTTP_GATEWAY_LIMIT_NO_DELAY  ((uint64_t) -1)


typedef struct ngx_http_gateway_limit_shared_s  ngx_http_gateway_limit_shared_t;


/* a gateway_limit_zone; const once the configuration is read */

typedef struct {
    ngx_str_t                         name;
    ngx_http_complex_value_t          key;
    ngx_http_gateway_gcra_t           gcra;

    /* the text of another rate for each request; NULL: gcra is for all */
    ngx_http_complex_value_t         *rate;

    ngx_str_t                         policy;   /* of the RateLimit-Policy */
    ngx_str_t                         detail;   /* of a refusal */
    ngx_msec_t                        sync;     /* 0: this node alone */
    unsigned                          is_late:1;     /* after the token */
    unsigned                          empty_skips:1; /* else refuses */
    unsigned                          has_burst:1;   /* it was told */

    /* where it stands, for errors found when all is read */
    ngx_str_t                         file;
    ngx_uint_t                        line;

    /* set when the zone is initialized */
    ngx_shm_zone_t                   *shm_zone;
    ngx_slab_pool_t                  *shpool;
    ngx_http_gateway_limit_shared_t  *shared;
} ngx_http_gateway_limit_zone_t;


/* a zone, a key and a cost; and what came of it */

typedef struct {
    const ngx_http_gateway_limit_zone_t  *zone;
    ngx_http_gateway_gcra_t               gcra;     /* of this request */
    uint64_t                              cost;     /* 0: is free */
    uint64_t                              delay;    /* units, or NO_DELAY */
    unsigned                              is_dry:1; /* its word is not heard */
    size_t                                key_len;
    u_char                                key[NGX_HTTP_GATEWAY_LIMIT_KEY_MAX];

    ngx_http_gateway_gcra_result_t        result;
    uint64_t                              wait;     /* us until its turn */
    ngx_uint_t                            evicted;
} ngx_http_gateway_limit_item_t;


/* The init handler of the shared memory zone, whose data is the zone. */
ngx_int_t ngx_http_gateway_limit_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);

/* Puts a key into an item.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_gateway_limit_zone_key(
    ngx_http_gateway_limit_item_t *item, ngx_str_t *key);

/*
 * How much debt a rate may have in a zone that is shared: 0 in others.
 */
uint64_t ngx_http_gateway_limit_zone_debt(
    const ngx_http_gateway_limit_zone_t *zone,
    const ngx_http_gateway_gcra_t *gcra);

/*
 * Takes what at most max keys have spent since it was taken last; returns how
 * many there were.  Of zones with sync alone.
 */
ngx_uint_t ngx_http_gateway_limit_zone_take(
    const ngx_http_gateway_limit_zone_t *zone,
    ngx_http_gateway_limit_amount_t *amounts, ngx_uint_t max);

/*
 * Charges what another node's keys have spent, at most a bounded amount each.
 * Returns how many keys had to make room.
 */
ngx_uint_t ngx_http_gateway_limit_zone_owe(
    const ngx_http_gateway_limit_zone_t *zone,
    const ngx_http_gateway_limit_message_t *message);

/*
 * Charges all n items, or none if one of them does not pass; a dry one that
 * does not is left out alone.  The items are of different zones, in the order
 * of their names.  The results are filled in.  It locks, and neither allocates
 * from the process nor logs.
 *
 *     NGX_OK        charged
 *     NGX_DECLINED  refused by those whose result is not allowed
 *     NGX_ERROR     a zone is too small for a single key
 */
ngx_int_t ngx_http_gateway_limit_zone_charge(
    ngx_http_gateway_limit_item_t *items, ngx_uint_t n);


#endif /* _NGX_HTTP_GATEWAY_LIMIT_ZONE_H_INCLUDED_ */
