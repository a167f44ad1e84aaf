/*
 * Copyright (C) the Warren authors
 *
 * Keys from a URL.  Whichever worker process finds that it is time takes a
 * lease in shared memory, fetches, and publishes what it got; the others take
 * it from there.  What was good stays until something better comes.
 */

#include "ngx_http_gateway_private.h"
#include "ngx_http_gateway_jwt_fetch.h"
#include "ngx_http_gateway_jwt_file.h"
#include "ngx_http_gateway_jwt_url.h"


/* how often a process looks whether it is time, and while requests wait, ms */

#define NGX_HTTP_GATEWAY_JWT_URL_TICK    500
#define NGX_HTTP_GATEWAY_JWT_URL_HASTE   20

/* what a process may hold its lease longer than the fetch takes, ms */

#define NGX_HTTP_GATEWAY_JWT_URL_GRACE   5000

/* room for the zone's own needs beside what we keep in it */

#define NGX_HTTP_GATEWAY_JWT_URL_SLACK   (32 * ngx_pagesize)

/* of what lies in shared memory */

#define NGX_HTTP_GATEWAY_JWT_URL_LAYOUT  1


/*
 * In shared memory, of all processes and configurations with the same URL.
 * Times are of ngx_current_msec, which all processes have in common.  The
 * zone's mutex is held for all but a look at serial and ended.
 */

typedef struct {
    ngx_uint_t                    layout;
    ngx_atomic_t                  serial;    /* of the text; 0: none yet */
    ngx_atomic_t                  ended;     /* how many fetches have */
    ngx_pid_t                     holder;    /* of the lease; 0: nobody */
    ngx_msec_t                    lease;     /* until when */
    ngx_msec_t                    due;       /* when to fetch next */
    ngx_msec_t                    attempted; /* when the last one ended */
    size_t                        len;
    u_char                        text[NGX_HTTP_GATEWAY_JWT_KEYS_SIZE];
} ngx_http_gateway_jwt_url_shared_t;


struct ngx_http_gateway_jwt_url_s {
    ngx_str_t                     name;      /* ends with a zero */
    ngx_addr_t                    address;
    ngx_str_t                     request;
    ngx_msec_t                    ttl;
    ngx_msec_t                    cooldown;
    ngx_msec_t                    wait;
    ngx_str_t                     cache;     /* of a file; len is 0: none */
    ngx_shm_zone_t               *zone;
    ngx_http_gateway_jwt_url_shared_t  *shared;

    /* what the cache had when the configuration was read; data is NULL: none */
    ngx_str_t                     cached;

    /* of which the counters are */
    ngx_http_gateway_main_conf_t *gateway;

    /* where it is first named */
    ngx_str_t                     file;
    ngx_uint_t                    line;

    /* of the process */
    ngx_http_gateway_jwt_keys_t  *keys;
    ngx_atomic_uint_t             serial;    /* that keys are of */
    ngx_event_t                   timer;
    ngx_http_gateway_jwt_fetch_t *fetch;     /* NULL: none runs */
    ngx_queue_t                   waiters;
    ngx_uint_t                    nwaiters;
    unsigned                      is_failing:1;
};


/* a request that waits; in its pool */

typedef struct {
    ngx_queue_t                   queue;
    ngx_event_t                   event;     /* its patience, and its end */
    ngx_http_request_t           *request;
    ngx_http_gateway_jwt_url_t   *url;
    ngx_atomic_uint_t             ended;     /* as it was when it began */
    unsigned                      is_waiting:1;
} ngx_http_gateway_jwt_waiter_t;


typedef struct {
    ngx_array_t                   urls;      /* of ..._jwt_url_t * */
} ngx_http_gateway_jwt_url_main_conf_t;


static ngx_uint_t ngx_http_gateway_jwt_url_is_held(
    ngx_http_gateway_jwt_url_shared_t *shared);
static ngx_uint_t ngx_http_gateway_jwt_url_may_ask(
    ngx_http_gateway_jwt_url_t *url);
