/*
 * Copyright (C) the Warren authors
 *
 * The socket and its timers: connecting to one address after the other,
 * reading, writing, heartbeats, leaving, and trying again.
 *
 * All timers are cancelable, so that none of them keeps a process that is
 * leaving.  They are armed even then, as long as the connection is of use: a
 * request whose body is still arriving has no call in flight yet.
 */


#include "ngx_amqp_private.h"


/* the first byte of what a server says that was not asked for TLS */
#define NGX_AMQP_TLS_ALERT            21


static ngx_amqp_connection_t *ngx_amqp_create(ngx_cycle_t *cycle,
    const ngx_amqp_broker_t *broker, ngx_amqp_counters_t *counters,
    const ngx_amqp_listener_t *listener,
    const ngx_amqp_subscriber_t *subscriber);
static ngx_int_t ngx_amqp_init(ngx_amqp_connection_t *ac, ngx_cycle_t *cycle);
static void ngx_amqp_init_timer(ngx_amqp_connection_t *ac, ngx_event_t *ev,
    ngx_event_handler_pt handler);
static void ngx_amqp_cleanup(void *data);
static u_char *ngx_amqp_log_error(ngx_log_t *log, u_char *buf, size_t len);
static void ngx_amqp_try(ngx_amqp_connection_t *ac);
static void ngx_amqp_connected(ngx_amqp_connection_t *ac);
static void ngx_amqp_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_amqp_read(ngx_amqp_connection_t *ac);
static ngx_int_t ngx_amqp_recv(ngx_amqp_connection_t *ac);
static ngx_int_t ngx_amqp_parse(ngx_amqp_connection_t *ac);
static void ngx_amqp_shutdown(ngx_amqp_connection_t *ac);
static void ngx_amqp_write_handler(ngx_event_t *wev);
static void ngx_amqp_deadline_handler(ngx_event_t *ev);
static void ngx_amqp_retry_handler(ngx_event_t *ev);
static void ngx_amqp_pulse_handler(ngx_event_t *ev);
static void ngx_amqp_disconnect(ngx_amqp_connection_t *ac);
static void ngx_amqp_schedule(ngx_amqp_connection_t *ac);
static void ngx_amqp_farewell(ngx_amqp_connection_t *ac);


ngx_amqp_connection_t *
ngx_amqp_connect(ngx_cycle_t *cycle, const ngx_amqp_broker_t *broker,
    ngx_amqp_counters_t *counters)
{
    return ngx_amqp_create(cycle, broker, counters, NULL, NULL);
}


ngx_amqp_connection_t *
ngx_amqp_listen(ngx_cycle_t *cycle, const ngx_amqp_broker_t *broker,
    ngx_amqp_counters_t *counters, const ngx_amqp_listener_t *listener)
{
    return ngx_amqp_create(cycle, broker, counters, listener, NULL);
}


ngx_amqp_connection_t *
ngx_amqp_subscribe(ngx_cycle_t *cycle, const ngx_amqp_broker_t *broker,
    ngx_amqp_counters_t *counters, const ngx_amqp_subscriber_t *subscriber)
{
    return ngx_amqp_create(cycle, broker, counters, NULL, subscriber);
}


static ngx_amqp_connection_t *
ngx_amqp_create(ngx_cycle_t *cycle, const ngx_amqp_broker_t *broker,
    ngx_amqp_counters_t *counters, const ngx_amqp_listener_t *listener,
    const ngx_amqp_subscriber_t *subscriber)
{
    ngx_pool_t             *pool;
    ngx_pool_cleanup_t     *cln;
    ngx_amqp_connection_t  *ac;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    ac = ngx_pcalloc(pool, sizeof(ngx_amqp_connection_t));
    if (ac == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    ac->pool = pool;
    ac->broker = broker;
    ac->listener = listener;
    ac->subscriber = subscriber;
    ac->counters = counters;

    /* requests that end at exit still ask it, so it goes with the cycle */

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    cln->handler = ngx_amqp_cleanup;
    cln->data = ac;

    if (ngx_amqp_init(ac, cycle) != NGX_OK) {
        ngx_amqp_set_state(ac, ngx_amqp_st_closed);
        return NULL;
    }

    if (ac->ntargets == 0) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "no address of the broker is known, "
                      "set \"resolver\", or reload when its name resolves");
        return ac;
    }

    ngx_amqp_try(ac);

    return ac;
}


