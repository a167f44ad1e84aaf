/*
 * Copyright (C) the Warren authors
 *
 * Counters of all worker processes, and what each process tells of its
 * connections, in the shared memory of gateway_zone.
 */

#include "ngx_http_gateway_private.h"


/* what lies in the zone; outlives configurations of the same layout */

typedef struct {
    ngx_uint_t                   layout;
    ngx_atomic_uint_t            generation;
    ngx_http_gateway_stats_t     stats;
    ngx_queue_t                  routes;
    ngx_queue_t                  breakers;
    ngx_queue_t                  flights;
    ngx_queue_t                  peers;
    ngx_uint_t                   npeers;
} ngx_http_gateway_shared_t;


/* another build of the module may have been loaded by a reload */

#define NGX_HTTP_GATEWAY_LAYOUT                                               \
    (sizeof(ngx_http_gateway_shared_t) << 40                                  \
     | sizeof(ngx_http_gateway_route_stats_t) << 20                           \
     | sizeof(ngx_http_gateway_peer_t))

#define NGX_HTTP_GATEWAY_ZONE_MIN  (16 * ngx_pagesize)


static ngx_int_t ngx_http_gateway_zone_init(ngx_shm_zone_t *zone, void *data);
static ngx_http_gateway_shared_t *ngx_http_gateway_zone_shared(
    ngx_shm_zone_t *zone);
static ngx_http_gateway_route_stats_t *ngx_http_gateway_stats_route(
    ngx_queue_t *routes, ngx_str_t *name);
static ngx_http_gateway_peer_t *ngx_http_gateway_peer_free(
    ngx_http_gateway_shared_t *sh);
static ngx_uint_t ngx_http_gateway_peer_is_alive(
    ngx_http_gateway_peer_t *peer);


static uint64_t  ngx_http_gateway_buckets[NGX_HTTP_GATEWAY_BUCKETS] = {
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
    1000000, 2500000, 5000000, 10000000
};


char *
ngx_http_gateway_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gateway_main_conf_t  *gmcf = conf;

    u_char     *p;
    ssize_t     size;
    ngx_str_t  *value, name, s;

    if (gmcf->zone) {
        return "is duplicate, one zone counts for all";
    }

    value = cf->args->elts;

    p = ngx_strlchr(value[1].data, value[1].data + value[1].len, ':');

    if (p == NULL || p == value[1].data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\", write it as NAME:SIZE, for "
                           "example gateway:8m", &value[1]);
        return NGX_CONF_ERROR;
    }

    name.data = value[1].data;
    name.len = p - name.data;

    s.data = p + 1;
    s.len = value[1].data + value[1].len - s.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR || size < (ssize_t) NGX_HTTP_GATEWAY_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size of zone \"%V\", use at least %uzk",
                           &value[1],
                           (size_t) NGX_HTTP_GATEWAY_ZONE_MIN / 1024);
        return NGX_CONF_ERROR;
    }

    gmcf->zone = ngx_shared_memory_add(cf, &name, size,
                                       &ngx_http_gateway_module);
    if (gmcf->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    gmcf->zone->init = ngx_http_gateway_zone_init;
    gmcf->zone->data = gmcf;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gateway_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_gateway_main_conf_t  *gmcf = zone->data;

    ngx_uint_t                        i;
    ngx_slab_pool_t                  *shpool;
    ngx_http_gateway_route_t        **route;
    ngx_http_gateway_shared_t        *sh;
    ngx_http_gateway_route_stats_t   *stats;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    sh = ngx_http_gateway_zone_shared(zone);
    if (sh == NULL) {
        goto small;
    }

    gmcf->stats = &sh->stats;

    /* also when this configuration is given up later: only equality counts */
    gmcf->generation = ngx_atomic_fetch_add(&sh->generation, 1) + 1;

    route = gmcf->routes.elts;

    for (i = 0; i < gmcf->routes.nelts; i++) {

        stats = ngx_http_gateway_stats_route(&sh->routes, &route[i]->name);

        if (stats == NULL) {
            stats = ngx_slab_calloc(shpool,
                                    sizeof(ngx_http_gateway_route_stats_t)
                                    + route[i]->name.len);
            if (stats == NULL) {
                goto small;
            }

            stats->len = route[i]->name.len;
            ngx_memcpy(stats->name, route[i]->name.data, stats->len);

            ngx_shmtx_lock(&shpool->mutex);
            ngx_queue_insert_tail(&sh->routes, &stats->queue);
            ngx_shmtx_unlock(&shpool->mutex);
        }

        route[i]->stats = stats;
    }

    if (ngx_http_gateway_breaker_share(gmcf, &sh->breakers, shpool)
        != NGX_OK)
    {
        goto small;
    }

    return NGX_OK;

small:

    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                  "gateway_zone \"%V\" is too small for the counters of %ui "
                  "routes, make it larger", &zone->shm.name,
                  gmcf->routes.nelts);
    return NGX_ERROR;
}


