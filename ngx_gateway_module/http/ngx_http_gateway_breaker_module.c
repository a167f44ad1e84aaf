/*
 * Copyright (C) the Warren authors
 *
 * Circuit breakers: a service that fails too often is given a pause, in which
 * calls to it are refused at once by all worker processes.
 *
 * Its state lies in gateway_zone.  Closed, a call costs two atomic additions;
 * the zone's lock is taken only when a tenth of the window begins and when the
 * state moves.
 */

#include "ngx_http_gateway_private.h"


/* the window moves by tenths */
#define NGX_HTTP_GATEWAY_BREAKER_SLOTS   10

/* a probe whose process died is given up so long after its deadline, ms */
#define NGX_HTTP_GATEWAY_BREAKER_LOST    1000

#define NGX_HTTP_GATEWAY_BREAKER_TIME    3600000

#define NGX_HTTP_GATEWAY_BREAKER_ON                                           \
    (ngx_http_gateway_bit(WIRE_ERROR_TIMEOUT)                                 \
     | ngx_http_gateway_bit(WIRE_ERROR_INTERRUPTED)                           \
     | ngx_http_gateway_bit(WIRE_ERROR_OVERLOADED)                            \
     | ngx_http_gateway_bit(WIRE_ERROR_BAD_REPLY)                             \
     | ngx_http_gateway_bit(WIRE_ERROR_INTERNAL))

#define NGX_HTTP_GATEWAY_BREAKER_MAY                                          \
    (NGX_HTTP_GATEWAY_BREAKER_ON                                              \
     | ngx_http_gateway_bit(WIRE_ERROR_NO_ROUTE))


typedef enum {
    /* calls pass, and are counted */
    ngx_http_gateway_breaker_closed = 0,

    /* a few calls pass as probes, the others are refused */
    ngx_http_gateway_breaker_half,

    /* calls are refused until its time is over */
    ngx_http_gateway_breaker_open
} ngx_http_gateway_breaker_e;


/* how a call may pass, until the breaker was told of its end */

typedef enum {
    ngx_http_gateway_pass_none = 0,
    ngx_http_gateway_pass_normal,
    ngx_http_gateway_pass_probe
} ngx_http_gateway_pass_e;


/* in shared memory, found by the service's name; outlives a configuration */

struct ngx_http_gateway_breaker_state_s {
    ngx_queue_t                  queue;
    ngx_atomic_t                 state;       /* ..._breaker_e */

    /* ms: open ends, or a probe that did not end is forgotten */
    ngx_atomic_t                 until;
    ngx_atomic_t                 probes;      /* under way */
    ngx_atomic_t                 passed;      /* of them, one after the other */

    ngx_atomic_t                 opened;
    ngx_atomic_t                 refused;

    struct {
        ngx_atomic_t             epoch;       /* which tenth it counts */
        ngx_atomic_t             ended;
        ngx_atomic_t             failed;
    } slots[NGX_HTTP_GATEWAY_BREAKER_SLOTS];

    size_t                       len;
    u_char                       name[1];
};


/* one gateway_breaker */

typedef struct {
    ngx_str_t                    service;     /* "*": those not named */
    ngx_uint_t                   failures;
    ngx_uint_t                   ratio;       /* percent */
    ngx_msec_t                   window;
    ngx_msec_t                   open;
    ngx_uint_t                   probes;
    ngx_uint_t                   outcomes;    /* bits of enum wire_error */
    ngx_str_t                    file;
    ngx_uint_t                   line;
    unsigned                     is_off:1;
    unsigned                     is_used:1;
} ngx_http_gateway_breaker_conf_t;


struct ngx_http_gateway_breaker_s {
    ngx_str_t                                 service;
    const ngx_http_gateway_breaker_conf_t    *conf;
    ngx_http_gateway_breaker_state_t         *state;
    ngx_shmtx_t                              *mutex;  /* NULL: private */
};


typedef struct {
    ngx_array_t                  confs;       /* of ..._breaker_conf_t */
} ngx_http_gateway_breaker_main_conf_t;


static void *ngx_http_gateway_breaker_create_main_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_gateway_breaker_init(ngx_conf_t *cf);
static ngx_http_gateway_breaker_conf_t *ngx_http_gateway_breaker_conf(
    ngx_http_gateway_breaker_main_conf_t *bmcf, ngx_str_t *service);
