/*
 * Copyright (C) the Warren authors
 *
 * A connection to the broker that is nothing but frames: rabbitmq-c encodes and
 * decodes what is in them, and the caller decides when to read and write.
 */

#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>


#define HEAD_SIZE      7
#define ENVELOPE_SIZE  8
#define METHOD_ROOM    4096
#define POOL_PAGE      4096


static void link_connect(struct link *link, const struct link_address *address);
static void link_login(struct link *link, const struct link_address *address);
static void link_put_on(struct link *link, uint16_t channel,
    amqp_method_number_t id, void *method);
static void *link_expect(struct link *link, amqp_method_number_t id);
static void wait_for(struct link *link, short events);
static char *reserve(struct link *link, size_t size);
static void head(char *p, int type, uint16_t channel, size_t size);
static void decode(struct link *link, struct link_frame *frame);
static uint32_t read_32(const char *p);
static void write_32(char *p, uint32_t n);
static void die(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));


void
link_open(struct link *link, const struct link_address *address)
{
    amqp_channel_open_t  open = { .out_of_band = amqp_empty_bytes };

    memset(link, 0, sizeof(*link));
    init_amqp_pool(&link->pool, POOL_PAGE);

    link->in = malloc(LINK_IN_SIZE);
    if (link->in == NULL) {
        die("out of memory");
    }

    link_connect(link, address);
    link_login(link, address);
    (void) link_ask(link, AMQP_CHANNEL_OPEN_METHOD, &open,
                    AMQP_CHANNEL_OPEN_OK_METHOD);
}


static void
link_connect(struct link *link, const struct link_address *address)
{
    int               code, one;
    struct addrinfo  *found, hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM
    };

    code = getaddrinfo(address->host, address->port, &hints, &found);
    if (code != 0) {
        die("%s:%s: %s", address->host, address->port, gai_strerror(code));
    }

    link->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (link->fd == -1
        || connect(link->fd, found->ai_addr, found->ai_addrlen) == -1)
    {
        die("%s:%s: %s", address->host, address->port, strerror(errno));
    }

    freeaddrinfo(found);

    one = 1;
    (void) setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    if (fcntl(link->fd, F_SETFL, O_NONBLOCK) == -1) {
        die("fcntl: %s", strerror(errno));
    }
}


/* With the capabilities that the gateway tells. */
static void
link_login(struct link *link, const struct link_address *address)
{
    static const char  *names[] = {
        "basic.nack", "connection.blocked", "consumer_cancel_notify",
        "publisher_confirms"
    };

    char                        plain[512];
    size_t                      i;
    amqp_table_entry_t          entries[4], capabilities;
    amqp_connection_open_t      open;
    amqp_connection_start_ok_t  start_ok;
    amqp_connection_tune_ok_t   tune_ok = {
        .channel_max = LINK_CHANNEL, .frame_max = LINK_FRAME_MAX
    };

    memcpy(reserve(link, 8), "AMQP\0\0\11\1", 8);
    (void) link_expect(link, AMQP_CONNECTION_START_METHOD);

    for (i = 0; i < 4; i++) {
        entries[i].key = amqp_cstring_bytes(names[i]);
        entries[i].value.kind = AMQP_FIELD_KIND_BOOLEAN;
        entries[i].value.value.boolean = 1;
    }

    capabilities.key = amqp_cstring_bytes("capabilities");
    capabilities.value.kind = AMQP_FIELD_KIND_TABLE;
    capabilities.value.value.table.num_entries = 4;
    capabilities.value.value.table.entries = entries;

    memset(&start_ok, 0, sizeof(start_ok));
    start_ok.client_properties.num_entries = 1;
    start_ok.client_properties.entries = &capabilities;
    start_ok.mechanism = amqp_cstring_bytes("PLAIN");
    start_ok.locale = amqp_cstring_bytes("en_US");
    start_ok.response.bytes = plain;
    start_ok.response.len = 2 + strlen(address->user)
                            + strlen(address->password);

    if (start_ok.response.len >= sizeof(plain)) {
        die("user and password are too long");
    }

    plain[0] = '\0';
    strcpy(plain + 1, address->user);
    strcpy(plain + 2 + strlen(address->user), address->password);

    link_put_on(link, 0, AMQP_CONNECTION_START_OK_METHOD, &start_ok);
    (void) link_expect(link, AMQP_CONNECTION_TUNE_METHOD);
    link_put_on(link, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &tune_ok);

    memset(&open, 0, sizeof(open));
    open.virtual_host = amqp_cstring_bytes(address->vhost);
    link_put_on(link, 0, AMQP_CONNECTION_OPEN_METHOD, &open);
    (void) link_expect(link, AMQP_CONNECTION_OPEN_OK_METHOD);
}


