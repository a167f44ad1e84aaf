/*
 * Copyright (C) the Warren authors
 *
 * Publishing, and what the broker says to it.
 */

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "broker_private.h"
#include "clock.h"
#include "debug.h"
#include "wire.h"


/* A socket without room for this long ends the connection. */
#define ROOM_TIMEOUT_MS   10000

/* beside the body in each frame */
#define FRAME_OVERHEAD    8

#define EXPIRATION_SIZE   24

/* method, or properties without headers, and their frame */
#define ENVELOPE_SIZE     2048


static void encode(const struct wr_broker *broker,
    const struct wr_publishing *pub, amqp_basic_properties_t *props,
    amqp_table_entry_t *entries, char *expiration);
static void encode_header(const struct wr_header *header,
    amqp_table_entry_t *entry);
static void set(amqp_basic_properties_t *props, amqp_flags_t flag,
    amqp_bytes_t *bytes, const char *text);
static bool fits(const struct wr_publishing *pub);
static size_t header_size(const struct wr_publishing *pub);
static bool send_message(struct broker_conn *conn, amqp_channel_t channel,
    const struct wr_publishing *pub, amqp_basic_properties_t *props);
static bool send_frame(struct broker_conn *conn, amqp_frame_t *frame,
    size_t size);
static bool wait_room(struct broker_conn *conn, size_t size);
static void cork(struct broker_conn *conn, bool is_corked);
static void confirm(struct wr_broker *broker, uint64_t seq,
    enum wr_confirm_state state);


enum wr_published
wr_broker_publish(struct wr_broker *broker, const struct wr_publishing *pub,
    struct wr_confirm *confirm)
{
    char                      expiration[EXPIRATION_SIZE];
    amqp_channel_t            channel;
    amqp_table_entry_t        entries[WR_BROKER_HEADERS_MAX];
    struct broker_conn       *conn;
    amqp_basic_properties_t   props;

    conn = &broker->publishing;

    if (!wr_broker_is_open(broker)) {
        return WR_PUBLISH_DOWN;
    }

    if (!fits(pub)) {
        return WR_PUBLISH_REFUSED;
    }

    if (conn->is_blocked
        || (confirm != NULL
            && broker->next_seq - broker->first_seq >= WR_BROKER_WINDOW))
    {
        return WR_PUBLISH_LATER;
    }

    encode(broker, pub, &props, entries, expiration);
    channel = (confirm != NULL) ? BROKER_CHANNEL_CONFIRMS
                                : BROKER_CHANNEL_REPLIES;

    /* the confirm stands before the frames do: a broken write is unknown */

    if (confirm != NULL) {
        confirm->state = WR_CONFIRM_WAITING;
        confirm->seq = broker->next_seq++;
        confirm->message_id = pub->message_id;
        broker->window[confirm->seq % WR_BROKER_WINDOW] = confirm;
        broker->nwaiting++;
    }

    return send_message(conn, channel, pub, &props) ? WR_PUBLISHED
                                                    : WR_PUBLISH_DOWN;
}


/* AMQP's short strings end at 255 bytes, a header frame at frame_max. */

static bool
fits(const struct wr_publishing *pub)
{
    size_t  i;

    const char  *texts[] = {
        pub->exchange, pub->key, pub->type, pub->content_type,
        pub->correlation_id, pub->reply_to, pub->message_id
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i] != NULL && strlen(texts[i]) > 255) {
            return false;
        }
    }

    for (i = 0; i < pub->nheaders; i++) {
        if (strlen(pub->headers[i].name) > 255) {
            return false;
        }
    }

    return header_size(pub) <= BROKER_FRAME_MAX
           && pub->nheaders <= WR_BROKER_HEADERS_MAX
           && pub->body_len <= WIRE_BODY_MAX;
}


/* At most. */

static size_t
header_size(const struct wr_publishing *pub)
{
    size_t  i, size;

    size = ENVELOPE_SIZE;

    for (i = 0; i < pub->nheaders; i++) {
        size += strlen(pub->headers[i].name) + 16;

        if (pub->headers[i].text != NULL) {
            size += strlen(pub->headers[i].text);
        }
    }

    return size;
}


