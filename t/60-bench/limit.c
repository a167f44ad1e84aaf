/*
 * Copyright (C) the Warren authors
 *
 * The limit: how often the broker itself lets a call be made and answered.
 *
 *     limit server --port N --user USER --password-file FILE --vhost NAME
 *     limit client … --window N --seconds S --warmup S
 *
 * The client makes the exchange that the gateway makes, with messages of the
 * same properties and size, and the server that of a worker, down to the two
 * connections, the prefetch and the acknowledgements of a batch; but neither
 * has HTTP, tokens, JSON or a database.  The server answers the gateway's calls
 * too, so that the difference of the two is the gateway.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "figures.h"
#include "link.h"
#include "wire.h"


#define WINDOW_MAX     4096
#define BODY_MAX       65536
#define BATCH          32
#define EXPIRATION_MS  5000


/* A message as its frames come. */
struct incoming {
    bool      is_wanted;            /* a delivery: a return is none */
    bool      has_header;
    uint64_t  tag;                  /* of the delivery */
    uint64_t  left;                 /* bytes of the body to come */
    char      correlation_id[WIRE_CORRELATION_LEN];
    char      reply_to[256];
    int       status;
    size_t    size;
    char      body[BODY_MAX];
};


struct options {
    struct link_address  address;
    char                 password[256];
    const char          *service;
    const char          *body;
    unsigned             window;
    double               seconds, warmup;
};


struct client {
    const struct options  *options;
    struct link            link;
    struct incoming        incoming;
    struct figures         figures;
    amqp_bytes_t           reply_queue;
    char                   reply_queue_name[256];
    uint64_t               begun_ns[WINDOW_MAX];
    uint64_t               random;
    bool                   is_measured;
};


struct server {
    const struct options  *options;
    struct link            consumer, publisher;
    struct incoming        incoming;
    uint64_t               calls, batch;
    size_t                 header_min, header_max;
};


static void read_options(struct options *options, int argc, char **argv);
static void read_password(struct options *options, const char *path);
static double number(const char *name, const char *value, double max);
static void usage(void);
static int client(const struct options *options);
static void client_prepare(struct client *client);
static void client_turn(struct client *client, uint64_t end_ns);
static void client_frame(struct client *client, struct link_frame *frame);
static void client_answered(struct client *client, int status);
static void client_call(struct client *client, unsigned slot);
static int server(const struct options *options);
static void server_consume(struct server *server);
static void server_frame(struct server *server, struct link_frame *frame);
static void server_answer(struct server *server);
static void server_settle(struct server *server);
static bool take(struct incoming *incoming, const struct link_frame *frame);
static void take_header(struct incoming *incoming,
    const amqp_basic_properties_t *properties);
static void copy(char *to, size_t room, amqp_bytes_t from);
static void wait_for(struct link *one, struct link *two, uint64_t end_ns);
static amqp_table_entry_t text(const char *name, const char *value);
static void uuid(char *id, uint64_t random);
static uint64_t next_random(uint64_t *state);
static void stop(int number);


static volatile sig_atomic_t  is_stopped;


int
main(int argc, char **argv)
{
    struct options  options;

    if (argc < 2) {
        usage();
    }

    read_options(&options, argc - 1, argv + 1);

    if (strcmp(argv[1], "server") == 0) {
        return server(&options);
    }

    if (strcmp(argv[1], "client") == 0) {
        return client(&options);
    }

    usage();

    return 2;
}


