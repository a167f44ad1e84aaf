/*
 * Copyright (C) the Warren authors
 *
 * Loads an HTTP/1.1 server, and tells how it answered in a line of JSON.
 *
 * Closed loop: each connection sends its next request once it has the answer.
 * With --rate, open loop: requests fall due on a schedule that no answer
 * delays, and their latency counts from then, as wrk2 by Gil Tene does it: a
 * server that stalls is charged with all who would have come meanwhile, not
 * just with those few who could be sent ("coordinated omission").
 *
 * One thread, which shares the machine with what it measures: requests are
 * written beforehand, bodies of answers are only counted, and nothing is
 * allocated once it runs.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE                             /* epoll_pwait2() */
#endif

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "figures.h"
#include "load_options.h"


#define EVENTS_MAX     512
#define BUFFER_SIZE    65536

/* after a connection that failed, so that a dead server is not hammered */
#define RETRY_NS       100000000

/*
 * A timer does not wake us again before, as a high rate would have it do for
 * each request: what falls due meanwhile is sent together, that much later at
 * most.  Its latency counts from when it was due all the same.
 */
#define TICK_NS        100000

#define NEVER          UINT64_MAX


enum connection_state {
    CONNECTION_WAITING,         /* closed; connects again at since_ns + RETRY */
    CONNECTION_CONNECTING,
    CONNECTION_IDLE,
    CONNECTION_SENDING,         /* the socket took a part of the request */
    CONNECTION_BUSY             /* waits for the answer */
};


struct connection {
    int                     fd;             /* -1: none */
    enum connection_state   state;
    struct connection      *previous, *next;        /* in one list */
    struct list            *list;

    uint64_t                since_ns;       /* connecting, sent or closed */
    uint64_t                begun_ns;       /* latency counts from here */
    size_t                  token;
    size_t                  sent;           /* bytes of the request */
    bool                    has_answered;   /* a byte of the answer came */

    struct answer           answer;
};


/* Those who came first are first: each list has one time limit for all. */
struct list {
    struct connection  *first, *last;
};


struct load {
    const struct load_options  *options;
    struct connection          *connections;
    int                         epoll;

    struct list                 idle;
    struct list                 busy;           /* connecting ones too */
    struct list                 waiting;

    /* the schedule; before start_ns nothing is due or sent */
    uint64_t                    start_ns, begin_ns, end_ns;
    uint64_t                    due;            /* requests that were begun */
    bool                        is_open_loop;
    bool                        is_started, is_measured, has_ended;

    size_t                      token;          /* the next one */
    bool                        expects_all;
    uint64_t                    finished;       /* of those that count */
    uint64_t                    last_ns;        /* when the last of them was */
    uint64_t                    now_ns;

    struct figures              figures;
    char                        buffer[BUFFER_SIZE];
};


static void load_init(struct load *load, const struct load_options *options);
static void raise_files(unsigned connections);
static void run(struct load *load);
static bool turn(struct load *load);
static bool next_phase(struct load *load);
static uint64_t due_ns(const struct load *load, uint64_t n);
static uint64_t due_before(const struct load *load, uint64_t ns);
static void send_due(struct load *load);
static void expire(struct load *load);
static uint64_t next_ns(const struct load *load);
static void wait_until(struct load *load, uint64_t until_ns);
static void on_event(struct load *load, struct connection *c, uint32_t events);
static void connection_open(struct load *load, struct connection *c);
static void connection_opened(struct load *load, struct connection *c);
static void connection_failed(struct load *load, struct connection *c);
static void connection_ready(struct load *load, struct connection *c);
static void connection_begin(struct load *load, struct connection *c,
    uint64_t begun_ns);
static void connection_send(struct load *load, struct connection *c);
static int request_parts(const struct load *load, const struct connection *c,
    struct iovec *parts);
static void connection_receive(struct load *load, struct connection *c);
static void connection_answered(struct load *load, struct connection *c);
static void connection_lost(struct load *load, struct connection *c,
    uint64_t *error);
static void connection_close(struct load *load, struct connection *c);
static void connection_watch(struct load *load, struct connection *c, int verb,
    uint32_t events);
static bool counts(const struct load *load, const struct connection *c);
static void finish(struct load *load);
static void list_move(struct list *list, struct connection *c);
static void die(const char *what);


