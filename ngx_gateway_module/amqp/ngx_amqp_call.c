/*
 * Copyright (C) the Warren authors
 *
 * The table of calls: from a correlation id or the number of a publish to the
 * call that waits, in constant time; one end for each.
 */


#include "ngx_amqp_private.h"

#include <sys/random.h>

#include "wire.h"


#define NGX_AMQP_APP_ID  "gateway"


static size_t ngx_amqp_call_size(ngx_amqp_connection_t *ac,
    const ngx_amqp_message_t *message);
static ngx_int_t ngx_amqp_call_write(ngx_amqp_connection_t *ac,
    ngx_amqp_call_t *call, const ngx_amqp_message_t *message);
static void ngx_amqp_call_sender(ngx_amqp_connection_t *ac,
    ngx_amqp_sender_t *sender);
static void ngx_amqp_call_id(u_char *hex_r, uint64_t id);
static ngx_int_t ngx_amqp_tags_are_free(ngx_amqp_connection_t *ac,
    ngx_uint_t n);
static ngx_amqp_slot_t *ngx_amqp_tag_slot(ngx_amqp_connection_t *ac,
    uint64_t tag);
static ngx_int_t ngx_amqp_random48(ngx_amqp_connection_t *ac, uint64_t *n);
static void ngx_amqp_slot_free(ngx_amqp_connection_t *ac,
    ngx_amqp_slot_t *slot);
static ngx_int_t ngx_amqp_publish(ngx_amqp_connection_t *ac,
    const ngx_amqp_sender_t *sender, const ngx_amqp_message_t *message);
static ngx_int_t ngx_amqp_publish_body(ngx_amqp_connection_t *ac,
    const ngx_amqp_message_t *message);
static ngx_int_t ngx_amqp_publish_part(ngx_amqp_connection_t *ac,
    ngx_chain_t **chain, off_t *pos, size_t size);
static ngx_int_t ngx_amqp_publish_file(ngx_amqp_connection_t *ac,
    ngx_file_t *file, off_t pos, size_t size);
static ngx_int_t ngx_amqp_calls_confirmed(ngx_amqp_connection_t *ac,
    uint64_t first, uint64_t last, ngx_amqp_end_e end);


ngx_int_t
ngx_amqp_calls_init(ngx_amqp_connection_t *ac)
{
    ngx_uint_t  i, n;

    /* who listens makes no calls */

    ac->nslots = ac->listener ? 1 : ngx_min(ac->broker->max_inflight,
                                            NGX_AMQP_SLOTS_MAX);

    ac->slots = ngx_pcalloc(ac->pool, ac->nslots * sizeof(ngx_amqp_slot_t));
    if (ac->slots == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < ac->nslots; i++) {
        ac->slots[i].next = i + 1 < ac->nslots ? (uint32_t) (i + 1)
                                               : NGX_AMQP_NO_SLOT;
    }

    ac->free_slot = ac->nslots ? 0 : NGX_AMQP_NO_SLOT;

    /* confirms may come late and out of order: room for more than calls */

    for (n = 1024; n < 4 * ac->nslots; n <<= 1) { /* void */ }

    ac->tags = ngx_palloc(ac->pool, n * sizeof(uint32_t));
    if (ac->tags == NULL) {
        return NGX_ERROR;
    }

    ac->tags_mask = n - 1;

    ngx_amqp_calls_renumber(ac);

    return NGX_OK;
}


void
ngx_amqp_calls_renumber(ngx_amqp_connection_t *ac)
{
    ac->tag_first = 1;
    ac->tag_next = 1;
}


ngx_uint_t
ngx_amqp_inflight(ngx_amqp_connection_t *ac)
{
    return ac->inflight;
}


ngx_int_t
ngx_amqp_call_start(ngx_amqp_connection_t *ac, ngx_amqp_call_t *call,
    const ngx_amqp_message_t *message)
{
    return ngx_amqp_calls_start(ac, &call, message, 1);
}