void
link_close(struct link *link)
{
    close(link->fd);
    empty_amqp_pool(&link->pool);
    free(link->in);
    free(link->out);
}


void
link_put(struct link *link, amqp_method_number_t id, void *method)
{
    link_put_on(link, LINK_CHANNEL, id, method);
}


static void
link_put_on(struct link *link, uint16_t channel, amqp_method_number_t id,
    void *method)
{
    int            n;
    char          *p;
    amqp_bytes_t   room;

    p = reserve(link, METHOD_ROOM);
    link->out_end -= METHOD_ROOM;

    room.bytes = p + HEAD_SIZE + 4;
    room.len = METHOD_ROOM - ENVELOPE_SIZE - 4;

    n = amqp_encode_method(id, method, room);
    if (n < 0) {
        die("method %#x cannot be encoded", id);
    }

    head(p, AMQP_FRAME_METHOD, channel, (size_t) n + 4);
    write_32(p + HEAD_SIZE, id);
    p[HEAD_SIZE + 4 + n] = (char) AMQP_FRAME_END;
    link->out_end += (size_t) n + 4 + ENVELOPE_SIZE;
}


void *
link_ask(struct link *link, amqp_method_number_t id, void *method,
    amqp_method_number_t answer)
{
    link_put(link, id, method);

    return link_expect(link, answer);
}


/* Writes what there is, and waits until this arrives. */
static void *
link_expect(struct link *link, amqp_method_number_t id)
{
    struct link_frame  frame;

    while (!link_write(link)) {
        wait_for(link, POLLOUT);
    }

    while (!link_next(link, &frame)) {
        wait_for(link, POLLIN);
        link_read(link);
    }

    if (frame.type != AMQP_FRAME_METHOD || frame.id != id) {
        die("the broker sent method %#x for %#x", frame.id, id);
    }

    return frame.decoded;
}


static void
wait_for(struct link *link, short events)
{
    struct pollfd  pfd = { .fd = link->fd, .events = events };

    if (poll(&pfd, 1, 20000) != 1) {
        die("the broker does not answer");
    }
}


size_t
link_publish(struct link *link, amqp_basic_publish_t *publish,
    amqp_basic_properties_t *properties, const void *body, size_t size)
{
    int            i, n;
    char          *p;
    amqp_bytes_t   room;

    link_put(link, AMQP_BASIC_PUBLISH_METHOD, publish);

    p = reserve(link, METHOD_ROOM);
    link->out_end -= METHOD_ROOM;

    room.bytes = p + HEAD_SIZE + 12;
    room.len = METHOD_ROOM - ENVELOPE_SIZE - 12;

    n = amqp_encode_properties(AMQP_BASIC_CLASS, properties, room);
    if (n < 0 || size > LINK_FRAME_MAX - ENVELOPE_SIZE) {
        die("a message cannot be encoded");
    }

    head(p, AMQP_FRAME_HEADER, LINK_CHANNEL, (size_t) n + 12);
    write_32(p + HEAD_SIZE, AMQP_BASIC_CLASS << 16);

    for (i = 0; i < 8; i++) {
        p[HEAD_SIZE + 4 + i] = (char) ((uint64_t) size >> (56 - 8 * i));
    }

    p[HEAD_SIZE + 12 + n] = (char) AMQP_FRAME_END;
    link->out_end += (size_t) n + 12 + ENVELOPE_SIZE;

    if (size > 0) {
        p = reserve(link, size + ENVELOPE_SIZE);
        head(p, AMQP_FRAME_BODY, LINK_CHANNEL, size);
        memcpy(p + HEAD_SIZE, body, size);
        p[HEAD_SIZE + size] = (char) AMQP_FRAME_END;
    }

    return (size_t) n + 12 + ENVELOPE_SIZE;
}


bool
link_write(struct link *link)
{
    ssize_t  n;

    while (link->out_begin < link->out_end) {
        n = send(link->fd, link->out + link->out_begin,
                 link->out_end - link->out_begin, MSG_NOSIGNAL);

        if (n == -1 && errno == EAGAIN) {
            return false;
        }

        if (n == -1) {
            die("the broker is lost: %s", strerror(errno));
        }

        link->out_begin += (size_t) n;
    }

    link->out_begin = link->out_end = 0;

    return true;
}


