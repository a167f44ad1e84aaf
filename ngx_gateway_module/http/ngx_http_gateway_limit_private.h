/*
 * Copyright (C) the Warren authors
 *
 * What the files about limits know of one another: the directives as they were
 * read, and what a request was charged.
 */

#ifndef _NGX_HTTP_GATEWAY_LIMIT_PRIVATE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_LIMIT_PRIVATE_H_INCLUDED_


#include "ngx_http_gateway.h"
#include "ngx_http_gateway_limit_zone.h"


/* units a second; one each 10 us, so that rounding costs 5 % at most */

#define NGX_HTTP_GATEWAY_LIMIT_RATE_MAX  100000


typedef struct ngx_http_gateway_limit_sync_s  ngx_http_gateway_limit_sync_t;

typedef struct {
    ngx_array_t                     zones;  /* of …_limit_zone_t * */
    ngx_str_t                       broker; /* empty: the only one */
    ngx_str_t                       broker_file;
    ngx_uint_t                      broker_line;
    ngx_http_gateway_limit_sync_t  *sync;   /* NULL: no zone is shared */
} ngx_http_gateway_limit_main_conf_t;


/* one gateway_limit */

typedef struct {
    ngx_str_t                       name;
    const ngx_http_gateway_limit_zone_t  *zone;   /* when all is read */
    ngx_uint_t                      cost;
    ngx_http_complex_value_t       *cost_text;    /* NULL: it is cost */
    uint64_t                        delay;        /* or …_NO_DELAY */
    unsigned                        is_dry:1;
    unsigned                        cost_is_late:1; /* names a token */
    ngx_str_t                       file;
    ngx_uint_t                      line;
} ngx_http_gateway_limit_t;


/* those of one level of the configuration, shared by the levels below */

typedef struct {
    ngx_array_t                     limits; /* of ngx_http_gateway_limit_t */
    unsigned                        is_off:1;
    unsigned                        is_resolved:1;
} ngx_http_gateway_limits_t;


typedef struct {
    ngx_http_gateway_limits_t      *limits; /* NULL: none */
} ngx_http_gateway_limit_loc_conf_t;


/* the worst that happened to a request, in this order */

typedef enum {
    NGX_HTTP_GATEWAY_LIMIT_NONE = 0,
    NGX_HTTP_GATEWAY_LIMIT_PASSED,
    NGX_HTTP_GATEWAY_LIMIT_DELAYED_DRY,
    NGX_HTTP_GATEWAY_LIMIT_REJECTED_DRY,
    NGX_HTTP_GATEWAY_LIMIT_DELAYED,
    NGX_HTTP_GATEWAY_LIMIT_REJECTED
} ngx_http_gateway_limit_status_e;


/*
 * What a request was charged.  It hangs on the pool of the main request, where
 * its cleanup handler finds it: a redirect wipes r->ctx.
 */

typedef struct {
    ngx_array_t                      charges; /* of …_limit_charge_t */
    ngx_http_gateway_limit_status_e  status;
    const ngx_http_gateway_limit_zone_t  *culprit;  /* whose status it is */
} ngx_http_gateway_limit_ctx_t;

typedef struct {
    const ngx_http_gateway_limit_zone_t  *zone;
    ngx_http_gateway_gcra_t               gcra;
    ngx_http_gateway_gcra_result_t        result;
    unsigned                              is_dry:1;
} ngx_http_gateway_limit_charge_t;


/* ngx_http_gateway_limit_module.c */

/* What the main request was charged, or NULL: nothing. */
ngx_http_gateway_limit_ctx_t *ngx_http_gateway_limit_ctx(
    ngx_http_request_t *r);

/* The charge of a zone, or NULL. */
ngx_http_gateway_limit_charge_t *ngx_http_gateway_limit_find(
    ngx_http_gateway_limit_ctx_t *ctx,
    const ngx_http_gateway_limit_zone_t *zone);


/* ngx_http_gateway_limit_conf.c */

/* The setters of gateway_limit_zone and gateway_limit. */
char *ngx_http_gateway_limit_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gateway_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Finds the zones that are meant, when all of the configuration is read, and
 * checks what can only be checked then.
 */
char *ngx_http_gateway_limit_resolve(ngx_conf_t *cf,
    ngx_http_gateway_limits_t *limits);


/* ngx_http_gateway_limit_sync.c: zones that several nodes share */

/* The setter of gateway_limit_broker. */
char *ngx_http_gateway_limit_broker(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Of the module: init_main_conf, init_process, exit_process. */
char *ngx_http_gateway_limit_sync_init(ngx_conf_t *cf, void *conf);
ngx_int_t ngx_http_gateway_limit_sync_init_process(ngx_cycle_t *cycle);
void ngx_http_gateway_limit_sync_exit_process(ngx_cycle_t *cycle);


/* ngx_http_gateway_limit_rate.c */

/*
 * Reads "RATE" or "RATE:BURST"; without a burst that of gcra stays.
 * NGX_OK or NGX_ERROR; gcra is then as it was.
 */
ngx_int_t ngx_http_gateway_limit_rate(ngx_str_t *value,
    ngx_http_gateway_gcra_t *gcra);


/* ngx_http_gateway_limit_fields.c */

/*
 * Adds RateLimit-Policy, RateLimit and Retry-After to an answer; ctx and
 * limits may be NULL.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gateway_limit_fields(ngx_http_request_t *r,
    ngx_http_gateway_limit_ctx_t *ctx,
    const ngx_http_gateway_limits_t *limits);


/* ngx_http_gateway_limit_wait.c */

/*
 * Lets a request wait for its turn; then its phases go on where they were.
 * NGX_AGAIN, or NGX_HTTP_INTERNAL_SERVER_ERROR.
 */
ngx_int_t ngx_http_gateway_limit_wait(ngx_http_request_t *r, ngx_msec_t delay);


/* ngx_http_gateway_limit_variables.c */

/* $gateway_limit_status and $gateway_limit_zone.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_gateway_limit_variables(ngx_conf_t *cf);


#endif /* _NGX_HTTP_GATEWAY_LIMIT_PRIVATE_H_INCLUDED_ */