ngx_int_t
ngx_amqp_calls_start(ngx_amqp_connection_t *ac, ngx_amqp_call_t **calls,
    const ngx_amqp_message_t *messages, ngx_uint_t n)
{
    size_t           size;
    uint64_t         tag;
    ngx_uint_t       i;
    ngx_amqp_mark_t  mark;

    if (!ngx_amqp_is_ready(ac)) {
        return NGX_DECLINED;
    }

    if (n > ac->nslots - ac->inflight || !ngx_amqp_tags_are_free(ac, n)) {
        return NGX_BUSY;
    }

    /* what is larger than max_output is let in when it has no company */

    for (i = 0, size = 0; i < n; i++) {
        size += ngx_amqp_call_size(ac, &messages[i]);
    }

    if (ac->out_size != 0 && ac->out_size + size > ac->broker->max_output) {
        return NGX_BUSY;
    }

    tag = ac->tag_next;
    ngx_amqp_output_mark(ac, &mark);

    for (i = 0; i < n; i++) {

        if (ngx_amqp_call_write(ac, calls[i], &messages[i]) == NGX_OK) {
            continue;
        }

        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "call to \"%V\" cannot be sent: its properties do not "
                      "fit, or its body cannot be read",
                      &messages[i].routing_key);

        /* nothing of it has left yet: frames leave at the end of the turn */

        while (i) {
            ngx_amqp_call_cancel(ac, calls[--i]);
        }

        ac->tag_next = tag;
        ngx_amqp_output_rollback(ac, &mark);

        return NGX_ERROR;
    }

    ngx_amqp_count(ac, published, n);

    return NGX_OK;
}


/* bytes that suffice for its frames, without those between parts of a body */

static size_t
ngx_amqp_call_size(ngx_amqp_connection_t *ac,
    const ngx_amqp_message_t *message)
{
    ngx_amqp_sender_t  sender;

    ngx_amqp_call_sender(ac, &sender);

    return (size_t) message->body_size + ngx_amqp_message_size(message,
                                                               &sender);
}


/* gives it a slot and its frames to output; the caller takes both back */

static ngx_int_t
ngx_amqp_call_write(ngx_amqp_connection_t *ac, ngx_amqp_call_t *call,
    const ngx_amqp_message_t *message)
{
    u_char              id[WIRE_CORRELATION_LEN];
    uint32_t            n;
    uint64_t            random;
    ngx_amqp_slot_t    *slot;
    ngx_amqp_sender_t   sender;

    if (ngx_amqp_random48(ac, &random) != NGX_OK) {
        return NGX_ERROR;
    }

    n = ac->free_slot;
    slot = &ac->slots[n];
    slot->id = (uint64_t) n << 48 | random;

    ngx_amqp_call_id(id, slot->id);

    ngx_amqp_call_sender(ac, &sender);

    sender.correlation_id.data = id;

    if (call->command) {
        ngx_str_null(&sender.reply_to);
    }

    if (ngx_amqp_publish(ac, &sender, message) != NGX_OK) {
        return NGX_ERROR;
    }

    ac->free_slot = slot->next;
    slot->call = call;
    slot->tag = ac->tag_next;

    ac->tags[ac->tag_next & ac->tags_mask] = n;
    ac->tag_next++;
    ac->inflight++;
    ac->commands += call->command;

    call->slot = n;
    call->active = 1;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &ac->log, 0,
                   "amqp call %016xL tag:%uL to \"%V\"",
                   (int64_t) slot->id, slot->tag, &message->routing_key);

    return NGX_OK;
}


static void
ngx_amqp_call_sender(ngx_amqp_connection_t *ac, ngx_amqp_sender_t *sender)
{
    sender->correlation_id.data = NULL;
    sender->correlation_id.len = WIRE_CORRELATION_LEN;
    sender->reply_to = ac->reply_queue;
    sender->user_id = ngx_amqp_target(ac)->url->user;
    ngx_str_set(&sender->app_id, NGX_AMQP_APP_ID);
}