static void ngx_http_gateway_jwt_url_adopt(ngx_http_gateway_jwt_url_t *url);
static void ngx_http_gateway_jwt_url_tick(ngx_event_t *ev);
static void ngx_http_gateway_jwt_url_fetch(ngx_http_gateway_jwt_url_t *url);
static void ngx_http_gateway_jwt_url_fetched(void *data,
    const ngx_str_t *text, const char *reason);
static ngx_uint_t ngx_http_gateway_jwt_url_publish(
    ngx_http_gateway_jwt_url_t *url, const ngx_str_t *text);
static void ngx_http_gateway_jwt_url_keep(ngx_http_gateway_jwt_url_t *url,
    const ngx_str_t *text);
static void ngx_http_gateway_jwt_url_wake(ngx_http_gateway_jwt_url_t *url);
static void ngx_http_gateway_jwt_waiter_leave(
    ngx_http_gateway_jwt_waiter_t *waiter);
static void ngx_http_gateway_jwt_waiter_resume(ngx_event_t *ev);
static void ngx_http_gateway_jwt_waiter_cleanup(void *data);

static ngx_http_gateway_jwt_url_t *ngx_http_gateway_jwt_url_read(
    ngx_conf_t *cf, ngx_str_t *value, ngx_uint_t n);
static ngx_int_t ngx_http_gateway_jwt_url_option(ngx_conf_t *cf,
    ngx_http_gateway_jwt_url_t *url, ngx_str_t *value);
static ngx_int_t ngx_http_gateway_jwt_url_parse(ngx_conf_t *cf,
    ngx_http_gateway_jwt_url_t *url);
static ngx_int_t ngx_http_gateway_jwt_url_add(ngx_conf_t *cf,
    ngx_http_gateway_jwt_url_t *url);
static void ngx_http_gateway_jwt_url_read_cache(ngx_conf_t *cf,
    ngx_http_gateway_jwt_url_t *url);
static ngx_int_t ngx_http_gateway_jwt_url_zone_init(ngx_shm_zone_t *zone,
    void *data);
static void *ngx_http_gateway_jwt_url_create_main_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_gateway_jwt_url_init_process(ngx_cycle_t *cycle);
static void ngx_http_gateway_jwt_url_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_gateway_jwt_url_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_gateway_jwt_url_create_main_conf,
                                           /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_jwt_url_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_jwt_url_module_ctx,  /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_gateway_jwt_url_init_process, /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_gateway_jwt_url_exit_process, /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


#define ngx_http_gateway_jwt_url_lock(url)                                    \
    ngx_shmtx_lock(&((ngx_slab_pool_t *) (url)->zone->shm.addr)->mutex)

#define ngx_http_gateway_jwt_url_unlock(url)                                  \
    ngx_shmtx_unlock(&((ngx_slab_pool_t *) (url)->zone->shm.addr)->mutex)


ngx_http_gateway_jwt_keys_t *
ngx_http_gateway_jwt_url_keys(ngx_http_gateway_jwt_url_t *url)
{
    if (url->shared->serial != url->serial) {
        ngx_http_gateway_jwt_url_adopt(url);
    }

    return url->keys;
}


