/*
 * Copyright (C) the Warren authors
 *
 * What waits for the socket: the frames of one turn of the event loop are
 * gathered in blocks and leave with one write.
 */


#include "ngx_amqp_private.h"


static ngx_amqp_block_t *ngx_amqp_block_get(ngx_amqp_connection_t *ac,
    size_t size);
static void ngx_amqp_block_put(ngx_amqp_connection_t *ac, ngx_chain_t *cl);


ngx_buf_t *
ngx_amqp_output_reserve(ngx_amqp_connection_t *ac, size_t size)
{
    ngx_buf_t         *b;
    ngx_amqp_block_t  *block;

    if (ac->out_last) {
        b = ac->out_last->buf;

        if ((size_t) (b->end - b->last) >= size) {
            return b;
        }
    }

    block = ngx_amqp_block_get(ac, size);
    if (block == NULL) {
        return NULL;
    }

    if (ac->out_last) {
        ac->out_last->next = &block->link;

    } else {
        ac->out = &block->link;
    }

    ac->out_last = &block->link;

    return &block->buf;
}


static ngx_amqp_block_t *
ngx_amqp_block_get(ngx_amqp_connection_t *ac, size_t size)
{
    u_char            *p;
    ngx_amqp_block_t  *block;

    if (size <= NGX_AMQP_BLOCK_SIZE && ac->blocks) {
        block = (ngx_amqp_block_t *) ac->blocks;
        ac->blocks = block->link.next;
        ac->nblocks--;

    } else {
        size = ngx_max(size, NGX_AMQP_BLOCK_SIZE);

        block = ngx_alloc(sizeof(ngx_amqp_block_t) + size, &ac->log);
        if (block == NULL) {
            return NULL;
        }

        block->size = size;
    }

    ngx_memzero(&block->buf, sizeof(ngx_buf_t));

    p = (u_char *) block + sizeof(ngx_amqp_block_t);

    block->buf.start = p;
    block->buf.pos = p;
    block->buf.last = p;
    block->buf.end = p + block->size;
    block->buf.temporary = 1;

    block->link.buf = &block->buf;
    block->link.next = NULL;

    return block;
}


static void
ngx_amqp_block_put(ngx_amqp_connection_t *ac, ngx_chain_t *cl)
{
    ngx_amqp_block_t  *block;

    block = (ngx_amqp_block_t *) cl;

    if (block->size != NGX_AMQP_BLOCK_SIZE
        || ac->nblocks == NGX_AMQP_BLOCKS_KEPT)
    {
        ngx_free(block);
        return;
    }

    cl->next = ac->blocks;
    ac->blocks = cl;
    ac->nblocks++;
}


void
ngx_amqp_output_added(ngx_amqp_connection_t *ac, size_t size)
{
    ngx_event_t  *wev;

    ac->out_size += size;

    wev = ac->peer.connection->write;

    ngx_post_event(wev, &ngx_posted_events);
}


ngx_int_t
ngx_amqp_output_write(ngx_amqp_connection_t *ac, u_char *p, size_t size)
{
    size_t      n;
    ngx_buf_t  *b;

    while (size) {
        b = ngx_amqp_output_reserve(ac, 1);
        if (b == NULL) {
            return NGX_ERROR;
        }

        n = ngx_min(size, (size_t) (b->end - b->last));

        b->last = ngx_cpymem(b->last, p, n);
        p += n;
        size -= n;

        ngx_amqp_output_added(ac, n);
    }

    return NGX_OK;
}


ngx_int_t
ngx_amqp_output_method(ngx_amqp_connection_t *ac, ngx_uint_t channel,
    const ngx_amqp_method_t *method)
{
    u_char     *p;
    ngx_buf_t  *b;

    b = ngx_amqp_output_reserve(ac, ngx_amqp_method_size(method));
    if (b == NULL) {
        return NGX_ERROR;
    }

    p = b->last;

    if (ngx_amqp_method_encode(ac->codec, b, channel, method) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &ac->log, 0,
                   "amqp send \"%s\"", ngx_amqp_method_name(method->id));

    ngx_amqp_output_added(ac, b->last - p);

    return NGX_OK;
}


void
ngx_amqp_output_mark(ngx_amqp_connection_t *ac, ngx_amqp_mark_t *mark)
{
    mark->last = ac->out_last;
    mark->pos = ac->out_last ? ac->out_last->buf->last : NULL;
    mark->size = ac->out_size;
}


void
ngx_amqp_output_rollback(ngx_amqp_connection_t *ac, ngx_amqp_mark_t *mark)
{
    ngx_chain_t  *cl, *next;

    if (mark->last) {
        cl = mark->last->next;
        mark->last->next = NULL;
        mark->last->buf->last = mark->pos;

    } else {
        cl = ac->out;
        ac->out = NULL;
    }

    ac->out_last = mark->last;
    ac->out_size = mark->size;

    for ( /* void */ ; cl; cl = next) {
        next = cl->next;
        ngx_amqp_block_put(ac, cl);
    }
}


ngx_int_t
ngx_amqp_output_flush(ngx_amqp_connection_t *ac)
{
    off_t              sent;
    ngx_chain_t       *cl, *next, *rest;
    ngx_connection_t  *c;

    c = ac->peer.connection;

    if (ac->out_size != 0) {
        sent = c->sent;

        rest = c->send_chain(c, ac->out, 0);

        if (rest == NGX_CHAIN_ERROR) {
            return NGX_ERROR;
        }

        sent = c->sent - sent;

        if (sent) {
            ac->sent = ngx_current_msec;
            ac->out_size -= (size_t) sent;
            ngx_amqp_count(ac, bytes_out, (ngx_atomic_int_t) sent);
        }

        for (cl = ac->out; cl != rest; cl = next) {
            next = cl->next;
            ngx_amqp_block_put(ac, cl);
        }

        ac->out = rest;

        if (rest == NULL) {
            ac->out_last = NULL;
        }
    }

    return ngx_handle_write_event(c->write, 0);
}


void
ngx_amqp_output_reset(ngx_amqp_connection_t *ac)
{
    ngx_amqp_mark_t  mark;

    ngx_memzero(&mark, sizeof(ngx_amqp_mark_t));

    ngx_amqp_output_rollback(ac, &mark);
}


void
ngx_amqp_output_free(ngx_amqp_connection_t *ac)
{
    ngx_chain_t  *cl;

    ngx_amqp_output_reset(ac);

    while (ac->blocks) {
        cl = ac->blocks;
        ac->blocks = cl->next;
        ngx_free(cl);
    }

    ac->nblocks = 0;
}
