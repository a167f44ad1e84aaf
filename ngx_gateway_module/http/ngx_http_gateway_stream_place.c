/*
 * Copyright (C) the Warren authors
 *
 * How many streams a person has in all processes of a server: a hash table in
 * shared memory, with a place for each person and process.
 *
 * A process may be killed at any moment.  Its places are those of its slot,
 * which nginx gives to another process only when it is gone: whoever begins in
 * a slot clears it, and so does whoever would refuse somebody for the sake of
 * a process that is gone.  A place appears and disappears by one store, so that
 * the chains hold whatever their writer comes to.
 */

#include "ngx_http_gateway_stream.h"


/* a bucket for so many bytes of the zone: about two places with their share */
#define NGX_HTTP_GATEWAY_STREAM_STEP  256


typedef struct ngx_http_gateway_stream_place_s
    ngx_http_gateway_stream_place_t;

struct ngx_http_gateway_stream_place_s {
    ngx_http_gateway_stream_place_t   *next;        /* in the bucket */
    u_char                             key[NGX_HTTP_GATEWAY_STREAM_DIGEST];
    uint32_t                           slot;
    uint32_t                           count;
};


struct ngx_http_gateway_stream_shared_s {
    ngx_uint_t                         layout;
    ngx_uint_t                         mask;

    /* who has the slot; 0: nobody */
    ngx_pid_t                          pids[NGX_MAX_PROCESSES];
    ngx_http_gateway_stream_place_t   *buckets[1];
};


/* another build of the module may have been loaded by a reload */

#define NGX_HTTP_GATEWAY_STREAM_LAYOUT                                        \
    (sizeof(ngx_http_gateway_stream_shared_t) << 16                           \
     | sizeof(ngx_http_gateway_stream_place_t))


static ngx_http_gateway_stream_place_t *ngx_http_gateway_stream_place_find(
    ngx_http_gateway_stream_zone_t *zone, const u_char *key,
    ngx_uint_t *total_r);
static ngx_http_gateway_stream_place_t **ngx_http_gateway_stream_bucket(
    ngx_http_gateway_stream_zone_t *zone, const u_char *key);
static void ngx_http_gateway_stream_place_bury(
    ngx_http_gateway_stream_zone_t *zone,
    ngx_http_gateway_stream_place_t **chain);
static void ngx_http_gateway_stream_slots(
    ngx_http_gateway_stream_zone_t *zone);


ngx_int_t
ngx_http_gateway_stream_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_gateway_stream_zone_t *zone = shm_zone->data;

    ngx_uint_t                         n;
    ngx_http_gateway_stream_shared_t  *shared;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    shared = zone->shpool->data;

    if (shared && shared->layout == NGX_HTTP_GATEWAY_STREAM_LAYOUT) {
        zone->shared = shared;
        return NGX_OK;
    }

    /* what lies there in another layout may still be used by old processes */

    for (n = 64; n < shm_zone->shm.size / NGX_HTTP_GATEWAY_STREAM_STEP; n *= 2)
    {
        /* void */
    }

    shared = ngx_slab_calloc(zone->shpool,
                             sizeof(ngx_http_gateway_stream_shared_t)
                             + n * sizeof(ngx_http_gateway_stream_place_t *));
    if (shared == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "gateway_stream_zone \"%V\" is too small",
                      &shm_zone->shm.name);
        return NGX_ERROR;
    }

    shared->layout = NGX_HTTP_GATEWAY_STREAM_LAYOUT;
    shared->mask = n - 1;

    /* it is told once in a while, see ngx_http_gateway_stream_join() */
    zone->shpool->log_nomem = 0;

    zone->shpool->data = shared;
    zone->shared = shared;

    return NGX_OK;
}


