/*
 * Copyright (C) the Warren authors
 *
 * What all streams of a process and an exchange share: a connection that only
 * consumes, a binding for each key, who gets what comes, and a clock.
 *
 * Nothing that the connection tells runs code of requests: it is noted, and
 * done at the end of the turn.
 */

#include "ngx_http_gateway_stream.h"


/* the clock's step while there are streams, ms */
#define NGX_HTTP_GATEWAY_STREAM_TICK    100

/* tokens are looked at each so many steps */
#define NGX_HTTP_GATEWAY_STREAM_LOOK    5

/* a zone without room is told of this seldom, s */
#define NGX_HTTP_GATEWAY_STREAM_TELL    60


/* what the broker was asked for and has not answered yet; on the heap */

typedef struct {
    ngx_queue_t                     queue;
    ngx_http_gateway_stream_key_t  *key;
    unsigned                        is_unbind:1;
} ngx_http_gateway_stream_ask_t;


static ngx_int_t ngx_http_gateway_stream_hub_open(
    ngx_http_gateway_stream_hub_t *hub);
static ngx_http_gateway_stream_key_t *ngx_http_gateway_stream_key(
    ngx_http_gateway_stream_hub_t *hub, ngx_str_t *name);
static ngx_int_t ngx_http_gateway_stream_digest(
    ngx_http_gateway_stream_hub_t *hub, ngx_http_gateway_stream_key_t *key);
static ngx_int_t ngx_http_gateway_stream_place(ngx_http_gateway_stream_t *s,
    ngx_http_gateway_stream_key_t *key);
static void ngx_http_gateway_stream_key_free(
    ngx_http_gateway_stream_hub_t *hub, ngx_http_gateway_stream_key_t *key);
static void ngx_http_gateway_stream_ask(ngx_http_gateway_stream_hub_t *hub,
    ngx_http_gateway_stream_key_t *key, ngx_uint_t is_unbind);
static void ngx_http_gateway_stream_want(ngx_http_gateway_stream_hub_t *hub,
    ngx_http_gateway_stream_key_t *key);
static void ngx_http_gateway_stream_ready(void *data);
static void ngx_http_gateway_stream_lost(void *data);
static ngx_int_t ngx_http_gateway_stream_done(void *data,
    ngx_uint_t is_unbind);
static void ngx_http_gateway_stream_dropped(void *data);
static void ngx_http_gateway_stream_news(void *data, ngx_amqp_news_t *news);
static void ngx_http_gateway_stream_depart(ngx_http_gateway_stream_t *s,
    char *reason);
static void ngx_http_gateway_stream_hub_work(ngx_event_t *ev);
static void ngx_http_gateway_stream_tick(ngx_event_t *ev);
static void ngx_http_gateway_stream_tick_one(ngx_http_gateway_stream_t *s,
    ngx_uint_t is_look);
static void ngx_http_gateway_stream_unbind(ngx_http_gateway_stream_hub_t *hub);