static void
read_options(struct options *options, int argc, char **argv)
{
    int  option;

    static const struct option  names[] = {
        { "host",          required_argument, NULL, 'h' },
        { "port",          required_argument, NULL, 'p' },
        { "user",          required_argument, NULL, 'u' },
        { "password-file", required_argument, NULL, 'f' },
        { "vhost",         required_argument, NULL, 'v' },
        { "service",       required_argument, NULL, 's' },
        { "body",          required_argument, NULL, 'b' },
        { "window",        required_argument, NULL, 'n' },
        { "seconds",       required_argument, NULL, 't' },
        { "warmup",        required_argument, NULL, 'w' },
        { NULL,            0,                 NULL, 0 }
    };

    *options = (struct options) {
        .address = { .host = "127.0.0.1", .user = "guest", .vhost = "/" },
        .service = "limit", .body = "{}", .window = 1, .seconds = 1
    };

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'h': options->address.host = optarg; break;
        case 'p': options->address.port = optarg; break;
        case 'u': options->address.user = optarg; break;
        case 'f': read_password(options, optarg); break;
        case 'v': options->address.vhost = optarg; break;
        case 's': options->service = optarg; break;
        case 'b': options->body = optarg; break;
        case 't': options->seconds = number("seconds", optarg, 3600); break;
        case 'w': options->warmup = number("warmup", optarg, 3600); break;
        case 'n':
            options->window = (unsigned) number("window", optarg, WINDOW_MAX);
            break;
        default:
            usage();
        }
    }

    if (options->address.port == NULL || optind < argc
        || options->window == 0 || strlen(options->body) > BODY_MAX)
    {
        usage();
    }

    options->address.password = options->password;
}


static void
read_password(struct options *options, const char *path)
{
    FILE  *file;

    file = fopen(path, "r");

    if (file == NULL
        || fgets(options->password, sizeof(options->password), file) == NULL)
    {
        fprintf(stderr, "limit: %s: no password\n", path);
        exit(2);
    }

    fclose(file);
    options->password[strcspn(options->password, "\n")] = '\0';
}


static double
number(const char *name, const char *value, double max)
{
    char    *end;
    double   got;

    got = strtod(value, &end);

    if (end == value || *end != '\0' || !(got >= 0 && got <= max)) {
        fprintf(stderr, "limit: --%s is at most %g: \"%s\"\n", name, max,
                value);
        exit(2);
    }

    return got;
}


static void
usage(void)
{
    fputs("usage: limit server|client --port N [--host NAME] [--user NAME]\n"
          "             [--password-file FILE] [--vhost NAME]"
          " [--service limit]\n"
          "             [--body TEXT] [--window 1] [--seconds 1]"
          " [--warmup 0]\n", stderr);
    exit(2);
}


static int
client(const struct options *options)
{
    int             code;
    unsigned        slot;
    uint64_t        start_ns, begin_ns, end_ns;
    struct client  *c;

    c = calloc(1, sizeof(struct client));
    if (c == NULL) {
        return 1;
    }

    c->options = options;
    c->random = figures_now() | 1;
    client_prepare(c);

    start_ns = figures_now();
    begin_ns = start_ns + (uint64_t) (options->warmup * 1e9);

    for (slot = 0; slot < options->window; slot++) {
        client_call(c, slot);
    }

    while (figures_now() < begin_ns) {
        client_turn(c, begin_ns);
    }

    begin_ns = figures_now();
    end_ns = begin_ns + (uint64_t) (options->seconds * 1e9);
    c->figures.cpu_seconds = figures_cpu();
    c->figures.bytes_in = c->figures.bytes_out = 0;
    c->is_measured = true;

    while (figures_now() < end_ns) {
        client_turn(c, end_ns);
    }

    end_ns = figures_now();
    c->figures.seconds = (double) (end_ns - begin_ns) / 1e9;
    c->figures.cpu_seconds = figures_cpu() - c->figures.cpu_seconds;

    /* lost, or as good as lost */
    for (slot = 0; slot < options->window; slot++) {
        c->figures.errors.unfinished += c->begun_ns[slot] <= begin_ns;
    }

    code = figures_print(&c->figures);
    link_close(&c->link);
    free(c);

    return code == 0 ? 0 : 1;
}


