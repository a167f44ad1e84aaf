/*
 * Copyright (C) the Warren authors
 *
 * Connections to the broker: made, looked after, ended.
 */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "broker_private.h"
#include "memory.h"
#include "stats.h"
#include "wire.h"


#define CONNECT_TIMEOUT_SEC    5
#define HANDSHAKE_TIMEOUT_SEC  10
#define RPC_TIMEOUT_SEC        10

/* A peer that takes nothing for this long is dead. */
#define DEAD_PEER_MS           15000

/* asked for; the kernel may give less */
#define SEND_BUFFER            (1 << 20)

#define CHANNEL_MAX            BROKER_CHANNELS


static int open_next(struct wr_broker *broker);
static int conn_open(struct broker_conn *conn,
    const struct amqp_connection_info *info);
static int conn_login(struct broker_conn *conn,
    const struct amqp_connection_info *info);
static void conn_tune_socket(struct broker_conn *conn);
static void conn_close(struct broker_conn *conn);
static int reply_error(struct broker_conn *conn, amqp_rpc_reply_t reply,
    const char *what);
static int open_consuming(struct wr_broker *broker);
static int open_publishing(struct wr_broker *broker);
static int make_reply_queue(struct wr_broker *broker);
static int check_exchange(struct wr_broker *broker, const char *name);


struct wr_broker *
wr_broker_new(const struct wr_broker_config *config, const struct wr_log *log)
{
    struct wr_broker  *broker;

    broker = wr_memory_alloc(1, sizeof(struct wr_broker));
    broker->config = config;
    broker->log = log;
    broker->consuming.broker = broker;
    broker->consuming.name = "consuming";
    broker->publishing.broker = broker;
    broker->publishing.name = "publishing";
    broker->next_url = (unsigned) config->lane;
    broker->next_seq = 1;
    broker->first_seq = 1;
    broker_fifo_init(&broker->messages);
    broker_fifo_init(&broker->replies);

    return broker;
}


void
wr_broker_free(struct wr_broker **broker)
{
    int                i;
    struct wr_broker  *b;

    b = *broker;

    if (b == NULL) {
        return;
    }

    wr_broker_close(b);

    for (i = 0; i < b->narenas; i++) {
        wr_arena_free(&b->arenas[i]);
    }

    for (i = 0; i < BROKER_CHANNELS; i++) {
        free(b->consuming.channels[i].tags);
        free(b->publishing.channels[i].tags);
    }

    free(b);
    *broker = NULL;
}


int
wr_broker_open(struct wr_broker *broker, const char **error_r)
{
    wr_broker_close(broker);
    broker->error[0] = '\0';

    if (open_next(broker) != 0) {
        wr_broker_close(broker);
        *error_r = broker->error;
        return -1;
    }

    broker->is_open = true;
    wr_stats_add(WR_STAT_broker_connects, 2);
    wr_stats_add(WR_STAT_broker_reconnects, broker->was_open);
    broker->was_open = true;
    wr_log_info(broker->log, "connected to the broker as \"%s\"",
                broker->user);

    return 0;
}


/* URLs take turns; lanes begin with different ones. */

static int
open_next(struct wr_broker *broker)
{
    int                          rc;
    char                        *urls, *url, *save;
    unsigned                     i, n;
    struct amqp_connection_info  info;

    urls = strdup(broker->config->urls);

    if (urls == NULL) {
        wr_memory_out(strlen(broker->config->urls));
    }

    for (n = 0, url = strtok_r(urls, " \t,", &save); url != NULL;
         url = strtok_r(NULL, " \t,", &save))
    {
        n++;
    }

    strcpy(urls, broker->config->urls);
    url = strtok_r(urls, " \t,", &save);

    for (i = (n != 0) ? broker->next_url++ % n : 0; i != 0; i--) {
        url = strtok_r(NULL, " \t,", &save);
    }

    rc = -1;

    if (url == NULL) {
        snprintf(broker->error, sizeof(broker->error), "broker.url is empty");

    } else if (amqp_parse_url(url, &info) != AMQP_STATUS_OK) {
        snprintf(broker->error, sizeof(broker->error),
                 "broker.url is not amqp://user@host:port/vhost, or amqps");

    } else {
        if (broker->config->password[0] != '\0') {
            info.password = (char *) broker->config->password;
        }

        snprintf(broker->user, sizeof(broker->user), "%s", info.user);

        rc = conn_open(&broker->consuming, &info) == 0
             && conn_open(&broker->publishing, &info) == 0
             && open_consuming(broker) == 0
             && open_publishing(broker) == 0 ? 0 : -1;
    }

    free(urls);

    return rc;
}