static void
ngx_amqp_call_id(u_char *hex_r, uint64_t id)
{
    ngx_uint_t  i;

    static const u_char  digits[] = "0123456789abcdef";

    for (i = 0; i < WIRE_CORRELATION_LEN; i++) {
        hex_r[i] = digits[id >> 60];
        id <<= 4;
    }
}


ngx_int_t
ngx_amqp_tell(ngx_amqp_connection_t *ac, const ngx_amqp_message_t *message)
{
    ngx_amqp_mark_t    mark;
    ngx_amqp_sender_t  sender;

    if (!ngx_amqp_is_ready(ac)) {
        return NGX_DECLINED;
    }

    if (!ngx_amqp_tags_are_free(ac, 1)
        || (ac->out_size != 0
            && ac->out_size + (size_t) message->body_size
               > ac->broker->max_output))
    {
        return NGX_BUSY;
    }

    ngx_memzero(&sender, sizeof(ngx_amqp_sender_t));

    sender.user_id = ngx_amqp_target(ac)->url->user;
    ngx_str_set(&sender.app_id, NGX_AMQP_APP_ID);

    ngx_amqp_output_mark(ac, &mark);

    if (ngx_amqp_publish(ac, &sender, message) != NGX_OK) {
        ngx_amqp_output_rollback(ac, &mark);
        return NGX_ERROR;
    }

    /* confirmed or not, it has no call */

    ac->tags[ac->tag_next & ac->tags_mask] = NGX_AMQP_NO_SLOT;
    ac->tag_next++;

    ngx_amqp_count(ac, published, 1);

    return NGX_OK;
}


/* makes room in tags by forgetting calls that have ended */

static ngx_int_t
ngx_amqp_tags_are_free(ngx_amqp_connection_t *ac, ngx_uint_t n)
{
    while (ac->tag_first < ac->tag_next
           && ngx_amqp_tag_slot(ac, ac->tag_first) == NULL)
    {
        ac->tag_first++;
    }

    return ac->tag_next - ac->tag_first + n <= ac->tags_mask + 1;
}


/* the slot of a publish that is not confirmed and whose call has not ended */

static ngx_amqp_slot_t *
ngx_amqp_tag_slot(ngx_amqp_connection_t *ac, uint64_t tag)
{
    uint32_t          n;
    ngx_amqp_slot_t  *slot;

    n = ac->tags[tag & ac->tags_mask];

    if (n == NGX_AMQP_NO_SLOT) {
        return NULL;
    }

    slot = &ac->slots[n];

    return slot->call && slot->tag == tag ? slot : NULL;
}


static ngx_int_t
ngx_amqp_random48(ngx_amqp_connection_t *ac, uint64_t *n)
{
    u_char  *p;

    if (ac->nrandom < 6) {

        /* 256 bytes come whole or not at all */

        if (getrandom(ac->random, sizeof(ac->random), 0)
            != (ssize_t) sizeof(ac->random))
        {
            ngx_log_error(NGX_LOG_CRIT, &ac->log, ngx_errno,
                          "getrandom() failed");
            return NGX_ERROR;
        }

        ac->nrandom = sizeof(ac->random);
    }

    ac->nrandom -= 6;
    p = &ac->random[ac->nrandom];

    *n = (uint64_t) p[0] << 40 | (uint64_t) p[1] << 32 | (uint64_t) p[2] << 24
         | (uint64_t) p[3] << 16 | (uint64_t) p[4] << 8 | (uint64_t) p[5];

    return NGX_OK;
}


void
ngx_amqp_call_cancel(ngx_amqp_connection_t *ac, ngx_amqp_call_t *call)
{
    if (!call->active) {
        return;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &ac->log, 0,
                   "amqp cancel %016xL", (int64_t) ac->slots[call->slot].id);

    ngx_amqp_slot_free(ac, &ac->slots[call->slot]);
    call->active = 0;
}


void
ngx_amqp_call_end(ngx_amqp_connection_t *ac, ngx_amqp_call_t *call,
    ngx_amqp_end_e end, ngx_amqp_reply_t *reply)
{
    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &ac->log, 0, "amqp end %016xL: %d",
                   (int64_t) ac->slots[call->slot].id, end);

    ngx_amqp_slot_free(ac, &ac->slots[call->slot]);
    call->active = 0;

    call->handler(call, end, reply);
}