void
ngx_http_gateway_stream_zone_open(ngx_http_gateway_stream_zone_t *zone)
{
    ngx_uint_t                         i;
    ngx_http_gateway_stream_shared_t  *shared;

    shared = zone->shared;

    if (shared == NULL) {
        return;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    /* who had this slot is gone */

    shared->pids[ngx_process_slot] = 0;

    ngx_http_gateway_stream_slots(zone);

    for (i = 0; i <= shared->mask; i++) {
        ngx_http_gateway_stream_place_bury(zone, &shared->buckets[i]);
    }

    shared->pids[ngx_process_slot] = ngx_pid;

    ngx_shmtx_unlock(&zone->shpool->mutex);

    zone->is_open = 1;
}


void
ngx_http_gateway_stream_zone_close(ngx_http_gateway_stream_zone_t *zone)
{
    ngx_uint_t                         i;
    ngx_http_gateway_stream_shared_t  *shared;

    if (!zone->is_open) {
        return;
    }

    shared = zone->shared;
    zone->is_open = 0;

    ngx_shmtx_lock(&zone->shpool->mutex);

    shared->pids[ngx_process_slot] = 0;

    for (i = 0; i <= shared->mask; i++) {
        ngx_http_gateway_stream_place_bury(zone, &shared->buckets[i]);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


ngx_int_t
ngx_http_gateway_stream_place_acquire(ngx_http_gateway_stream_zone_t *zone,
    const u_char *key, ngx_uint_t limit)
{
    ngx_uint_t                         total;
    ngx_http_gateway_stream_place_t   *place, **chain;

    if (!zone->is_open) {
        return NGX_DECLINED;
    }

    chain = ngx_http_gateway_stream_bucket(zone, key);

    ngx_shmtx_lock(&zone->shpool->mutex);

    place = ngx_http_gateway_stream_place_find(zone, key, &total);

    if (limit && total >= limit) {
        ngx_http_gateway_stream_slots(zone);
        ngx_http_gateway_stream_place_bury(zone, chain);
        place = ngx_http_gateway_stream_place_find(zone, key, &total);

        if (total >= limit) {
            ngx_shmtx_unlock(&zone->shpool->mutex);
            return NGX_BUSY;
        }
    }

    if (place == NULL) {
        place = ngx_slab_alloc_locked(zone->shpool,
                                      sizeof(ngx_http_gateway_stream_place_t));
        if (place == NULL) {
            ngx_shmtx_unlock(&zone->shpool->mutex);
            return NGX_DECLINED;
        }

        ngx_memcpy(place->key, key, NGX_HTTP_GATEWAY_STREAM_DIGEST);
        place->slot = ngx_process_slot;
        place->count = 0;
        place->next = *chain;

        ngx_memory_barrier();
        *chain = place;
    }

    place->count++;

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return NGX_OK;
}


void
ngx_http_gateway_stream_place_release(ngx_http_gateway_stream_zone_t *zone,
    const u_char *key)
{
    ngx_uint_t                         total;
    ngx_http_gateway_stream_place_t   *place, **p;

    if (!zone->is_open) {
        return;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    place = ngx_http_gateway_stream_place_find(zone, key, &total);

    if (place && --place->count == 0) {

        for (p = ngx_http_gateway_stream_bucket(zone, key);
             *p != place;
             p = &(*p)->next)
        {
            /* void */
        }

        *p = place->next;

        ngx_memory_barrier();
        ngx_slab_free_locked(zone->shpool, place);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


/* of this process, or NULL; and how many streams all processes have */

static ngx_http_gateway_stream_place_t *
ngx_http_gateway_stream_place_find(ngx_http_gateway_stream_zone_t *zone,
    const u_char *key, ngx_uint_t *total_r)
{
    ngx_http_gateway_stream_place_t  *place, *own;

    own = NULL;
    *total_r = 0;

    for (place = *ngx_http_gateway_stream_bucket(zone, key);
         place;
         place = place->next)
    {
        if (ngx_memcmp(place->key, key, NGX_HTTP_GATEWAY_STREAM_DIGEST) != 0) {
            continue;
        }

        *total_r += place->count;

        if (place->slot == (uint32_t) ngx_process_slot) {
            own = place;
        }
    }

    return own;
}


static ngx_http_gateway_stream_place_t **
ngx_http_gateway_stream_bucket(ngx_http_gateway_stream_zone_t *zone,
    const u_char *key)
{
    uint32_t  hash;

    /* a digest's bytes are as good as any hash of them */

    ngx_memcpy(&hash, key, sizeof(uint32_t));

    return &zone->shared->buckets[hash & zone->shared->mask];
}


/* frees the places of slots that nobody has */

static void
ngx_http_gateway_stream_place_bury(ngx_http_gateway_stream_zone_t *zone,
    ngx_http_gateway_stream_place_t **chain)
{
    ngx_http_gateway_stream_place_t  *place, **p;

    p = chain;

    while (*p) {
        place = *p;

        if (zone->shared->pids[place->slot]) {
            p = &place->next;
            continue;
        }

        *p = place->next;

        ngx_memory_barrier();
        ngx_slab_free_locked(zone->shpool, place);
    }
}


/* takes the slots of processes that are gone */

static void
ngx_http_gateway_stream_slots(ngx_http_gateway_stream_zone_t *zone)
{
    ngx_pid_t   pid;
    ngx_uint_t  i;

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        pid = zone->shared->pids[i];

        if (pid && pid != ngx_pid && kill(pid, 0) == -1 && ngx_errno == ESRCH)
        {
            zone->shared->pids[i] = 0;
        }
    }
}