static ngx_uint_t ngx_http_gateway_breaker_is_any(const ngx_str_t *service);
static ngx_http_gateway_breaker_t *ngx_http_gateway_breaker_get(
    ngx_conf_t *cf, ngx_http_gateway_main_conf_t *gmcf,
    const ngx_http_gateway_breaker_conf_t *conf, ngx_str_t *service);
static char *ngx_http_gateway_breaker(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gateway_breaker_option(ngx_conf_t *cf,
    ngx_http_gateway_breaker_conf_t *conf, ngx_str_t *value);
static char *ngx_http_gateway_breaker_number(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *text, ngx_int_t max, ngx_uint_t *number_r);
static char *ngx_http_gateway_breaker_time(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *text, ngx_int_t min, ngx_msec_t *time_r);
static ngx_int_t ngx_http_gateway_breaker_probe(
    ngx_http_gateway_breaker_t *breaker, ngx_msec_t lost,
    ngx_uint_t *is_half_r);
static void ngx_http_gateway_breaker_count(ngx_http_gateway_pass_t *pass,
    ngx_uint_t is_failure);
static void ngx_http_gateway_breaker_probed(ngx_http_gateway_pass_t *pass,
    ngx_int_t verdict);
static void ngx_http_gateway_breaker_log(ngx_http_gateway_pass_t *pass,
    char *what);
static ngx_http_gateway_breaker_state_t *ngx_http_gateway_breaker_known(
    ngx_queue_t *states, ngx_str_t *service);
static void ngx_http_gateway_breaker_lock(ngx_http_gateway_breaker_t *breaker);
static void ngx_http_gateway_breaker_unlock(
    ngx_http_gateway_breaker_t *breaker);


static ngx_command_t  ngx_http_gateway_breaker_commands[] = {

    { ngx_string("gateway_breaker"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_gateway_breaker,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_breaker_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_gateway_breaker_init,         /* postconfiguration */

    ngx_http_gateway_breaker_create_main_conf, /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_breaker_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_breaker_module_ctx,  /* module context */
    ngx_http_gateway_breaker_commands,     /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_int_t
ngx_http_gateway_breaker_ask(ngx_http_gateway_call_t *ctx,
    const ngx_http_gateway_route_t *route, ngx_http_gateway_pass_t *pass,
    ngx_uint_t *later_r)
{
    ngx_int_t                          rc;
    ngx_uint_t                         is_half;
    ngx_msec_int_t                     left;
    ngx_http_gateway_breaker_state_t  *state;

    pass->how = ngx_http_gateway_pass_none;
    pass->breaker = route->breaker;
    pass->log = ctx->request->connection->log;

    if (pass->breaker == NULL) {
        return NGX_OK;
    }

    state = pass->breaker->state;

    if (state->state == ngx_http_gateway_breaker_closed) {
        pass->how = ngx_http_gateway_pass_normal;
        return NGX_OK;
    }

    left = (ngx_msec_int_t) (state->until - ngx_current_msec);

    if (state->state == ngx_http_gateway_breaker_half || left <= 0) {

        rc = ngx_http_gateway_breaker_probe(pass->breaker,
                                            ngx_http_gateway_call_left(ctx),
                                            &is_half);
        if (is_half) {
            ngx_http_gateway_breaker_log(pass, "tried again");
        }

        if (rc == NGX_OK) {
            pass->how = ngx_http_gateway_pass_probe;
            return NGX_OK;
        }

        left = 0;
    }

    (void) ngx_atomic_fetch_add(&state->refused, 1);

    *later_r = left > 1000 ? (left + 999) / 1000 : 1;

    return NGX_BUSY;
}


/* NGX_OK or NGX_BUSY: as many as there may be are under way */

static ngx_int_t
ngx_http_gateway_breaker_probe(ngx_http_gateway_breaker_t *breaker,
    ngx_msec_t lost, ngx_uint_t *is_half_r)
{
    ngx_int_t                          rc;
    ngx_http_gateway_breaker_state_t  *state;

    state = breaker->state;
    *is_half_r = 0;

    ngx_http_gateway_breaker_lock(breaker);

    if (state->state == ngx_http_gateway_breaker_open
        && (ngx_msec_int_t) (state->until - ngx_current_msec) <= 0)
    {
        state->state = ngx_http_gateway_breaker_half;
        state->probes = 0;
        state->passed = 0;
        *is_half_r = 1;
    }

    if (state->state == ngx_http_gateway_breaker_half) {

        if (state->probes
            && (ngx_msec_int_t) (state->until - ngx_current_msec) <= 0)
        {
            state->probes = 0;
        }

        rc = NGX_BUSY;

        if (state->probes < breaker->conf->probes) {
            state->probes++;
            state->until = ngx_current_msec + lost
                           + NGX_HTTP_GATEWAY_BREAKER_LOST;
            rc = NGX_OK;
        }

    } else {

        /* another process was faster */

        rc = state->state == ngx_http_gateway_breaker_closed ? NGX_OK
                                                             : NGX_BUSY;
    }

    ngx_http_gateway_breaker_unlock(breaker);

    return rc;
}


void
ngx_http_gateway_breaker_failed(ngx_http_gateway_pass_t *pass,
    enum wire_error error)
{
    if (pass->how == ngx_http_gateway_pass_none) {
        return;
    }

    /* what does not count proves nothing either */

    if ((pass->breaker->conf->outcomes & ngx_http_gateway_bit(error)) == 0) {
        ngx_http_gateway_breaker_leave(pass);

    } else if (pass->how == ngx_http_gateway_pass_probe) {
        ngx_http_gateway_breaker_probed(pass, NGX_ERROR);

    } else {
        ngx_http_gateway_breaker_count(pass, 1);
    }

    pass->how = ngx_http_gateway_pass_none;
}


void
ngx_http_gateway_breaker_answered(ngx_http_gateway_pass_t *pass,
    ngx_uint_t status)
{
    if (pass->how == ngx_http_gateway_pass_none) {
        return;
    }

    if (status == NGX_HTTP_INTERNAL_SERVER_ERROR) {
        ngx_http_gateway_breaker_failed(pass, WIRE_ERROR_INTERNAL);
        return;
    }

    if (pass->how == ngx_http_gateway_pass_probe) {
        ngx_http_gateway_breaker_probed(pass, NGX_OK);

    } else {
        ngx_http_gateway_breaker_count(pass, 0);
    }

    pass->how = ngx_http_gateway_pass_none;
}


void
ngx_http_gateway_breaker_leave(ngx_http_gateway_pass_t *pass)
{
    if (pass->how == ngx_http_gateway_pass_probe) {
        ngx_http_gateway_breaker_probed(pass, NGX_DECLINED);
    }

    pass->how = ngx_http_gateway_pass_none;
}


/* of a closed breaker; the last failure that it takes opens it */

static void
ngx_http_gateway_breaker_count(ngx_http_gateway_pass_t *pass,
    ngx_uint_t is_failure)
{
    ngx_uint_t                              i, n, is_opened;
    ngx_atomic_uint_t                       epoch, ended, failed;
    ngx_http_gateway_breaker_t             *breaker;
    ngx_http_gateway_breaker_state_t       *state;
    const ngx_http_gateway_breaker_conf_t  *conf;

    breaker = pass->breaker;
    state = breaker->state;
    conf = breaker->conf;

    epoch = ngx_current_msec / (conf->window / NGX_HTTP_GATEWAY_BREAKER_SLOTS);
    n = epoch % NGX_HTTP_GATEWAY_BREAKER_SLOTS;

    if (state->slots[n].epoch != epoch) {
        ngx_http_gateway_breaker_lock(breaker);

        if (state->slots[n].epoch != epoch) {
            state->slots[n].ended = 0;
            state->slots[n].failed = 0;
            state->slots[n].epoch = epoch;
        }

        ngx_http_gateway_breaker_unlock(breaker);
    }

    (void) ngx_atomic_fetch_add(&state->slots[n].ended, 1);

    if (!is_failure) {
        return;
    }

    (void) ngx_atomic_fetch_add(&state->slots[n].failed, 1);

    ended = 0;
    failed = 0;

    for (i = 0; i < NGX_HTTP_GATEWAY_BREAKER_SLOTS; i++) {
        if (epoch - state->slots[i].epoch < NGX_HTTP_GATEWAY_BREAKER_SLOTS) {
            ended += state->slots[i].ended;
            failed += state->slots[i].failed;
        }
    }

    if (failed < conf->failures || failed * 100 < ended * conf->ratio) {
        return;
    }

    ngx_http_gateway_breaker_lock(breaker);

    is_opened = (state->state == ngx_http_gateway_breaker_closed);

    if (is_opened) {
        state->until = ngx_current_msec + conf->open;
        state->state = ngx_http_gateway_breaker_open;
        state->opened++;
    }

    ngx_http_gateway_breaker_unlock(breaker);

    if (is_opened) {
        ngx_log_error(NGX_LOG_WARN, pass->log, 0,
                      "circuit breaker of service \"%V\" opened for %M ms: "
                      "%uA of %uA calls failed", &breaker->service, conf->open,
                      failed, ended);
    }
}


/* verdict: NGX_OK, NGX_ERROR, or NGX_DECLINED when it proved nothing */

static void
ngx_http_gateway_breaker_probed(ngx_http_gateway_pass_t *pass,
    ngx_int_t verdict)
{
    char                                   *what;
    ngx_uint_t                              i;
    ngx_http_gateway_breaker_t             *breaker;
    ngx_http_gateway_breaker_state_t       *state;
    const ngx_http_gateway_breaker_conf_t  *conf;

    breaker = pass->breaker;
    state = breaker->state;
    conf = breaker->conf;
    what = NULL;

    ngx_http_gateway_breaker_lock(breaker);

    /* a probe that was given up may end after all */

    if (state->state == ngx_http_gateway_breaker_half) {

        if (state->probes) {
            state->probes--;
        }

        if (verdict == NGX_ERROR) {
            state->until = ngx_current_msec + conf->open;
            state->state = ngx_http_gateway_breaker_open;
            state->opened++;
            what = "opened again";

        } else if (verdict == NGX_OK && ++state->passed >= conf->probes) {

            for (i = 0; i < NGX_HTTP_GATEWAY_BREAKER_SLOTS; i++) {
                state->slots[i].epoch = 0;
                state->slots[i].ended = 0;
                state->slots[i].failed = 0;
            }

            state->state = ngx_http_gateway_breaker_closed;
            what = "closed";
        }
    }

    ngx_http_gateway_breaker_unlock(breaker);

    if (what) {
        ngx_http_gateway_breaker_log(pass, what);
    }
}


static void
ngx_http_gateway_breaker_log(ngx_http_gateway_pass_t *pass, char *what)
{
    ngx_log_error(NGX_LOG_WARN, pass->log, 0,
                  "circuit breaker of service \"%V\" %s",
                  &pass->breaker->service, what);
}


/* nginx itself releases this lock when a process dies with it */

static void
ngx_http_gateway_breaker_lock(ngx_http_gateway_breaker_t *breaker)
{
    if (breaker->mutex) {
        ngx_shmtx_lock(breaker->mutex);
    }
}


static void
ngx_http_gateway_breaker_unlock(ngx_http_gateway_breaker_t *breaker)
{
    if (breaker->mutex) {
        ngx_shmtx_unlock(breaker->mutex);
    }
}


ngx_int_t
ngx_http_gateway_breaker_share(ngx_http_gateway_main_conf_t *gmcf,
    ngx_queue_t *states, ngx_slab_pool_t *shpool)
{
    ngx_uint_t                          i;
    ngx_http_gateway_breaker_t        **breaker;
    ngx_http_gateway_breaker_state_t   *state;

    if (gmcf->breakers == NULL) {
        return NGX_OK;
    }

    breaker = gmcf->breakers->elts;

    for (i = 0; i < gmcf->breakers->nelts; i++) {

        state = ngx_http_gateway_breaker_known(states, &breaker[i]->service);

        if (state == NULL) {

            state = ngx_slab_calloc(shpool,
                                    sizeof(ngx_http_gateway_breaker_state_t)
                                    + breaker[i]->service.len);
            if (state == NULL) {
                return NGX_ERROR;
            }

            state->len = breaker[i]->service.len;
            ngx_memcpy(state->name, breaker[i]->service.data, state->len);

            ngx_shmtx_lock(&shpool->mutex);
            ngx_queue_insert_tail(states, &state->queue);
            ngx_shmtx_unlock(&shpool->mutex);
        }

        breaker[i]->state = state;
        breaker[i]->mutex = &shpool->mutex;
    }

    return NGX_OK;
}


/* what is known of a service from before */

static ngx_http_gateway_breaker_state_t *
ngx_http_gateway_breaker_known(ngx_queue_t *states, ngx_str_t *service)
{
    ngx_queue_t                       *q;
    ngx_http_gateway_breaker_state_t  *state;

    for (q = ngx_queue_head(states);
         q != ngx_queue_sentinel(states);
         q = ngx_queue_next(q))
    {
        state = ngx_queue_data(q, ngx_http_gateway_breaker_state_t, queue);

        if (state->len == service->len
            && ngx_strncmp(state->name, service->data, state->len) == 0)
        {
            return state;
        }
    }

    return NULL;
}


void
ngx_http_gateway_breaker_stats(ngx_http_gateway_main_conf_t *gmcf,
    ngx_uint_t n, ngx_http_gateway_breaker_stats_t *stats_r)
{
    ngx_http_gateway_breaker_t  **breaker;

    breaker = gmcf->breakers->elts;

    stats_r->service = breaker[n]->service;
    stats_r->state = breaker[n]->state->state;
    stats_r->opened = breaker[n]->state->opened;
    stats_r->refused = breaker[n]->state->refused;
}


static void *
ngx_http_gateway_breaker_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_breaker_main_conf_t  *bmcf;

    bmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_breaker_main_conf_t));

    if (bmcf == NULL
        || ngx_array_init(&bmcf->confs, cf->pool, 4,
                          sizeof(ngx_http_gateway_breaker_conf_t))
           != NGX_OK)
    {
        return NULL;
    }

    return bmcf;
}


/* which breaker a route has, when all routes are known */

static ngx_int_t
ngx_http_gateway_breaker_init(ngx_conf_t *cf)
{
    ngx_uint_t                             i;
    ngx_http_gateway_route_t             **route;
    ngx_http_gateway_main_conf_t          *gmcf;
    ngx_http_gateway_breaker_conf_t       *conf;
    ngx_http_gateway_breaker_main_conf_t  *bmcf;

    bmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_gateway_breaker_module);
    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gateway_module);

    if (bmcf->confs.nelts == 0) {
        return NGX_OK;
    }

    route = gmcf->routes.elts;

    for (i = 0; i < gmcf->routes.nelts; i++) {

        conf = ngx_http_gateway_breaker_conf(bmcf, &route[i]->service);

        if (conf == NULL || route[i]->service.len == 0) {
            continue;
        }

        conf->is_used = 1;

        if (conf->is_off) {
            continue;
        }

        route[i]->breaker = ngx_http_gateway_breaker_get(cf, gmcf, conf,
                                                         &route[i]->service);
        if (route[i]->breaker == NULL) {
            return NGX_ERROR;
        }
    }

    conf = bmcf->confs.elts;

    for (i = 0; i < bmcf->confs.nelts; i++) {

        if (conf[i].is_used
            || ngx_http_gateway_breaker_is_any(&conf[i].service))
        {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "gateway_breaker of service \"%V\" is for no route, "
                      "see whether it is written as there, in %V:%ui",
                      &conf[i].service, &conf[i].file, conf[i].line);
    }

    return NGX_OK;
}


