/*
 * Copyright (C) the Warren authors
 *
 * What the broker says: frames, the methods that may come in any state, and
 * contents, which are replies or our own calls returned.
 */


#include "ngx_amqp_private.h"


static ngx_int_t ngx_amqp_method(ngx_amqp_connection_t *ac,
    ngx_str_t *payload, ngx_uint_t channel);
static ngx_int_t ngx_amqp_connection_method(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_connection_closed(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static void ngx_amqp_connection_blocked(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_channel_method(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_channel_closed(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_channel_flow(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method);
static ngx_int_t ngx_amqp_answer(ngx_amqp_connection_t *ac,
    ngx_uint_t channel, uint32_t id);
static ngx_int_t ngx_amqp_content_header(ngx_amqp_connection_t *ac,
    ngx_str_t *payload);
static ngx_int_t ngx_amqp_content_judge(ngx_amqp_connection_t *ac);
static void ngx_amqp_content_judge_news(ngx_amqp_connection_t *ac);
static ngx_int_t ngx_amqp_content_bad(ngx_amqp_connection_t *ac,
    ngx_amqp_call_t *call);
static ngx_int_t ngx_amqp_content_body(ngx_amqp_connection_t *ac,
    ngx_str_t *payload);
static ngx_int_t ngx_amqp_content_done(ngx_amqp_connection_t *ac,
    ngx_str_t *body);


ngx_int_t
ngx_amqp_frame(ngx_amqp_connection_t *ac, ngx_amqp_frame_t *frame)
{
    ngx_int_t  rc;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &ac->log, 0,
                   "amqp frame type:%ui channel:%ui size:%uz",
                   frame->type, frame->channel, frame->payload.len);

    if (frame->type == NGX_AMQP_FRAME_HEARTBEAT) {
        return NGX_OK;
    }

    if (frame->type == NGX_AMQP_FRAME_METHOD) {
        rc = ngx_amqp_method(ac, &frame->payload, frame->channel);

    } else if (ac->content.method == 0
               || frame->channel != NGX_AMQP_CHANNEL
               || ac->content.has_header
                  != (frame->type == NGX_AMQP_FRAME_BODY))
    {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker sent content where none was due");
        return NGX_ERROR;

    } else if (frame->type == NGX_AMQP_FRAME_HEADER) {
        rc = ngx_amqp_content_header(ac, &frame->payload);

    } else {
        rc = ngx_amqp_content_body(ac, &frame->payload);
    }

    if (rc != NGX_DONE) {
        ngx_amqp_codec_reset(ac->codec);
    }

    return rc;
}


static ngx_int_t
ngx_amqp_method(ngx_amqp_connection_t *ac, ngx_str_t *payload,
    ngx_uint_t channel)
{
    ngx_int_t          rc;
    ngx_amqp_method_t  method;

    rc = ngx_amqp_method_decode(ac->codec, payload, &method);

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker sent a malformed method");
        return NGX_ERROR;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &ac->log, 0, "amqp method \"%s\"",
                   ngx_amqp_method_name(method.id));

    /* methods of the class connection belong to channel 0, others to ours */

    if (rc == NGX_DECLINED
        || (method.id >> 16 == NGX_AMQP_CONNECTION_START >> 16)
           != (channel == 0))
    {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker sent method %uD.%uD on channel %ui",
                      method.id >> 16, method.id & 0xffff, channel);
        return NGX_ERROR;
    }

    if (channel == 0) {
        return ngx_amqp_connection_method(ac, &method);
    }

    if (ac->content.method) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker sent \"%s\" inside of a content",
                      ngx_amqp_method_name(method.id));
        return NGX_ERROR;
    }

    return ngx_amqp_channel_method(ac, &method);
}


static ngx_int_t
ngx_amqp_connection_method(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method)
{
    switch (method->id) {

    case NGX_AMQP_CONNECTION_CLOSE:
        return ngx_amqp_connection_closed(ac, method);

    case NGX_AMQP_CONNECTION_BLOCKED:
        ngx_amqp_connection_blocked(ac, method);
        return NGX_OK;

    case NGX_AMQP_CONNECTION_UNBLOCKED:
        ac->blocked = 0;

        ngx_log_error(NGX_LOG_NOTICE, &ac->log, 0,
                      "broker takes messages again");
        return NGX_OK;
    }

    return ngx_amqp_handshake_method(ac, method);
}