static int
conn_open(struct broker_conn *conn, const struct amqp_connection_info *info)
{
    int              rc;
    amqp_socket_t   *sock;
    struct timeval   timeout;

    conn->is_failed = false;
    conn->is_blocked = false;
    conn->is_corked = false;
    conn->state = amqp_new_connection();

    if (conn->state == NULL) {
        wr_memory_out(sizeof(*conn));
    }

    sock = broker_socket(conn, info->ssl);

    if (sock == NULL) {
        return -1;
    }

    timeout.tv_sec = HANDSHAKE_TIMEOUT_SEC;
    timeout.tv_usec = 0;
    amqp_set_handshake_timeout(conn->state, &timeout);
    timeout.tv_sec = RPC_TIMEOUT_SEC;
    amqp_set_rpc_timeout(conn->state, &timeout);
    timeout.tv_sec = CONNECT_TIMEOUT_SEC;

    rc = amqp_socket_open_noblock(sock, info->host, info->port, &timeout);

    if (rc != AMQP_STATUS_OK) {
        snprintf(conn->broker->error, BROKER_ERROR_SIZE,
                 "cannot connect to the broker at %s:%d: %s", info->host,
                 info->port, amqp_error_string2(rc));
        return -1;
    }

    conn->fd = amqp_get_sockfd(conn->state);
    conn_tune_socket(conn);

    return conn_login(conn, info);
}


/* The library's own login leaves these capabilities out. */

static int
conn_login(struct broker_conn *conn, const struct amqp_connection_info *info)
{
    static const char  *names[] = {
        "authentication_failure_close", "basic.nack", "connection.blocked",
        "consumer_cancel_notify", "exchange_exchange_bindings",
        "publisher_confirms"
    };

    size_t               i;
    char                 text[256];
    amqp_rpc_reply_t     reply;
    amqp_table_t         table;
    amqp_table_entry_t   caps[sizeof(names) / sizeof(names[0])], props[2];
    struct wr_broker    *broker;

    broker = conn->broker;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        caps[i].key = amqp_cstring_bytes(names[i]);
        caps[i].value.kind = AMQP_FIELD_KIND_BOOLEAN;
        caps[i].value.value.boolean = 1;
    }

    snprintf(text, sizeof(text), "%s lane %d, %s", broker->config->service,
             broker->config->lane, conn->name);

    props[0].key = amqp_cstring_bytes("capabilities");
    props[0].value.kind = AMQP_FIELD_KIND_TABLE;
    props[0].value.value.table.num_entries = (int) i;
    props[0].value.value.table.entries = caps;
    props[1].key = amqp_cstring_bytes("connection_name");
    props[1].value.kind = AMQP_FIELD_KIND_UTF8;
    props[1].value.value.bytes = amqp_cstring_bytes(text);
    table.num_entries = 2;
    table.entries = props;

    reply = amqp_login_with_properties(conn->state, info->vhost, CHANNEL_MAX,
                                       BROKER_FRAME_MAX,
                                       broker->config->heartbeat_sec, &table,
                                       AMQP_SASL_METHOD_PLAIN, info->user,
                                       info->password);

    snprintf(text, sizeof(text), "cannot log in as \"%s\"", broker->user);

    return reply_error(conn, reply, text);
}


/*
 * rabbitmq-c writes until all is written: what bounds that is a buffer that
 * is looked at before, and a kernel that gives a dead peer up.
 */

static void
conn_tune_socket(struct broker_conn *conn)
{
    int        value;
    socklen_t  len;

    value = SEND_BUFFER;
    (void) setsockopt(conn->fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value));

    value = 1;
    (void) setsockopt(conn->fd, SOL_SOCKET, SO_KEEPALIVE, &value,
                      sizeof(value));
    value = DEAD_PEER_MS / 3000;
    (void) setsockopt(conn->fd, IPPROTO_TCP, TCP_KEEPIDLE, &value,
                      sizeof(value));
    (void) setsockopt(conn->fd, IPPROTO_TCP, TCP_KEEPINTVL, &value,
                      sizeof(value));

    value = DEAD_PEER_MS;
    (void) setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value,
                      sizeof(value));

    len = sizeof(value);

    if (getsockopt(conn->fd, SOL_SOCKET, SO_SNDBUF, &value, &len) != 0) {
        value = BROKER_FRAME_MAX * 2;
    }

    /* half of what is told is the kernel's own */

    conn->room = (size_t) value / 2;
    conn->free = 0;
}


/* 0, or -1 with what the broker or the library said */