ngx_int_t
ngx_http_gateway_stream_join(ngx_http_gateway_stream_t *s, ngx_str_t *name)
{
    ngx_int_t                       rc;
    ngx_http_gateway_stream_hub_t  *hub;
    ngx_http_gateway_stream_key_t  *key;

    hub = s->hub;

    if (hub->connection == NULL
        && ngx_http_gateway_stream_hub_open(hub) != NGX_OK)
    {
        return NGX_ERROR;
    }

    key = ngx_http_gateway_stream_key(hub, name);
    if (key == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_gateway_stream_place(s, key);

    if (rc != NGX_OK) {

        /* all of the person's streams may be in other processes */

        if (key->nstreams == 0 && !key->bound && key->asked == 0) {
            ngx_http_gateway_stream_key_free(hub, key);
        }

        return rc;
    }

    if (key->nstreams++ == 0) {
        ngx_queue_remove(&key->idle);
    }

    s->key = key;
    s->is_joined = 1;

    ngx_queue_insert_tail(&key->streams, &s->mates);
    ngx_queue_insert_tail(&hub->streams, &s->queue);

    hub->conf->streams++;
    (void) ngx_atomic_fetch_add(&hub->link->peer->streams, 1);

    /* the process stays until its streams have ended */

    hub->tick.cancelable = 0;

    if (!hub->tick.timer_set) {
        ngx_add_timer(&hub->tick, NGX_HTTP_GATEWAY_STREAM_TICK);
    }

    if (key->bound) {
        ngx_http_gateway_stream_post(s);

    } else {
        ngx_http_gateway_stream_want(hub, key);
    }

    return NGX_OK;
}


void
ngx_http_gateway_stream_leave(ngx_http_gateway_stream_t *s)
{
    ngx_http_gateway_stream_hub_t  *hub;
    ngx_http_gateway_stream_key_t  *key;

    if (!s->is_joined) {
        return;
    }

    hub = s->hub;
    key = s->key;

    s->is_joined = 0;

    ngx_queue_remove(&s->queue);
    ngx_queue_remove(&s->mates);

    if (s->is_busy) {
        ngx_queue_remove(&s->busy);
        s->is_busy = 0;
    }

    hub->conf->streams--;

    if (s->has_place) {
        ngx_http_gateway_stream_place_release(&hub->conf->zone, key->digest);
        s->has_place = 0;
    }

    if (hub->link->peer) {
        (void) ngx_atomic_fetch_add(&hub->link->peer->streams, -1);
    }

    if (--key->nstreams == 0) {
        key->since = ngx_current_msec;
        ngx_queue_insert_tail(&hub->idle, &key->idle);

        if (!key->bound && key->asked == 0) {
            ngx_http_gateway_stream_key_free(hub, key);
        }
    }

    if (ngx_queue_empty(&hub->streams)) {
        hub->tick.cancelable = 1;
    }
}


void
ngx_http_gateway_stream_post(ngx_http_gateway_stream_t *s)
{
    if (s->is_busy || !s->is_joined) {
        return;
    }

    s->is_busy = 1;
    ngx_queue_insert_tail(&s->hub->busy, &s->busy);
    ngx_post_event(&s->hub->work, &ngx_posted_events);
}


static ngx_int_t
ngx_http_gateway_stream_hub_open(ngx_http_gateway_stream_hub_t *hub)
{
    hub->cycle = (ngx_cycle_t *) ngx_cycle;

    ngx_rbtree_init(&hub->keys, &hub->sentinel, ngx_str_rbtree_insert_value);
    ngx_queue_init(&hub->idle);
    ngx_queue_init(&hub->asked);
    ngx_queue_init(&hub->streams);
    ngx_queue_init(&hub->busy);

    hub->work.handler = ngx_http_gateway_stream_hub_work;
    hub->work.data = hub;
    hub->work.log = hub->cycle->log;

    hub->tick.handler = ngx_http_gateway_stream_tick;
    hub->tick.data = hub;
    hub->tick.log = hub->cycle->log;
    hub->tick.cancelable = 1;

    hub->subscriber.max_length = hub->conf->queue;
    hub->subscriber.data = hub;
    hub->subscriber.ready = ngx_http_gateway_stream_ready;
    hub->subscriber.lost = ngx_http_gateway_stream_lost;
    hub->subscriber.done = ngx_http_gateway_stream_done;
    hub->subscriber.dropped = ngx_http_gateway_stream_dropped;
    hub->subscriber.news = ngx_http_gateway_stream_news;

    hub->connection = ngx_amqp_subscribe(hub->cycle, &hub->link->broker,
                                         &hub->stats->stream_amqp,
                                         &hub->subscriber);

    return hub->connection ? NGX_OK : NGX_ERROR;
}


void
ngx_http_gateway_stream_hub_close(ngx_http_gateway_stream_hub_t *hub)
{
    if (hub->connection == NULL) {
        return;
    }

    ngx_amqp_close(hub->connection);
    hub->connection = NULL;

    if (hub->tick.timer_set) {
        ngx_del_timer(&hub->tick);
    }

    if (hub->work.posted) {
        ngx_delete_posted_event(&hub->work);
    }
}


/* finds or makes it; a new one is among those without streams */

static ngx_http_gateway_stream_key_t *
ngx_http_gateway_stream_key(ngx_http_gateway_stream_hub_t *hub,
    ngx_str_t *name)
{
    uint32_t                        hash;
    ngx_str_node_t                 *node;
    ngx_http_gateway_stream_key_t  *key;

    hash = ngx_crc32_long(name->data, name->len);

    node = ngx_str_rbtree_lookup(&hub->keys, name, hash);
    if (node) {
        return (ngx_http_gateway_stream_key_t *) node;
    }

    key = ngx_calloc(sizeof(ngx_http_gateway_stream_key_t) + name->len,
                     hub->cycle->log);
    if (key == NULL) {
        return NULL;
    }

    key->sn.str.data = (u_char *) key + sizeof(ngx_http_gateway_stream_key_t);
    key->sn.str.len = name->len;
    key->sn.node.key = hash;
    ngx_memcpy(key->sn.str.data, name->data, name->len);

    if (ngx_http_gateway_stream_digest(hub, key) != NGX_OK) {
        ngx_free(key);
        return NULL;
    }

    key->since = ngx_current_msec;
    ngx_queue_init(&key->streams);
    ngx_queue_insert_tail(&hub->idle, &key->idle);
    ngx_rbtree_insert(&hub->keys, &key->sn.node);

    return key;
}


/* equal keys of other exchanges, brokers or users are others */

static ngx_int_t
ngx_http_gateway_stream_digest(ngx_http_gateway_stream_hub_t *hub,
    ngx_http_gateway_stream_key_t *key)
{
    u_char     out[NGX_HTTP_GATEWAY_DIGEST_LEN], *p;
    u_char     buf[NGX_HTTP_GATEWAY_DIGEST_LEN
                   + NGX_HTTP_GATEWAY_STREAM_KEY_MAX];
    ngx_str_t  text;

    if (!hub->conf->zone.is_open) {
        return NGX_OK;
    }

    p = ngx_cpymem(buf, hub->digest, NGX_HTTP_GATEWAY_DIGEST_LEN);
    p = ngx_cpymem(p, key->sn.str.data, key->sn.str.len);

    text.data = buf;
    text.len = p - buf;

    if (ngx_http_gateway_sha256(&text, out) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(key->digest, out, NGX_HTTP_GATEWAY_STREAM_DIGEST);

    return NGX_OK;
}


/* NGX_OK, or NGX_BUSY: all processes together have as many as allowed */

static ngx_int_t
ngx_http_gateway_stream_place(ngx_http_gateway_stream_t *s,
    ngx_http_gateway_stream_key_t *key)
{
    ngx_uint_t                       limit;
    ngx_http_gateway_stream_zone_t  *zone;

    zone = &s->hub->conf->zone;
    limit = s->conf->limit;

    if (limit && key->nstreams >= limit) {
        return NGX_BUSY;
    }

    if (!zone->is_open) {
        return NGX_OK;
    }

    switch (ngx_http_gateway_stream_place_acquire(zone, key->digest, limit)) {

    case NGX_OK:
        s->has_place = 1;
        return NGX_OK;

    case NGX_BUSY:
        return NGX_BUSY;

    default: /* NGX_DECLINED: this process still counts its own */
        break;
    }

    if (ngx_time() - zone->told >= NGX_HTTP_GATEWAY_STREAM_TELL) {
        zone->told = ngx_time();

        ngx_log_error(NGX_LOG_WARN, s->request->connection->log, 0,
                      "gateway_stream_zone \"%V\" is full, make it larger: "
                      "processes count streams for themselves",
                      &zone->shm_zone->shm.name);
    }

    return NGX_OK;
}


static void
ngx_http_gateway_stream_key_free(ngx_http_gateway_stream_hub_t *hub,
    ngx_http_gateway_stream_key_t *key)
{
    ngx_queue_remove(&key->idle);
    ngx_rbtree_delete(&hub->keys, &key->sn.node);
    ngx_free(key);
}


/* what cannot be asked for now is asked for when the connection is there */

static void
ngx_http_gateway_stream_ask(ngx_http_gateway_stream_hub_t *hub,
    ngx_http_gateway_stream_key_t *key, ngx_uint_t is_unbind)
{
    ngx_int_t                       rc;
    ngx_http_gateway_stream_ask_t  *ask;

    ask = ngx_alloc(sizeof(ngx_http_gateway_stream_ask_t), hub->cycle->log);
    if (ask == NULL) {
        return;
    }

    rc = is_unbind ? ngx_amqp_unbind(hub->connection, &key->sn.str)
                   : ngx_amqp_bind(hub->connection, &key->sn.str);

    if (rc != NGX_OK) {
        ngx_free(ask);
        return;
    }

    ask->key = key;
    ask->is_unbind = (is_unbind != 0);
    ngx_queue_insert_tail(&hub->asked, &ask->queue);

    key->asked++;
    key->bound = 0;
    key->wanted = !is_unbind;
}


static void
ngx_http_gateway_stream_want(ngx_http_gateway_stream_hub_t *hub,
    ngx_http_gateway_stream_key_t *key)
{
    if (!key->bound && (key->asked == 0 || !key->wanted)) {
        ngx_http_gateway_stream_ask(hub, key, 0);
    }
}


/*
 * A new queue: streams from before have missed what came meanwhile, and go so
 * that they resume.
 */

static void
ngx_http_gateway_stream_ready(void *data)
{
    ngx_http_gateway_stream_hub_t *hub = data;

    ngx_queue_t                *q;
    ngx_http_gateway_stream_t  *s;

    for (q = ngx_queue_head(&hub->streams);
         q != ngx_queue_sentinel(&hub->streams);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_gateway_stream_t, queue);

        if (s->is_open) {
            ngx_http_gateway_stream_depart(s, "lost");

        } else {
            ngx_http_gateway_stream_want(hub, s->key);
        }
    }
}


static void
ngx_http_gateway_stream_lost(void *data)
{
    ngx_http_gateway_stream_hub_t *hub = data;

    ngx_queue_t                    *q;
    ngx_http_gateway_stream_t      *s;
    ngx_http_gateway_stream_ask_t  *ask;
    ngx_http_gateway_stream_key_t  *key;

    while (!ngx_queue_empty(&hub->asked)) {
        q = ngx_queue_head(&hub->asked);
        ask = ngx_queue_data(q, ngx_http_gateway_stream_ask_t, queue);

        ask->key->asked = 0;
        ngx_queue_remove(q);
        ngx_free(ask);
    }

    while (!ngx_queue_empty(&hub->idle)) {
        q = ngx_queue_head(&hub->idle);
        key = ngx_queue_data(q, ngx_http_gateway_stream_key_t, idle);

        ngx_http_gateway_stream_key_free(hub, key);
    }

    for (q = ngx_queue_head(&hub->streams);
         q != ngx_queue_sentinel(&hub->streams);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_gateway_stream_t, queue);

        s->key->bound = 0;
        s->is_deaf = s->is_open;
    }
}


