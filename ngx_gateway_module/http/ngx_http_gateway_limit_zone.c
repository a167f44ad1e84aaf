/*
 * Copyright (C) the Warren authors
 *
 * A hash table of keys in shared memory with a queue by last use.  No pointer
 * to code lies in it, and every node has the same size, so that one that is
 * freed is always room for one that is new.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <time.h>

#include "ngx_http_gateway_digest.h"
#include "ngx_http_gateway_limit_zone.h"


/* a bucket for so many bytes of the zone: about two nodes with their share */

#define NGX_HTTP_GATEWAY_LIMIT_STEP    256

/* idle keys given back for each new one */

#define NGX_HTTP_GATEWAY_LIMIT_IDLE    2

/* of nodes whose data is the digest of a longer key */

#define NGX_HTTP_GATEWAY_LIMIT_DIGEST  (NGX_HTTP_GATEWAY_LIMIT_KEY_MAX + 1)


/* us of debt at rates that are not known: an hour */

#define NGX_HTTP_GATEWAY_LIMIT_UNKNOWN  3600000000u


typedef struct ngx_http_gateway_limit_node_s  ngx_http_gateway_limit_node_t;

struct ngx_http_gateway_limit_node_s {
    ngx_http_gateway_limit_node_t   *next;      /* in the bucket */
    ngx_queue_t                      queue;     /* head: last used */
    uint64_t                         tat;       /* us; 0: never charged */

    /* us that the other nodes were not told of; 0: not among the changed */
    uint64_t                         spent;
    ngx_queue_t                      changed;
    uint32_t                         bucket;
    uint32_t                         len;       /* or DIGEST */
    u_char                           data[NGX_HTTP_GATEWAY_LIMIT_KEY_MAX];
};


struct ngx_http_gateway_limit_shared_s {
    ngx_uint_t                       layout;
    ngx_http_gateway_limit_node_t  **buckets;
    ngx_uint_t                       mask;
    ngx_queue_t                      queue;

    /* nodes with something to tell; the head waits for longest */
    ngx_queue_t                      changed;

    /* of the hash, so that clients cannot choose keys that collide */
    uint64_t                         seed[2];
};


/* another build of the module may have been loaded by a reload */

#define NGX_HTTP_GATEWAY_LIMIT_LAYOUT                                         \
    (sizeof(ngx_http_gateway_limit_shared_t) << 16                            \
     | sizeof(ngx_http_gateway_limit_node_t))


static ngx_int_t ngx_http_gateway_limit_zone_create(
    ngx_http_gateway_limit_zone_t *zone, size_t size, ngx_log_t *log);
static void ngx_http_gateway_limit_zone_spend(
    ngx_http_gateway_limit_item_t *item, ngx_http_gateway_limit_node_t *node,
    uint64_t now);
static ngx_http_gateway_limit_node_t *ngx_http_gateway_limit_zone_node(
    ngx_http_gateway_limit_item_t *item, uint64_t now);
static void ngx_http_gateway_limit_zone_evict(
    const ngx_http_gateway_limit_zone_t *zone,
    ngx_http_gateway_limit_node_t *node);
static void ngx_http_gateway_limit_zone_expire(
    const ngx_http_gateway_limit_zone_t *zone, uint64_t now);
static uint64_t ngx_http_gateway_limit_hash(const uint64_t *seed,
    const u_char *data, size_t len);
static uint64_t ngx_http_gateway_limit_now(void);


ngx_int_t
ngx_http_gateway_limit_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_gateway_limit_zone_t  *old = data;

    ngx_http_gateway_limit_zone_t  *zone;

    zone = shm_zone->data;
    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old != NULL) {

        if (old->shared->layout != NGX_HTTP_GATEWAY_LIMIT_LAYOUT) {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "gateway_limit_zone \"%V\" was made by another "
                          "build of the module: restart",
                          &shm_zone->shm.name);
            return NGX_ERROR;
        }

        if (zone->key.value.len != old->key.value.len
            || ngx_strncmp(zone->key.value.data, old->key.value.data,
                           zone->key.value.len)
               != 0)
        {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "gateway_limit_zone \"%V\" uses the key \"%V\" "
                          "while previously it used the key \"%V\": give it "
                          "another name or restart",
                          &shm_zone->shm.name, &zone->key.value,
                          &old->key.value);
            return NGX_ERROR;
        }

        zone->shared = old->shared;

        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        zone->shared = zone->shpool->data;

        return NGX_OK;
    }

    return ngx_http_gateway_limit_zone_create(zone, shm_zone->shm.size,
                                              shm_zone->shm.log);
}


