/*
 * Copyright (C) the Warren authors
 *
 * Limits that several gateways share: each tells the others, over a fanout
 * exchange, what its keys have spent since it told last, and charges what it
 * hears.  The state of a zone is that of all processes of a node, so one of
 * them speaks and listens for all: the one that holds a lease in shared
 * memory.  What cannot be told is forgotten: without a broker each node limits
 * alone, and nothing is made up for later.
 */

#include "ngx_http_gateway_limit_private.h"
#include "ngx_http_gateway_private.h"

#include <time.h>


/* a holder that is silent for so long has lost its lease; ms */

#define NGX_HTTP_GATEWAY_LIMIT_LEASE     5000

/* how often a process that does not hold the lease looks for it; ms */

#define NGX_HTTP_GATEWAY_LIMIT_LOOK      250

/* a message that waits longer in the broker is old news; ms */

#define NGX_HTTP_GATEWAY_LIMIT_TTL       5000

/* messages of a zone at once; what is left waits for the next time */

#define NGX_HTTP_GATEWAY_LIMIT_MESSAGES  16

#define NGX_HTTP_GATEWAY_LIMIT_SYNC_NAME  "gateway_limit_sync"


/* in shared memory; survives a reload */

typedef struct {
    ngx_uint_t                   layout;
    u_char                       node[NGX_HTTP_GATEWAY_LIMIT_MESSAGE_NODE];
    ngx_pid_t                    holder;      /* 0: nobody */
    uint64_t                     renewed;     /* ms of a monotonic clock */
} ngx_http_gateway_limit_lease_t;


struct ngx_http_gateway_limit_sync_s {
    const ngx_amqp_broker_t           *broker;
    ngx_shm_zone_t                    *shm_zone;
    ngx_slab_pool_t                   *shpool;
    ngx_http_gateway_limit_lease_t    *lease;
    ngx_http_gateway_limit_main_conf_t  *conf;
    ngx_msec_t                         interval;  /* the shortest of zones */

    /* of the process */
    ngx_cycle_t                       *cycle;
    ngx_http_gateway_stats_t          *stats;
    ngx_amqp_connection_t             *connection;
    ngx_amqp_listener_t                listener;
    ngx_event_t                        timer;
    ngx_msec_t                        *due;       /* of each zone */
    ngx_http_gateway_limit_amount_t   *amounts;
    u_char                            *message;
};


static ngx_int_t ngx_http_gateway_limit_sync_zone_init(
    ngx_shm_zone_t *shm_zone, void *data);
static char *ngx_http_gateway_limit_sync_error(ngx_conf_t *cf,
    ngx_http_gateway_limit_main_conf_t *lmcf,
    const ngx_http_gateway_limit_zone_t *zone);
static void ngx_http_gateway_limit_sync_tick(ngx_event_t *ev);
static ngx_uint_t ngx_http_gateway_limit_sync_holds(
    ngx_http_gateway_limit_sync_t *sync);
static void ngx_http_gateway_limit_sync_release(
    ngx_http_gateway_limit_sync_t *sync);
static void ngx_http_gateway_limit_sync_flush(
    ngx_http_gateway_limit_sync_t *sync,
    const ngx_http_gateway_limit_zone_t *zone);
static ngx_int_t ngx_http_gateway_limit_sync_send(
    ngx_http_gateway_limit_sync_t *sync,
    const ngx_http_gateway_limit_zone_t *zone, ngx_uint_t n);
static void ngx_http_gateway_limit_sync_heard(void *data, ngx_str_t *body);
static uint64_t ngx_http_gateway_limit_sync_now(void);