ngx_int_t
ngx_http_gateway_jwt_url_wait(ngx_http_request_t *r,
    ngx_http_gateway_jwt_url_t *url)
{
    ngx_event_t                    *rev;
    ngx_uint_t                      may_ask;
    ngx_atomic_uint_t               ended;
    ngx_http_cleanup_t             *cln;
    ngx_http_gateway_jwt_waiter_t  *waiter;

    ngx_http_gateway_jwt_url_lock(url);

    may_ask = ngx_http_gateway_jwt_url_may_ask(url);
    ended = url->shared->ended;

    ngx_http_gateway_jwt_url_unlock(url);

    if (!may_ask) {
        return NGX_DECLINED;
    }

    if (url->nwaiters == NGX_HTTP_GATEWAY_JWT_WAITING) {
        return NGX_BUSY;
    }

    waiter = ngx_pcalloc(r->pool, sizeof(ngx_http_gateway_jwt_waiter_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (waiter == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    /* a client that leaves meanwhile is noticed */

    if (r == r->main) {
        rev = r->connection->read;

        if (rev->ready) {
            ngx_post_event(rev, &ngx_posted_events);

        } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
            return NGX_ERROR;
        }

        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    waiter->request = r;
    waiter->url = url;
    waiter->ended = ended;
    waiter->is_waiting = 1;

    waiter->event.handler = ngx_http_gateway_jwt_waiter_resume;
    waiter->event.data = waiter;
    waiter->event.log = r->connection->log;

    cln->handler = ngx_http_gateway_jwt_waiter_cleanup;
    cln->data = waiter;

    ngx_queue_insert_tail(&url->waiters, &waiter->queue);
    url->nwaiters++;

    /* not cancelable: a process that leaves answers first */

    ngx_add_timer(&waiter->event, url->wait);

    ngx_http_gateway_jwt_url_fetch(url);

    if (url->timer.timer_set) {
        ngx_del_timer(&url->timer);
    }

    ngx_add_timer(&url->timer, NGX_HTTP_GATEWAY_JWT_URL_HASTE);

    return NGX_AGAIN;
}


/*
 * Whether waiting makes sense: a fetch runs, or one may begin, which is then
 * due.  Called with the lock held.
 */

static ngx_uint_t
ngx_http_gateway_jwt_url_may_ask(ngx_http_gateway_jwt_url_t *url)
{
    ngx_http_gateway_jwt_url_shared_t  *shared = url->shared;

    if (ngx_http_gateway_jwt_url_is_held(shared)) {
        return 1;
    }

    if (shared->ended != 0
        && (ngx_msec_int_t) (ngx_current_msec - shared->attempted)
           < (ngx_msec_int_t) url->cooldown)
    {
        return 0;
    }

    shared->due = ngx_current_msec;

    return 1;
}


/* a holder may have been killed */

static ngx_uint_t
ngx_http_gateway_jwt_url_is_held(ngx_http_gateway_jwt_url_shared_t *shared)
{
    if (shared->holder == 0
        || (ngx_msec_int_t) (shared->lease - ngx_current_msec) < 0)
    {
        return 0;
    }

    return shared->holder == ngx_pid || kill(shared->holder, 0) == 0
           || ngx_errno != ESRCH;
}


/* what another process, or this one, has published */

static void
ngx_http_gateway_jwt_url_adopt(ngx_http_gateway_jwt_url_t *url)
{
    int                           rc;
    char                          error[NGX_HTTP_GATEWAY_JWT_KEYS_ERROR];
    size_t                        len;
    u_char                       *text;
    ngx_http_gateway_jwt_keys_t  *keys;

    text = ngx_alloc(NGX_HTTP_GATEWAY_JWT_KEYS_SIZE, ngx_cycle->log);
    if (text == NULL) {
        return;
    }

    ngx_http_gateway_jwt_url_lock(url);

    url->serial = url->shared->serial;
    len = url->shared->len;
    ngx_memcpy(text, url->shared->text, len);

    ngx_http_gateway_jwt_url_unlock(url);

    rc = ngx_http_gateway_jwt_keys_new((char *) url->name.data, text, len, 0,
                                       &keys, error);
    ngx_free(text);

    if (rc != NGX_HTTP_GATEWAY_JWT_FINE) {

        /* it was found good before: memory */

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "published keys were not taken: %s", error);
        return;
    }

    ngx_http_gateway_jwt_keys_unref(url->keys);
    url->keys = keys;
}


static void
ngx_http_gateway_jwt_url_tick(ngx_event_t *ev)
{
    ngx_http_gateway_jwt_url_t *url = ev->data;

    if (!ngx_exiting || url->nwaiters != 0) {
        ngx_http_gateway_jwt_url_fetch(url);
    }

    ngx_http_gateway_jwt_url_wake(url);

    if (url->nwaiters != 0) {
        ngx_add_timer(ev, NGX_HTTP_GATEWAY_JWT_URL_HASTE);

    } else if (!ngx_exiting) {
        ngx_add_timer(ev, NGX_HTTP_GATEWAY_JWT_URL_TICK);
    }
}


/* begins a fetch if it is time and nobody else does */

static void
ngx_http_gateway_jwt_url_fetch(ngx_http_gateway_jwt_url_t *url)
{
    ngx_uint_t                          is_ours;
    ngx_http_gateway_jwt_url_shared_t  *shared = url->shared;

    if (url->fetch != NULL
        || (ngx_msec_int_t) (ngx_current_msec - shared->due) < 0)
    {
        return;
    }

    ngx_http_gateway_jwt_url_lock(url);

    is_ours = !ngx_http_gateway_jwt_url_is_held(shared)
              && (ngx_msec_int_t) (ngx_current_msec - shared->due) >= 0;

    if (is_ours) {
        shared->holder = ngx_pid;
        shared->lease = ngx_current_msec + NGX_HTTP_GATEWAY_JWT_FETCH_TIMEOUT
                        + NGX_HTTP_GATEWAY_JWT_URL_GRACE;
    }

    ngx_http_gateway_jwt_url_unlock(url);

    if (!is_ours) {
        return;
    }

    url->fetch = ngx_http_gateway_jwt_fetch(&url->address, &url->request,
                                            NGX_HTTP_GATEWAY_JWT_KEYS_SIZE,
                                            ngx_cycle->log,
                                            ngx_http_gateway_jwt_url_fetched,
                                            url);
    if (url->fetch == NULL) {
        ngx_http_gateway_jwt_url_fetched(url, NULL, "out of memory");
    }
}


static void
ngx_http_gateway_jwt_url_fetched(void *data, const ngx_str_t *text,
    const char *reason)
{
    ngx_http_gateway_jwt_url_t *url = data;

    int                                 rc;
    char                                error[NGX_HTTP_GATEWAY_JWT_KEYS_ERROR];
    ngx_uint_t                          is_new;
    ngx_http_gateway_stats_t           *stats;
    ngx_http_gateway_jwt_keys_t        *keys;
    ngx_http_gateway_jwt_url_shared_t  *shared = url->shared;

    url->fetch = NULL;
    is_new = 0;
    stats = url->gateway->stats;

    if (text != NULL) {
        rc = ngx_http_gateway_jwt_keys_new((char *) url->name.data, text->data,
                                           text->len, 0, &keys, error);

        if (rc == NGX_HTTP_GATEWAY_JWT_FINE) {
            ngx_http_gateway_jwt_keys_unref(keys);

        } else {
            reason = rc == NGX_HTTP_GATEWAY_JWT_REFUSED ? error
                                                        : "out of memory";
        }
    }

    ngx_http_gateway_jwt_url_lock(url);

    if (reason == NULL) {
        is_new = ngx_http_gateway_jwt_url_publish(url, text);
    }

    /* it may have been taken from us if we were stopped for long */

    if (shared->holder == ngx_pid) {
        shared->holder = 0;
    }

    shared->ended++;
    shared->attempted = ngx_current_msec;
    shared->due = ngx_current_msec + (reason == NULL ? url->ttl
                                                     : url->cooldown);

    ngx_http_gateway_jwt_url_unlock(url);

    (void) ngx_atomic_fetch_add(&stats->jwt_key_fetches, 1);

    if (reason != NULL) {
        (void) ngx_atomic_fetch_add(&stats->jwt_key_failures, 1);

        url->is_failing = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "no keys from \"%V\": %s; %s", &url->name, reason,
                      shared->serial != 0 ? "those known so far are kept"
                                          : "there are none yet");

    } else if (is_new || url->is_failing) {
        url->is_failing = 0;
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "%s keys from \"%V\"", is_new ? "new" : "the same",
                      &url->name);
    }

    if (is_new) {
        ngx_http_gateway_jwt_url_keep(url, text);
    }

    ngx_http_gateway_jwt_url_wake(url);
}


