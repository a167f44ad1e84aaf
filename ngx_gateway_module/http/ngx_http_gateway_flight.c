/*
 * Copyright (C) the Warren authors
 *
 * Requests in flight by route.  Each process counts in a table of its own in
 * shared memory, which goes with it: what a killed process had in flight is
 * not in flight any more.
 */

#include "ngx_http_gateway_private.h"


typedef struct {
    const ngx_http_gateway_route_stats_t  *stats;     /* in shared memory */
    ngx_atomic_t                           count;
} ngx_http_gateway_flight_count_t;


struct ngx_http_gateway_flight_s {
    ngx_queue_t                       queue;
    ngx_pid_t                         pid;
    ngx_uint_t                        n;
    ngx_http_gateway_flight_count_t   counts[1];
};


static size_t ngx_http_gateway_flight_size(ngx_uint_t n);
static ngx_uint_t ngx_http_gateway_flight_is_alive(
    const ngx_http_gateway_flight_t *flight);


ngx_int_t
ngx_http_gateway_flight_acquire(ngx_cycle_t *cycle,
    ngx_http_gateway_main_conf_t *gmcf)
{
    ngx_uint_t                    i;
    ngx_queue_t                  *q, *next, *flights;
    ngx_slab_pool_t              *shpool;
    ngx_http_gateway_route_t    **route;
    ngx_http_gateway_flight_t    *flight, *old;

    flight = NULL;
    flights = ngx_http_gateway_stats_flights(gmcf, &shpool);

    if (flights) {
        ngx_shmtx_lock(&shpool->mutex);

        for (q = ngx_queue_head(flights);
             q != ngx_queue_sentinel(flights);
             q = next)
        {
            next = ngx_queue_next(q);
            old = ngx_queue_data(q, ngx_http_gateway_flight_t, queue);

            if (!ngx_http_gateway_flight_is_alive(old)) {
                ngx_queue_remove(q);
                ngx_slab_free_locked(shpool, old);
            }
        }

        flight = ngx_slab_calloc_locked(shpool,
                           ngx_http_gateway_flight_size(gmcf->routes.nelts));
        if (flight) {
            flight->pid = ngx_pid;
            ngx_queue_insert_tail(flights, &flight->queue);
        }

        ngx_shmtx_unlock(&shpool->mutex);

        gmcf->flight = flight;

        if (flight == NULL) {
            ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                          "gateway_zone is full, requests in flight of this "
                          "process are missing in gateway_route_inflight");
        }
    }

    if (flight == NULL) {
        flight = ngx_pcalloc(cycle->pool,
                           ngx_http_gateway_flight_size(gmcf->routes.nelts));
        if (flight == NULL) {
            return NGX_ERROR;
        }

        if (flights == NULL) {
            flight->pid = ngx_pid;
            gmcf->flight = flight;
        }
    }

    route = gmcf->routes.elts;

    for (i = 0; i < gmcf->routes.nelts; i++) {
        flight->counts[i].stats = route[i]->stats;
        route[i]->inflight = &flight->counts[i].count;
    }

    ngx_memory_barrier();
    flight->n = gmcf->routes.nelts;

    return NGX_OK;
}


void
ngx_http_gateway_flight_release(ngx_http_gateway_main_conf_t *gmcf)
{
    ngx_uint_t                   i;
    ngx_queue_t                 *flights;
    ngx_slab_pool_t             *shpool;
    ngx_http_gateway_route_t   **route;

    /* a cleanup may still come */

    route = gmcf->routes.elts;

    for (i = 0; i < gmcf->routes.nelts; i++) {
        route[i]->inflight = NULL;
    }

    flights = ngx_http_gateway_stats_flights(gmcf, &shpool);

    if (flights && gmcf->flight) {
        ngx_shmtx_lock(&shpool->mutex);
        ngx_queue_remove(&gmcf->flight->queue);
        ngx_slab_free_locked(shpool, gmcf->flight);
        ngx_shmtx_unlock(&shpool->mutex);
    }

    gmcf->flight = NULL;
}


ngx_int_t
ngx_http_gateway_flights(ngx_http_gateway_main_conf_t *gmcf, ngx_pool_t *pool,
    ngx_array_t *counts_r)
{
    ngx_uint_t                        i, n;
    ngx_queue_t                      *q, *flights;
    ngx_slab_pool_t                  *shpool;
    ngx_http_gateway_flight_t        *flight;
    ngx_http_gateway_flight_count_t  *count;

    flights = ngx_http_gateway_stats_flights(gmcf, &shpool);

    /* room first, nothing is allocated while the zone is locked */

    n = gmcf->routes.nelts + 1;

    if (flights) {
        ngx_shmtx_lock(&shpool->mutex);

        for (q = ngx_queue_head(flights);
             q != ngx_queue_sentinel(flights);
             q = ngx_queue_next(q))
        {
            flight = ngx_queue_data(q, ngx_http_gateway_flight_t, queue);
            n += flight->n;
        }

        ngx_shmtx_unlock(&shpool->mutex);
    }

    if (ngx_array_init(counts_r, pool, n,
                       sizeof(ngx_http_gateway_flight_count_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (flights == NULL) {

        for (i = 0; gmcf->flight && i < gmcf->flight->n; i++) {
            count = ngx_array_push(counts_r);
            *count = gmcf->flight->counts[i];
        }

        return NGX_OK;
    }

    ngx_shmtx_lock(&shpool->mutex);

    for (q = ngx_queue_head(flights);
         q != ngx_queue_sentinel(flights);
         q = ngx_queue_next(q))
    {
        flight = ngx_queue_data(q, ngx_http_gateway_flight_t, queue);

        if (!ngx_http_gateway_flight_is_alive(flight)) {
            continue;
        }

        for (i = 0; i < flight->n && counts_r->nelts < counts_r->nalloc; i++) {
            if (flight->counts[i].count) {
                count = ngx_array_push(counts_r);
                *count = flight->counts[i];
            }
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return NGX_OK;
}


ngx_atomic_uint_t
ngx_http_gateway_flight_sum(ngx_array_t *counts,
    const ngx_http_gateway_route_stats_t *stats)
{
    ngx_uint_t                        i;
    ngx_atomic_uint_t                 sum;
    ngx_http_gateway_flight_count_t  *count;

    sum = 0;
    count = counts->elts;

    for (i = 0; i < counts->nelts; i++) {
        if (count[i].stats == stats) {
            sum += count[i].count;
        }
    }

    return sum;
}


static size_t
ngx_http_gateway_flight_size(ngx_uint_t n)
{
    return sizeof(ngx_http_gateway_flight_t)
           + n * sizeof(ngx_http_gateway_flight_count_t);
}


static ngx_uint_t
ngx_http_gateway_flight_is_alive(const ngx_http_gateway_flight_t *flight)
{
    return flight->pid == ngx_pid || kill(flight->pid, 0) == 0
           || ngx_errno != ESRCH;
}