static ngx_int_t
ngx_http_gateway_stream_done(void *data, ngx_uint_t is_unbind)
{
    ngx_http_gateway_stream_hub_t *hub = data;

    ngx_queue_t                    *q;
    ngx_http_gateway_stream_t      *s;
    ngx_http_gateway_stream_ask_t  *ask;
    ngx_http_gateway_stream_key_t  *key;

    if (ngx_queue_empty(&hub->asked)) {
        return NGX_ERROR;
    }

    q = ngx_queue_head(&hub->asked);
    ask = ngx_queue_data(q, ngx_http_gateway_stream_ask_t, queue);

    if (ask->is_unbind != (is_unbind != 0)) {
        return NGX_ERROR;
    }

    key = ask->key;

    ngx_queue_remove(q);
    ngx_free(ask);

    if (--key->asked) {
        return NGX_OK;
    }

    if (is_unbind) {

        if (key->nstreams == 0) {
            ngx_http_gateway_stream_key_free(hub, key);
        }

        return NGX_OK;
    }

    key->bound = 1;

    for (q = ngx_queue_head(&key->streams);
         q != ngx_queue_sentinel(&key->streams);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_gateway_stream_t, mates);

        if (!s->is_open) {
            ngx_http_gateway_stream_post(s);
        }
    }

    return NGX_OK;
}