/* that of the service, or that for all; NULL: none */

static ngx_http_gateway_breaker_conf_t *
ngx_http_gateway_breaker_conf(ngx_http_gateway_breaker_main_conf_t *bmcf,
    ngx_str_t *service)
{
    ngx_uint_t                        i;
    ngx_http_gateway_breaker_conf_t  *conf, *any;

    any = NULL;
    conf = bmcf->confs.elts;

    for (i = 0; i < bmcf->confs.nelts; i++) {

        if (conf[i].service.len == service->len
            && ngx_strncmp(conf[i].service.data, service->data, service->len)
               == 0)
        {
            return &conf[i];
        }

        if (ngx_http_gateway_breaker_is_any(&conf[i].service)) {
            any = &conf[i];
        }
    }

    return any;
}


static ngx_uint_t
ngx_http_gateway_breaker_is_any(const ngx_str_t *service)
{
    return service->len == 1 && service->data[0] == '*';
}


static ngx_http_gateway_breaker_t *
ngx_http_gateway_breaker_get(ngx_conf_t *cf,
    ngx_http_gateway_main_conf_t *gmcf,
    const ngx_http_gateway_breaker_conf_t *conf, ngx_str_t *service)
{
    ngx_uint_t                    i;
    ngx_http_gateway_breaker_t  **slot, *breaker;

    if (gmcf->breakers == NULL) {
        gmcf->breakers = ngx_array_create(cf->pool, 4,
                                         sizeof(ngx_http_gateway_breaker_t *));
        if (gmcf->breakers == NULL) {
            return NULL;
        }
    }

    slot = gmcf->breakers->elts;

    for (i = 0; i < gmcf->breakers->nelts; i++) {
        if (slot[i]->service.len == service->len
            && ngx_strncmp(slot[i]->service.data, service->data, service->len)
               == 0)
        {
            return slot[i];
        }
    }

    slot = ngx_array_push(gmcf->breakers);
    breaker = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_breaker_t));

    if (slot == NULL || breaker == NULL) {
        return NULL;
    }

    *slot = breaker;
    breaker->service = *service;
    breaker->conf = conf;

    if (gmcf->zone == NULL) {
        breaker->state = ngx_pcalloc(cf->pool,
                                     sizeof(ngx_http_gateway_breaker_state_t));
        if (breaker->state == NULL) {
            return NULL;
        }
    }

    return breaker;
}