void
link_read(struct link *link)
{
    ssize_t  n;

    if (link->in_begin > 0) {
        memmove(link->in, link->in + link->in_begin,
                link->in_end - link->in_begin);
        link->in_end -= link->in_begin;
        link->in_begin = 0;
    }

    n = recv(link->fd, link->in + link->in_end, LINK_IN_SIZE - link->in_end, 0);

    if (n == 0 || (n == -1 && errno != EAGAIN)) {
        die("the broker is lost: %s",
            n == 0 ? "it closed the connection" : strerror(errno));
    }

    if (n > 0) {
        link->in_end += (size_t) n;
    }
}


bool
link_next(struct link *link, struct link_frame *frame)
{
    size_t                    left;
    const char               *p;
    amqp_connection_close_t  *close;

    recycle_amqp_pool(&link->pool);

    p = link->in + link->in_begin;
    left = link->in_end - link->in_begin;

    if (left < ENVELOPE_SIZE) {
        return false;
    }

    memset(frame, 0, sizeof(*frame));
    frame->type = p[0];
    frame->size = read_32(p + 3);
    frame->payload = p + HEAD_SIZE;

    if (frame->size > LINK_FRAME_MAX - ENVELOPE_SIZE) {
        die("the broker sent a frame of %zu bytes", frame->size);
    }

    if (left < frame->size + ENVELOPE_SIZE) {
        return false;
    }

    if (p[HEAD_SIZE + frame->size] != (char) AMQP_FRAME_END) {
        die("the broker sent a frame without its end");
    }

    link->in_begin += frame->size + ENVELOPE_SIZE;
    decode(link, frame);

    if (frame->type == AMQP_FRAME_METHOD
        && (frame->id == AMQP_CONNECTION_CLOSE_METHOD
            || frame->id == AMQP_CHANNEL_CLOSE_METHOD))
    {
        /* both begin alike */
        close = frame->decoded;
        die("the broker closes: %.*s", (int) close->reply_text.len,
            (char *) close->reply_text.bytes);
    }

    return true;
}


static void
decode(struct link *link, struct link_frame *frame)
{
    int           code;
    amqp_bytes_t  bytes;

    code = 0;

    switch (frame->type) {

    case AMQP_FRAME_METHOD:
        frame->id = read_32(frame->payload);
        bytes.bytes = (char *) frame->payload + 4;
        bytes.len = frame->size - 4;
        code = frame->size < 4 ? -1
               : amqp_decode_method(frame->id, &link->pool, bytes,
                                    &frame->decoded);
        break;

    case AMQP_FRAME_HEADER:
        bytes.bytes = (char *) frame->payload + 12;
        bytes.len = frame->size - 12;
        code = frame->size < 14 ? -1
               : amqp_decode_properties(AMQP_BASIC_CLASS, &link->pool, bytes,
                                        &frame->decoded);
        frame->body_size = code < 0 ? 0
                           : (uint64_t) read_32(frame->payload + 4) << 32
                             | read_32(frame->payload + 8);
        break;

    default:
        break;
    }

    if (code < 0) {
        die("the broker sent a frame of type %d that cannot be decoded",
            frame->type);
    }
}


/* Room at the end of the output, which it becomes a part of. */
static char *
reserve(struct link *link, size_t size)
{
    char  *p;

    if (link->out_room - link->out_end < size) {
        link->out_room = 2 * link->out_room + size;
        link->out = realloc(link->out, link->out_room);

        if (link->out == NULL) {
            die("out of memory");
        }
    }

    p = link->out + link->out_end;
    link->out_end += size;

    return p;
}


static void
head(char *p, int type, uint16_t channel, size_t size)
{
    p[0] = (char) type;
    p[1] = (char) (channel >> 8);
    p[2] = (char) channel;
    write_32(p + 3, (uint32_t) size);
}


static uint32_t
read_32(const char *p)
{
    const unsigned char  *u = (const unsigned char *) p;

    return (uint32_t) u[0] << 24 | (uint32_t) u[1] << 16 | (uint32_t) u[2] << 8
           | u[3];
}


static void
write_32(char *p, uint32_t n)
{
    p[0] = (char) (n >> 24);
    p[1] = (char) (n >> 16);
    p[2] = (char) (n >> 8);
    p[3] = (char) n;
}


static void
die(const char *format, ...)
{
    va_list  args;

    fputs("limit: ", stderr);

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);

    fputc('\n', stderr);
    exit(1);
}
