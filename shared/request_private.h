/*
 * Copyright (C) the Warren authors
 *
 * A message on its way through a lane: what the runtime knows of it beside
 * what its handler sees.
 */

#ifndef WARREN_REQUEST_PRIVATE_H
#define WARREN_REQUEST_PRIVATE_H


#include "arena.h"
#include "broker.h"
#include "db.h"
#include "dispatch.h"
#include "id.h"
#include "json.h"
#include "log.h"
#include "request.h"
#include "service.h"


/* HTTP headers of a reply; a name set twice keeps one place. */
#define WR_REPLY_HEADERS_MAX  16

/* Announcements of one message; a handler with more has gone astray. */
#define WR_ANNOUNCEMENTS_MAX  1000

/* A question of a message without a deadline. */
#define WR_ASK_TIMEOUT_MS     10000

/* Of what is left of the asker's own deadline, so much (a tenth if that is
   less) is kept for telling the caller: an answer that ends with the deadline
   would be too late. */
#define WR_ASK_MARGIN_MS      100


struct wr_ask_shared;
struct wr_declared_key;
struct wr_lane;


/* a row that is written with those of the whole batch */

struct wr_tx_row {
    struct wr_tx_row         *next;
    const char               *sql;
    int                       nparams;
    const char              **params;
};


struct wr_tx {
    struct wr_db             *db;
    struct wr_db_owner       *owner;
    struct wr_tx_row         *first;
    struct wr_tx_row         *last;
};


/* an event or a command that leaves after the commit */

struct wr_announcement {
    struct wr_announcement   *next;
    char                      id[WR_UUID_SIZE];
    const char               *exchange;
    const char               *key;
    const char               *type;
    const char               *subject;      /* of an event */
    const char               *content_type;
    const char               *headers;      /* as in the outbox; NULL: none */
    const char               *body;
    bool                      is_passing;   /* kept in memory alone */
};


/* a question to another service */

struct wr_ask {
    struct wr_ask            *next;
    struct wr_request        *req;
    const char               *service;
    const char               *method;
    const char               *key;          /* of wr_ask_about(); or NULL */
    struct wr_ask_shared     *shared;       /* sent as; NULL: by itself */
    struct wr_ask            *next_shared;
    const char               *body;
    size_t                    body_len;
    struct wr_header          headers[WR_BROKER_HEADERS_MAX];
    size_t                    nheaders;

    char                      correlation_id[WIRE_CORRELATION_LEN + 1];
    char                      message_id[WR_UUID_SIZE];
    int64_t                   end_ms;       /* wr_clock_ms() */
    bool                      is_sent;
    struct wr_confirm         confirm;
    int                       status;       /* 0: not yet known */
    struct wr_message        *answer;       /* NULL: none */
    const struct wr_json     *json;
};


enum wr_inbox_state {
    WR_INBOX_NONE = 0,      /* not looked at */
    WR_INBOX_FRESH,         /* ours to act upon */
    WR_INBOX_BUSY,          /* another lane has it now */
    WR_INBOX_REPEATED       /* it has acted before */
};


struct wr_request {
    struct wr_request        *next;         /* of the lane's held messages */
    struct wr_lane           *lane;
    struct wr_message        *msg;
    struct wr_arena          *arena;        /* the message's */
    struct wr_log             log;
    char                      trace_id[33];

    enum wr_kind              kind;
    const struct wr_handler  *handler;      /* NULL: none */
    const char               *home;         /* the queue it first came from */
    const char               *sender;       /* its first one's broker user */
    int                       attempt;      /* failures before this try */
    int64_t                   deadline_ms;  /* wr_clock_ms(); INT64_MAX: none */
    int64_t                   wait_us;      /* in its queue; -1: unknown */
    int64_t                   handler_us;   /* in the handler's functions */
    int64_t                   not_before_ms;    /* while it is held */

    const char               *sub;
    const char               *scope;

    const struct wr_json     *json;         /* NULL: not parsed yet */
    const char               *subject;
    int64_t                   version;

    /* of events in order: those of one key follow one another */
    const char               *key;          /* NULL: in no order */
    uint32_t                  key_hash;
    const char               *history;      /* with the failures here; NULL:
                                               none, what it brings counts */

    struct wr_json_errors     errors;
    size_t                    gather_errors;    /* count after .gather */
    bool                      is_body_bad;      /* one of the later errors */
    struct wr_declared_key   *keys;
    bool                      is_declaring;     /* .keys runs */

    void                     *data;
    struct wr_tx              tx;
    struct wr_db_owner        owner;
    bool                      has_tx;

    /* what the handler said */
    int                       status;       /* 0: no reply */
    const char               *reply_type;
    const char               *reply;
    size_t                    reply_len;
    struct wr_header          reply_headers[WR_REPLY_HEADERS_MAX];
    size_t                    nreply_headers;
    struct wr_announcement   *announcements;
    struct wr_announcement  **last_announcement;
    size_t                    nannouncements;
    struct wr_ask            *asks;
    const char               *misuse;       /* of these functions; for tests */

    /* what became of it */
    enum wr_inbox_state       inbox;
    bool                      is_gathered;
    bool                      is_ready;     /* .waits has said no */
    bool                      is_decided;   /* outcome stands */
    bool                      is_committed; /* its inbox row is, or needs not */
    bool                      is_free;      /* to a rung: no attempt counted */
    bool                      is_later;     /* joins the next batch */
    bool                      is_unsure;    /* its COMMIT was sent and not
                                               answered: the inbox knows */
    bool                      is_suspect;   /* in the ledger of crashes */
    int                       crashes;      /* as it says there, */
    int                       pending;      /* and those that may be some */
    const char               *ended;        /* how a lane did with it, last */
    enum wr_outcome           outcome;      /* or WR_BROKEN */
    const char               *reason;       /* of anything but WR_DONE */
};


/*
 * Makes a request of a message: handler, sender, identity, deadline.  What is
 * wrong with the message decides it at once.  The message is owned by the
 * request from now on.
 */
struct wr_request *wr_request_new(struct wr_lane *lane,
    struct wr_message *msg);

/* Gives the message's memory back; does not settle. */
void wr_request_free(struct wr_request **req);

/* After .gather: the errors that it found are there for each try. */
void wr_request_gathered(struct wr_request *req);

/* Forgets what .keys, and the last try of .load and .apply, left behind, but
   the keys. */
void wr_request_reset(struct wr_request *req);

/* Runs .gather or .apply, and takes its time. */
enum wr_outcome wr_request_run(struct wr_request *req,
    enum wr_outcome (*step)(struct wr_request *req));

/* Ends it with an outcome, for a reason that is kept. */
void wr_request_decide(struct wr_request *req, enum wr_outcome outcome,
    const char *reason);

/* The outcome and the reply to a call: the same error's problem. */
void wr_request_fail(struct wr_request *req, enum wr_outcome outcome,
    enum wire_error error, const char *reason);

/* Makes the reply a problem; detail may be NULL; errors of the collector go
   along if they are asked for. */
void wr_reply_problem(struct wr_request *req, enum wire_error error,
    const char *detail, bool with_errors);

/* The reply that the handler of a call left out, as its outcome says. */
void wr_reply_complete(struct wr_request *req);

/* Whether questions are on their way, or its .waits says that it does. */
bool wr_request_is_asking(struct wr_request *req);

/* Gives a question ids and its place in the trace: one that is a message, by
   itself or for others. */
void wr_ask_mark(struct wr_ask *ask);


#endif /* WARREN_REQUEST_PRIVATE_H */