/* gateway_breaker SERVICE [failures=N] [ratio=N%] [window=TIME] ... | off */

static char *
ngx_http_gateway_breaker(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_breaker_main_conf_t *bmcf = conf;

    char                             *rv;
    ngx_str_t                        *value;
    ngx_uint_t                        i;
    ngx_http_gateway_breaker_conf_t  *bcf;

    value = cf->args->elts;
    bcf = bmcf->confs.elts;

    if (!ngx_http_gateway_breaker_is_any(&value[1])
        && ngx_http_gateway_word(cf, &value[1]) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < bmcf->confs.nelts; i++) {
        if (bcf[i].service.len == value[1].len
            && ngx_strncmp(bcf[i].service.data, value[1].data, value[1].len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate gateway_breaker of service \"%V\"",
                               &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    bcf = ngx_array_push(&bmcf->confs);
    if (bcf == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(bcf, sizeof(ngx_http_gateway_breaker_conf_t));

    bcf->service = value[1];
    bcf->file = cf->conf_file->file.name;
    bcf->line = cf->conf_file->line;
    bcf->failures = 20;
    bcf->ratio = 50;
    bcf->window = 10000;
    bcf->open = 5000;
    bcf->probes = 1;

    if (cf->args->nelts == 3 && value[2].len == 3
        && ngx_strncmp(value[2].data, "off", 3) == 0)
    {
        bcf->is_off = 1;
        return NGX_CONF_OK;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        rv = ngx_http_gateway_breaker_option(cf, bcf, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (bcf->outcomes == 0) {
        bcf->outcomes = NGX_HTTP_GATEWAY_BREAKER_ON;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_breaker_option(ngx_conf_t *cf,
    ngx_http_gateway_breaker_conf_t *conf, ngx_str_t *value)
{
    u_char     *p, *last;
    ngx_str_t   text;

    p = ngx_strlchr(value->data, value->data + value->len, '=');
    last = value->data + value->len;

    text.data = p ? p + 1 : last;
    text.len = last - text.data;

    if (ngx_strncmp(value->data, "failures=", 9) == 0) {
        return ngx_http_gateway_breaker_number(cf, value, &text, 1000000,
                                               &conf->failures);
    }

    if (ngx_strncmp(value->data, "probes=", 7) == 0) {
        return ngx_http_gateway_breaker_number(cf, value, &text, 1000,
                                               &conf->probes);
    }

    if (ngx_strncmp(value->data, "ratio=", 6) == 0
        && text.len && last[-1] == '%')
    {
        text.len--;

        return ngx_http_gateway_breaker_number(cf, value, &text, 100,
                                               &conf->ratio);
    }

    if (ngx_strncmp(value->data, "window=", 7) == 0) {
        return ngx_http_gateway_breaker_time(cf, value, &text, 1000,
                                             &conf->window);
    }

    if (ngx_strncmp(value->data, "open=", 5) == 0) {
        return ngx_http_gateway_breaker_time(cf, value, &text, 100,
                                             &conf->open);
    }

    if (ngx_strncmp(value->data, "on=", 3) == 0) {
        return ngx_http_gateway_outcomes(cf, &text,
                                         NGX_HTTP_GATEWAY_BREAKER_MAY,
                                         &conf->outcomes);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter \"%V\" of gateway_breaker, there are "
                       "failures=N, ratio=N%%, window=, open=, probes=N and "
                       "on=", value);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gateway_breaker_number(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *text, ngx_int_t max, ngx_uint_t *number_r)
{
    ngx_int_t  n;

    n = ngx_atoi(text->data, text->len);

    if (n == NGX_ERROR || n < 1 || n > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\", use a number from 1 to %i",
                           value, max);
        return NGX_CONF_ERROR;
    }

    *number_r = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_breaker_time(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *text, ngx_int_t min, ngx_msec_t *time_r)
{
    ngx_int_t  n;

    n = ngx_parse_time(text, 0);

    if (n == NGX_ERROR || n < min || n > NGX_HTTP_GATEWAY_BREAKER_TIME) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\", use a time from %ims to 1h",
                           value, min);
        return NGX_CONF_ERROR;
    }

    *time_r = n;

    return NGX_CONF_OK;
}