/* the queue was full: nobody knows whose messages are missing */

static void
ngx_http_gateway_stream_dropped(void *data)
{
    ngx_http_gateway_stream_hub_t *hub = data;

    ngx_queue_t                *q;
    ngx_http_gateway_stream_t  *s;

    (void) ngx_atomic_fetch_add(&hub->stats->stream_dropped, 1);

    for (q = ngx_queue_head(&hub->streams);
         q != ngx_queue_sentinel(&hub->streams);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_gateway_stream_t, queue);

        if (s->is_open) {
            ngx_http_gateway_stream_depart(s, "dropped");
        }
    }
}


static void
ngx_http_gateway_stream_news(void *data, ngx_amqp_news_t *news)
{
    ngx_http_gateway_stream_hub_t *hub = data;

    uint32_t                          hash;
    ngx_queue_t                      *q;
    ngx_http_gateway_stream_t        *s;
    ngx_http_gateway_stream_key_t    *key;
    ngx_http_gateway_stream_event_t   event;

    hash = ngx_crc32_long(news->routing_key.data, news->routing_key.len);

    key = (ngx_http_gateway_stream_key_t *)
              ngx_str_rbtree_lookup(&hub->keys, &news->routing_key, hash);

    /* whoever it was for has left */

    if (key == NULL) {
        return;
    }

    event.id = news->message_id;
    event.type = news->type;
    event.body = news->body;

    for (q = ngx_queue_head(&key->streams);
         q != ngx_queue_sentinel(&key->streams);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_gateway_stream_t, mates);

        if (!s->is_open || s->is_deaf || s->reason) {
            continue;
        }

        if (news->body.data == NULL) {

            /* too large for it here; a service may tell it */

            ngx_http_gateway_stream_depart(s, "dropped");
            continue;
        }

        ngx_http_gateway_stream_push(s, &event);
    }
}


/* it hears nothing more, and goes within its time, with others not at once */