char *
ngx_http_gateway_limit_broker(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_limit_main_conf_t *lmcf = conf;

    ngx_str_t  *value;

    if (lmcf->broker.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    lmcf->broker = value[1];
    lmcf->broker_file = cf->conf_file->file.name;
    lmcf->broker_line = cf->conf_file->line;

    return NGX_CONF_OK;
}


char *
ngx_http_gateway_limit_sync_init(ngx_conf_t *cf, void *conf)
{
    ngx_http_gateway_limit_main_conf_t *lmcf = conf;

    ngx_str_t                        name;
    ngx_uint_t                       i;
    ngx_http_gateway_link_t         *link;
    ngx_http_gateway_main_conf_t    *gmcf;
    ngx_http_gateway_limit_sync_t   *sync;
    ngx_http_gateway_limit_zone_t  **zone;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gateway_module);
    zone = lmcf->zones.elts;
    sync = NULL;

    for (i = 0; i < lmcf->zones.nelts; i++) {

        if (zone[i]->sync == 0) {
            continue;
        }

        if (sync == NULL) {
            link = ngx_http_gateway_link(gmcf, &lmcf->broker);
            if (link == NULL) {
                return ngx_http_gateway_limit_sync_error(cf, lmcf, zone[i]);
            }

            sync = ngx_pcalloc(cf->pool,
                               sizeof(ngx_http_gateway_limit_sync_t));
            if (sync == NULL) {
                return NGX_CONF_ERROR;
            }

            sync->broker = &link->broker;
            sync->conf = lmcf;
            sync->interval = zone[i]->sync;
        }

        sync->interval = ngx_min(sync->interval, zone[i]->sync);
    }

    if (sync == NULL) {
        return NGX_CONF_OK;
    }

    ngx_str_set(&name, NGX_HTTP_GATEWAY_LIMIT_SYNC_NAME);

    sync->shm_zone = ngx_shared_memory_add(cf, &name, 8 * ngx_pagesize,
                                           &ngx_http_gateway_limit_module);
    if (sync->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    sync->shm_zone->init = ngx_http_gateway_limit_sync_zone_init;
    sync->shm_zone->data = sync;

    lmcf->sync = sync;

    return NGX_CONF_OK;
}


static char *
ngx_http_gateway_limit_sync_error(ngx_conf_t *cf,
    ngx_http_gateway_limit_main_conf_t *lmcf,
    const ngx_http_gateway_limit_zone_t *zone)
{
    if (lmcf->broker.len) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown broker \"%V\", define it with "
                      "\"gateway_broker %V { ... }\", in %V:%ui",
                      &lmcf->broker, &lmcf->broker, &lmcf->broker_file,
                      lmcf->broker_line);
        return NGX_CONF_ERROR;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "zone \"%V\" with \"sync=\" needs a broker, define one with "
                  "\"gateway_broker NAME { ... }\", and of several choose one "
                  "with \"gateway_limit_broker NAME\", in %V:%ui",
                  &zone->name, &zone->file, zone->line);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_gateway_limit_sync_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_fd_t                         fd;
    ngx_int_t                        rc;
    ngx_http_gateway_limit_sync_t   *sync;
    ngx_http_gateway_limit_lease_t  *lease;

    sync = shm_zone->data;
    sync->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    lease = sync->shpool->data;

    if (lease && lease->layout == sizeof(ngx_http_gateway_limit_lease_t)) {
        sync->lease = lease;
        return NGX_OK;
    }

    lease = ngx_slab_calloc(sync->shpool,
                            sizeof(ngx_http_gateway_limit_lease_t));
    if (lease == NULL) {
        return NGX_ERROR;
    }

    lease->layout = sizeof(ngx_http_gateway_limit_lease_t);

    fd = ngx_open_file("/dev/urandom", NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    rc = fd != NGX_INVALID_FILE
         && read(fd, lease->node, sizeof(lease->node))
            == (ssize_t) sizeof(lease->node) ? NGX_OK : NGX_ERROR;

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, ngx_errno,
                      "could not read \"/dev/urandom\"");
    }

    if (fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(fd);
    }

    sync->shpool->data = lease;
    sync->lease = lease;

    return rc;
}