static void
encode(const struct wr_broker *broker, const struct wr_publishing *pub,
    amqp_basic_properties_t *props, amqp_table_entry_t *entries,
    char *expiration)
{
    size_t  i;

    memset(props, 0, sizeof(*props));
    set(props, AMQP_BASIC_TYPE_FLAG, &props->type, pub->type);
    set(props, AMQP_BASIC_CONTENT_TYPE_FLAG, &props->content_type,
        pub->content_type);
    set(props, AMQP_BASIC_CORRELATION_ID_FLAG, &props->correlation_id,
        pub->correlation_id);
    set(props, AMQP_BASIC_REPLY_TO_FLAG, &props->reply_to, pub->reply_to);
    set(props, AMQP_BASIC_MESSAGE_ID_FLAG, &props->message_id,
        pub->message_id);
    set(props, AMQP_BASIC_USER_ID_FLAG, &props->user_id, broker->user);
    set(props, AMQP_BASIC_APP_ID_FLAG, &props->app_id,
        broker->config->service);

    if (pub->expiration_ms > 0) {
        snprintf(expiration, EXPIRATION_SIZE, "%lld",
                 (long long) pub->expiration_ms);
        set(props, AMQP_BASIC_EXPIRATION_FLAG, &props->expiration,
            expiration);
    }

    props->delivery_mode = pub->is_persistent ? WIRE_DELIVERY_PERSISTENT
                                              : WIRE_DELIVERY_TRANSIENT;
    props->timestamp = (uint64_t) ((pub->timestamp_sec != 0)
                                   ? pub->timestamp_sec
                                   : wr_clock_wall_ms() / 1000);
    props->_flags |= AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_TIMESTAMP_FLAG;

    if (pub->nheaders != 0) {
        for (i = 0; i < pub->nheaders; i++) {
            encode_header(&pub->headers[i], &entries[i]);
        }

        props->headers.num_entries = (int) pub->nheaders;
        props->headers.entries = entries;
        props->_flags |= AMQP_BASIC_HEADERS_FLAG;
    }
}


static void
encode_header(const struct wr_header *header, amqp_table_entry_t *entry)
{
    entry->key = amqp_cstring_bytes(header->name);

    if (header->text != NULL) {
        entry->value.kind = AMQP_FIELD_KIND_UTF8;
        entry->value.value.bytes = amqp_cstring_bytes(header->text);
        return;
    }

    entry->value.kind = AMQP_FIELD_KIND_I64;
    entry->value.value.i64 = header->number;
}


static void
set(amqp_basic_properties_t *props, amqp_flags_t flag, amqp_bytes_t *bytes,
    const char *text)
{
    if (text != NULL && text[0] != '\0') {
        *bytes = amqp_cstring_bytes(text);
        props->_flags |= flag;
    }
}


/*
 * amqp_basic_publish() would write all of it at once and wait for as long as
 * the broker does not read: frames go one by one, each when there is room.
 */

static bool
send_message(struct broker_conn *conn, amqp_channel_t channel,
    const struct wr_publishing *pub, amqp_basic_properties_t *props)
{
    size_t                sent, max;
    amqp_frame_t          frame;
    amqp_basic_publish_t  method;

    cork(conn, true);

    memset(&method, 0, sizeof(method));
    method.exchange = amqp_cstring_bytes(pub->exchange);
    method.routing_key = amqp_cstring_bytes(pub->key);
    method.mandatory = pub->is_mandatory;
    frame.frame_type = AMQP_FRAME_METHOD;
    frame.channel = channel;
    frame.payload.method.id = AMQP_BASIC_PUBLISH_METHOD;
    frame.payload.method.decoded = &method;

    if (!send_frame(conn, &frame, ENVELOPE_SIZE)) {
        return false;
    }

    frame.frame_type = AMQP_FRAME_HEADER;
    frame.payload.properties.class_id = AMQP_BASIC_CLASS;
    frame.payload.properties.body_size = pub->body_len;
    frame.payload.properties.decoded = props;

    if (!send_frame(conn, &frame, header_size(pub))) {
        return false;
    }

    max = (size_t) amqp_get_frame_max(conn->state);
    max = (max != 0 ? max : BROKER_FRAME_MAX) - FRAME_OVERHEAD;

    for (sent = 0; sent < pub->body_len;
         sent += frame.payload.body_fragment.len)
    {
        frame.frame_type = AMQP_FRAME_BODY;
        frame.payload.body_fragment.bytes = (char *) pub->body + sent;
        frame.payload.body_fragment.len = (pub->body_len - sent < max)
                                          ? pub->body_len - sent : max;

        if (!send_frame(conn, &frame, frame.payload.body_fragment.len)) {
            return false;
        }
    }

    return true;
}


static bool
send_frame(struct broker_conn *conn, amqp_frame_t *frame, size_t size)
{
    return wait_room(conn, size)
           && broker_conn_sent(conn, amqp_send_frame(conn->state, frame));
}