int
main(int argc, char **argv)
{
    int                  code;
    struct load         *load;
    struct load_options  options;

    load_options_read(&options, argc, argv);

    load = calloc(1, sizeof(struct load));
    if (load == NULL) {
        die("out of memory");
    }

    load_init(load, &options);
    run(load);
    finish(load);

    code = figures_print(&load->figures);

    close(load->epoll);
    free(load->connections);
    free(load);
    load_options_free(&options);

    return code == 0 ? 0 : 1;
}


static void
load_init(struct load *load, const struct load_options *options)
{
    int       i;
    unsigned  n;

    load->options = options;
    load->is_open_loop = options->rate > 0;
    load->start_ns = load->begin_ns = load->end_ns = NEVER;
    load->expects_all = true;

    for (i = 0; i < FIGURES_STATUSES; i++) {
        load->expects_all = load->expects_all && !options->is_expected[i];
    }

    raise_files(options->connections);

    /* requests are due to the microsecond, not to the kernel's usual 50 */
    (void) prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);

    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll == -1) {
        die("epoll");
    }

    load->connections = calloc(options->connections,
                               sizeof(struct connection));
    if (load->connections == NULL) {
        die("out of memory");
    }

    load->now_ns = figures_now();

    for (n = 0; n < options->connections; n++) {
        load->connections[n].fd = -1;
        connection_open(load, &load->connections[n]);
    }
}


static void
raise_files(unsigned connections)
{
    struct rlimit  limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) {
        die("getrlimit");
    }

    if (limit.rlim_cur >= connections + 16) {
        return;
    }

    limit.rlim_cur = limit.rlim_max;

    if (limit.rlim_max < connections + 16
        || setrlimit(RLIMIT_NOFILE, &limit) == -1)
    {
        errno = EMFILE;
        die("as many connections");
    }
}


static void
run(struct load *load)
{
    while (turn(load)) { /* void */ }
}


static bool
turn(struct load *load)
{
    load->now_ns = figures_now();

    if (!next_phase(load)) {
        return false;
    }

    expire(load);

    if (load->is_started && load->is_open_loop) {
        send_due(load);
    }

    wait_until(load, next_ns(load));

    return true;
}


/*
 * Connecting, then warming up, then measuring, and in the open loop waiting for
 * what was sent.  False: it is over.
 */
static bool
next_phase(struct load *load)
{
    bool                         is_left;
    struct connection           *c, *next;
    const struct load_options   *options;

    options = load->options;

    /* each connection is there, or has failed once */
    if (!load->is_started) {
        if (load->busy.first != NULL) {
            return true;
        }

        load->is_started = true;
        load->start_ns = load->now_ns;
        load->begin_ns = load->start_ns + options->warmup_ns;
        load->end_ns = load->begin_ns + options->seconds_ns;

        if (!load->is_open_loop) {
            for (c = load->idle.first; c != NULL; c = next) {
                next = c->next;
                connection_begin(load, c, load->now_ns);
            }
        }
    }

    if (!load->is_measured && load->now_ns >= load->begin_ns) {
        load->is_measured = true;
        load->begin_ns = load->is_open_loop ? load->begin_ns : load->now_ns;
        load->end_ns = load->begin_ns + options->seconds_ns;
        load->figures.cpu_seconds = figures_cpu();
        load->figures.bytes_in = 0;
        load->figures.bytes_out = 0;
    }

    if (!load->has_ended && load->now_ns >= load->end_ns) {
        load->has_ended = true;
        load->figures.seconds = (double) options->seconds_ns / 1e9;
        load->figures.cpu_seconds = figures_cpu() - load->figures.cpu_seconds;

        if (!load->is_open_loop) {
            load->figures.seconds = (double) (load->now_ns - load->begin_ns)
                                    / 1e9;
        }
    }

    if (!load->has_ended) {
        return true;
    }

    /* what was due before the end may not have been sent yet */
    is_left = load->busy.first != NULL
              || (load->idle.first != NULL
                  && due_ns(load, load->due) < load->end_ns);

    return load->is_open_loop && is_left
           && load->now_ns < load->end_ns + options->drain_ns;
}


