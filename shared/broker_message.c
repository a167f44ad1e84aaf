/*
 * Copyright (C) the Warren authors
 *
 * Delivered messages: their memory, properties and headers.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker_private.h"
#include "clock.h"


static const char *text(struct wr_message *msg, amqp_flags_t flags,
    amqp_flags_t flag, amqp_bytes_t bytes);
static void decode_headers(struct wr_message *msg, const amqp_table_t *table);
static bool decode_number(const amqp_field_value_t *value, int64_t *number_r);
static bool is_brokers(const char *name);
static int64_t decode_expiration(const char *value);


struct wr_message *
broker_message_new(struct wr_broker *broker)
{
    struct wr_arena    *arena;
    struct wr_message  *msg;

    arena = (broker->narenas != 0) ? broker->arenas[--broker->narenas]
                                   : wr_arena_new();
    msg = wr_arena_alloc(arena, sizeof(struct wr_message));
    msg->arena = arena;
    msg->generation = broker->generation;
    msg->expiration_ms = -1;
    msg->body = "";
    msg->taken_ms = wr_clock_ms();
    msg->from = msg->routing_key = "";
    msg->type = msg->content_type = msg->correlation_id = "";
    msg->reply_to = msg->message_id = msg->user_id = msg->app_id = "";
    msg->death_queue = msg->death_reason = "";

    return msg;
}


void
wr_broker_release(struct wr_broker *broker, struct wr_message **msg)
{
    struct wr_arena  *arena;

    if (*msg == NULL) {
        return;
    }

    arena = (*msg)->arena;
    *msg = NULL;

    if (broker->narenas == BROKER_ARENAS_MAX) {
        wr_arena_free(&arena);
        return;
    }

    wr_arena_reset(arena);
    broker->arenas[broker->narenas++] = arena;
}


void
broker_message_decode(struct wr_message *msg,
    const amqp_basic_properties_t *props)
{
    amqp_flags_t  flags;

    flags = props->_flags;
    msg->type = text(msg, flags, AMQP_BASIC_TYPE_FLAG, props->type);
    msg->content_type = text(msg, flags, AMQP_BASIC_CONTENT_TYPE_FLAG,
                             props->content_type);
    msg->correlation_id = text(msg, flags, AMQP_BASIC_CORRELATION_ID_FLAG,
                               props->correlation_id);
    msg->reply_to = text(msg, flags, AMQP_BASIC_REPLY_TO_FLAG,
                         props->reply_to);
    msg->message_id = text(msg, flags, AMQP_BASIC_MESSAGE_ID_FLAG,
                           props->message_id);
    msg->user_id = text(msg, flags, AMQP_BASIC_USER_ID_FLAG, props->user_id);
    msg->app_id = text(msg, flags, AMQP_BASIC_APP_ID_FLAG, props->app_id);

    if (flags & AMQP_BASIC_EXPIRATION_FLAG) {
        msg->expiration_ms = decode_expiration(
            text(msg, flags, AMQP_BASIC_EXPIRATION_FLAG, props->expiration));
    }

    if ((flags & AMQP_BASIC_TIMESTAMP_FLAG)
        && props->timestamp <= INT64_MAX / 1000000)
    {
        msg->timestamp_sec = (int64_t) props->timestamp;
    }

    if (flags & AMQP_BASIC_HEADERS_FLAG) {
        decode_headers(msg, &props->headers);
    }
}


static const char *
text(struct wr_message *msg, amqp_flags_t flags, amqp_flags_t flag,
    amqp_bytes_t bytes)
{
    if (!(flags & flag) || bytes.len == 0) {
        return "";
    }

    return wr_arena_copy(msg->arena, bytes.bytes, bytes.len);
}


static void
decode_headers(struct wr_message *msg, const amqp_table_t *table)
{
    int                        i, n;
    const amqp_table_entry_t  *entry;
    struct wr_header          *headers, *header;

    n = (table->num_entries < WR_BROKER_HEADERS_MAX) ? table->num_entries
                                                     : WR_BROKER_HEADERS_MAX;
    headers = wr_arena_alloc(msg->arena, n * sizeof(struct wr_header));
    msg->headers = headers;

    for (i = 0; i < table->num_entries && msg->nheaders < (size_t) n; i++) {
        entry = &table->entries[i];
        header = &headers[msg->nheaders];
        header->text = NULL;

        if (entry->value.kind == AMQP_FIELD_KIND_UTF8
            || entry->value.kind == AMQP_FIELD_KIND_BYTES)
        {
            header->text = wr_arena_copy(msg->arena,
                                         entry->value.value.bytes.bytes,
                                         entry->value.value.bytes.len);

        } else if (!decode_number(&entry->value, &header->number)) {
            continue;
        }

        header->name = wr_arena_copy(msg->arena, entry->key.bytes,
                                     entry->key.len);

        if (!is_brokers(header->name)) {
            msg->nheaders++;

        } else if (strcmp(header->name, "x-first-death-queue") == 0
                   && header->text != NULL)
        {
            msg->death_queue = header->text;

        } else if (strcmp(header->name, "x-first-death-reason") == 0
                   && header->text != NULL)
        {
            msg->death_reason = header->text;
        }
    }
}


static bool
decode_number(const amqp_field_value_t *value, int64_t *number_r)
{
    switch (value->kind) {

    case AMQP_FIELD_KIND_BOOLEAN:
        *number_r = value->value.boolean != 0;
        return true;

    case AMQP_FIELD_KIND_I8:
        *number_r = value->value.i8;
        return true;

    case AMQP_FIELD_KIND_U8:
        *number_r = value->value.u8;
        return true;

    case AMQP_FIELD_KIND_I16:
        *number_r = value->value.i16;
        return true;

    case AMQP_FIELD_KIND_U16:
        *number_r = value->value.u16;
        return true;

    case AMQP_FIELD_KIND_I32:
        *number_r = value->value.i32;
        return true;

    case AMQP_FIELD_KIND_U32:
        *number_r = value->value.u32;
        return true;

    case AMQP_FIELD_KIND_I64:
    case AMQP_FIELD_KIND_TIMESTAMP:
        *number_r = value->value.i64;
        return true;

    default:
        return false;
    }
}


/*
 * What brokers write about deaths must not come back to them: a message that
 * brings x-death along is taken for a cycle and held for ever.
 */