static bool
wait_room(struct broker_conn *conn, size_t size)
{
    int            queued;
    int64_t        end_ms;
    struct pollfd  pfd;

    end_ms = 0;

    /* the kernel is asked only when what it had free last time is used up */

    if (size <= conn->free) {
        conn->free -= size;
        return true;
    }

    for ( ;; ) {
        if (ioctl(conn->fd, SIOCOUTQ, &queued) != 0) {
            return true;
        }

        conn->free = ((size_t) queued < conn->room) ? conn->room - queued : 0;

        if (size <= conn->free || queued == 0) {
            conn->free -= (size < conn->free) ? size : conn->free;
            return true;
        }

        if (end_ms == 0) {
            end_ms = wr_clock_ms() + ROOM_TIMEOUT_MS;
            cork(conn, false);
        }

        if (wr_clock_ms() >= end_ms) {
            broker_conn_fail(conn, "the broker takes nothing any more");
            return false;
        }

        /* writable comes too early to wait for, unwritable does not */

        pfd.fd = conn->fd;
        pfd.events = POLLOUT;
        (void) poll(&pfd, 1, 10);
        (void) poll(NULL, 0, (pfd.revents & POLLOUT) ? 2 : 0);
    }
}


/* Small frames of many messages share packets until the next flush. */

static void
cork(struct broker_conn *conn, bool is_corked)
{
    int  value;

    if (conn->is_corked == is_corked) {
        return;
    }

    value = is_corked;
    conn->is_corked = is_corked;
    (void) setsockopt(conn->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}


void
wr_broker_flush(struct wr_broker *broker)
{
    unsigned  i;

    if (!wr_broker_is_open(broker)) {
        return;
    }

    cork(&broker->publishing, false);

    for (i = 0; i < broker->config->nqueues; i++) {
        if (broker->consuming.channels[i].has_settled) {
            wr_debug_step(WR_DEBUG_after_reply);
            broker_channel_flush(&broker->consuming, i + 1);
        }
    }
}


void
broker_confirmed(struct wr_broker *broker, uint64_t seq, bool multiple,
    enum wr_confirm_state state)
{
    uint64_t  i;

    /* seq 0 with multiple means all */

    if (multiple && seq == 0) {
        seq = broker->next_seq - 1;
    }

    if (seq < broker->first_seq || seq >= broker->next_seq) {
        return;
    }

    for (i = multiple ? broker->first_seq : seq; i <= seq; i++) {
        confirm(broker, i, state);
    }

    while (broker->first_seq < broker->next_seq
           && broker->window[broker->first_seq % WR_BROKER_WINDOW] == NULL)
    {
        broker->first_seq++;
    }
}


static void
confirm(struct wr_broker *broker, uint64_t seq, enum wr_confirm_state state)
{
    struct wr_confirm  *waiting;

    waiting = broker->window[seq % WR_BROKER_WINDOW];

    if (waiting == NULL) {
        return;
    }

    broker->window[seq % WR_BROKER_WINDOW] = NULL;
    broker->nwaiting--;

    /* what was returned is acked all the same */

    if (waiting->state == WR_CONFIRM_WAITING) {
        waiting->state = state;
    }
}


/* A return comes before the ack of the same message. */

void
broker_returned(struct wr_broker *broker, const struct wr_message *msg)
{
    uint64_t            seq;
    struct wr_confirm  *waiting;

    for (seq = broker->first_seq; seq < broker->next_seq; seq++) {
        waiting = broker->window[seq % WR_BROKER_WINDOW];

        if (waiting != NULL && waiting->state == WR_CONFIRM_WAITING
            && strcmp(waiting->message_id, msg->message_id) == 0)
        {
            confirm(broker, seq, WR_CONFIRM_RETURNED);
            return;
        }
    }
}


void
broker_confirms_lost(struct wr_broker *broker)
{
    uint64_t  seq;

    for (seq = broker->first_seq; seq < broker->next_seq; seq++) {
        confirm(broker, seq, WR_CONFIRM_LOST);
    }

    broker->first_seq = broker->next_seq;
}


void
wr_broker_forget(struct wr_broker *broker, struct wr_confirm *confirm)
{
    struct wr_confirm  **place;

    place = &broker->window[confirm->seq % WR_BROKER_WINDOW];

    if (confirm->seq != 0 && *place == confirm) {
        *place = NULL;
        broker->nwaiting--;
    }

    confirm->state = WR_CONFIRM_NONE;
}


int
wr_broker_unconfirmed(const struct wr_broker *broker)
{
    return broker->nwaiting;
}