/* As the gateway does it, see ngx_gateway_module/amqp. */
static void
client_prepare(struct client *c)
{
    amqp_queue_bind_t         bind;
    amqp_basic_consume_t      consume;
    amqp_confirm_select_t     confirm = { .nowait = 0 };
    amqp_queue_declare_t      declare;
    amqp_table_entry_t        arguments[2];
    amqp_queue_declare_ok_t  *declared;

    link_open(&c->link, &c->options->address);
    (void) link_ask(&c->link, AMQP_CONFIRM_SELECT_METHOD, &confirm,
                    AMQP_CONFIRM_SELECT_OK_METHOD);

    arguments[0].key = amqp_cstring_bytes("x-max-length");
    arguments[0].value.kind = AMQP_FIELD_KIND_I32;
    arguments[0].value.value.i32 = WIRE_REPLY_QUEUE_MAX_LENGTH;
    arguments[1] = text("x-overflow", "drop-head");

    memset(&declare, 0, sizeof(declare));
    declare.exclusive = 1;
    declare.auto_delete = 1;
    declare.arguments.num_entries = 2;
    declare.arguments.entries = arguments;
    declared = link_ask(&c->link, AMQP_QUEUE_DECLARE_METHOD, &declare,
                        AMQP_QUEUE_DECLARE_OK_METHOD);
    copy(c->reply_queue_name, sizeof(c->reply_queue_name), declared->queue);
    c->reply_queue = amqp_cstring_bytes(c->reply_queue_name);

    memset(&bind, 0, sizeof(bind));
    bind.queue = c->reply_queue;
    bind.exchange = amqp_cstring_bytes(WIRE_EXCHANGE_REPLIES);
    bind.routing_key = c->reply_queue;
    (void) link_ask(&c->link, AMQP_QUEUE_BIND_METHOD, &bind,
                    AMQP_QUEUE_BIND_OK_METHOD);

    memset(&consume, 0, sizeof(consume));
    consume.queue = c->reply_queue;
    consume.no_ack = 1;
    consume.exclusive = 1;
    (void) link_ask(&c->link, AMQP_BASIC_CONSUME_METHOD, &consume,
                    AMQP_BASIC_CONSUME_OK_METHOD);
}


/* Reads, handles all of it, and writes what came of it at once. */
static void
client_turn(struct client *c, uint64_t end_ns)
{
    size_t             before;
    struct link_frame  frame;

    (void) link_write(&c->link);
    wait_for(&c->link, NULL, end_ns);

    before = c->link.in_end - c->link.in_begin;
    link_read(&c->link);
    c->figures.bytes_in += c->link.in_end - c->link.in_begin - before;

    while (link_next(&c->link, &frame)) {
        client_frame(c, &frame);
    }
}


static void
client_frame(struct client *c, struct link_frame *frame)
{
    if (frame->type == AMQP_FRAME_METHOD) {
        switch (frame->id) {

        case AMQP_BASIC_DELIVER_METHOD:
        case AMQP_BASIC_RETURN_METHOD:
            c->incoming.has_header = false;
            c->incoming.is_wanted = true;
            c->incoming.status = frame->id == AMQP_BASIC_RETURN_METHOD
                                 ? 503 : 0;
            return;

        case AMQP_BASIC_ACK_METHOD:
            return;

        default:
            /* a refusal, a consumer that was cancelled: nothing is measured */
            fprintf(stderr, "limit: the broker sent method %#x\n", frame->id);
            exit(1);
        }
    }

    if (take(&c->incoming, frame)) {
        client_answered(c, c->incoming.status);
    }
}


static void
client_answered(struct client *c, int status)
{
    char           id[WIRE_CORRELATION_LEN + 1];
    unsigned long  slot;

    memcpy(id, c->incoming.correlation_id, WIRE_CORRELATION_LEN);
    id[4] = '\0';
    slot = strtoul(id, NULL, 16);

    if (slot >= c->options->window || status < WIRE_STATUS_MIN
        || status > WIRE_STATUS_MAX)
    {
        fprintf(stderr, "limit: a reply of status %d to nobody\n", status);
        exit(1);
    }

    if (c->is_measured) {
        figures_add(&c->figures, status, status == 200,
                    figures_now() - c->begun_ns[slot]);
    }

    client_call(c, (unsigned) slot);
}


