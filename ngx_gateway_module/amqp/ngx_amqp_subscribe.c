/*
 * Copyright (C) the Warren authors
 *
 * What a connection that only consumes does otherwise than one for calls: a
 * queue whose keys come and go, and another that is told what was dropped from
 * the first because it was full.
 */


#include "ngx_amqp_private.h"

#include "wire.h"


static ngx_int_t ngx_amqp_feed_ask(ngx_amqp_connection_t *ac, uint32_t id,
    const ngx_str_t *key);


ngx_int_t
ngx_amqp_feed_declare(ngx_amqp_connection_t *ac)
{
    ngx_amqp_method_t  out;

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_QUEUE_DECLARE;
    out.max_length = ac->subscriber->max_length;
    ngx_str_set(&out.dead_exchange, WIRE_EXCHANGE_DROPPED);
    out.dead_key = ac->reply_queue;

    return ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out);
}


ngx_int_t
ngx_amqp_feed_bind(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    if (method->name.len == 0) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker gave the queue of a subscriber no name");
        return NGX_ERROR;
    }

    /* a short string has at most NGX_AMQP_SHORT_MAX bytes */

    ac->feed.data = ac->feed_data;
    ac->feed.len = method->name.len;
    ngx_memcpy(ac->feed.data, method->name.data, method->name.len);

    /*
     * Nothing has this key.  It is bound lest a missing exchange, or a missing
     * right to it, be found only when there is somebody to serve.
     */

    return ngx_amqp_feed_ask(ac, NGX_AMQP_QUEUE_BIND, &ac->feed);
}


ngx_int_t
ngx_amqp_feed_consume(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    ngx_amqp_method_t  out;

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = NGX_AMQP_BASIC_CONSUME;
    out.name = ac->name;
    out.routing_key = ac->feed;

    return ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out);
}


ngx_int_t
ngx_amqp_feed_deliver(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    ngx_amqp_content_t  *content;

    content = &ac->content;

    if (method->name.len != ac->name.len
        || ngx_memcmp(method->name.data, ac->name.data, ac->name.len) != 0)
    {
        content->is_dropped = 1;
        return NGX_OK;
    }

    /* the frame is gone when the body comes */

    content->routing_key.data = ngx_pnalloc(ac->content_pool,
                                            method->routing_key.len + 1);
    if (content->routing_key.data == NULL) {
        return NGX_ERROR;
    }

    content->routing_key.len = method->routing_key.len;

    if (method->routing_key.len) {
        ngx_memcpy(content->routing_key.data, method->routing_key.data,
                   method->routing_key.len);
    }

    return NGX_OK;
}


ngx_int_t
ngx_amqp_feed_done(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    if (ac->subscriber->done(ac->subscriber->data,
                             method->id == NGX_AMQP_QUEUE_UNBIND_OK)
        == NGX_OK)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, &ac->log, 0, "broker sent unexpected \"%s\"",
                  ngx_amqp_method_name(method->id));

    return NGX_ERROR;
}


void
ngx_amqp_feed_news(ngx_amqp_connection_t *ac, ngx_str_t *body)
{
    ngx_amqp_news_t      news;
    ngx_amqp_content_t  *content;

    content = &ac->content;

    ngx_amqp_count(ac, replies, 1);

    news.routing_key = content->routing_key;
    news.message_id = content->props.message_id;
    news.type = content->props.type;
    ngx_str_null(&news.body);

    if (body) {
        news.body = *body;
    }

    ac->subscriber->news(ac->subscriber->data, &news);
}


ngx_int_t
ngx_amqp_bind(ngx_amqp_connection_t *ac, const ngx_str_t *key)
{
    return ac->state == ngx_amqp_st_ready
           ? ngx_amqp_feed_ask(ac, NGX_AMQP_QUEUE_BIND, key) : NGX_DECLINED;
}


ngx_int_t
ngx_amqp_unbind(ngx_amqp_connection_t *ac, const ngx_str_t *key)
{
    return ac->state == ngx_amqp_st_ready
           ? ngx_amqp_feed_ask(ac, NGX_AMQP_QUEUE_UNBIND, key) : NGX_DECLINED;
}


static ngx_int_t
ngx_amqp_feed_ask(ngx_amqp_connection_t *ac, uint32_t id, const ngx_str_t *key)
{
    ngx_amqp_method_t  out;

    ngx_memzero(&out, sizeof(ngx_amqp_method_t));

    out.id = id;
    out.name = ac->feed;
    out.exchange = ac->subscriber->exchange;
    out.routing_key = *key;

    return ngx_amqp_output_method(ac, NGX_AMQP_CHANNEL, &out);
}