static ngx_http_gateway_shared_t *
ngx_http_gateway_zone_shared(ngx_shm_zone_t *zone)
{
    ngx_slab_pool_t            *shpool;
    ngx_http_gateway_shared_t  *sh;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;
    sh = shpool->data;

    if (sh && sh->layout == NGX_HTTP_GATEWAY_LAYOUT) {
        return sh;
    }

    /* what lies there in another layout may still be used by old processes */

    sh = ngx_slab_calloc(shpool, sizeof(ngx_http_gateway_shared_t));
    if (sh == NULL) {
        return NULL;
    }

    sh->layout = NGX_HTTP_GATEWAY_LAYOUT;
    ngx_queue_init(&sh->routes);
    ngx_queue_init(&sh->breakers);
    ngx_queue_init(&sh->flights);
    ngx_queue_init(&sh->peers);

    shpool->data = sh;

    return sh;
}


static ngx_http_gateway_route_stats_t *
ngx_http_gateway_stats_route(ngx_queue_t *routes, ngx_str_t *name)
{
    ngx_queue_t                     *q;
    ngx_http_gateway_route_stats_t  *stats;

    for (q = ngx_queue_head(routes);
         q != ngx_queue_sentinel(routes);
         q = ngx_queue_next(q))
    {
        stats = ngx_queue_data(q, ngx_http_gateway_route_stats_t, queue);

        if (stats->len == name->len
            && ngx_strncmp(stats->name, name->data, name->len) == 0)
        {
            return stats;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_gateway_stats_init(ngx_conf_t *cf, ngx_http_gateway_main_conf_t *gmcf)
{
    ngx_uint_t                       i;
    ngx_queue_t                      routes;
    ngx_http_gateway_route_t       **route;
    ngx_http_gateway_route_stats_t  *stats;

    gmcf->stats = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_stats_t));
    if (gmcf->stats == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&routes);

    route = gmcf->routes.elts;

    for (i = 0; i < gmcf->routes.nelts; i++) {

        stats = ngx_http_gateway_stats_route(&routes, &route[i]->name);

        if (stats == NULL) {
            stats = ngx_pcalloc(cf->pool,
                                sizeof(ngx_http_gateway_route_stats_t)
                                + route[i]->name.len);
            if (stats == NULL) {
                return NGX_ERROR;
            }

            stats->len = route[i]->name.len;
            ngx_memcpy(stats->name, route[i]->name.data, stats->len);
            ngx_queue_insert_tail(&routes, &stats->queue);
        }

        route[i]->stats = stats;
    }

    return NGX_OK;
}


ngx_http_gateway_stats_t *
ngx_http_gateway_stats(ngx_http_request_t *r)
{
    ngx_http_gateway_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gateway_module);

    return gmcf->stats;
}


ngx_http_gateway_peer_t *
ngx_http_gateway_peer_acquire(ngx_cycle_t *cycle,
    ngx_http_gateway_main_conf_t *gmcf, ngx_str_t *broker)
{
    ngx_slab_pool_t            *shpool;
    ngx_http_gateway_peer_t    *peer;
    ngx_http_gateway_shared_t  *sh;

    peer = NULL;

    if (gmcf->zone) {
        shpool = (ngx_slab_pool_t *) gmcf->zone->shm.addr;
        sh = shpool->data;

        ngx_shmtx_lock(&shpool->mutex);

        peer = ngx_http_gateway_peer_free(sh);

        if (peer == NULL) {
            peer = ngx_slab_calloc_locked(shpool,
                                          sizeof(ngx_http_gateway_peer_t));
            if (peer) {
                ngx_queue_insert_tail(&sh->peers, &peer->queue);
                sh->npeers++;
            }
        }

        if (peer) {
            peer->pid = ngx_pid;
            peer->generation = gmcf->generation;
            peer->worker = ngx_worker;
            peer->inflight = 0;
            peer->streams = 0;
            peer->is_ready = 0;
            peer->is_blocked = 0;
            peer->state[0] = '\0';
            (void) ngx_cpystrn(peer->broker, broker->data,
                               ngx_min(broker->len + 1, sizeof(peer->broker)));
        }

        ngx_shmtx_unlock(&shpool->mutex);

        if (peer) {
            return peer;
        }

        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "gateway_zone \"%V\" is full, this process is missing "
                      "in metrics and readiness", &gmcf->zone->shm.name);
    }

    peer = ngx_pcalloc(cycle->pool, sizeof(ngx_http_gateway_peer_t));
    if (peer == NULL) {
        return NULL;
    }

    peer->pid = ngx_pid;
    peer->generation = gmcf->generation;
    peer->worker = ngx_worker;
    (void) ngx_cpystrn(peer->broker, broker->data,
                       ngx_min(broker->len + 1, sizeof(peer->broker)));

    return peer;
}


