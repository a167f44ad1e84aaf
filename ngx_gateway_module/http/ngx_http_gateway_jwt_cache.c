/*
 * Copyright (C) the Warren authors
 *
 * A hash table of verified tokens with a queue by last use.  Its keys are
 * SHA-256 of tokens that were found good, so nobody who cannot sign can choose
 * them, and no further hashing is needed.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gateway_jwt_cache.h"


/* a bucket for so many bytes of the cache: about one for each token */

#define NGX_HTTP_GATEWAY_JWT_CACHE_STEP  1024


typedef struct ngx_http_gateway_jwt_entry_s  ngx_http_gateway_jwt_entry_t;

struct ngx_http_gateway_jwt_entry_s {
    ngx_http_gateway_jwt_entry_t  *next;        /* in the bucket */
    ngx_queue_t                    queue;       /* head: last used */
    ngx_http_gateway_jwt_token_t  *token;
    size_t                         size;
    u_char                         digest[NGX_HTTP_GATEWAY_DIGEST_LEN];
};


struct ngx_http_gateway_jwt_cache_s {
    ngx_http_gateway_jwt_entry_t **buckets;
    ngx_uint_t                     mask;
    ngx_queue_t                    queue;
    size_t                         size;        /* of all entries */
    size_t                         max;
    ngx_http_gateway_digest_t     *digest;
    ngx_log_t                     *log;
};


static ngx_http_gateway_jwt_entry_t **ngx_http_gateway_jwt_cache_place(
    ngx_http_gateway_jwt_cache_t *cache, const u_char *digest);
static void ngx_http_gateway_jwt_cache_remove(
    ngx_http_gateway_jwt_cache_t *cache,
    ngx_http_gateway_jwt_entry_t **place);


ngx_http_gateway_jwt_cache_t *
ngx_http_gateway_jwt_cache_create(size_t size, ngx_log_t *log)
{
    ngx_uint_t                     n;
    ngx_http_gateway_jwt_cache_t  *cache;

    cache = ngx_calloc(sizeof(ngx_http_gateway_jwt_cache_t), log);
    if (cache == NULL) {
        return NULL;
    }

    ngx_queue_init(&cache->queue);
    cache->max = size;
    cache->log = log;

    for (n = 16; n < size / NGX_HTTP_GATEWAY_JWT_CACHE_STEP; n *= 2) {
        /* void */
    }

    cache->mask = n - 1;
    cache->buckets = ngx_calloc(n * sizeof(ngx_http_gateway_jwt_entry_t *),
                                log);
    cache->digest = ngx_http_gateway_digest_create(log);

    if (cache->buckets == NULL || cache->digest == NULL) {
        ngx_http_gateway_jwt_cache_free(cache);
        return NULL;
    }

    return cache;
}


void
ngx_http_gateway_jwt_cache_free(ngx_http_gateway_jwt_cache_t *cache)
{
    ngx_queue_t                   *q;
    ngx_http_gateway_jwt_entry_t  *entry;

    if (cache == NULL) {
        return;
    }

    while (!ngx_queue_empty(&cache->queue)) {
        q = ngx_queue_head(&cache->queue);
        ngx_queue_remove(q);

        entry = ngx_queue_data(q, ngx_http_gateway_jwt_entry_t, queue);
        ngx_http_gateway_jwt_token_unref(entry->token);
        ngx_free(entry);
    }

    ngx_http_gateway_digest_free(cache->digest);

    ngx_free(cache->buckets);
    ngx_free(cache);
}


ngx_int_t
ngx_http_gateway_jwt_cache_digest(ngx_http_gateway_jwt_cache_t *cache,
    const ngx_http_gateway_jwt_keys_t *keys, ngx_str_t *text, u_char *digest)
{
    ngx_str_t  set;

    set.data = (u_char *) ngx_http_gateway_jwt_keys_digest(keys);
    set.len = NGX_HTTP_GATEWAY_JWT_KEYS_DIGEST;

    return ngx_http_gateway_digest_sum(cache->digest, &set, text, digest);
}


ngx_http_gateway_jwt_token_t *
ngx_http_gateway_jwt_cache_find(ngx_http_gateway_jwt_cache_t *cache,
    const u_char *digest)
{
    ngx_http_gateway_jwt_entry_t  *entry;

    entry = *ngx_http_gateway_jwt_cache_place(cache, digest);

    if (entry == NULL) {
        return NULL;
    }

    ngx_queue_remove(&entry->queue);
    ngx_queue_insert_head(&cache->queue, &entry->queue);

    return ngx_http_gateway_jwt_token_ref(entry->token);
}


void
ngx_http_gateway_jwt_cache_keep(ngx_http_gateway_jwt_cache_t *cache,
    const u_char *digest, ngx_http_gateway_jwt_token_t *token)
{
    size_t                         size;
    ngx_queue_t                   *q;
    ngx_http_gateway_jwt_entry_t  *entry, **place;

    size = sizeof(ngx_http_gateway_jwt_entry_t)
           + ngx_http_gateway_jwt_token_size(token);

    if (size > cache->max) {
        return;
    }

    place = ngx_http_gateway_jwt_cache_place(cache, digest);

    if (*place != NULL) {
        return;
    }

    while (cache->size + size > cache->max) {
        q = ngx_queue_last(&cache->queue);
        entry = ngx_queue_data(q, ngx_http_gateway_jwt_entry_t, queue);

        ngx_http_gateway_jwt_cache_remove(cache,
                   ngx_http_gateway_jwt_cache_place(cache, entry->digest));
    }

    entry = ngx_alloc(sizeof(ngx_http_gateway_jwt_entry_t), cache->log);
    if (entry == NULL) {
        return;
    }

    /* the end of the chain may have been removed meanwhile */

    place = ngx_http_gateway_jwt_cache_place(cache, digest);

    entry->next = NULL;
    entry->token = ngx_http_gateway_jwt_token_ref(token);
    entry->size = size;
    ngx_memcpy(entry->digest, digest, NGX_HTTP_GATEWAY_DIGEST_LEN);

    *place = entry;
    cache->size += size;
    ngx_queue_insert_head(&cache->queue, &entry->queue);
}


/* where the entry hangs, or would; never NULL */

static ngx_http_gateway_jwt_entry_t **
ngx_http_gateway_jwt_cache_place(ngx_http_gateway_jwt_cache_t *cache,
    const u_char *digest)
{
    uint64_t                        hash;
    ngx_http_gateway_jwt_entry_t  **place;

    ngx_memcpy(&hash, digest, sizeof(uint64_t));

    place = &cache->buckets[hash & cache->mask];

    while (*place != NULL
           && ngx_memcmp((*place)->digest, digest,
                         NGX_HTTP_GATEWAY_DIGEST_LEN)
              != 0)
    {
        place = &(*place)->next;
    }

    return place;
}


static void
ngx_http_gateway_jwt_cache_remove(ngx_http_gateway_jwt_cache_t *cache,
    ngx_http_gateway_jwt_entry_t **place)
{
    ngx_http_gateway_jwt_entry_t  *entry;

    entry = *place;
    *place = entry->next;

    ngx_queue_remove(&entry->queue);
    cache->size -= entry->size;

    ngx_http_gateway_jwt_token_unref(entry->token);
    ngx_free(entry);
}