static void
ngx_amqp_slot_free(ngx_amqp_connection_t *ac, ngx_amqp_slot_t *slot)
{
    ac->commands -= slot->call->command;

    slot->call = NULL;
    slot->tag = 0;
    slot->next = ac->free_slot;
    ac->free_slot = (uint32_t) (slot - ac->slots);
    ac->inflight--;
}


ngx_amqp_call_t *
ngx_amqp_call_find(ngx_amqp_connection_t *ac, ngx_str_t *correlation_id)
{
    u_char      ch;
    uint64_t    id;
    ngx_uint_t  i;

    if (correlation_id->len != WIRE_CORRELATION_LEN) {
        return NULL;
    }

    id = 0;

    for (i = 0; i < WIRE_CORRELATION_LEN; i++) {
        ch = correlation_id->data[i];

        if (ch >= '0' && ch <= '9') {
            id = id << 4 | (uint64_t) (ch - '0');

        } else if (ch >= 'a' && ch <= 'f') {
            id = id << 4 | (uint64_t) (ch - 'a' + 10);

        } else {
            return NULL;
        }
    }

    return ngx_amqp_call_of(ac, id);
}


ngx_amqp_call_t *
ngx_amqp_call_of(ngx_amqp_connection_t *ac, uint64_t id)
{
    ngx_uint_t        n;
    ngx_amqp_slot_t  *slot;

    n = (ngx_uint_t) (id >> 48);

    if (n >= ac->nslots) {
        return NULL;
    }

    slot = &ac->slots[n];

    return slot->id == id ? slot->call : NULL;
}


void
ngx_amqp_calls_lost(ngx_amqp_connection_t *ac)
{
    ngx_uint_t  i;

    /*
     * No call can be started here, so none is met twice; handlers may cancel
     * others.
     */

    for (i = 0; i < ac->nslots && ac->inflight; i++) {
        if (ac->slots[i].call) {
            ngx_amqp_call_end(ac, ac->slots[i].call, NGX_AMQP_LOST, NULL);
        }
    }

    if (ac->subscriber) {
        ac->subscriber->lost(ac->subscriber->data);
    }
}


ngx_int_t
ngx_amqp_calls_confirm(ngx_amqp_connection_t *ac, ngx_amqp_method_t *method)
{
    uint64_t  first, last;

    last = method->delivery_tag;
    first = last;

    if (method->multiple) {
        first = ac->tag_first;

        /* 0 means all */

        if (last == 0) {
            last = ac->tag_next - 1;
        }
    }

    if (last >= ac->tag_next || (last == 0 && !method->multiple)) {
        ngx_log_error(NGX_LOG_ERR, &ac->log, 0,
                      "broker confirmed publish %uL, which was not made",
                      method->delivery_tag);
        return NGX_ERROR;
    }

    /* those before tag_first have ended, whatever the broker says of them */

    first = ngx_max(first, ac->tag_first);

    if (method->id == NGX_AMQP_BASIC_NACK) {
        return ngx_amqp_calls_confirmed(ac, first, last, NGX_AMQP_NACKED);
    }

    /* the usual case: it is of no interest to calls, which wait for replies */

    if (ac->commands == 0 && method->multiple && last >= first) {
        ac->tag_first = last + 1;
        return NGX_OK;
    }

    return ngx_amqp_calls_confirmed(ac, first, last, NGX_AMQP_CONFIRMED);
}