static ngx_int_t
ngx_amqp_connection_closed(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method)
{
    if (ac->state == ngx_amqp_st_tune) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker refused user \"%V\" or its password: %ui %V",
                      &ngx_amqp_target(ac)->url->user, method->code,
                      &method->text);

    } else if (ac->state == ngx_amqp_st_open) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker refused virtual host \"%V\": %ui %V",
                      &ngx_amqp_target(ac)->url->vhost, method->code,
                      &method->text);

    } else {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker closed the connection: %ui %V",
                      method->code, &method->text);
    }

    /* it may leave or not: the connection is over in any case */

    if (ngx_amqp_answer(ac, 0, NGX_AMQP_CONNECTION_CLOSE_OK) == NGX_OK) {
        (void) ngx_amqp_output_flush(ac);
    }

    return NGX_ERROR;
}


static void
ngx_amqp_connection_blocked(ngx_amqp_connection_t *ac,
    ngx_amqp_method_t *method)
{
    if (ac->blocked) {
        return;
    }

    ac->blocked = 1;
    ngx_amqp_count(ac, blocked, 1);

    ngx_log_error(NGX_LOG_WARN, &ac->log, 0,
                  "broker takes no messages: %V", &method->text);
}


static ngx_int_t
ngx_amqp_channel_method(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    switch (method->id) {

    case NGX_AMQP_CHANNEL_CLOSE:
        return ngx_amqp_channel_closed(ac, method);

    case NGX_AMQP_CHANNEL_FLOW:
        return ngx_amqp_channel_flow(ac, method);
    }

    if (ac->state != ngx_amqp_st_ready) {
        return ngx_amqp_handshake_method(ac, method);
    }

    switch (method->id) {

    case NGX_AMQP_BASIC_DELIVER:
        ac->content.method = method->id;
        return ac->subscriber ? ngx_amqp_feed_deliver(ac, method) : NGX_OK;

    case NGX_AMQP_BASIC_RETURN:
        ac->content.method = method->id;
        return NGX_OK;

    case NGX_AMQP_QUEUE_BIND_OK:
    case NGX_AMQP_QUEUE_UNBIND_OK:

        if (ac->subscriber) {
            return ngx_amqp_feed_done(ac, method);
        }

        break;

    case NGX_AMQP_BASIC_ACK:
    case NGX_AMQP_BASIC_NACK:
        return ngx_amqp_calls_confirm(ac, method);

    case NGX_AMQP_BASIC_CANCEL:
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker cancelled the consumer of replies");
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_ERR, &ac->log, 0, "broker sent unexpected \"%s\"",
                  ngx_amqp_method_name(method->id));

    return NGX_ERROR;
}


static ngx_int_t
ngx_amqp_channel_closed(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    ngx_uint_t  epoch;

    ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                  "broker closed the channel: %ui %V",
                  method->code, &method->text);

    if (ngx_amqp_answer(ac, NGX_AMQP_CHANNEL, NGX_AMQP_CHANNEL_CLOSE_OK)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* what failed while the channel was made will fail again: not at once */

    if (ac->state != ngx_amqp_st_ready) {
        (void) ngx_amqp_output_flush(ac);
        return NGX_ERROR;
    }

    if (ngx_amqp_channel_open(ac) != NGX_OK) {
        return NGX_ERROR;
    }

    /* the reply queue was deleted with its consumer; a new one is declared */

    ngx_amqp_set_state(ac, ngx_amqp_st_channel);
    ngx_add_timer(&ac->deadline, ac->broker->connect_timeout);

    ac->paused = 0;

    epoch = ac->epoch;

    ngx_amqp_calls_lost(ac);

    return ac->epoch == epoch ? NGX_OK : NGX_DONE;
}