/* whether it is another text; called with the lock held */

static ngx_uint_t
ngx_http_gateway_jwt_url_publish(ngx_http_gateway_jwt_url_t *url,
    const ngx_str_t *text)
{
    ngx_http_gateway_jwt_url_shared_t  *shared = url->shared;

    if (shared->serial != 0 && shared->len == text->len
        && ngx_memcmp(shared->text, text->data, text->len) == 0)
    {
        return 0;
    }

    ngx_memcpy(shared->text, text->data, text->len);
    shared->len = text->len;
    shared->serial++;

    return 1;
}


/* for a start while the source is away; a file that is whole or not there */

static void
ngx_http_gateway_jwt_url_keep(ngx_http_gateway_jwt_url_t *url,
    const ngx_str_t *text)
{
    u_char    name[NGX_MAX_PATH];
    ssize_t   n;
    ngx_fd_t  fd;

    if (url->cache.len == 0) {
        return;
    }

    (void) ngx_snprintf(name, sizeof(name), "%V.%P.new%Z", &url->cache,
                        ngx_pid);
    name[sizeof(name) - 1] = '\0';

    fd = ngx_open_file(name, NGX_FILE_WRONLY, NGX_FILE_TRUNCATE,
                       NGX_FILE_DEFAULT_ACCESS);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "keys are not cached: " ngx_open_file_n " \"%s\" failed",
                      name);
        return;
    }

    n = ngx_write_fd(fd, text->data, text->len);

    if (ngx_close_file(fd) == NGX_FILE_ERROR || n != (ssize_t) text->len
        || ngx_rename_file(name, url->cache.data) == NGX_FILE_ERROR)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "keys are not cached: \"%V\" cannot be written",
                      &url->cache);
        (void) ngx_delete_file(name);
    }
}