static int
reply_error(struct broker_conn *conn, amqp_rpc_reply_t reply, const char *what)
{
    char                     *error;
    amqp_channel_close_t     *channel_close;
    amqp_connection_close_t  *conn_close;

    /* an answer has come, or was waited for long enough */

    wr_stats_alive();

    error = conn->broker->error;

    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        return 0;
    }

    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        snprintf(error, BROKER_ERROR_SIZE, "%s: %s", what,
                 amqp_error_string2(reply.library_error));

    } else if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION
               && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD)
    {
        channel_close = reply.reply.decoded;
        snprintf(error, BROKER_ERROR_SIZE, "%s: %.*s", what,
                 BROKER_TEXT(channel_close->reply_text));

    } else if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION
               && reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD)
    {
        conn_close = reply.reply.decoded;
        snprintf(error, BROKER_ERROR_SIZE, "%s: %.*s", what,
                 BROKER_TEXT(conn_close->reply_text));

    } else {
        snprintf(error, BROKER_ERROR_SIZE, "%s: the broker hung up", what);
    }

    return -1;
}


static int
open_consuming(struct wr_broker *broker)
{
    char                           what[320];
    unsigned                       i;
    struct broker_conn            *conn;
    struct broker_channel         *channel;
    const struct wr_broker_queue  *queue;

    conn = &broker->consuming;

    for (i = 0; i < broker->config->nqueues; i++) {
        queue = &broker->config->queues[i];
        channel = &conn->channels[i];
        broker_channel_reset(broker, channel);
        channel->queue = queue->kind;
        channel->name = queue->name;

        snprintf(what, sizeof(what), "cannot consume from queue \"%s\"",
                 queue->name);
        amqp_channel_open(conn->state, i + 1);

        if (reply_error(conn, amqp_get_rpc_reply(conn->state), what) != 0) {
            return -1;
        }

        channel->is_open = true;
        amqp_queue_declare(conn->state, i + 1, amqp_cstring_bytes(queue->name),
                           1, 1, 0, 0, amqp_empty_table);

        if (reply_error(conn, amqp_get_rpc_reply(conn->state), what) != 0) {
            return -1;
        }

        amqp_basic_qos(conn->state, i + 1, 0, broker->config->prefetch, 0);

        if (reply_error(conn, amqp_get_rpc_reply(conn->state), what) != 0) {
            return -1;
        }

        amqp_maybe_release_buffers(conn->state);
    }

    return 0;
}


static int
open_publishing(struct wr_broker *broker)
{
    unsigned             n;
    char                 retry[256];
    struct broker_conn  *conn;

    conn = &broker->publishing;

    for (n = BROKER_CHANNEL_REPLIES; n <= BROKER_CHANNEL_CONFIRMS; n++) {
        broker_channel_reset(broker, &conn->channels[n - 1]);
        conn->channels[n - 1].queue = WR_QUEUE_REPLY;
        amqp_channel_open(conn->state, n);

        if (reply_error(conn, amqp_get_rpc_reply(conn->state),
                        "cannot open a channel")
            != 0)
        {
            return -1;
        }
    }

    snprintf(retry, sizeof(retry), WIRE_EXCHANGE_RETRY_PREFIX "%s",
             broker->config->service);

    if (check_exchange(broker, WIRE_EXCHANGE_REPLIES) != 0
        || check_exchange(broker, WIRE_EXCHANGE_RPC) != 0
        || check_exchange(broker, WIRE_EXCHANGE_COMMANDS) != 0
        || check_exchange(broker, WIRE_EXCHANGE_EVENTS) != 0
        || check_exchange(broker, retry) != 0)
    {
        return -1;
    }

    amqp_confirm_select(conn->state, BROKER_CHANNEL_CONFIRMS);

    if (reply_error(conn, amqp_get_rpc_reply(conn->state),
                    "the broker has no confirms")
        != 0)
    {
        return -1;
    }

    broker->next_seq = 1;
    broker->first_seq = 1;

    return make_reply_queue(broker);
}


static int
make_reply_queue(struct wr_broker *broker)
{
    amqp_table_t              args;
    amqp_bytes_t              name, tag;
    amqp_table_entry_t        entries[2];
    struct broker_conn       *conn;
    amqp_queue_declare_ok_t  *ok;

    conn = &broker->publishing;
    entries[0].key = amqp_cstring_bytes("x-max-length");
    entries[0].value.kind = AMQP_FIELD_KIND_I32;
    entries[0].value.value.i32 = WIRE_REPLY_QUEUE_MAX_LENGTH;
    entries[1].key = amqp_cstring_bytes("x-overflow");
    entries[1].value.kind = AMQP_FIELD_KIND_UTF8;
    entries[1].value.value.bytes = amqp_cstring_bytes("drop-head");
    args.num_entries = 2;
    args.entries = entries;

    ok = amqp_queue_declare(conn->state, BROKER_CHANNEL_REPLIES,
                            amqp_empty_bytes, 0, 0, 1, 0, args);

    if (reply_error(conn, amqp_get_rpc_reply(conn->state),
                    "cannot make a reply queue")
        != 0)
    {
        return -1;
    }

    snprintf(broker->reply_queue, sizeof(broker->reply_queue), "%.*s",
             BROKER_TEXT(ok->queue));
    name = amqp_cstring_bytes(broker->reply_queue);

    amqp_queue_bind(conn->state, BROKER_CHANNEL_REPLIES, name,
                    amqp_cstring_bytes(WIRE_EXCHANGE_REPLIES), name,
                    amqp_empty_table);

    if (reply_error(conn, amqp_get_rpc_reply(conn->state),
                    "cannot bind the reply queue")
        != 0)
    {
        return -1;
    }

    tag = amqp_cstring_bytes("replies");
    amqp_basic_consume(conn->state, BROKER_CHANNEL_REPLIES, name, tag, 0, 1, 1,
                       amqp_empty_table);

    return reply_error(conn, amqp_get_rpc_reply(conn->state),
                       "cannot consume from the reply queue");
}