static ngx_int_t
ngx_amqp_channel_flow(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    ngx_amqp_method_t  out;

    ac->paused = !method->active;

    ngx_log_error(NGX_LOG_NOTICE, &ac->log, 0, "broker %s the flow",
                  method->active ? "resumed" : "stopped");

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_CHANNEL_FLOW_OK;
    out.active = method->active;

    return ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out);
}


/* sends a method that has no fields worth setting */

static ngx_int_t
ngx_amqp_answer(ngx_amqp_connection_t *ac, ngx_uint_t channel, uint32_t id)
{
    ngx_amqp_method_t  out;

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = id;

    return ngx_amqp_output_method(ac, channel, &out);
}


static ngx_int_t
ngx_amqp_content_header(ngx_amqp_connection_t *ac, ngx_str_t *payload)
{
    ngx_int_t            rc;
    ngx_str_t            copy;
    ngx_amqp_content_t  *content;

    content = &ac->content;

    /* properties are needed until the body is complete */

    copy.len = payload->len;
    copy.data = ngx_pnalloc(ac->content_pool, payload->len);

    if (copy.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(copy.data, payload->data, payload->len);

    if (ngx_amqp_header_decode(ac->codec, &copy, ac->content_pool,
                               &content->props)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker sent a malformed content header");
        return NGX_ERROR;
    }

    content->has_header = 1;
    content->rest = content->props.body_size;

    rc = ngx_amqp_content_judge(ac);
    if (rc != NGX_OK) {
        return rc;
    }

    if (content->rest == 0) {
        copy.len = 0;
        return ngx_amqp_content_done(ac, &copy);
    }

    return NGX_OK;
}


/* decides from the header alone whether the body is worth keeping */

static ngx_int_t
ngx_amqp_content_judge(ngx_amqp_connection_t *ac)
{
    ngx_amqp_call_t     *call;
    ngx_amqp_content_t  *content;

    content = &ac->content;

    if (content->method == NGX_AMQP_BASIC_RETURN) {
        content->skip = 1;
        return NGX_OK;
    }

    if (ac->listener || ac->subscriber) {
        ngx_amqp_content_judge_news(ac);
        return NGX_OK;
    }

    call = ngx_amqp_call_find(ac, &content->props.correlation_id);

    /* whoever got a command knows its id: no reply ends it */

    if (call == NULL || call->command) {
        ngx_amqp_count(ac, late, 1);
        content->skip = 1;
        return NGX_OK;
    }

    content->id = ac->slots[call->slot].id;

    if (content->props.user_id.len != call->service_user.len
        || ngx_memcmp(content->props.user_id.data, call->service_user.data,
                      call->service_user.len)
           != 0)
    {
        ngx_amqp_count(ac, foreign, 1);

        ngx_log_error(NGX_LOG_WARN, &ac->log, 0,
                      "reply of user \"%V\" to a call of \"%V\" is dropped",
                      &content->props.user_id, &call->service_user);

        content->skip = 1;
        return NGX_OK;
    }

    if (content->props.bad_headers
        || content->props.body_size > ac->broker->max_reply)
    {
        content->skip = 1;
        return ngx_amqp_content_bad(ac, call);
    }

    return NGX_OK;
}


/* of what is said on an exchange, that of our own kind is believed */

static void
ngx_amqp_content_judge_news(ngx_amqp_connection_t *ac)
{
    size_t               max_body;
    const ngx_str_t     *user, *exchange;
    ngx_amqp_content_t  *content;

    content = &ac->content;

    /* that something is missing is true whoever said it */

    if (content->is_dropped) {
        content->skip = 1;
        ac->subscriber->dropped(ac->subscriber->data);
        return;
    }

    if (ac->subscriber) {
        user = &ac->subscriber->user;
        exchange = &ac->subscriber->exchange;
        max_body = ac->subscriber->max_body;

    } else {
        user = &ngx_amqp_target(ac)->url->user;
        exchange = &ac->listener->exchange;
        max_body = ac->listener->max_body;
    }

    if (content->props.user_id.len != user->len
        || ngx_memcmp(content->props.user_id.data, user->data, user->len) != 0)
    {
        ngx_amqp_count(ac, foreign, 1);

        ngx_log_error(NGX_LOG_WARN, &ac->log, 0,
                      "message of user \"%V\" in \"%V\" is dropped",
                      &content->props.user_id, exchange);

        content->skip = 1;
        return;
    }

    if (!content->props.bad_headers && content->props.body_size <= max_body) {
        return;
    }

    content->skip = 1;

    if (ac->subscriber) {
        ngx_amqp_feed_news(ac, NULL);

    } else {
        ac->listener->handler(ac->listener->data, NULL);
    }
}


static ngx_int_t
ngx_amqp_content_bad(ngx_amqp_connection_t *ac, ngx_amqp_call_t *call)
{
    ngx_uint_t  epoch;

    ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                  ac->content.props.bad_headers
                      ? "reply of \"%V\" has headers nested too deep"
                      : "reply of \"%V\" is larger than allowed",
                  &call->service_user);

    ngx_amqp_count(ac, replies, 1);

    epoch = ac->epoch;

    ngx_amqp_call_end(ac, call, NGX_AMQP_BAD_REPLY, NULL);

    return ac->epoch == epoch ? NGX_OK : NGX_DONE;
}