/* What the gateway sends for a POST with a token: the same, and as long. */
static void
client_call(struct client *c, unsigned slot)
{
    char                       correlation_id[WIRE_CORRELATION_LEN + 1];
    char                       message_id[37], request_id[33], trace[56];
    size_t                     before;
    struct timespec            now;
    amqp_table_entry_t         headers[5];
    amqp_basic_publish_t       publish;
    amqp_basic_properties_t    p;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(correlation_id, sizeof(correlation_id), "%04x%012llx", slot,
             (unsigned long long) (next_random(&c->random) >> 16));
    uuid(message_id, next_random(&c->random));
    snprintf(request_id, sizeof(request_id), "%016llx%016llx",
             (unsigned long long) next_random(&c->random),
             (unsigned long long) c->random);
    snprintf(trace, sizeof(trace), "00-%s-%.16s-01", request_id,
             request_id);

    headers[0] = text(WIRE_HEADER_REQUEST_ID, request_id);
    headers[1] = text(WIRE_HEADER_TRACEPARENT, trace);
    headers[2] = text(WIRE_HEADER_SUB, "01890000-0000-7000-8000-000000000001");
    headers[3] = text(WIRE_HEADER_SCOPE, "echo");
    headers[4].key = amqp_cstring_bytes(WIRE_HEADER_DEADLINE);
    headers[4].value.kind = AMQP_FIELD_KIND_I64;
    headers[4].value.value.i64 = (int64_t) now.tv_sec * 1000
                                 + now.tv_nsec / 1000000 + EXPIRATION_MS;

    memset(&p, 0, sizeof(p));
    p._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG
               | AMQP_BASIC_CORRELATION_ID_FLAG | AMQP_BASIC_TIMESTAMP_FLAG
               | AMQP_BASIC_USER_ID_FLAG | AMQP_BASIC_APP_ID_FLAG
               | AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG
               | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_EXPIRATION_FLAG
               | AMQP_BASIC_REPLY_TO_FLAG;
    p.headers.num_entries = 5;
    p.headers.entries = headers;
    p.delivery_mode = WIRE_DELIVERY_TRANSIENT;
    p.correlation_id = amqp_cstring_bytes(correlation_id);
    p.timestamp = (uint64_t) now.tv_sec;
    p.user_id = amqp_cstring_bytes(c->options->address.user);
    p.app_id = amqp_cstring_bytes("gateway");
    p.content_type = amqp_cstring_bytes(WIRE_CONTENT_JSON);
    p.message_id = amqp_cstring_bytes(message_id);
    p.type = amqp_cstring_bytes("echo");
    p.expiration = amqp_cstring_bytes("5000");
    p.reply_to = c->reply_queue;

    memset(&publish, 0, sizeof(publish));
    publish.exchange = amqp_cstring_bytes(WIRE_EXCHANGE_RPC);
    publish.routing_key = amqp_cstring_bytes(c->options->service);
    publish.mandatory = 1;

    c->begun_ns[slot] = figures_now();
    before = c->link.out_end;
    (void) link_publish(&c->link, &publish, &p, c->options->body,
                        strlen(c->options->body));
    c->figures.bytes_out += c->link.out_end - before;
}


/* Until SIGTERM; then it tells what it has seen, in a line of JSON. */
static int
server(const struct options *options)
{
    struct server     *s;
    struct sigaction   action = { .sa_handler = stop };
    struct link_frame  frame;

    s = calloc(1, sizeof(struct server));
    if (s == NULL) {
        return 1;
    }

    s->options = options;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    link_open(&s->publisher, &options->address);
    link_open(&s->consumer, &options->address);
    server_consume(s);
    fprintf(stderr, "limit: ready\n");

    while (!is_stopped) {
        wait_for(&s->consumer, &s->publisher, UINT64_MAX);
        link_read(&s->consumer);

        while (link_next(&s->consumer, &frame)) {
            server_frame(s, &frame);
        }

        server_settle(s);

        /* nothing is expected of it but its loss */
        link_read(&s->publisher);
        (void) link_next(&s->publisher, &frame);
    }

    printf("{\"calls\":%llu,\"header_min\":%zu,\"header_max\":%zu}\n",
           (unsigned long long) s->calls, s->header_min, s->header_max);

    link_close(&s->publisher);
    link_close(&s->consumer);
    free(s);

    return 0;
}