/* those that began before the last fetch ended have waited long enough */

static void
ngx_http_gateway_jwt_url_wake(ngx_http_gateway_jwt_url_t *url)
{
    ngx_queue_t                    *q;
    ngx_http_gateway_jwt_waiter_t  *waiter;

    for (q = ngx_queue_head(&url->waiters);
         q != ngx_queue_sentinel(&url->waiters);
         q = ngx_queue_next(q))
    {
        waiter = ngx_queue_data(q, ngx_http_gateway_jwt_waiter_t, queue);

        /* it leaves the queue when its event is run */

        if (waiter->ended != url->shared->ended) {
            ngx_post_event(&waiter->event, &ngx_posted_events);
        }
    }
}


static void
ngx_http_gateway_jwt_waiter_leave(ngx_http_gateway_jwt_waiter_t *waiter)
{
    if (!waiter->is_waiting) {
        return;
    }

    waiter->is_waiting = 0;

    ngx_queue_remove(&waiter->queue);
    waiter->url->nwaiters--;

    if (waiter->event.timer_set) {
        ngx_del_timer(&waiter->event);
    }

    if (waiter->event.posted) {
        ngx_delete_posted_event(&waiter->event);
    }
}


/* its patience has ended, or a fetch has */

static void
ngx_http_gateway_jwt_waiter_resume(ngx_event_t *ev)
{
    ngx_http_gateway_jwt_waiter_t *waiter = ev->data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    ngx_http_gateway_jwt_waiter_leave(waiter);

    r = waiter->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (r == r->main) {
        r->read_event_handler = ngx_http_block_reading;
    }

    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_gateway_jwt_waiter_cleanup(void *data)
{
    ngx_http_gateway_jwt_waiter_leave(data);
}


ngx_http_gateway_jwt_url_t *
ngx_http_gateway_jwt_url(ngx_conf_t *cf)
{
    ngx_str_t                              *value;
    ngx_uint_t                              i;
    ngx_http_gateway_jwt_url_t             *url, **known;
    ngx_http_gateway_jwt_url_main_conf_t   *umcf;

    value = cf->args->elts;

    url = ngx_http_gateway_jwt_url_read(cf, value + 1, cf->args->nelts - 1);
    if (url == NULL) {
        return NULL;
    }

    umcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_gateway_jwt_url_module);
    known = umcf->urls.elts;

    for (i = 0; i < umcf->urls.nelts; i++) {

        if (known[i]->name.len != url->name.len
            || ngx_strcmp(known[i]->name.data, url->name.data) != 0)
        {
            continue;
        }

        if (known[i]->ttl != url->ttl || known[i]->cooldown != url->cooldown
            || known[i]->wait != url->wait
            || known[i]->cache.len != url->cache.len
            || ngx_strncmp(known[i]->cache.data, url->cache.data,
                           url->cache.len)
               != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" has other parameters than in %V:%ui, "
                               "make them the same", &url->name,
                               &known[i]->file, known[i]->line);
            return NULL;
        }

        return known[i];
    }

    known = ngx_array_push(&umcf->urls);
    if (known == NULL) {
        return NULL;
    }

    *known = url;

    return ngx_http_gateway_jwt_url_add(cf, url) == NGX_OK ? url : NULL;
}