static void
ngx_http_gateway_stream_depart(ngx_http_gateway_stream_t *s, char *reason)
{
    s->is_deaf = 1;

    if (s->is_leaving) {
        return;
    }

    s->is_leaving = 1;
    s->ends = ngx_current_msec
              + (ngx_msec_t) ngx_random() % (s->conf->drain + 1);
    s->trail->outcome.data = (u_char *) reason;
    s->trail->outcome.len = ngx_strlen(reason);
}


static void
ngx_http_gateway_stream_hub_work(ngx_event_t *ev)
{
    ngx_http_gateway_stream_hub_t *hub = ev->data;

    ngx_queue_t                *q;
    ngx_http_gateway_stream_t  *s;

    while (!ngx_queue_empty(&hub->busy)) {
        q = ngx_queue_head(&hub->busy);
        s = ngx_queue_data(q, ngx_http_gateway_stream_t, busy);

        ngx_queue_remove(q);
        s->is_busy = 0;

        ngx_http_gateway_stream_work(s);
    }
}


static void
ngx_http_gateway_stream_tick(ngx_event_t *ev)
{
    ngx_http_gateway_stream_hub_t *hub = ev->data;

    ngx_uint_t                  is_look;
    ngx_queue_t                *q;
    ngx_http_gateway_stream_t  *s;

    is_look = (hub->ticks++ % NGX_HTTP_GATEWAY_STREAM_LOOK == 0);

    /* what is to be done is posted, so that nothing moves here */

    for (q = ngx_queue_head(&hub->streams);
         q != ngx_queue_sentinel(&hub->streams);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_gateway_stream_t, queue);

        ngx_http_gateway_stream_tick_one(s, is_look);
    }

    ngx_http_gateway_stream_unbind(hub);

    if (!ngx_queue_empty(&hub->streams)
        || (!ngx_queue_empty(&hub->idle) && !ngx_exiting))
    {
        ngx_add_timer(ev, NGX_HTTP_GATEWAY_STREAM_TICK);
    }
}


static void
ngx_http_gateway_stream_tick_one(ngx_http_gateway_stream_t *s,
    ngx_uint_t is_look)
{
    const char  *reason;

    static u_char  beat[] = ":\n\n";

    if (s->reason) {
        return;
    }

    if (ngx_exiting && !s->is_leaving) {
        ngx_http_gateway_stream_depart(s, "reload");
        s->is_deaf = 0;
    }

    if (s->is_leaving && (ngx_msec_int_t) (ngx_current_msec - s->ends) >= 0) {
        ngx_http_gateway_stream_end(s, (char *) s->trail->outcome.data, 0);
        return;
    }

    if (is_look) {
        ngx_http_gateway_stream_listen(s->request);

        reason = ngx_http_gateway_jwt_lapsed(s->request);

        if (reason) {
            ngx_log_error(NGX_LOG_INFO, s->request->connection->log, 0,
                          "stream ended: %s", reason);
            ngx_http_gateway_stream_end(s, "lapsed", 0);
            return;
        }
    }

    if (s->resume) {
        ngx_http_gateway_stream_resume_tick(s);
    }

    if ((ngx_msec_int_t) (ngx_current_msec - s->due) < 0) {
        return;
    }

    if (!s->is_open) {

        /* it waited for the broker in vain */

        ngx_http_gateway_stream_end(s, "unavailable", 1);
        return;
    }

    s->due = ngx_current_msec + s->conf->heartbeat;

    /* a client that does not read needs no more to find out */

    if (s->next.len == 0 && s->buf.pos == s->buf.last) {

        if (ngx_http_gateway_stream_text_put(&s->next, beat,
                                             sizeof(beat) - 1)
            != NGX_OK)
        {
            return;
        }

        ngx_http_gateway_stream_post(s);
    }
}


/* keys that nobody wants any more */

static void
ngx_http_gateway_stream_unbind(ngx_http_gateway_stream_hub_t *hub)
{
    ngx_queue_t                    *q, *next;
    ngx_http_gateway_stream_key_t  *key;

    for (q = ngx_queue_head(&hub->idle);
         q != ngx_queue_sentinel(&hub->idle);
         q = next)
    {
        next = ngx_queue_next(q);
        key = ngx_queue_data(q, ngx_http_gateway_stream_key_t, idle);

        /* in the order in which they came here */

        if (ngx_current_msec - key->since < hub->conf->linger) {
            return;
        }

        if (key->asked) {
            continue;
        }

        if (key->bound) {
            ngx_http_gateway_stream_ask(hub, key, 1);

        } else {
            ngx_http_gateway_stream_key_free(hub, key);
        }
    }
}