/* When the request of this number, from 0 on, is due. */
static uint64_t
due_ns(const struct load *load, uint64_t n)
{
    return load->start_ns
           + (uint64_t) ((double) n * 1e9 / load->options->rate);
}


/* How many are due before then. */
static uint64_t
due_before(const struct load *load, uint64_t ns)
{
    uint64_t  n;

    n = (uint64_t) ((double) (ns - load->start_ns) / 1e9 * load->options->rate);

    while (n > 0 && due_ns(load, n - 1) >= ns) {
        n--;
    }

    while (due_ns(load, n) < ns) {
        n++;
    }

    return n;
}


/* What is due and finds no connection keeps its place in the schedule. */
static void
send_due(struct load *load)
{
    uint64_t  due;

    while (load->idle.first != NULL) {
        due = due_ns(load, load->due);

        if (due > load->now_ns || due >= load->end_ns) {
            return;
        }

        load->due++;
        connection_begin(load, load->idle.first, due);
    }
}


static void
expire(struct load *load)
{
    struct connection  *c;

    while ((c = load->busy.first) != NULL
           && load->now_ns >= c->since_ns + load->options->timeout_ns)
    {
        if (c->state == CONNECTION_CONNECTING) {
            connection_failed(load, c);

        } else {
            connection_lost(load, c, &load->figures.errors.timeout);
        }
    }

    while (!load->has_ended && load->is_started
           && (c = load->waiting.first) != NULL
           && load->now_ns >= c->since_ns + RETRY_NS)
    {
        connection_open(load, c);
    }
}


/* When there is something to do, whatever arrives. */
static uint64_t
next_ns(const struct load *load)
{
    uint64_t  ns, at;

    ns = !load->is_started ? NEVER
         : !load->is_measured ? load->begin_ns
         : !load->has_ended ? load->end_ns
         : load->end_ns + load->options->drain_ns;

    if (load->busy.first != NULL) {
        at = load->busy.first->since_ns + load->options->timeout_ns;
        ns = at < ns ? at : ns;
    }

    if (load->waiting.first != NULL && load->is_started && !load->has_ended) {
        at = load->waiting.first->since_ns + RETRY_NS;
        ns = at < ns ? at : ns;
    }

    if (load->is_started && load->is_open_loop && load->idle.first != NULL) {
        at = due_ns(load, load->due);

        if (at < load->end_ns) {
            at = at < load->now_ns + TICK_NS ? load->now_ns + TICK_NS : at;
            ns = at < ns ? at : ns;
        }
    }

    return ns;
}


static void
wait_until(struct load *load, uint64_t until_ns)
{
    int                  i, n;
    uint64_t             ns;
    struct timespec      wait, *timeout;
    struct epoll_event   events[EVENTS_MAX];

    ns = until_ns > load->now_ns ? until_ns - load->now_ns : 0;
    wait.tv_sec = (time_t) (ns / 1000000000);
    wait.tv_nsec = (long) (ns % 1000000000);
    timeout = until_ns == NEVER ? NULL : &wait;

    n = epoll_pwait2(load->epoll, events, EVENTS_MAX, timeout, NULL);
    if (n == -1 && errno != EINTR) {
        die("epoll");
    }

    for (i = 0; i < n; i++) {
        on_event(load, events[i].data.ptr, events[i].events);
    }
}


/*
 * Touches no other connection than its own, so none of the events that follow
 * is of a socket that was closed meanwhile.
 */
static void
on_event(struct load *load, struct connection *c, uint32_t events)
{
    if (c->state == CONNECTION_CONNECTING) {
        connection_opened(load, c);
        return;
    }

    if (c->state == CONNECTION_SENDING && (events & EPOLLOUT)) {
        connection_send(load, c);
    }

    /* an answer may come before the request's end; a failure is read, too */
    if (c->fd != -1 && (events & ~(uint32_t) EPOLLOUT)) {
        connection_receive(load, c);
    }
}