static ngx_http_gateway_jwt_url_t *
ngx_http_gateway_jwt_url_read(ngx_conf_t *cf, ngx_str_t *value, ngx_uint_t n)
{
    ngx_uint_t                   i;
    ngx_http_gateway_jwt_url_t  *url;

    url = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_jwt_url_t));
    if (url == NULL) {
        return NULL;
    }

    url->name = value[0];
    url->gateway = ngx_http_conf_get_module_main_conf(cf,
                                                      ngx_http_gateway_module);
    url->ttl = 600000;
    url->cooldown = NGX_CONF_UNSET_MSEC;
    url->wait = 1000;
    url->file = cf->conf_file->file.name;
    url->line = cf->conf_file->line;

    for (i = 1; i < n; i++) {
        if (ngx_http_gateway_jwt_url_option(cf, url, &value[i]) != NGX_OK) {
            return NULL;
        }
    }

    if (url->cooldown == NGX_CONF_UNSET_MSEC) {
        url->cooldown = ngx_min(10000, url->ttl);
    }

    if (url->cooldown > url->ttl) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"cooldown\" is longer than \"ttl\"");
        return NULL;
    }

    if (ngx_http_gateway_jwt_url_parse(cf, url) != NGX_OK) {
        return NULL;
    }

    return url;
}


static ngx_int_t
ngx_http_gateway_jwt_url_option(ngx_conf_t *cf,
    ngx_http_gateway_jwt_url_t *url, ngx_str_t *value)
{
    ngx_str_t    s;
    ngx_int_t    time;
    ngx_msec_t  *msec;

    if (value->len > 6 && ngx_strncmp(value->data, "cache=", 6) == 0) {
        url->cache.data = value->data + 6;
        url->cache.len = value->len - 6;

        return ngx_conf_full_name(cf->cycle, &url->cache, 0);
    }

    if (ngx_strncmp(value->data, "ttl=", 4) == 0) {
        s.data = value->data + 4;
        msec = &url->ttl;

    } else if (ngx_strncmp(value->data, "cooldown=", 9) == 0) {
        s.data = value->data + 9;
        msec = &url->cooldown;

    } else if (ngx_strncmp(value->data, "wait=", 5) == 0) {
        s.data = value->data + 5;
        msec = &url->wait;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown parameter \"%V\", it must be ttl=TIME, "
                           "cooldown=TIME, wait=TIME or cache=FILE", value);
        return NGX_ERROR;
    }

    s.len = value->data + value->len - s.data;
    time = ngx_parse_time(&s, 0);

    /* a day at most, so that times in 32 bits can be compared */

    if (time == NGX_ERROR || time < (msec == &url->ttl ? 1000 : 100)
        || time > 24 * 3600 * 1000)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\", it must be a time of 100ms (ttl: "
                           "1s) to 1d", value);
        return NGX_ERROR;
    }

    *msec = (ngx_msec_t) time;

    return NGX_OK;
}


/* address, and what is written to it */