ngx_int_t
ngx_http_gateway_limit_sync_init_process(ngx_cycle_t *cycle)
{
    ngx_http_gateway_main_conf_t        *gmcf;
    ngx_http_gateway_limit_sync_t       *sync;
    ngx_http_gateway_limit_main_conf_t  *lmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    lmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_gateway_limit_module);

    if (lmcf == NULL || lmcf->sync == NULL) {
        return NGX_OK;
    }

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gateway_module);
    sync = lmcf->sync;

    sync->cycle = cycle;
    sync->stats = gmcf->stats;

    sync->due = ngx_pcalloc(cycle->pool,
                            lmcf->zones.nelts * sizeof(ngx_msec_t));

    sync->amounts = ngx_palloc(cycle->pool,
                               NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRIES
                               * sizeof(ngx_http_gateway_limit_amount_t));

    sync->message = ngx_palloc(cycle->pool,
                               NGX_HTTP_GATEWAY_LIMIT_MESSAGE_MAX);

    if (sync->due == NULL || sync->amounts == NULL || sync->message == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&sync->listener.exchange, WIRE_EXCHANGE_LIMITS);
    sync->listener.handler = ngx_http_gateway_limit_sync_heard;
    sync->listener.data = sync;
    sync->listener.max_body = NGX_HTTP_GATEWAY_LIMIT_MESSAGE_MAX;

    sync->timer.handler = ngx_http_gateway_limit_sync_tick;
    sync->timer.data = sync;
    sync->timer.log = cycle->log;
    sync->timer.cancelable = 1;

    ngx_add_timer(&sync->timer, 1);

    return NGX_OK;
}


void
ngx_http_gateway_limit_sync_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_gateway_limit_sync_t       *sync;
    ngx_http_gateway_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_gateway_limit_module);

    if (lmcf == NULL || lmcf->sync == NULL || lmcf->sync->cycle == NULL) {
        return;
    }

    sync = lmcf->sync;

    ngx_http_gateway_limit_sync_release(sync);

    if (sync->timer.timer_set) {
        ngx_del_timer(&sync->timer);
    }

    if (sync->connection) {
        ngx_amqp_close(sync->connection);
        sync->connection = NULL;
    }
}


static void
ngx_http_gateway_limit_sync_tick(ngx_event_t *ev)
{
    ngx_uint_t                       i;
    ngx_http_gateway_limit_sync_t   *sync;
    ngx_http_gateway_limit_zone_t  **zone;

    sync = ev->data;

    if (ngx_exiting) {

        /* a process of the next configuration goes on with it */

        ngx_http_gateway_limit_sync_release(sync);
        return;
    }

    if (!ngx_http_gateway_limit_sync_holds(sync)) {
        ngx_add_timer(ev, NGX_HTTP_GATEWAY_LIMIT_LOOK);
        return;
    }

    if (sync->connection == NULL) {
        sync->connection = ngx_amqp_listen(sync->cycle, sync->broker,
                                           &sync->stats->sync_amqp,
                                           &sync->listener);
    }

    zone = sync->conf->zones.elts;

    for (i = 0; i < sync->conf->zones.nelts; i++) {

        if (zone[i]->sync == 0
            || (ngx_msec_int_t) (ngx_current_msec - sync->due[i]) < 0)
        {
            continue;
        }

        sync->due[i] = ngx_current_msec + zone[i]->sync;

        ngx_http_gateway_limit_sync_flush(sync, zone[i]);
    }

    ngx_add_timer(ev, sync->interval);
}


/* whether this process holds the lease, which it takes if it is free */

static ngx_uint_t
ngx_http_gateway_limit_sync_holds(ngx_http_gateway_limit_sync_t *sync)
{
    uint64_t                         now;
    ngx_uint_t                       holds;
    ngx_http_gateway_limit_lease_t  *lease;

    lease = sync->lease;
    now = ngx_http_gateway_limit_sync_now();

    ngx_shmtx_lock(&sync->shpool->mutex);

    if (lease->holder != ngx_pid
        && (lease->holder == 0
            || now - lease->renewed > NGX_HTTP_GATEWAY_LIMIT_LEASE
            || (kill(lease->holder, 0) == -1 && ngx_errno == ESRCH)))
    {
        lease->holder = ngx_pid;
    }

    holds = (lease->holder == ngx_pid);

    if (holds) {
        lease->renewed = now;
    }

    ngx_shmtx_unlock(&sync->shpool->mutex);

    return holds;
}


