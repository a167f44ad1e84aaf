/*
 * Copyright (C) the Warren authors
 *
 * The broker as a lane sees it: messages come whole, are settled in any order,
 * and are published with or without a confirm.
 *
 * There are two connections: one consumes, one publishes, since the broker
 * stops reading from a publisher when it is short of memory, and acks must not
 * wait behind that.  Nothing here blocks but wr_broker_open(), and a write for
 * which a socket has no room, which ends the connection after a while.
 *
 * After a failure wr_broker_is_open() is false until wr_broker_close() and
 * wr_broker_open() were called.  What was delivered before belongs to an older
 * generation: settling it then does nothing, the broker delivers it again.
 */

#ifndef WARREN_BROKER_H
#define WARREN_BROKER_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct wr_arena;
struct wr_broker;
struct wr_log;


/* queues that a lane may consume, beside its replies */

enum wr_queue {
    WR_QUEUE_RPC = 0,
    WR_QUEUE_COMMANDS,
    WR_QUEUE_EVENTS,
    WR_QUEUE_AGAIN,
    WR_QUEUE_PARK,
    WR_QUEUE_ORDERED,       /* events in order; one lane is active on each */
    WR_QUEUE_CHANNEL,
    WR_QUEUE_COUNT,
    WR_QUEUE_REPLY = WR_QUEUE_COUNT
};

/* Queues that a lane consumes at most. */
#define WR_BROKER_QUEUES_MAX    64


/* Headers of a message; what lies beyond is dropped. */
#define WR_BROKER_HEADERS_MAX   64

/* Publishings that wait for a confirm; more are refused until some came. */
#define WR_BROKER_WINDOW        1024


/* A header that is a text or a number; tables and arrays are not taken over,
   and neither is what brokers add themselves (x-death and its like). */

struct wr_header {
    const char              *name;
    const char              *text;          /* NULL: it is a number */
    int64_t                  number;
};


/* a delivered message; texts are terminated, "" if absent */

struct wr_message {
    struct wr_arena         *arena;         /* owns it all, itself too */
    struct wr_message       *next;          /* the owner's */
    enum wr_queue            queue;
    const char              *from;          /* the queue's full name */
    unsigned                 channel;       /* the broker layer's */
    unsigned                 generation;
    uint64_t                 tag;
    int64_t                  taken_ms;      /* wr_clock_ms() of its arrival */
    bool                     is_redelivered;
    bool                     is_oversize;   /* the body was dropped */

    const char              *routing_key;
    const char              *type;
    const char              *content_type;
    const char              *correlation_id;
    const char              *reply_to;
    const char              *message_id;
    const char              *user_id;
    const char              *app_id;
    int64_t                  expiration_ms; /* -1: none */
    int64_t                  timestamp_sec; /* 0: none */

    const struct wr_header  *headers;
    size_t                   nheaders;

    /* where and why the broker itself gave it up; "" */
    const char              *death_queue;
    const char              *death_reason;

    char                    *body;          /* terminated */
    size_t                   body_len;
};


/* a message to publish; texts may be NULL */

struct wr_publishing {
    const char              *exchange;
    const char              *key;
    bool                     is_mandatory;
    bool                     is_persistent;
    const char              *type;
    const char              *content_type;
    const char              *correlation_id;
    const char              *reply_to;
    const char              *message_id;
    int64_t                  expiration_ms; /* 0: none */
    int64_t                  timestamp_sec; /* 0: now */
    const struct wr_header  *headers;
    size_t                   nheaders;
    const char              *body;
    size_t                   body_len;
};


/* what the broker said of a publishing */

enum wr_confirm_state {
    WR_CONFIRM_NONE = 0,    /* was not published */
    WR_CONFIRM_WAITING,     /* not yet anything */
    WR_CONFIRM_ACKED,       /* it has it */
    WR_CONFIRM_NACKED,      /* a queue is full: it has it not */
    WR_CONFIRM_RETURNED,    /* there is no queue for it */
    WR_CONFIRM_LOST         /* the connection ended first: nobody knows */
};

struct wr_confirm {
    enum wr_confirm_state    state;
    uint64_t                 seq;           /* the broker layer's */
    const char              *message_id;    /* set by wr_broker_publish() */
};


enum wr_published {
    WR_PUBLISHED = 0,
    WR_PUBLISH_LATER,       /* blocked by the broker, or the window is full */
    WR_PUBLISH_DOWN,        /* no connection */
    WR_PUBLISH_REFUSED      /* cannot be encoded: will never be sent */
};


/* a queue to consume */

struct wr_broker_queue {
    enum wr_queue            kind;
    const char              *name;          /* in full */