static ngx_int_t
ngx_http_gateway_jwt_url_parse(ngx_conf_t *cf, ngx_http_gateway_jwt_url_t *url)
{
    size_t      i;
    u_char     *p;
    ngx_url_t   u;
    ngx_str_t   host, uri;

    if (url->name.len > 8
        && ngx_strncasecmp(url->name.data, (u_char *) "https://", 8) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "TLS is for an nginx server with \"proxy_pass %V\" "
                           "to do: let it listen on a socket, and name that "
                           "as http://unix:/PATH:/URI", &url->name);
        return NGX_ERROR;
    }

    if (url->name.len <= 7
        || ngx_strncasecmp(url->name.data, (u_char *) "http://", 7) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URL \"%V\", write it as "
                           "http://HOST[:PORT]/URI or http://unix:/PATH:/URI",
                           &url->name);
        return NGX_ERROR;
    }

    for (i = 0; i < url->name.len; i++) {
        if (url->name.data[i] <= ' ' || url->name.data[i] >= 0x7f
            || url->name.data[i] == '$' || url->name.data[i] == '#')
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid URL \"%V\": no blanks, variables and "
                               "fragments", &url->name);
            return NGX_ERROR;
        }
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.data = url->name.data + 7;
    u.url.len = url->name.len - 7;
    u.default_port = 80;
    u.uri_part = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"%V\"; names that change are for an nginx "
                           "server on a socket", u.err ? u.err : "no address",
                           &url->name);
        return NGX_ERROR;
    }

    url->address = u.addrs[0];

    ngx_str_set(&host, "localhost");

    if (u.family != AF_UNIX) {
        host = u.host;
    }

    uri = u.uri;

    if (uri.len == 0) {
        ngx_str_set(&uri, "/");
    }

    p = ngx_pnalloc(cf->pool, sizeof("GET  HTTP/1.0" CRLF "Host: :65535" CRLF
                                     "Accept: application/json" CRLF
                                     "Connection: close" CRLF CRLF)
                              + uri.len + host.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->request.data = p;

    p = ngx_sprintf(p, "GET %V HTTP/1.0" CRLF "Host: %V", &uri, &host);

    if (u.family != AF_UNIX && !u.no_port) {
        p = ngx_sprintf(p, ":%d", (int) u.port);
    }

    p = ngx_sprintf(p, CRLF "Accept: application/json" CRLF
                       "Connection: close" CRLF CRLF);

    url->request.len = p - url->request.data;

    return NGX_OK;
}


/* zone and cache of one that is new in this configuration */

static ngx_int_t
ngx_http_gateway_jwt_url_add(ngx_conf_t *cf, ngx_http_gateway_jwt_url_t *url)
{
    u_char     *p;
    ngx_str_t   name;

    if (url->cache.len != 0) {
        ngx_http_gateway_jwt_url_read_cache(cf, url);
    }

    name.len = sizeof("gateway_jwt_key_url ") - 1 + url->name.len;
    name.data = ngx_pnalloc(cf->pool, name.len + 1);

    if (name.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(name.data, "gateway_jwt_key_url %V", &url->name);
    *p = '\0';

    url->zone = ngx_shared_memory_add(cf, &name,
                                sizeof(ngx_http_gateway_jwt_url_shared_t)
                                + NGX_HTTP_GATEWAY_JWT_URL_SLACK,
                                &ngx_http_gateway_jwt_url_module);
    if (url->zone == NULL) {
        return NGX_ERROR;
    }

    url->zone->init = ngx_http_gateway_jwt_url_zone_init;
    url->zone->data = url;

    return NGX_OK;
}


/* a cache that is broken or not there yet is no reason not to start */

static void
ngx_http_gateway_jwt_url_read_cache(ngx_conf_t *cf,
    ngx_http_gateway_jwt_url_t *url)
{
    int                           rc;
    char                          error[NGX_HTTP_GATEWAY_JWT_KEYS_ERROR];
    ngx_str_t                     text;
    ngx_file_info_t               fi;
    ngx_http_gateway_jwt_keys_t  *keys;

    if (ngx_file_info(url->cache.data, &fi) == NGX_FILE_ERROR
        || ngx_http_gateway_jwt_file_read(NULL, cf->log, &url->cache,
                                          NGX_HTTP_GATEWAY_JWT_KEYS_SIZE,
                                          &text, NULL)
           != NGX_OK)
    {
        return;
    }

    rc = ngx_http_gateway_jwt_keys_new((char *) url->cache.data, text.data,
                                       text.len, 0, &keys, error);

    if (rc == NGX_HTTP_GATEWAY_JWT_FINE) {
        ngx_http_gateway_jwt_keys_unref(keys);

        url->cached.data = ngx_pstrdup(cf->pool, &text);
        url->cached.len = text.len;

    } else if (rc == NGX_HTTP_GATEWAY_JWT_REFUSED) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "the cache is not used: %s",
                           error);
    }

    ngx_free(text.data);
}


