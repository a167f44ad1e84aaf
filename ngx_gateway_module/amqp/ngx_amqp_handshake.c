/*
 * Copyright (C) the Warren authors
 *
 * From the first byte to ready: the states, and a table of steps that lead
 * from one to the next.
 */


#include "ngx_amqp_private.h"
#include "wire.h"


typedef ngx_int_t (*ngx_amqp_step_pt)(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);


typedef struct {
    /* the method that leads to the next state; 0: the state is no step */
    uint32_t                     expect;
    ngx_amqp_step_pt             step;
    ngx_amqp_state_e             next;

    char                        *name;
    char                        *action;
} ngx_amqp_step_t;


static ngx_int_t ngx_amqp_send_start_ok(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_send_tune_ok(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_send_channel_open(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_send_confirm_select(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_send_declare(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_send_bind(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_send_consume(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_consumed(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_announce(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_uint_t ngx_amqp_has_word(ngx_str_t *words, ngx_str_t *word);
static void ngx_amqp_tune_heartbeat(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method, ngx_amqp_method_t *tune_ok);


/* indexed by state */

static ngx_amqp_step_t  ngx_amqp_steps[] = {

    { NGX_AMQP_CONNECTION_START,
      ngx_amqp_send_start_ok,
      ngx_amqp_st_tune,
      "start",
      "greeting broker" },

    { NGX_AMQP_CONNECTION_TUNE,
      ngx_amqp_send_tune_ok,
      ngx_amqp_st_open,
      "tune",
      "authenticating to broker" },

    { NGX_AMQP_CONNECTION_OPEN_OK,
      ngx_amqp_send_channel_open,
      ngx_amqp_st_channel,
      "open",
      "opening virtual host" },

    { NGX_AMQP_CHANNEL_OPEN_OK,
      ngx_amqp_send_confirm_select,
      ngx_amqp_st_confirm,
      "channel",
      "opening channel" },

    { NGX_AMQP_CONFIRM_SELECT_OK,
      ngx_amqp_send_declare,
      ngx_amqp_st_queue,
      "confirm",
      "enabling confirms" },

    { NGX_AMQP_QUEUE_DECLARE_OK,
      ngx_amqp_send_bind,
      ngx_amqp_st_bind,
      "queue",
      "declaring reply queue" },

    { NGX_AMQP_QUEUE_BIND_OK,
      ngx_amqp_send_consume,
      ngx_amqp_st_consume,
      "bind",
      "binding reply queue" },

    { NGX_AMQP_BASIC_CONSUME_OK,
      ngx_amqp_consumed,
      ngx_amqp_st_ready,
      "consume",
      "consuming replies" },

    { NGX_AMQP_QUEUE_DECLARE_OK,
      ngx_amqp_feed_bind,
      ngx_amqp_st_feed_bind,
      "feed",
      "declaring queue of subscriber" },

    { NGX_AMQP_QUEUE_BIND_OK,
      ngx_amqp_feed_consume,
      ngx_amqp_st_feed_consume,
      "feed bind",
      "binding queue of subscriber" },

    { NGX_AMQP_BASIC_CONSUME_OK,
      ngx_amqp_announce,
      ngx_amqp_st_ready,
      "feed consume",
      "consuming queue of subscriber" },

    { 0, NULL, ngx_amqp_st_ready, "ready",
      "exchanging messages with broker" },

    { 0, NULL, ngx_amqp_st_waiting, "waiting",
      "waiting to try broker again" },

    { 0, NULL, ngx_amqp_st_resolving, "resolving",
      "resolving broker's name" },

    { 0, NULL, ngx_amqp_st_connecting, "connecting",
      "connecting to broker" },

    { 0, NULL, ngx_amqp_st_securing, "securing",
      "securing connection to broker" },

    { 0, NULL, ngx_amqp_st_closed, "closed",
      "closing connection to broker" }
};


void
ngx_amqp_set_state(ngx_amqp_connection_t *ac, ngx_amqp_state_e state)
{
    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &ac->log, 0, "amqp state: %s -> %s",
                   ngx_amqp_steps[ac->state].name,
                   ngx_amqp_steps[state].name);

    ac->state = state;
    ac->log.action = ngx_amqp_steps[state].action;
}


char *
ngx_amqp_state_name(ngx_amqp_connection_t *ac)
{
    return ngx_amqp_steps[ac->state].name;
}


ngx_int_t
ngx_amqp_greet(ngx_amqp_connection_t *ac)
{
    static u_char  header[] = { 'A', 'M', 'Q', 'P', 0, 0, 9, 1 };

    ngx_amqp_set_state(ac, ngx_amqp_st_start);

    ngx_add_timer(&ac->deadline, ac->broker->connect_timeout);

    return ngx_amqp_output_write(ac, header, sizeof(header));
}


ngx_int_t
ngx_amqp_handshake_method(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method)
{
    ngx_amqp_step_t   *step;
    ngx_amqp_state_e   next;

    step = &ngx_amqp_steps[ac->state];
    next = step->next;

    /* a subscriber has a second queue */

    if (ac->state == ngx_amqp_st_consume && ac->subscriber) {
        next = ngx_amqp_st_feed;
    }

    if (method->id != step->expect) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker sent \"%s\" instead of \"%s\"",
                      ngx_amqp_method_name(method->id),
                      ngx_amqp_method_name(step->expect));
        return NGX_ERROR;
    }

    if (step->step(ac, method) != NGX_OK) {
        return NGX_ERROR;
    }

    /* each step has the time that connecting has */

    if (next != ngx_amqp_st_ready) {
        ngx_add_timer(&ac->deadline, ac->broker->connect_timeout);
    }

    ngx_amqp_set_state(ac, next);

    if (next == ngx_amqp_st_ready && ac->subscriber) {
        ac->subscriber->ready(ac->subscriber->data);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_amqp_send_start_ok(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    u_char             *p;
    ngx_int_t           rc;
    ngx_uint_t          external;
    ngx_amqp_method_t   start_ok;
    const ngx_str_t    *user, *password;

    user = &ngx_amqp_target(ac)->url->user;
    password = &ac->broker->password;

    external = (ac->broker->tls && ac->broker->tls->external);

    ngx_memzero(&start_ok, sizeof(ngx_amqp_method_t));

    start_ok.id = NGX_AMQP_CONNECTION_START_OK;
    start_ok.name = ac->name;

    if (external) {
        ngx_str_set(&start_ok.mechanism, "EXTERNAL");

    } else {
        ngx_str_set(&start_ok.mechanism, "PLAIN");
    }

    if (!ngx_amqp_has_word(&method->text, &start_ok.mechanism)) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker does not take %V, but \"%V\"",
                      &start_ok.mechanism, &method->text);
        return NGX_ERROR;
    }

    if (external) {

        /* who we want to be; the certificate says whether we are */

        start_ok.response = *user;

        return ngx_amqp_output_method(ac, 0, &start_ok);
    }

    start_ok.response.len = 2 + user->len + password->len;

    p = ngx_alloc(start_ok.response.len, &ac->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    start_ok.response.data = p;

    *p++ = '\0';
    p = ngx_cpymem(p, user->data, user->len);
    *p++ = '\0';
    ngx_memcpy(p, password->data, password->len);

    rc = ngx_amqp_output_method(ac, 0, &start_ok);

    ngx_explicit_memzero(start_ok.response.data, start_ok.response.len);
    ngx_free(start_ok.response.data);

    return rc;
}


/* words are separated by blanks, and names of mechanisms in upper case */

static ngx_uint_t
ngx_amqp_has_word(ngx_str_t *words, ngx_str_t *word)
{
    u_char  *p, *last, *end;

    p = words->data;
    last = words->data + words->len;

    while (p < last) {
        end = ngx_strlchr(p, last, ' ');

        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) == word->len
            && ngx_memcmp(p, word->data, word->len) == 0)
        {
            return 1;
        }

        p = end + 1;
    }

    return 0;
}


static ngx_int_t
ngx_amqp_send_tune_ok(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    ngx_amqp_method_t  out;

    ac->frame_max = NGX_AMQP_FRAME_MAX;

    if (method->frame_max != 0 && method->frame_max < NGX_AMQP_FRAME_MAX) {

        if (method->frame_max < NGX_AMQP_FRAME_MIN) {
            ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                          "broker allows frames of %ui bytes only",
                          method->frame_max);
            return NGX_ERROR;
        }

        ac->frame_max = method->frame_max;
    }

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_CONNECTION_TUNE_OK;
    out.channel_max = NGX_AMQP_CHANNEL;
    out.frame_max = ac->frame_max;

    ngx_amqp_tune_heartbeat(ac, method, &out);

    if (ngx_amqp_output_method(ac, 0, &out) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_CONNECTION_OPEN;
    out.name = ngx_amqp_target(ac)->url->vhost;

    return ngx_amqp_output_method(ac, 0, &out);
}


/* the shorter interval of the two; 0 of the broker leaves it to us */

static void
ngx_amqp_tune_heartbeat(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method,
    ngx_amqp_method_t *tune_ok)
{
    ngx_uint_t  seconds;

    seconds = (ac->broker->heartbeat + 999) / 1000;

    if (method->heartbeat != 0 && method->heartbeat < seconds) {
        seconds = method->heartbeat;
    }

    seconds = ngx_min(seconds, 65535);

    tune_ok->heartbeat = seconds;
    ac->interval = seconds * 1000;

    if (ac->interval) {
        ngx_add_timer(&ac->pulse, ac->interval / 2);
    }
}


static ngx_int_t
ngx_amqp_send_channel_open(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method)
{
    return ngx_amqp_channel_open(ac);
}


ngx_int_t
ngx_amqp_channel_open(ngx_amqp_connection_t *ac)
{
    ngx_amqp_method_t  out;

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_CHANNEL_OPEN;

    return ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out);
}


static ngx_int_t
ngx_amqp_send_confirm_select(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method)
{
    ngx_amqp_method_t  out;

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_CONFIRM_SELECT;

    return ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out);
}


static ngx_int_t
ngx_amqp_send_declare(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    ngx_amqp_method_t  out;

    ngx_amqp_calls_renumber(ac);

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_QUEUE_DECLARE;

    /* of what a subscriber has missed one message is enough */

    out.max_length = ac->subscriber ? 1 : WIRE_REPLY_QUEUE_MAX_LENGTH;

    return ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out);
}


static ngx_int_t
ngx_amqp_send_bind(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    ngx_amqp_method_t  out;

    if (method->name.len == 0) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker gave the reply queue no name");
        return NGX_ERROR;
    }

    /* a short string has at most NGX_AMQP_SHORT_MAX bytes */

    ac->reply_queue.data = ac->reply_queue_data;
    ac->reply_queue.len = method->name.len;
    ngx_memcpy(ac->reply_queue.data, method->name.data, method->name.len);

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_QUEUE_BIND;
    out.name = ac->reply_queue;
    out.routing_key = ac->reply_queue;
    ngx_str_set(&out.exchange, WIRE_EXCHANGE_REPLIES);

    if (ac->listener) {
        out.exchange = ac->listener->exchange;

    } else if (ac->subscriber) {
        ngx_str_set(&out.exchange, WIRE_EXCHANGE_DROPPED);
    }

    return ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out);
}


static ngx_int_t
ngx_amqp_send_consume(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    ngx_amqp_method_t  out;

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_BASIC_CONSUME;
    out.routing_key = ac->reply_queue;

    /* a subscriber's tag is for what it reads */

    if (ac->subscriber == NULL) {
        out.name = ac->name;
    }

    return ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out);
}


static ngx_int_t
ngx_amqp_consumed(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    return ac->subscriber ? ngx_amqp_feed_declare(ac)
                          : ngx_amqp_announce(ac, method);
}


static ngx_int_t
ngx_amqp_announce(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    ngx_del_timer(&ac->deadline);

    ac->failed = 0;

    /* a channel that was opened again does not make a new connection */

    if (ac->ready_since == 0) {
        ac->ready_since = ngx_current_msec ? ngx_current_msec : 1;

        ngx_amqp_count(ac, connects, 1);

        /* this step is over, and the state is set by the caller */

        ac->log.action = NULL;

        if (ngx_amqp_target(ac)->url->tls) {
            ngx_amqp_tls_told(ac);

        } else {
            ngx_log_error(NGX_LOG_NOTICE, &ac->log, 0, "broker is ready");
        }
    }

    return NGX_OK;
}