static ngx_http_gateway_peer_t *
ngx_http_gateway_peer_free(ngx_http_gateway_shared_t *sh)
{
    ngx_queue_t              *q;
    ngx_http_gateway_peer_t  *peer;

    for (q = ngx_queue_head(&sh->peers);
         q != ngx_queue_sentinel(&sh->peers);
         q = ngx_queue_next(q))
    {
        peer = ngx_queue_data(q, ngx_http_gateway_peer_t, queue);

        if (!ngx_http_gateway_peer_is_alive(peer)) {
            return peer;
        }
    }

    return NULL;
}


/* a process that was killed could not give its entry back */

static ngx_uint_t
ngx_http_gateway_peer_is_alive(ngx_http_gateway_peer_t *peer)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) peer->pid;

    if (pid == 0) {
        return 0;
    }

    return pid == ngx_pid || kill(pid, 0) == 0 || ngx_errno != ESRCH;
}


void
ngx_http_gateway_peer_release(ngx_http_gateway_peer_t *peer)
{
    peer->is_ready = 0;
    peer->inflight = 0;
    peer->streams = 0;
    ngx_memory_barrier();
    peer->pid = 0;
}


void
ngx_http_gateway_peer_report(ngx_http_gateway_link_t *link)
{
    if (link->peer == NULL || link->connection == NULL) {
        return;
    }

    link->peer->is_ready = ngx_amqp_is_ready(link->connection);
    link->peer->is_blocked = ngx_amqp_is_blocked(link->connection);

    (void) ngx_cpystrn(link->peer->state,
                       (u_char *) ngx_amqp_state_name(link->connection),
                       NGX_HTTP_GATEWAY_STATE_MAX);

    if (link->peer->is_ready) {
        link->was_ready = 1;
    }
}


ngx_int_t
ngx_http_gateway_peers(ngx_http_gateway_main_conf_t *gmcf, ngx_pool_t *pool,
    ngx_array_t *peers_r)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q;
    ngx_slab_pool_t            *shpool;
    ngx_http_gateway_peer_t    *peer, *copy;
    ngx_http_gateway_link_t   **link;
    ngx_http_gateway_shared_t  *sh;

    if (gmcf->zone == NULL) {

        if (ngx_array_init(peers_r, pool, gmcf->links.nelts + 1,
                           sizeof(ngx_http_gateway_peer_t))
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        link = gmcf->links.elts;

        for (i = 0; i < gmcf->links.nelts; i++) {
            if (link[i]->peer == NULL) {
                continue;
            }

            copy = ngx_array_push(peers_r);
            if (copy == NULL) {
                return NGX_ERROR;
            }

            *copy = *link[i]->peer;
        }

        return NGX_OK;
    }

    shpool = (ngx_slab_pool_t *) gmcf->zone->shm.addr;
    sh = shpool->data;

    /* room first, nothing is allocated while the zone is locked */

    if (ngx_array_init(peers_r, pool, sh->npeers + 16,
                       sizeof(ngx_http_gateway_peer_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_shmtx_lock(&shpool->mutex);

    for (q = ngx_queue_head(&sh->peers);
         q != ngx_queue_sentinel(&sh->peers)
         && peers_r->nelts < peers_r->nalloc;
         q = ngx_queue_next(q))
    {
        peer = ngx_queue_data(q, ngx_http_gateway_peer_t, queue);

        if (!ngx_http_gateway_peer_is_alive(peer)) {
            continue;
        }

        copy = ngx_array_push(peers_r);
        *copy = *peer;
        copy->broker[NGX_HTTP_GATEWAY_NAME_MAX] = '\0';
        copy->state[NGX_HTTP_GATEWAY_STATE_MAX - 1] = '\0';
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return NGX_OK;
}


ngx_queue_t *
ngx_http_gateway_stats_flights(ngx_http_gateway_main_conf_t *gmcf,
    ngx_slab_pool_t **shpool_r)
{
    ngx_http_gateway_shared_t  *sh;

    if (gmcf->zone == NULL) {
        return NULL;
    }

    *shpool_r = (ngx_slab_pool_t *) gmcf->zone->shm.addr;
    sh = (*shpool_r)->data;

    return &sh->flights;
}


void
ngx_http_gateway_stats_duration(ngx_http_gateway_route_stats_t *stats,
    uint64_t usec)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_GATEWAY_BUCKETS; i++) {
        if (usec <= ngx_http_gateway_buckets[i]) {
            break;
        }
    }

    (void) ngx_atomic_fetch_add(&stats->buckets[i], 1);
    (void) ngx_atomic_fetch_add(&stats->duration_usec,
                                (ngx_atomic_int_t) usec);
}


uint64_t
ngx_http_gateway_stats_bucket(ngx_uint_t n)
{
    return ngx_http_gateway_buckets[n];
}