static ngx_int_t
ngx_http_gateway_jwt_url_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_gateway_jwt_url_t *url = zone->data;

    ngx_slab_pool_t                    *shpool;
    ngx_http_gateway_jwt_url_shared_t  *shared;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;
    shared = shpool->data;

    if (shared == NULL || shared->layout != NGX_HTTP_GATEWAY_JWT_URL_LAYOUT) {
        shared = ngx_slab_calloc(shpool,
                                 sizeof(ngx_http_gateway_jwt_url_shared_t));
        if (shared == NULL) {
            return NGX_ERROR;
        }

        shared->layout = NGX_HTTP_GATEWAY_JWT_URL_LAYOUT;
        shared->due = ngx_current_msec;
        shpool->data = shared;
    }

    url->shared = shared;

    /* what was fetched before a reload is newer than the cache */

    if (shared->serial == 0 && url->cached.data != NULL) {
        ngx_memcpy(shared->text, url->cached.data, url->cached.len);
        shared->len = url->cached.len;
        shared->serial = 1;
    }

    return NGX_OK;
}


static void *
ngx_http_gateway_jwt_url_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_jwt_url_main_conf_t  *umcf;

    umcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gateway_jwt_url_main_conf_t));

    if (umcf == NULL
        || ngx_array_init(&umcf->urls, cf->pool, 1,
                          sizeof(ngx_http_gateway_jwt_url_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return umcf;
}


static ngx_int_t
ngx_http_gateway_jwt_url_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                              i;
    ngx_http_gateway_jwt_url_t            **url;
    ngx_http_gateway_jwt_url_main_conf_t   *umcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    umcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_gateway_jwt_url_module);

    if (umcf == NULL) {
        return NGX_OK;
    }

    url = umcf->urls.elts;

    for (i = 0; i < umcf->urls.nelts; i++) {
        ngx_queue_init(&url[i]->waiters);

        url[i]->timer.handler = ngx_http_gateway_jwt_url_tick;
        url[i]->timer.data = url[i];
        url[i]->timer.log = cycle->log;
        url[i]->timer.cancelable = 1;

        ngx_add_timer(&url[i]->timer, 1);
    }

    return NGX_OK;
}


static void
ngx_http_gateway_jwt_url_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                              i;
    ngx_http_gateway_jwt_url_t            **url;
    ngx_http_gateway_jwt_url_main_conf_t   *umcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    umcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_gateway_jwt_url_module);

    if (umcf == NULL) {
        return;
    }

    url = umcf->urls.elts;

    for (i = 0; i < umcf->urls.nelts; i++) {

        if (url[i]->timer.timer_set) {
            ngx_del_timer(&url[i]->timer);
        }

        if (url[i]->fetch != NULL) {
            ngx_http_gateway_jwt_fetch_cancel(url[i]->fetch);
            url[i]->fetch = NULL;

            /* another process begins anew */

            ngx_http_gateway_jwt_url_lock(url[i]);

            if (url[i]->shared->holder == ngx_pid) {
                url[i]->shared->holder = 0;
            }

            ngx_http_gateway_jwt_url_unlock(url[i]);
        }

        ngx_http_gateway_jwt_keys_unref(url[i]->keys);
        url[i]->keys = NULL;
    }
}