static void
connection_open(struct load *load, struct connection *c)
{
    int               one;
    struct addrinfo  *address;

    address = load->options->address;
    c->since_ns = load->now_ns;
    c->state = CONNECTION_CONNECTING;
    list_move(&load->busy, c);

    c->fd = socket(address->ai_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd == -1) {
        die("socket");
    }

    one = 1;
    (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    if (connect(c->fd, address->ai_addr, address->ai_addrlen) == -1
        && errno != EINPROGRESS)
    {
        connection_failed(load, c);
        return;
    }

    connection_watch(load, c, EPOLL_CTL_ADD, EPOLLOUT);
}


static void
connection_opened(struct load *load, struct connection *c)
{
    int        code;
    socklen_t  size;

    code = 0;
    size = sizeof(code);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &size) == -1
        || code != 0)
    {
        connection_failed(load, c);
        return;
    }

    load->figures.connects++;
    connection_watch(load, c, EPOLL_CTL_MOD, EPOLLIN);
    connection_ready(load, c);
}


static void
connection_failed(struct load *load, struct connection *c)
{
    load->figures.errors.connect++;
    connection_close(load, c);
    c->since_ns = figures_now();
}


/* It can have a request: the next one that is due, if one is. */
static void
connection_ready(struct load *load, struct connection *c)
{
    uint64_t  due;

    c->state = CONNECTION_IDLE;
    list_move(&load->idle, c);

    if (!load->is_started || load->has_ended) {
        return;
    }

    if (!load->is_open_loop) {
        connection_begin(load, c, load->now_ns);
        return;
    }

    due = due_ns(load, load->due);

    /* if others wait for one, it is theirs, in the next turn */
    if (load->idle.first == c && due <= load->now_ns && due < load->end_ns) {
        load->due++;
        connection_begin(load, c, due);
    }
}


static void
connection_begin(struct load *load, struct connection *c, uint64_t begun_ns)
{
    c->begun_ns = begun_ns;
    c->since_ns = load->now_ns;
    c->sent = 0;
    c->has_answered = false;
    c->state = CONNECTION_BUSY;
    answer_begin(&c->answer, load->options->is_head);
    list_move(&load->busy, c);

    if (load->options->tokens_count > 0) {
        c->token = load->token;
        load->token = load->token + 1 == load->options->tokens_count
                      ? 0 : load->token + 1;
    }

    connection_send(load, c);
}