static ngx_int_t
ngx_http_gateway_limit_zone_create(ngx_http_gateway_limit_zone_t *zone,
    size_t size, ngx_log_t *log)
{
    u_char                           *p;
    ngx_fd_t                          fd;
    ngx_uint_t                        n;
    ngx_http_gateway_limit_shared_t  *shared;

    /* a full zone is normal: the oldest key goes */

    zone->shpool->log_nomem = 0;

    for (n = 16; n < size / NGX_HTTP_GATEWAY_LIMIT_STEP; n *= 2) {
        /* void */
    }

    shared = ngx_slab_calloc(zone->shpool,
                             sizeof(ngx_http_gateway_limit_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    shared->layout = NGX_HTTP_GATEWAY_LIMIT_LAYOUT;
    shared->mask = n - 1;
    shared->buckets = ngx_slab_calloc(zone->shpool,
                                 n * sizeof(ngx_http_gateway_limit_node_t *));

    p = ngx_slab_alloc(zone->shpool,
                       sizeof(" in gateway_limit_zone \"\"%Z")
                       + zone->name.len);

    if (shared->buckets == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(p, " in gateway_limit_zone \"%V\"%Z", &zone->name);
    zone->shpool->log_ctx = p;

    ngx_queue_init(&shared->queue);
    ngx_queue_init(&shared->changed);

    fd = ngx_open_file("/dev/urandom", NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE
        || read(fd, shared->seed, sizeof(shared->seed))
           != (ssize_t) sizeof(shared->seed))
    {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "could not read \"/dev/urandom\"");

        if (fd != NGX_INVALID_FILE) {
            (void) ngx_close_file(fd);
        }

        return NGX_ERROR;
    }

    (void) ngx_close_file(fd);

    zone->shpool->data = shared;
    zone->shared = shared;

    return NGX_OK;
}


ngx_int_t
ngx_http_gateway_limit_zone_key(ngx_http_gateway_limit_item_t *item,
    ngx_str_t *key)
{
    /* nodes tell one another digests alone */

    if (key->len <= NGX_HTTP_GATEWAY_LIMIT_KEY_MAX && item->zone->sync == 0) {
        ngx_memcpy(item->key, key->data, key->len);
        item->key_len = key->len;

        return NGX_OK;
    }

    item->key_len = NGX_HTTP_GATEWAY_LIMIT_DIGEST;

    return ngx_http_gateway_sha256(key, item->key);
}


ngx_int_t
ngx_http_gateway_limit_zone_charge(ngx_http_gateway_limit_item_t *items,
    ngx_uint_t n)
{
    bool                                  is_allowed;
    uint64_t                              now;
    ngx_int_t                             rc;
    ngx_uint_t                            i;
    ngx_http_gateway_limit_node_t        *nodes[NGX_HTTP_GATEWAY_LIMIT_ZONES];

    now = ngx_http_gateway_limit_now();
    rc = NGX_OK;

    for (i = 0; i < n; i++) {
        ngx_shmtx_lock(&items[i].zone->shpool->mutex);
    }

    for (i = 0; i < n; i++) {
        nodes[i] = ngx_http_gateway_limit_zone_node(&items[i], now);

        if (nodes[i] == NULL) {
            rc = NGX_ERROR;
            goto unlock;
        }

        is_allowed = ngx_http_gateway_gcra_test(&items[i].gcra,
                                                nodes[i]->tat, now,
                                                items[i].cost);
        items[i].result.is_allowed = is_allowed;

        if (!is_allowed && !items[i].is_dry) {
            rc = NGX_DECLINED;
        }
    }

    for (i = 0; i < n; i++) {

        if (rc == NGX_OK && items[i].result.is_allowed) {
            ngx_http_gateway_limit_zone_spend(&items[i], nodes[i], now);
        }

        ngx_http_gateway_gcra_tell(&items[i].gcra, nodes[i]->tat, now,
                                   items[i].cost, items[i].result.is_allowed,
                                   &items[i].result);
    }

unlock:

    for (i = n; i > 0; i--) {
        ngx_shmtx_unlock(&items[i - 1].zone->shpool->mutex);
    }

    return rc;
}


static void
ngx_http_gateway_limit_zone_spend(ngx_http_gateway_limit_item_t *item,
    ngx_http_gateway_limit_node_t *node, uint64_t now)
{
    const ngx_http_gateway_gcra_t  *gcra;

    gcra = &item->gcra;

    if (item->zone->sync && item->cost) {

        if (node->spent == 0) {
            ngx_queue_insert_tail(&item->zone->shared->changed,
                                  &node->changed);
        }

        node->spent += item->cost * gcra->interval;
    }

    node->tat = ngx_http_gateway_gcra_charge(gcra, node->tat, now, item->cost);

    if (item->delay != NGX_HTTP_GATEWAY_LIMIT_NO_DELAY) {
        item->wait = ngx_http_gateway_gcra_wait(gcra, node->tat, now,
                                                item->delay);
    }
}


uint64_t
ngx_http_gateway_limit_zone_debt(const ngx_http_gateway_limit_zone_t *zone,
    const ngx_http_gateway_gcra_t *gcra)
{
    if (zone->sync == 0) {
        return 0;
    }

    return NGX_HTTP_GATEWAY_LIMIT_NODES
           * (gcra->quota * gcra->interval + NGX_HTTP_GATEWAY_LIMIT_LATE);
}


ngx_uint_t
ngx_http_gateway_limit_zone_take(const ngx_http_gateway_limit_zone_t *zone,
    ngx_http_gateway_limit_amount_t *amounts, ngx_uint_t max)
{
    ngx_uint_t                        n;
    ngx_queue_t                      *q;
    ngx_http_gateway_limit_node_t    *node;
    ngx_http_gateway_limit_shared_t  *shared;

    shared = zone->shared;

    ngx_shmtx_lock(&zone->shpool->mutex);

    for (n = 0; n < max && !ngx_queue_empty(&shared->changed); n++) {

        q = ngx_queue_head(&shared->changed);
        node = ngx_queue_data(q, ngx_http_gateway_limit_node_t, changed);

        ngx_memcpy(amounts[n].key, node->data, NGX_HTTP_GATEWAY_DIGEST_LEN);
        amounts[n].amount = node->spent;

        ngx_queue_remove(q);
        node->spent = 0;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return n;
}


ngx_uint_t
ngx_http_gateway_limit_zone_owe(const ngx_http_gateway_limit_zone_t *zone,
    const ngx_http_gateway_limit_message_t *message)
{
    uint64_t                          now;
    unsigned                          i;
    ngx_http_gateway_gcra_t           gcra;
    ngx_http_gateway_limit_item_t     item;
    ngx_http_gateway_limit_node_t    *node;
    ngx_http_gateway_limit_amount_t   amount;

    /* with a rate for each request the largest one is not known here */

    gcra = zone->gcra;

    if (zone->rate) {
        gcra.debt = ngx_max(gcra.debt, NGX_HTTP_GATEWAY_LIMIT_UNKNOWN);
    }

    now = ngx_http_gateway_limit_now();

    item.zone = zone;
    item.key_len = NGX_HTTP_GATEWAY_LIMIT_DIGEST;
    item.evicted = 0;

    ngx_shmtx_lock(&zone->shpool->mutex);

    for (i = 0; i < message->nentries; i++) {
        ngx_http_gateway_limit_message_entry(message, i, &amount);
        ngx_memcpy(item.key, amount.key, NGX_HTTP_GATEWAY_DIGEST_LEN);

        node = ngx_http_gateway_limit_zone_node(&item, now);

        if (node == NULL) {
            break;
        }

        node->tat = ngx_http_gateway_gcra_owe(&gcra, node->tat, now,
                                              amount.amount);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return item.evicted;
}


/* the node of an item's key, made if it is new; NULL: there is no room */

static ngx_http_gateway_limit_node_t *
ngx_http_gateway_limit_zone_node(ngx_http_gateway_limit_item_t *item,
    uint64_t now)
{
    size_t                                len;
    uint32_t                              bucket;
    ngx_queue_t                          *q;
    ngx_http_gateway_limit_node_t        *node;
    ngx_http_gateway_limit_shared_t      *shared;
    const ngx_http_gateway_limit_zone_t  *zone;

    zone = item->zone;
    shared = zone->shared;

    len = item->key_len == NGX_HTTP_GATEWAY_LIMIT_DIGEST
          ? NGX_HTTP_GATEWAY_DIGEST_LEN : item->key_len;

    bucket = (uint32_t) (ngx_http_gateway_limit_hash(shared->seed, item->key,
                                                     len)
                         & shared->mask);

    for (node = shared->buckets[bucket]; node != NULL; node = node->next) {

        if (node->len == item->key_len
            && ngx_memcmp(node->data, item->key, len) == 0)
        {
            ngx_queue_remove(&node->queue);
            ngx_queue_insert_head(&shared->queue, &node->queue);
            return node;
        }
    }

    ngx_http_gateway_limit_zone_expire(zone, now);

    node = ngx_slab_alloc_locked(zone->shpool,
                                 sizeof(ngx_http_gateway_limit_node_t));

    if (node == NULL) {

        if (ngx_queue_empty(&shared->queue)) {
            return NULL;
        }

        q = ngx_queue_last(&shared->queue);

        ngx_http_gateway_limit_zone_evict(zone, ngx_queue_data(q,
                                        ngx_http_gateway_limit_node_t, queue));
        item->evicted++;

        node = ngx_slab_alloc_locked(zone->shpool,
                                     sizeof(ngx_http_gateway_limit_node_t));
        if (node == NULL) {
            return NULL;
        }
    }

    node->tat = 0;
    node->spent = 0;
    node->bucket = bucket;
    node->len = (uint32_t) item->key_len;
    ngx_memcpy(node->data, item->key, len);

    node->next = shared->buckets[bucket];
    shared->buckets[bucket] = node;
    ngx_queue_insert_head(&shared->queue, &node->queue);

    return node;
}


static void
ngx_http_gateway_limit_zone_evict(const ngx_http_gateway_limit_zone_t *zone,
    ngx_http_gateway_limit_node_t *node)
{
    ngx_http_gateway_limit_node_t  **place;

    place = &zone->shared->buckets[node->bucket];

    while (*place != node) {
        place = &(*place)->next;
    }

    *place = node->next;
    ngx_queue_remove(&node->queue);

    if (node->spent) {
        ngx_queue_remove(&node->changed);
    }

    ngx_slab_free_locked(zone->shpool, node);
}


/* keys whose quota is full again are as good as new */

static void
ngx_http_gateway_limit_zone_expire(const ngx_http_gateway_limit_zone_t *zone,
    uint64_t now)
{
    ngx_uint_t                      i;
    ngx_queue_t                    *q;
    ngx_http_gateway_limit_node_t  *node;

    for (i = 0; i < NGX_HTTP_GATEWAY_LIMIT_IDLE; i++) {

        if (ngx_queue_empty(&zone->shared->queue)) {
            return;
        }

        q = ngx_queue_last(&zone->shared->queue);
        node = ngx_queue_data(q, ngx_http_gateway_limit_node_t, queue);

        if (node->tat > now || (node->spent && zone->sync)) {
            return;
        }

        ngx_http_gateway_limit_zone_evict(zone, node);
    }
}


#define ngx_http_gateway_limit_rotl(x, b)                                     \
    (((x) << (b)) | ((x) >> (64 - (b))))

#define ngx_http_gateway_limit_round(v)                                       \
    v[0] += v[1];                                                             \
    v[1] = ngx_http_gateway_limit_rotl(v[1], 13) ^ v[0];                      \
    v[0] = ngx_http_gateway_limit_rotl(v[0], 32);                             \
    v[2] += v[3];                                                             \
    v[3] = ngx_http_gateway_limit_rotl(v[3], 16) ^ v[2];                      \
    v[0] += v[3];                                                             \
    v[3] = ngx_http_gateway_limit_rotl(v[3], 21) ^ v[0];                      \
    v[2] += v[1];                                                             \
    v[1] = ngx_http_gateway_limit_rotl(v[1], 17) ^ v[2];                      \
    v[2] = ngx_http_gateway_limit_rotl(v[2], 32)


/* SipHash-1-3 */

static uint64_t
ngx_http_gateway_limit_hash(const uint64_t *seed, const u_char *data,
    size_t len)
{
    size_t    n;
    uint64_t  word, v[4];

    v[0] = seed[0] ^ 0x736f6d6570736575ULL;
    v[1] = seed[1] ^ 0x646f72616e646f6dULL;
    v[2] = seed[0] ^ 0x6c7967656e657261ULL;
    v[3] = seed[1] ^ 0x7465646279746573ULL;

    for (n = len; n >= 8; n -= 8, data += 8) {
        ngx_memcpy(&word, data, 8);

        v[3] ^= word;
        ngx_http_gateway_limit_round(v);
        v[0] ^= word;
    }

    word = 0;
    ngx_memcpy(&word, data, n);
    word |= (uint64_t) len << 56;

    v[3] ^= word;
    ngx_http_gateway_limit_round(v);
    v[0] ^= word;

    v[2] ^= 0xff;
    ngx_http_gateway_limit_round(v);
    ngx_http_gateway_limit_round(v);
    ngx_http_gateway_limit_round(v);

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}


/* not the cached time of the event loop: it stands still for a whole turn */

static uint64_t
ngx_http_gateway_limit_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}