static int
check_exchange(struct wr_broker *broker, const char *name)
{
    char                 what[320];
    struct broker_conn  *conn;

    conn = &broker->publishing;
    snprintf(what, sizeof(what), "cannot use exchange \"%s\"", name);
    amqp_exchange_declare(conn->state, BROKER_CHANNEL_CONFIRMS,
                          amqp_cstring_bytes(name),
                          amqp_cstring_bytes("direct"), 1, 1, 0, 0,
                          amqp_empty_table);

    return reply_error(conn, amqp_get_rpc_reply(conn->state), what);
}


void
wr_broker_close(struct wr_broker *broker)
{
    int                 i;
    struct wr_message  *msg;

    conn_close(&broker->consuming);
    conn_close(&broker->publishing);

    for (i = 0; i < BROKER_CHANNELS; i++) {
        broker_channel_reset(broker, &broker->consuming.channels[i]);
        broker_channel_reset(broker, &broker->publishing.channels[i]);
    }

    while ((msg = broker_fifo_pop(&broker->messages)) != NULL) {
        wr_broker_release(broker, &msg);
    }

    while ((msg = broker_fifo_pop(&broker->replies)) != NULL) {
        wr_broker_release(broker, &msg);
    }

    broker_confirms_lost(broker);
    broker->is_open = false;
    broker->generation++;
    broker->reply_queue[0] = '\0';
}


static void
conn_close(struct broker_conn *conn)
{
    struct timeval  timeout;

    if (conn->state == NULL) {
        return;
    }

    if (conn->broker->is_open && !conn->is_failed && !conn->is_blocked) {
        timeout.tv_sec = 1;
        timeout.tv_usec = 0;
        amqp_set_rpc_timeout(conn->state, &timeout);
        amqp_connection_close(conn->state, AMQP_REPLY_SUCCESS);
    }

    amqp_destroy_connection(conn->state);
    conn->state = NULL;
    conn->fd = -1;
    conn->is_blocked = false;
}


void
broker_conn_fail(struct broker_conn *conn, const char *format, ...)
{
    char     text[BROKER_ERROR_SIZE];
    va_list  args;

    if (conn->is_failed) {
        return;
    }

    conn->is_failed = true;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    wr_log_warn(conn->broker->log, "%s connection lost: %s", conn->name, text);
}


bool
broker_conn_sent(struct broker_conn *conn, int status)
{
    if (status != AMQP_STATUS_OK) {
        broker_conn_fail(conn, "%s", amqp_error_string2(status));
        return false;
    }

    return true;
}


bool
wr_broker_is_open(const struct wr_broker *broker)
{
    return broker->is_open && !broker->consuming.is_failed
           && !broker->publishing.is_failed;
}


bool
wr_broker_is_blocked(const struct wr_broker *broker)
{
    return broker->publishing.is_blocked;
}


const char *
wr_broker_reply_queue(const struct wr_broker *broker)
{
    return broker->reply_queue;
}


const char *
wr_broker_user(const struct wr_broker *broker)
{
    return broker->user;
}


int
wr_broker_fds(const struct wr_broker *broker, int fds_r[2])
{
    if (!wr_broker_is_open(broker)) {
        return 0;
    }

    fds_r[0] = broker->consuming.fd;
    fds_r[1] = broker->publishing.fd;

    return 2;
}


bool
wr_broker_has_input(const struct wr_broker *broker)
{
    if (!wr_broker_is_open(broker)) {
        return false;
    }

    return amqp_data_in_buffer(broker->consuming.state)
           || amqp_frames_enqueued(broker->consuming.state)
           || amqp_data_in_buffer(broker->publishing.state)
           || amqp_frames_enqueued(broker->publishing.state);
}


void
wr_broker_pump(struct wr_broker *broker)
{
    if (broker->is_open) {
        broker_conn_pump(&broker->consuming);
        broker_conn_pump(&broker->publishing);
    }
}