/* With the prefetch that a lane has by default. */
static void
server_consume(struct server *s)
{
    char                  queue[256];
    amqp_basic_qos_t      qos = { .prefetch_count = 3 * BATCH };
    amqp_basic_consume_t  consume;

    (void) link_ask(&s->consumer, AMQP_BASIC_QOS_METHOD, &qos,
                    AMQP_BASIC_QOS_OK_METHOD);

    snprintf(queue, sizeof(queue), WIRE_QUEUE_RPC_PREFIX "%s",
             s->options->service);
    memset(&consume, 0, sizeof(consume));
    consume.queue = amqp_cstring_bytes(queue);
    (void) link_ask(&s->consumer, AMQP_BASIC_CONSUME_METHOD, &consume,
                    AMQP_BASIC_CONSUME_OK_METHOD);
}


static void
server_frame(struct server *s, struct link_frame *frame)
{
    amqp_basic_deliver_t  *deliver;

    if (frame->type == AMQP_FRAME_METHOD) {
        if (frame->id != AMQP_BASIC_DELIVER_METHOD) {
            fprintf(stderr, "limit: the broker sent method %#x\n", frame->id);
            exit(1);
        }

        deliver = frame->decoded;
        s->incoming.is_wanted = true;
        s->incoming.has_header = false;
        s->incoming.tag = deliver->delivery_tag;
        return;
    }

    if (frame->type == AMQP_FRAME_HEADER) {
        if (s->header_min == 0 || frame->size < s->header_min) {
            s->header_min = frame->size;
        }

        if (frame->size > s->header_max) {
            s->header_max = frame->size;
        }
    }

    if (take(&s->incoming, frame)) {
        server_answer(s);
    }
}


static void
server_answer(struct server *s)
{
    char                      message_id[37];
    amqp_table_entry_t        status;
    amqp_basic_publish_t      publish;
    amqp_basic_properties_t   p;

    uuid(message_id, ++s->calls);
    status.key = amqp_cstring_bytes(WIRE_HEADER_STATUS);
    status.value.kind = AMQP_FIELD_KIND_I64;
    status.value.value.i64 = 200;

    memset(&p, 0, sizeof(p));
    p._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG
               | AMQP_BASIC_CORRELATION_ID_FLAG | AMQP_BASIC_TIMESTAMP_FLAG
               | AMQP_BASIC_USER_ID_FLAG | AMQP_BASIC_APP_ID_FLAG
               | AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG;
    p.headers.num_entries = 1;
    p.headers.entries = &status;
    p.delivery_mode = WIRE_DELIVERY_TRANSIENT;
    p.correlation_id.bytes = s->incoming.correlation_id;
    p.correlation_id.len = WIRE_CORRELATION_LEN;
    p.timestamp = (uint64_t) time(NULL);
    p.user_id = amqp_cstring_bytes(s->options->address.user);
    p.app_id = amqp_cstring_bytes(s->options->service);
    p.content_type = amqp_cstring_bytes(WIRE_CONTENT_JSON);
    p.message_id = amqp_cstring_bytes(message_id);

    memset(&publish, 0, sizeof(publish));
    publish.exchange = amqp_cstring_bytes(WIRE_EXCHANGE_REPLIES);
    publish.routing_key = amqp_cstring_bytes(s->incoming.reply_to);

    (void) link_publish(&s->publisher, &publish, &p, s->incoming.body,
                        s->incoming.size);

    if (++s->batch == BATCH) {
        server_settle(s);
    }
}


/* Replies first, then one acknowledgement of all that they answer. */
static void
server_settle(struct server *s)
{
    amqp_basic_ack_t  ack;

    if (s->batch > 0) {
        ack.delivery_tag = s->incoming.tag;
        ack.multiple = 1;
        link_put(&s->consumer, AMQP_BASIC_ACK_METHOD, &ack);
        s->batch = 0;
    }

    (void) link_write(&s->publisher);
    (void) link_write(&s->consumer);
}