static ngx_int_t
ngx_amqp_content_body(ngx_amqp_connection_t *ac, ngx_str_t *payload)
{
    ngx_str_t            body;
    ngx_amqp_content_t  *content;

    content = &ac->content;

    if (payload->len > content->rest) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker sent a body longer than announced");
        return NGX_ERROR;
    }

    content->rest -= payload->len;

    if (content->skip || (content->body == NULL && content->rest == 0)) {

        /* a body of one frame stays where it is */

        return content->rest ? NGX_OK : ngx_amqp_content_done(ac, payload);
    }

    if (content->body == NULL) {

        /* no more than max_reply */

        content->body = ngx_pnalloc(ac->content_pool,
                                    (size_t) content->props.body_size);
        if (content->body == NULL) {
            return NGX_ERROR;
        }

        content->last = content->body;
    }

    content->last = ngx_cpymem(content->last, payload->data, payload->len);

    if (content->rest) {
        return NGX_OK;
    }

    body.data = content->body;
    body.len = content->last - content->body;

    return ngx_amqp_content_done(ac, &body);
}


static ngx_int_t
ngx_amqp_content_done(ngx_amqp_connection_t *ac, ngx_str_t *body)
{
    ngx_uint_t           epoch;
    ngx_amqp_end_e       end;
    ngx_amqp_call_t     *call;
    ngx_amqp_reply_t     reply;
    ngx_amqp_content_t  *content;

    content = &ac->content;
    epoch = ac->epoch;
    call = NULL;
    end = NGX_AMQP_REPLY;

    if (content->method == NGX_AMQP_BASIC_RETURN) {
        ngx_amqp_count(ac, returned, 1);

        /* one that was cancelled meanwhile is no longer found */

        call = ngx_amqp_call_find(ac, &content->props.correlation_id);
        end = NGX_AMQP_RETURNED;

    } else if (!content->skip && ac->listener) {
        ngx_amqp_count(ac, replies, 1);
        ac->listener->handler(ac->listener->data, body);

    } else if (!content->skip && ac->subscriber) {
        ngx_amqp_feed_news(ac, body);

    } else if (!content->skip) {

        /* it may have been cancelled while its reply arrived */

        call = ngx_amqp_call_of(ac, content->id);

        if (call == NULL) {
            ngx_amqp_count(ac, late, 1);

        } else {
            ngx_amqp_count(ac, replies, 1);
        }
    }

    if (call) {
        reply.content_type = content->props.content_type;
        reply.message_id = content->props.message_id;
        reply.headers = content->props.headers;
        reply.body = *body;

        ngx_amqp_call_end(ac, call, end,
                          end == NGX_AMQP_REPLY ? &reply : NULL);
    }

    if (ac->epoch != epoch) {
        return NGX_DONE;
    }

    ngx_amqp_content_reset(ac);

    return NGX_OK;
}


void
ngx_amqp_content_reset(ngx_amqp_connection_t *ac)
{
    ngx_memzero(&ac->content, sizeof(ngx_amqp_content_t));
    ngx_reset_pool(ac->content_pool);
}