    /* After this long: where one consumer alone is active, a lane leaves
       others the lead with theirs. */
    int64_t                  standby_ms;
};


/* texts are kept */

struct wr_broker_config {
    const char              *urls;          /* separated by blanks */
    const char              *password;      /* "": the URL's */

    /* of amqps URLs, in PEM; certificate and key are ours, "" without */
    const char              *ca_file;
    const char              *certificate_file;
    const char              *key_file;

    const char              *service;
    int                      lane;
    int                      heartbeat_sec;
    int                      prefetch;      /* of each queue */
    struct wr_broker_queue   queues[WR_BROKER_QUEUES_MAX];
    unsigned                 nqueues;
};


/* config and log are kept. */
struct wr_broker *wr_broker_new(const struct wr_broker_config *config,
    const struct wr_log *log);

/* Closes first. */
void wr_broker_free(struct wr_broker **broker);

/*
 * One try with the next URL: connects twice, looks whether queues and
 * exchanges are there, makes the reply queue.  Blocks for some seconds at
 * most.  Returns 0, or -1 with the reason, which lives until the next call.
 */
int wr_broker_open(struct wr_broker *broker, const char **error_r);

/* Ends both connections, with notice where one still works.  Undelivered
   messages are freed, waiting confirms become WR_CONFIRM_LOST. */
void wr_broker_close(struct wr_broker *broker);

/* Whether both connections work; blocked: the broker takes no publishings
   for now. */
bool wr_broker_is_open(const struct wr_broker *broker);
bool wr_broker_is_blocked(const struct wr_broker *broker);

/*
 * Begins to consume all queues, or ceases to; wr_broker_is_cancelled() tells
 * when no more deliveries will come.  Of queues in order all that is not
 * settled goes back with it, before the next consumer gets any:
 * wr_broker_is_stale() is true of such messages, which must not act any more.
 */
void wr_broker_consume(struct wr_broker *broker);
void wr_broker_cancel(struct wr_broker *broker);
bool wr_broker_is_cancelled(const struct wr_broker *broker);
bool wr_broker_is_stale(const struct wr_broker *broker,
    const struct wr_message *msg);

/* This process's reply queue; "" while not open. */
const char *wr_broker_reply_queue(const struct wr_broker *broker);

/* The user of the connection: what user_id of its messages is. */
const char *wr_broker_user(const struct wr_broker *broker);

/* Sockets to poll for reading; returns how many. */
int wr_broker_fds(const struct wr_broker *broker, int fds_r[2]);

/* Whether something was read already, so that polling would sleep on it. */
bool wr_broker_has_input(const struct wr_broker *broker);

/* Takes in what has arrived and sends heartbeats that are due. */
void wr_broker_pump(struct wr_broker *broker);

/*
 * The next message, or the next reply, in order of arrival; NULL if there is
 * none.  It is the caller's until wr_broker_release(), which does not settle.
 */
struct wr_message *wr_broker_take(struct wr_broker *broker);
struct wr_message *wr_broker_take_reply(struct wr_broker *broker);
void wr_broker_release(struct wr_broker *broker, struct wr_message **msg);

/* Messages that wait for wr_broker_take(). */
int wr_broker_pending(const struct wr_broker *broker);

/* Marks the message as done with; wr_broker_flush() tells the broker. */
void wr_broker_settle(struct wr_broker *broker, const struct wr_message *msg);

/* Gives a message back: to its queue, or to where the queue's dead go. */
void wr_broker_reject(struct wr_broker *broker, const struct wr_message *msg,
    bool requeue);

/* Gives back all that is not settled, taken or not; after a cancel. */
void wr_broker_reject_all(struct wr_broker *broker);

/* Sends acks, several in one where it can, and what publishings are held. */
void wr_broker_flush(struct wr_broker *broker);

/*
 * Publishes as the connection's user.  With a confirm, which must live until
 * it is no more WR_CONFIRM_WAITING or wr_broker_forget() was called, and needs
 * a message_id that lives as long.
 */
enum wr_published wr_broker_publish(struct wr_broker *broker,
    const struct wr_publishing *pub, struct wr_confirm *confirm);
void wr_broker_forget(struct wr_broker *broker, struct wr_confirm *confirm);

/* Publishings that wait for a confirm. */
int wr_broker_unconfirmed(const struct wr_broker *broker);

/* A header of a message: NULL if absent or no text; fallback if no number. */
const char *wr_message_text(const struct wr_message *msg, const char *name);
int64_t wr_message_number(const struct wr_message *msg, const char *name,
    int64_t fallback);

/* "rpc", "commands" …: what the full names of such queues begin with. */
const char *wr_queue_name(enum wr_queue queue);


#endif /* WARREN_BROKER_H */