static void
ngx_http_gateway_limit_sync_release(ngx_http_gateway_limit_sync_t *sync)
{
    ngx_shmtx_lock(&sync->shpool->mutex);

    if (sync->lease->holder == ngx_pid) {
        sync->lease->holder = 0;
    }

    ngx_shmtx_unlock(&sync->shpool->mutex);
}


static void
ngx_http_gateway_limit_sync_flush(ngx_http_gateway_limit_sync_t *sync,
    const ngx_http_gateway_limit_zone_t *zone)
{
    ngx_uint_t  i, n, is_ready;

    is_ready = sync->connection && ngx_amqp_is_ready(sync->connection);

    for (i = 0; i < NGX_HTTP_GATEWAY_LIMIT_MESSAGES || !is_ready; i++) {

        n = ngx_http_gateway_limit_zone_take(zone, sync->amounts,
                                       NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRIES);
        if (n == 0) {
            return;
        }

        if (is_ready && ngx_http_gateway_limit_sync_send(sync, zone, n)
                        == NGX_OK)
        {
            (void) ngx_atomic_fetch_add(&sync->stats->sync_sent, 1);

        } else {
            (void) ngx_atomic_fetch_add(&sync->stats->sync_dropped, n);
        }

        if (n < NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRIES) {
            return;
        }
    }
}


static ngx_int_t
ngx_http_gateway_limit_sync_send(ngx_http_gateway_limit_sync_t *sync,
    const ngx_http_gateway_limit_zone_t *zone, ngx_uint_t n)
{
    size_t              len;
    ngx_buf_t           b;
    ngx_chain_t         cl;
    ngx_amqp_message_t  message;

    len = ngx_http_gateway_limit_message_write(sync->message,
                                               sync->lease->node,
                                               zone->name.data, zone->name.len,
                                               sync->amounts, (unsigned) n);

    ngx_memzero(&b, sizeof(ngx_buf_t));

    b.pos = sync->message;
    b.last = sync->message + len;
    b.memory = 1;

    cl.buf = &b;
    cl.next = NULL;

    ngx_memzero(&message, sizeof(ngx_amqp_message_t));

    message.exchange = sync->listener.exchange;
    ngx_str_set(&message.type, "limits");
    ngx_str_set(&message.content_type, "application/octet-stream");
    message.expiration = NGX_HTTP_GATEWAY_LIMIT_TTL;
    message.timestamp = ngx_time();
    message.body = &cl;
    message.body_size = (off_t) len;

    return ngx_amqp_tell(sync->connection, &message);
}


/* what is said by a node; ours comes back as well */

static void
ngx_http_gateway_limit_sync_heard(void *data, ngx_str_t *body)
{
    ngx_http_gateway_limit_sync_t *sync = data;

    ngx_uint_t                         i, evicted;
    ngx_http_gateway_limit_zone_t    **zone;
    ngx_http_gateway_limit_message_t   message;

    if (body == NULL
        || !ngx_http_gateway_limit_message_read(body->data, body->len,
                                                &message))
    {
        (void) ngx_atomic_fetch_add(&sync->stats->sync_refused, 1);

        ngx_log_error(NGX_LOG_WARN, sync->cycle->log, 0,
                      "malformed message about limits is dropped");
        return;
    }

    /* another process may listen by now, and charges it */

    if (sync->lease->holder != ngx_pid
        || ngx_memcmp(message.node, sync->lease->node,
                      NGX_HTTP_GATEWAY_LIMIT_MESSAGE_NODE)
           == 0)
    {
        return;
    }

    (void) ngx_atomic_fetch_add(&sync->stats->sync_received, 1);

    zone = sync->conf->zones.elts;

    for (i = 0; i < sync->conf->zones.nelts; i++) {

        /* a zone that this node does not share is none of its business */

        if (zone[i]->sync == 0 || zone[i]->name.len != message.name_len
            || ngx_memcmp(zone[i]->name.data, message.name, message.name_len)
               != 0)
        {
            continue;
        }

        evicted = ngx_http_gateway_limit_zone_owe(zone[i], &message);

        if (evicted) {
            (void) ngx_atomic_fetch_add(&sync->stats->limit_evicted, evicted);
        }

        return;
    }
}


static uint64_t
ngx_http_gateway_limit_sync_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}