static bool
is_brokers(const char *name)
{
    return strcmp(name, "x-death") == 0
           || strncmp(name, "x-first-death-", 14) == 0
           || strncmp(name, "x-last-death-", 13) == 0
           || strcmp(name, "x-delivery-count") == 0
           || strcmp(name, "x-acquired-count") == 0;
}


static int64_t
decode_expiration(const char *value)
{
    char  *end;
    long   ms;

    errno = 0;
    ms = strtol(value, &end, 10);

    return (errno == 0 && end != value && *end == '\0' && ms >= 0) ? ms : -1;
}


const char *
wr_message_text(const struct wr_message *msg, const char *name)
{
    size_t  i;

    for (i = 0; i < msg->nheaders; i++) {
        if (strcmp(msg->headers[i].name, name) == 0) {
            return msg->headers[i].text;
        }
    }

    return NULL;
}


int64_t
wr_message_number(const struct wr_message *msg, const char *name,
    int64_t fallback)
{
    size_t  i;

    for (i = 0; i < msg->nheaders; i++) {
        if (strcmp(msg->headers[i].name, name) == 0) {
            return (msg->headers[i].text == NULL) ? msg->headers[i].number
                                                  : fallback;
        }
    }

    return fallback;
}


void
broker_fifo_init(struct broker_fifo *fifo)
{
    fifo->first = NULL;
    fifo->last = &fifo->first;
    fifo->count = 0;
}


void
broker_fifo_push(struct broker_fifo *fifo, struct wr_message *msg)
{
    msg->next = NULL;
    *fifo->last = msg;
    fifo->last = &msg->next;
    fifo->count++;
}


struct wr_message *
broker_fifo_pop(struct broker_fifo *fifo)
{
    struct wr_message  *msg;

    msg = fifo->first;

    if (msg == NULL) {
        return NULL;
    }

    fifo->first = msg->next;
    fifo->count--;
    msg->next = NULL;

    if (fifo->first == NULL) {
        fifo->last = &fifo->first;
    }

    return msg;
}


void
broker_fifo_drop(struct broker_fifo *fifo, struct wr_broker *broker,
    unsigned channel)
{
    struct wr_message  *msg, **place;

    for (place = &fifo->first; (msg = *place) != NULL; ) {
        if (msg->channel != channel) {
            place = &msg->next;
            continue;
        }

        *place = msg->next;
        fifo->count--;
        wr_broker_release(broker, &msg);
    }

    fifo->last = place;
}


struct wr_message *
wr_broker_take(struct wr_broker *broker)
{
    return broker_fifo_pop(&broker->messages);
}


struct wr_message *
wr_broker_take_reply(struct wr_broker *broker)
{
    return broker_fifo_pop(&broker->replies);
}


int
wr_broker_pending(const struct wr_broker *broker)
{
    return broker->messages.count;
}