static ngx_int_t
ngx_amqp_calls_confirmed(ngx_amqp_connection_t *ac, uint64_t first,
    uint64_t last, ngx_amqp_end_e end)
{
    uint64_t          tag;
    ngx_uint_t        epoch;
    ngx_amqp_slot_t  *slot;

    epoch = ac->epoch;

    for (tag = first; tag <= last; tag++) {

        /* handlers may have moved tag_first, but never past an active call */

        if (tag < ac->tag_first) {
            continue;
        }

        slot = ngx_amqp_tag_slot(ac, tag);

        ac->tags[tag & ac->tags_mask] = NGX_AMQP_NO_SLOT;

        if (slot == NULL) {
            continue;
        }

        if (end == NGX_AMQP_NACKED) {
            ngx_amqp_count(ac, nacked, 1);

        } else if (!slot->call->command) {
            continue;
        }

        ngx_amqp_call_end(ac, slot->call, end, NULL);

        if (ac->epoch != epoch) {
            return NGX_DONE;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_amqp_publish(ngx_amqp_connection_t *ac, const ngx_amqp_sender_t *sender,
    const ngx_amqp_message_t *message)
{
    u_char     *p;
    ngx_buf_t  *b;

    b = ngx_amqp_output_reserve(ac, ngx_amqp_message_size(message, sender));
    if (b == NULL) {
        return NGX_ERROR;
    }

    p = b->last;

    if (ngx_amqp_message_encode(b, NGX_AMQP_CHANNEL, ac->frame_max, message,
                                sender)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_amqp_output_added(ac, b->last - p);

    return ngx_amqp_publish_body(ac, message);
}


static ngx_int_t
ngx_amqp_publish_body(ngx_amqp_connection_t *ac,
    const ngx_amqp_message_t *message)
{
    off_t         rest, pos;
    size_t        size;
    u_char        head[NGX_AMQP_FRAME_HEAD], end[1];
    ngx_chain_t  *cl;

    (void) ngx_amqp_frame_end(end);

    cl = message->body;
    pos = 0;

    for (rest = message->body_size; rest > 0; rest -= (off_t) size) {

        size = (size_t) ngx_min(rest, (off_t) (ac->frame_max
                                               - NGX_AMQP_FRAME_ENVELOPE));

        (void) ngx_amqp_frame_head(head, NGX_AMQP_FRAME_BODY,
                                   NGX_AMQP_CHANNEL, size);

        if (ngx_amqp_output_write(ac, head, sizeof(head)) != NGX_OK
            || ngx_amqp_publish_part(ac, &cl, &pos, size) != NGX_OK
            || ngx_amqp_output_write(ac, end, sizeof(end)) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* copies size bytes from the chain; pos is how far its first link has come */

static ngx_int_t
ngx_amqp_publish_part(ngx_amqp_connection_t *ac, ngx_chain_t **chain,
    off_t *pos, size_t size)
{
    off_t       n;
    ngx_buf_t  *b;
    ngx_int_t   rc;

    while (size) {

        if (*chain == NULL) {
            ngx_log_error(NGX_LOG_ALERT, &ac->log, 0,
                          "body of a call is shorter than its size");
            return NGX_ERROR;
        }

        b = (*chain)->buf;

        if (*pos == ngx_buf_size(b)) {
            *chain = (*chain)->next;
            *pos = 0;
            continue;
        }

        n = ngx_min(ngx_buf_size(b) - *pos, (off_t) size);

        if (ngx_buf_in_memory(b)) {
            rc = ngx_amqp_output_write(ac, b->pos + *pos, (size_t) n);

        } else {
            rc = ngx_amqp_publish_file(ac, b->file, b->file_pos + *pos,
                                       (size_t) n);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        *pos += n;
        size -= (size_t) n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_amqp_publish_file(ngx_amqp_connection_t *ac, ngx_file_t *file, off_t pos,
    size_t size)
{
    size_t      n;
    ssize_t     got;
    ngx_buf_t  *b;

    while (size) {
        b = ngx_amqp_output_reserve(ac, 1);
        if (b == NULL) {
            return NGX_ERROR;
        }

        n = ngx_min(size, (size_t) (b->end - b->last));

        /* a file that a request was just read into: its pages are cached */

        got = ngx_read_file(file, b->last, n, pos);

        if (got == NGX_ERROR || got == 0) {
            return NGX_ERROR;
        }

        b->last += got;
        pos += got;
        size -= (size_t) got;

        ngx_amqp_output_added(ac, (size_t) got);
    }

    return NGX_OK;
}