static void
connection_send(struct load *load, struct connection *c)
{
    ssize_t         n;
    struct iovec    parts[3];
    struct msghdr   message = { .msg_iov = parts };

    message.msg_iovlen = (size_t) request_parts(load, c, parts);

    if (message.msg_iovlen > 0) {
        n = sendmsg(c->fd, &message, MSG_NOSIGNAL);

        if (n == -1 && errno != EAGAIN) {
            connection_lost(load, c, &load->figures.errors.write);
            return;
        }

        if (n > 0) {
            c->sent += (size_t) n;
            load->figures.bytes_out += load->has_ended ? 0 : (uint64_t) n;
        }
    }

    if (request_parts(load, c, parts) > 0) {
        if (c->state != CONNECTION_SENDING) {
            c->state = CONNECTION_SENDING;
            connection_watch(load, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        }

    } else if (c->state == CONNECTION_SENDING) {
        c->state = CONNECTION_BUSY;
        connection_watch(load, c, EPOLL_CTL_MOD, EPOLLIN);
    }
}


/* What is left to send of the connection's request. */
static int
request_parts(const struct load *load, const struct connection *c,
    struct iovec *parts)
{
    int                         i, n;
    size_t                      skip;
    struct iovec                all[3];
    const struct load_options  *options;

    options = load->options;
    skip = c->sent;
    n = 0;

    all[0] = options->head;
    all[1] = options->tokens == NULL ? (struct iovec) { NULL, 0 }
                                     : options->tokens[c->token];
    all[2] = options->tail;

    for (i = 0; i < 3; i++) {
        if (skip >= all[i].iov_len) {
            skip -= all[i].iov_len;
            continue;
        }

        parts[n].iov_base = (char *) all[i].iov_base + skip;
        parts[n].iov_len = all[i].iov_len - skip;
        skip = 0;
        n++;
    }

    return n;
}


static void
connection_receive(struct load *load, struct connection *c)
{
    int      code;
    size_t   used;
    ssize_t  n;

    n = recv(c->fd, load->buffer, BUFFER_SIZE, 0);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    load->now_ns = figures_now();

    if (n <= 0) {
        if (c->state == CONNECTION_IDLE) {
            /* it may close what is not in use */
            connection_close(load, c);
            connection_open(load, c);

        } else if (n == 0 && c->has_answered && answer_end(&c->answer) == 1) {
            connection_answered(load, c);

        } else {
            connection_lost(load, c, &load->figures.errors.read);
        }

        return;
    }

    load->figures.bytes_in += load->has_ended ? 0 : (uint64_t) n;
    c->has_answered = true;

    /* unasked */
    if (c->state == CONNECTION_IDLE) {
        connection_lost(load, c, &load->figures.errors.read);
        return;
    }

    code = answer_take(&c->answer, load->buffer, (size_t) n, &used);

    if (code == -1 || (code == 1 && used < (size_t) n)) {
        connection_lost(load, c, &load->figures.errors.read);

    } else if (code == 1) {
        connection_answered(load, c);
    }
}


static void
connection_answered(struct load *load, struct connection *c)
{
    int  status;

    status = c->answer.status;

    if (counts(load, c)) {
        load->finished++;
        load->last_ns = load->now_ns;
        figures_add(&load->figures, status, load->expects_all
                    || load->options->is_expected[status],
                    load->now_ns - c->begun_ns);
    }

    /* with a part of the request unsent the connection is of no use */
    if (c->answer.closes || c->state == CONNECTION_SENDING) {
        connection_close(load, c);

        if (!load->has_ended) {
            connection_open(load, c);
        }

        return;
    }

    connection_ready(load, c);
}


/* Its request, if it has one, fails; error is what of the errors counts it. */
static void
connection_lost(struct load *load, struct connection *c, uint64_t *error)
{
    if (counts(load, c)) {
        load->finished++;
        (*error)++;
    }

    connection_close(load, c);

    /* at once, unless there is no answer at all */
    if (!load->has_ended && c->has_answered) {
        connection_open(load, c);
    }
}


/* It then waits, at the end of those who do. */
static void
connection_close(struct load *load, struct connection *c)
{
    if (c->fd != -1) {
        close(c->fd);
        c->fd = -1;
    }

    c->state = CONNECTION_WAITING;
    c->since_ns = load->now_ns;
    list_move(&load->waiting, c);
}


static void
connection_watch(struct load *load, struct connection *c, int verb,
    uint32_t events)
{
    struct epoll_event  event = { .events = events, .data.ptr = c };

    if (epoll_ctl(load->epoll, verb, c->fd, &event) == -1) {
        die("epoll");
    }
}


/*
 * Open loop: what was due within the time that is measured, however late it is
 * answered.  Closed loop: what is answered within.
 */
static bool
counts(const struct load *load, const struct connection *c)
{
    if (load->is_open_loop) {
        return c->begun_ns >= load->begin_ns && c->begun_ns < load->end_ns;
    }

    return load->is_measured && !load->has_ended;
}


static void
finish(struct load *load)
{
    struct connection  *c;
    unsigned            n;

    if (load->is_open_loop) {

        /* a backlog that was worked off later was not done in time */
        if (load->last_ns > load->end_ns) {
            load->figures.seconds = (double) (load->last_ns - load->begin_ns)
                                    / 1e9;
        }

        load->figures.errors.unfinished =
            due_before(load, load->end_ns) - due_before(load, load->begin_ns)
            - load->finished;
    }

    for (n = 0; n < load->options->connections; n++) {
        c = &load->connections[n];

        /* unanswered all the time that was measured */
        if (!load->is_open_loop && c->state >= CONNECTION_SENDING
            && c->begun_ns <= load->begin_ns)
        {
            load->figures.errors.unfinished++;
        }

        if (c->fd != -1) {
            close(c->fd);
        }
    }
}


/* To the end of the list, from that which it is in. */
static void
list_move(struct list *list, struct connection *c)
{
    if (c->list != NULL) {
        *(c->previous == NULL ? &c->list->first : &c->previous->next) = c->next;
        *(c->next == NULL ? &c->list->last : &c->next->previous) = c->previous;
    }

    c->list = list;
    c->next = NULL;
    c->previous = list->last;
    *(list->last == NULL ? &list->first : &list->last->next) = c;
    list->last = c;
}


static void
die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}