/* Header and body of a message; true: it is complete. */
static bool
take(struct incoming *incoming, const struct link_frame *frame)
{
    if (frame->type == AMQP_FRAME_HEADER && incoming->is_wanted) {
        incoming->has_header = true;
        incoming->size = 0;
        incoming->left = frame->body_size;
        take_header(incoming, frame->decoded);

    } else if (frame->type == AMQP_FRAME_BODY && incoming->has_header) {
        if (frame->size > incoming->left
            || frame->size > BODY_MAX - incoming->size)
        {
            fprintf(stderr, "limit: a body that is too large\n");
            exit(1);
        }

        memcpy(incoming->body + incoming->size, frame->payload, frame->size);
        incoming->size += frame->size;
        incoming->left -= frame->size;

    } else {
        return false;
    }

    if (incoming->left > 0) {
        return false;
    }

    incoming->is_wanted = incoming->has_header = false;

    return true;
}


static void
take_header(struct incoming *incoming, const amqp_basic_properties_t *p)
{
    int                        i;
    const amqp_table_entry_t  *entry;

    memset(incoming->correlation_id, '0', WIRE_CORRELATION_LEN);
    incoming->reply_to[0] = '\0';

    if ((p->_flags & AMQP_BASIC_CORRELATION_ID_FLAG)
        && p->correlation_id.len == WIRE_CORRELATION_LEN)
    {
        memcpy(incoming->correlation_id, p->correlation_id.bytes,
               WIRE_CORRELATION_LEN);
    }

    if (p->_flags & AMQP_BASIC_REPLY_TO_FLAG) {
        copy(incoming->reply_to, sizeof(incoming->reply_to), p->reply_to);
    }

    for (i = 0; i < p->headers.num_entries; i++) {
        entry = &p->headers.entries[i];

        if (entry->value.kind == AMQP_FIELD_KIND_I64
            && entry->key.len == sizeof(WIRE_HEADER_STATUS) - 1
            && memcmp(entry->key.bytes, WIRE_HEADER_STATUS, entry->key.len)
               == 0)
        {
            incoming->status = (int) entry->value.value.i64;
        }
    }
}


static void
copy(char *to, size_t room, amqp_bytes_t from)
{
    size_t  size;

    size = from.len < room ? from.len : room - 1;
    memcpy(to, from.bytes, size);
    to[size] = '\0';
}


/* Until one of them can be read, or written where something waits for that. */
static void
wait_for(struct link *one, struct link *two, uint64_t end_ns)
{
    int              n;
    int64_t          ms;
    struct pollfd    pfds[2];
    struct link     *links[2] = { one, two };

    for (n = 0; n < 2 && links[n] != NULL; n++) {
        pfds[n].fd = links[n]->fd;
        pfds[n].events = POLLIN;

        if (links[n]->out_end > links[n]->out_begin) {
            pfds[n].events |= POLLOUT;
        }
    }

    ms = end_ns == UINT64_MAX ? -1
         : ((int64_t) end_ns - (int64_t) figures_now()) / 1000000 + 1;

    if (poll(pfds, (nfds_t) n, ms < -1 ? 0 : (int) ms) == -1
        && errno != EINTR)
    {
        perror("limit: poll");
        exit(1);
    }
}


static amqp_table_entry_t
text(const char *name, const char *value)
{
    amqp_table_entry_t  entry;

    entry.key = amqp_cstring_bytes(name);
    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = amqp_cstring_bytes(value);

    return entry;
}


/* As long as one, and different each time. */
static void
uuid(char *id, uint64_t random)
{
    snprintf(id, 37, "01890000-0000-7000-8000-%012llx",
             (unsigned long long) (random & 0xffffffffffff));
}


/* xorshift64 by George Marsaglia */
static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;

    return *state;
}


static void
stop(int number)
{
    (void) number;
    is_stopped = 1;
}