static ngx_int_t
ngx_amqp_init(ngx_amqp_connection_t *ac, ngx_cycle_t *cycle)
{
    u_char  *p;

    ac->ident = (ngx_socket_t) -1;

    ac->log = *cycle->log;
    ac->log.handler = ngx_amqp_log_error;
    ac->log.data = ac;

    ngx_amqp_set_state(ac, ngx_amqp_st_waiting);

    ngx_amqp_init_timer(ac, &ac->deadline, ngx_amqp_deadline_handler);
    ngx_amqp_init_timer(ac, &ac->retry, ngx_amqp_retry_handler);
    ngx_amqp_init_timer(ac, &ac->pulse, ngx_amqp_pulse_handler);

    ac->content_pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cycle->log);
    if (ac->content_pool == NULL) {
        return NGX_ERROR;
    }

    ac->codec = ngx_amqp_codec_create(ac->pool);
    if (ac->codec == NULL) {
        return NGX_ERROR;
    }

    p = ngx_palloc(ac->pool, NGX_AMQP_FRAME_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ac->in.start = p;
    ac->in.pos = p;
    ac->in.last = p;
    ac->in.end = p + NGX_AMQP_FRAME_MAX;

    ac->frame_max = NGX_AMQP_FRAME_MAX;

    ac->name.data = ngx_pnalloc(ac->pool, NGX_AMQP_SHORT_MAX);
    if (ac->name.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_snprintf(ac->name.data, NGX_AMQP_SHORT_MAX, "gateway.%V.%P",
                     &cycle->hostname, ngx_pid);

    if (ac->listener || ac->subscriber) {
        p = ngx_snprintf(p, ac->name.data + NGX_AMQP_SHORT_MAX - p, ".%V",
                         ac->listener ? &ac->listener->exchange
                                      : &ac->subscriber->exchange);
    }

    ac->name.len = p - ac->name.data;

    if (ngx_amqp_calls_init(ac) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_amqp_address_init(ac);
}


static void
ngx_amqp_init_timer(ngx_amqp_connection_t *ac, ngx_event_t *ev,
    ngx_event_handler_pt handler)
{
    ev->handler = handler;
    ev->data = ac;
    ev->log = &ac->log;
    ev->cancelable = 1;
}


static void
ngx_amqp_cleanup(void *data)
{
    ngx_amqp_connection_t  *ac = data;

    ngx_amqp_close(ac);
    ngx_amqp_output_free(ac);
    ngx_amqp_address_free(ac);

    if (ac->content_pool) {
        ngx_destroy_pool(ac->content_pool);
    }

    ngx_destroy_pool(ac->pool);
}


static u_char *
ngx_amqp_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                 *p;
    ngx_amqp_target_t      *target;
    ngx_amqp_connection_t  *ac;

    p = buf;

    if (log->action) {
        p = ngx_snprintf(p, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    ac = log->data;

    p = ngx_snprintf(p, len, ", broker: %V", &ac->broker->name);

    if (ac->ntargets) {
        len -= p - buf;
        target = ngx_amqp_target(ac);
        p = ngx_snprintf(p, len, " %V:%d", &target->url->host,
                         (int) target->url->port);
    }

    return p;
}


ngx_uint_t
ngx_amqp_is_ready(ngx_amqp_connection_t *ac)
{
    return ac->state == ngx_amqp_st_ready && !ac->blocked && !ac->paused;
}


ngx_uint_t
ngx_amqp_is_blocked(ngx_amqp_connection_t *ac)
{
    return ac->blocked;
}


static void
ngx_amqp_try(ngx_amqp_connection_t *ac)
{
    if (ngx_amqp_address_ask(ac) == NGX_OK) {
        ngx_amqp_dial(ac);
    }
}


void
ngx_amqp_dial(ngx_amqp_connection_t *ac)
{
    ngx_int_t               rc;
    ngx_addr_t             *addr;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *pc;

    addr = ngx_amqp_address(ac);

    if (addr == NULL) {

        /* its name was not resolved, which has been logged */

        ngx_amqp_lost(ac);
        return;
    }

    ngx_amqp_set_state(ac, ngx_amqp_st_connecting);

    pc = &ac->peer;

    ngx_memzero(pc, sizeof(ngx_peer_connection_t));

    pc->sockaddr = addr->sockaddr;
    pc->socklen = addr->socklen;
    pc->name = &addr->name;
    pc->get = ngx_event_get_peer;
    pc->log = &ac->log;
    pc->log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(pc);

    if (rc != NGX_OK && rc != NGX_AGAIN) {

        /* it has been logged */

        pc->connection = NULL;
        ngx_amqp_lost(ac);
        return;
    }

    c = pc->connection;

    c->data = ac;
    c->idle = 1;
    c->read->handler = ngx_amqp_read_handler;
    c->write->handler = ngx_amqp_write_handler;

    ac->log.connection = c->number;

    /* of this connection alone; TLS keeps its state here */

    c->pool = ngx_create_pool(256, &ac->log);
    if (c->pool == NULL) {
        ngx_amqp_lost(ac);
        return;
    }

    if (rc == NGX_AGAIN) {
        ngx_add_timer(&ac->deadline, ac->broker->connect_timeout);
        return;
    }

    ngx_amqp_connected(ac);
}


static void
ngx_amqp_connected(ngx_amqp_connection_t *ac)
{
    int                err;
    socklen_t          len;
    ngx_connection_t  *c;

    c = ac->peer.connection;
    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, err, "connect() to %V failed",
                      ac->peer.name);
        ngx_amqp_lost(ac);
        return;
    }

    ac->received = ngx_current_msec;
    ac->sent = ngx_current_msec;

    ngx_amqp_content_reset(ac);

    if (ngx_tcp_nodelay(c) != NGX_OK) {
        ngx_amqp_lost(ac);
        return;
    }

    if (!ngx_amqp_target(ac)->url->tls) {
        ngx_amqp_secured(ac);
        return;
    }

    switch (ngx_amqp_tls_start(ac)) {

    case NGX_OK:
        ngx_amqp_secured(ac);
        return;

    case NGX_AGAIN:
        return;

    default:
        ngx_amqp_lost(ac);
    }
}


void
ngx_amqp_secured(ngx_amqp_connection_t *ac)
{
    ngx_connection_t  *c;

    c = ac->peer.connection;

    /* TLS had handlers of its own */

    c->read->handler = ngx_amqp_read_handler;
    c->write->handler = ngx_amqp_write_handler;

    if (ngx_amqp_greet(ac) != NGX_OK) {
        ngx_amqp_lost(ac);
        return;
    }

    /* what came with the end of the handshake tells no event again */

    if (c->ssl && c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


static void
ngx_amqp_read_handler(ngx_event_t *rev)
{
    ngx_uint_t              epoch;
    ngx_connection_t       *c;
    ngx_amqp_connection_t  *ac;

    c = rev->data;
    ac = c->data;

    if (c->close) {
        ngx_amqp_shutdown(ac);
        return;
    }

    if (ac->state == ngx_amqp_st_connecting) {
        ngx_amqp_connected(ac);
        return;
    }

    epoch = ac->epoch;

    if (ngx_amqp_read(ac) == NGX_ERROR && ac->epoch == epoch) {
        ngx_amqp_lost(ac);
    }
}


/*
 * The one notice of a shutdown.  With c->error the time for it is over; else
 * what is in flight goes on, and the connection lives until exit_process.
 */

static void
ngx_amqp_shutdown(ngx_amqp_connection_t *ac)
{
    ngx_connection_t  *c;

    c = ac->peer.connection;

    if (c->error) {
        ngx_amqp_close(ac);
        return;
    }

    c->close = 0;
}


static ngx_int_t
ngx_amqp_read(ngx_amqp_connection_t *ac)
{
    size_t        bytes;
    ngx_int_t     rc;
    ngx_event_t  *rev;

    rev = ac->peer.connection->read;
    ac->turn_frames = 0;
    bytes = 0;

    for ( ;; ) {
        rc = ngx_amqp_parse(ac);

        if (rc == NGX_DONE || rc == NGX_ERROR) {
            return rc;
        }

        if (rc == NGX_BUSY || bytes >= NGX_AMQP_TURN_BYTES) {

            /* the rest is for the next turn: others wait as well */

            ngx_post_event(rev, &ngx_posted_next_events);
            return NGX_OK;
        }

        rc = ngx_amqp_recv(ac);

        if (rc == NGX_AGAIN) {
            return ngx_handle_read_event(rev, 0);
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        bytes += (size_t) rc;
    }
}


/* returns the number of bytes read, NGX_AGAIN, or NGX_ERROR when logged */

static ngx_int_t
ngx_amqp_recv(ngx_amqp_connection_t *ac)
{
    ssize_t            n;
    ngx_buf_t         *in;
    ngx_connection_t  *c;

    c = ac->peer.connection;
    in = &ac->in;

    if (in->pos == in->last) {
        in->pos = in->start;
        in->last = in->start;

    } else if (in->last == in->end) {

        /* a frame is at most as large as the buffer, so this makes room */

        in->last = ngx_movemem(in->start, in->pos, in->last - in->pos);
        in->pos = in->start;
    }

    n = c->recv(c, in->last, in->end - in->last);

    if (n == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (n == NGX_ERROR) {
        /* it has been logged */
        return NGX_ERROR;
    }

    if (n == 0) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      ac->state == ngx_amqp_st_tune
                          ? "broker closed the socket, as some do when user "
                            "or password is wrong"
                          : "broker closed the socket");
        return NGX_ERROR;
    }

    in->last += n;
    ac->received = ngx_current_msec;

    ngx_amqp_count(ac, bytes_in, n);

    return n;
}


/*
 * Takes the frames that are complete.  NGX_BUSY: this turn has had enough;
 * otherwise as ngx_amqp_frame().
 */

static ngx_int_t
ngx_amqp_parse(ngx_amqp_connection_t *ac)
{
    ngx_int_t          rc;
    ngx_buf_t         *in;
    ngx_amqp_frame_t   frame;

    in = &ac->in;

    for ( ;; ) {
        rc = ngx_amqp_frame_parse(in->pos, in->last - in->pos, ac->frame_max,
                                  NGX_AMQP_CHANNEL, &frame);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            ngx_log_error(NGX_LOG_ERR, &ac->log, 0, "broker sent garbage: %s%s",
                          frame.error,
                          ac->state == ngx_amqp_st_start
                          && in->pos[0] == NGX_AMQP_TLS_ALERT
                              ? "; it speaks TLS, write \"amqps\" in its url"
                              : "");
            return NGX_ERROR;
        }

        if (ac->turn_frames++ == NGX_AMQP_TURN_FRAMES) {
            return NGX_BUSY;
        }

        /* before it is taken: handlers may do anything to the connection */

        in->pos += frame.payload.len + NGX_AMQP_FRAME_ENVELOPE;

        rc = ngx_amqp_frame(ac, &frame);

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static void
ngx_amqp_write_handler(ngx_event_t *wev)
{
    ngx_connection_t       *c;
    ngx_amqp_connection_t  *ac;

    c = wev->data;
    ac = c->data;

    if (ac->state == ngx_amqp_st_connecting) {
        ngx_amqp_connected(ac);
        return;
    }

    if (!wev->ready) {
        return;
    }

    if (ngx_amqp_output_flush(ac) != NGX_OK) {
        ngx_amqp_lost(ac);
    }
}


static void
ngx_amqp_deadline_handler(ngx_event_t *ev)
{
    ngx_amqp_connection_t  *ac;

    ac = ev->data;

    ngx_log_error(NGX_LOG_ERR, &ac->log, NGX_ETIMEDOUT, "broker timed out");

    ngx_amqp_lost(ac);
}


static void
ngx_amqp_retry_handler(ngx_event_t *ev)
{
    ngx_amqp_try(ev->data);
}


static void
ngx_amqp_pulse_handler(ngx_event_t *ev)
{
    ngx_msec_t              half;
    u_char                  frame[NGX_AMQP_FRAME_ENVELOPE];
    ngx_amqp_connection_t  *ac;

    ac = ev->data;
    half = ac->interval / 2;

    /* anything that comes is a sign of life */

    if ((ngx_msec_int_t) (ngx_current_msec - ac->received)
        >= (ngx_msec_int_t) (2 * ac->interval))
    {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker missed two heartbeats");
        ngx_amqp_lost(ac);
        return;
    }

    /* waiting output will be our sign of life when it leaves */

    if (ac->out_size == 0
        && (ngx_msec_int_t) (ngx_current_msec - ac->sent)
           >= (ngx_msec_int_t) half)
    {
        (void) ngx_amqp_frame_end(
                   ngx_amqp_frame_head(frame, NGX_AMQP_FRAME_HEARTBEAT, 0, 0));

        if (ngx_amqp_output_write(ac, frame, sizeof(frame)) != NGX_OK) {
            ngx_amqp_lost(ac);
            return;
        }
    }

    ngx_add_timer(ev, half);
}


void
ngx_amqp_lost(ngx_amqp_connection_t *ac)
{
    ngx_amqp_disconnect(ac);
    ngx_amqp_set_state(ac, ngx_amqp_st_waiting);
    ngx_amqp_schedule(ac);

    /* last, since handlers may do anything */

    ngx_amqp_calls_lost(ac);
}


/* closes the socket and forgets all that was said on it */

static void
ngx_amqp_disconnect(ngx_amqp_connection_t *ac)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    ac->epoch++;

    ngx_amqp_address_cancel(ac);

    if (ac->deadline.timer_set) {
        ngx_del_timer(&ac->deadline);
    }

    if (ac->pulse.timer_set) {
        ngx_del_timer(&ac->pulse);
    }

    if (ac->retry.timer_set) {
        ngx_del_timer(&ac->retry);
    }

    c = ac->peer.connection;

    if (c) {
        pool = c->pool;

        ngx_amqp_tls_close(c);
        ngx_close_connection(c);

        if (pool) {
            ngx_destroy_pool(pool);
        }

        ac->peer.connection = NULL;
    }

    ac->log.connection = 0;

    ngx_amqp_output_reset(ac);

    /* the buffer stays: a reply that lies in it may still be read */

    ac->in.pos = ac->in.start;
    ac->in.last = ac->in.start;

    ac->frame_max = NGX_AMQP_FRAME_MAX;
    ac->interval = 0;
    ac->blocked = 0;
    ac->paused = 0;
}


/* the next address at once, or a pause when all had their turn */

static void
ngx_amqp_schedule(ngx_amqp_connection_t *ac)
{
    ngx_uint_t  n;
    ngx_msec_t  limit, delay;

    n = ngx_amqp_address_count(ac);

    ngx_amqp_address_next(ac);
    ac->failed++;

    if (ac->ready_since) {
        ngx_amqp_count(ac, disconnects, 1);

        if (ngx_current_msec - ac->ready_since >= NGX_AMQP_STABLE) {
            ac->rounds = 0;
        }

        ac->ready_since = 0;

        /* a pause, lest all processes come back at the same time */

        ac->failed = n;
    }

    if (ac->failed < n) {
        ngx_add_timer(&ac->retry, 0);
        return;
    }

    ac->failed = 0;

    /* by then the name may have other addresses */

    ac->asked = 0;

    limit = NGX_AMQP_BACKOFF_MAX;

    if (ac->rounds < 9) {
        limit = ngx_min(limit, (ngx_msec_t) NGX_AMQP_BACKOFF_MIN << ac->rounds);
        ac->rounds++;
    }

    delay = 1 + (ngx_msec_t) ngx_random() % limit;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &ac->log, 0,
                   "amqp pause of %M ms", delay);

    ngx_add_timer(&ac->retry, delay);
}


void
ngx_amqp_close(ngx_amqp_connection_t *ac)
{
    if (ac->state == ngx_amqp_st_closed) {
        return;
    }

    ngx_amqp_farewell(ac);
    ngx_amqp_disconnect(ac);
    ngx_amqp_set_state(ac, ngx_amqp_st_closed);
    ngx_amqp_calls_lost(ac);
}


/* what the broker can be told without waiting */

static void
ngx_amqp_farewell(ngx_amqp_connection_t *ac)
{
    ngx_amqp_method_t  out;

    if (ac->state > ngx_amqp_st_ready || ac->state < ngx_amqp_st_channel) {
        return;
    }

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.code = 200;
    ngx_str_set(&out.text, "shutdown");

    if (ac->state == ngx_amqp_st_ready) {
        out.id = NGX_AMQP_CHANNEL_CLOSE;

        if (ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out) != NGX_OK) {
            return;
        }
    }

    out.id = NGX_AMQP_CONNECTION_CLOSE;

    if (ngx_amqp_output_method(ac, 0, &out) == NGX_OK
        && ac->peer.connection->write->ready)
    {
        (void) ngx_amqp_output_flush(ac);
    }
}
