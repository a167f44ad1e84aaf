/*
 * Copyright (C) the Warren authors
 *
 * From a delivered message to a request: who sent it, for whom, until when,
 * and who handles it.
 */

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "lane_private.h"
#include "order.h"
#include "skew.h"
#include "wire.h"


/* No broker takes a longer one. */
#define EXPIRATION_MAX_MS  UINT32_MAX

/* between two lines about senders that are not believed */
#define DOUBT_PAUSE_MS     60000


static int64_t wait_us(const struct wr_message *msg);
static void decode_home(struct wr_request *req);
static const char *family(const struct wr_request *req, const char *home);
static void decode_log(struct wr_request *req);
static void decode_deadline(struct wr_request *req);
static int64_t decode_skew(struct wr_request *req, int64_t left_ms);
static void decode_identity(struct wr_request *req);
static const struct wr_handler *find_handler(const struct wr_request *req);
static void check(struct wr_request *req);
static void check_call(struct wr_request *req);
static bool is_believed(const struct wr_request *req);
static bool may_call(const struct wr_request *req);
static void check_command(struct wr_request *req);
static void check_event(struct wr_request *req);
static void tell_doubt(struct wr_request *req);
static void refuse_untrusted(struct wr_request *req, const char *reason);


struct wr_request *
wr_request_new(struct wr_lane *lane, struct wr_message *msg)
{
    struct wr_request  *req;

    req = wr_arena_alloc(msg->arena, sizeof(struct wr_request));
    req->lane = lane;
    req->msg = msg;
    req->arena = msg->arena;
    req->errors.arena = msg->arena;
    req->owner.arena = msg->arena;
    req->tx.db = lane->db;
    req->tx.owner = &req->owner;
    req->last_announcement = &req->announcements;

    req->wait_us = wait_us(msg);
    decode_home(req);
    decode_log(req);
    decode_deadline(req);
    decode_identity(req);
    check(req);
    wr_order_join(req);

    return req;
}


/*
 * Since it was sent.  A timestamp counts seconds; an id that was made in that
 * second or the one before tells milliseconds.  What comes from a rung, or was
 * given up, was in other queues before.
 */

static int64_t
wait_us(const struct wr_message *msg)
{
    int64_t  sent_ms, made_ms, ms;

    if (msg->timestamp_sec == 0 || msg->queue == WR_QUEUE_AGAIN
        || msg->queue == WR_QUEUE_PARK)
    {
        return -1;
    }

    sent_ms = msg->timestamp_sec * 1000;
    made_ms = wr_id_uuid7_ms(msg->message_id);

    if (made_ms >= sent_ms - 1000 && made_ms < sent_ms + 1000) {
        sent_ms = made_ms;
    }

    ms = wr_clock_wall_ms() - sent_ms;

    return (ms > 0) ? ms * 1000 : 0;
}


/* What came back from a rung says itself which queue it first came from. */

static void
decode_home(struct wr_request *req)
{
    const char         *home;
    struct wr_message  *msg;

    msg = req->msg;
    home = NULL;

    if (msg->queue == WR_QUEUE_AGAIN) {
        home = wr_message_text(msg, WIRE_HEADER_HOME);
        req->attempt = (int) wr_message_number(msg, WIRE_HEADER_ATTEMPT, 0);
        req->attempt = (req->attempt < 0) ? 0 : req->attempt;

    } else if (msg->queue == WR_QUEUE_PARK) {
        home = msg->death_queue;
    }

    if (home == NULL || home[0] == '\0') {
        home = msg->from;
    }

    req->home = family(req, home);
    req->kind = (msg->queue == WR_QUEUE_RPC) ? WR_CALL : WR_COMMAND;

    if (strncmp(home, WIRE_QUEUE_EVENTS_PREFIX,
                strlen(WIRE_QUEUE_EVENTS_PREFIX))
        == 0)
    {
        req->kind = WR_EVENT;

    } else if (strncmp(home, WIRE_QUEUE_CHANNEL_PREFIX,
                       strlen(WIRE_QUEUE_CHANNEL_PREFIX))
               == 0)
    {
        req->kind = WR_CHANNEL;
    }
}


/* The queues of events in order have one name to everybody else: what is sent
   again has lost its place among them. */

static const char *
family(const struct wr_request *req, const char *home)
{
    char  *events;

    events = wr_arena_printf(req->arena, WIRE_QUEUE_EVENTS_PREFIX "%s",
                             req->lane->service->name);

    return (strncmp(home, events, strlen(events)) == 0
            && home[strlen(events)] == '.') ? events : home;
}


static void
decode_log(struct wr_request *req)
{
    size_t       n;
    const char  *trace;

    n = 0;
    trace = wr_message_text(req->msg, WIRE_HEADER_TRACEPARENT);
    req->log.parent = &req->lane->log;

    if (trace != NULL && wire_traceparent_is_valid(trace, strlen(trace))) {
        memcpy(req->trace_id, trace + 3, 32);
        req->log.fields[n].name = "trace.id";
        req->log.fields[n++].value = req->trace_id;
    }

    req->log.fields[n].name = "event.id";
    req->log.fields[n++].value = req->msg->message_id;
    req->log.fields[n].name = "event.action";
    req->log.fields[n].value = req->msg->type;
}


/* min(x-deadline - now, expiration) */

static void
decode_deadline(struct wr_request *req)
{
    int64_t             wall_ms, left_ms;
    struct wr_message  *msg;

    msg = req->msg;
    left_ms = INT64_MAX;

    if (req->kind == WR_CALL) {
        wall_ms = wr_message_number(msg, WIRE_HEADER_DEADLINE, INT64_MAX);

        /* a sender may write any number: neither sum overflows */

        if (wall_ms != INT64_MAX) {
            wall_ms = (wall_ms < 0) ? 0 : wall_ms;
            left_ms = wall_ms - wr_clock_wall_ms();
            left_ms += decode_skew(req, left_ms);
        }

        if (msg->expiration_ms >= 0 && msg->expiration_ms < left_ms) {
            left_ms = msg->expiration_ms;
        }
    }

    req->deadline_ms = INT64_MAX;

    if (left_ms < INT64_MAX / 2) {
        req->deadline_ms = wr_clock_ms() + left_ms;
    }
}


/*
 * The expiration is what was left when the message left, so that with the
 * deadline it tells the requester's time: the age is what is gone of it.
 */

static int64_t
decode_skew(struct wr_request *req, int64_t left_ms)
{
    bool                is_news;
    int64_t             skew_ms;
    struct wr_message  *msg;

    msg = req->msg;

    if (msg->expiration_ms < 0 || msg->expiration_ms > EXPIRATION_MAX_MS
        || left_ms > INT64_MAX / 2 || msg->reply_to[0] == '\0')
    {
        return 0;
    }

    skew_ms = wr_skew_ms(req->lane->skew, msg->reply_to,
                         msg->expiration_ms - left_ms, wr_clock_ms(),
                         &is_news);

    if (is_news) {
        wr_log_warn(&req->log, "clock_skew: what \"%s\" sends to be answered "
                    "at \"%s\" seems %" PRId64 " ms old", msg->user_id,
                    msg->reply_to, skew_ms);
    }

    return skew_ms;
}


/*
 * user_id is the broker's word.  What the service itself published again names
 * its first sender; nobody else may.
 */

static void
decode_identity(struct wr_request *req)
{
    struct wr_message  *msg;

    msg = req->msg;
    req->sender = msg->user_id;

    if (msg->queue == WR_QUEUE_AGAIN) {
        req->sender = "";

        if (strcmp(msg->user_id, wr_broker_user(req->lane->broker)) == 0) {
            req->sender = wr_message_text(msg, WIRE_HEADER_ORIGIN);
            req->sender = (req->sender != NULL) ? req->sender : "";
        }
    }

    if (wr_lane_trusts(req->lane, req->sender)) {
        req->sub = wr_message_text(msg, WIRE_HEADER_SUB);
        req->scope = wr_message_text(msg, WIRE_HEADER_SCOPE);

        return;
    }

    tell_doubt(req);
}


/*
 * Its handler sees nobody, and refuses who was let in at the gateway: only this
 * line explains that.  Anybody on the broker may cause it, so it does not come
 * with each message.  Events name somebody as well, and are no request of his.
 */

static void
tell_doubt(struct wr_request *req)
{
    int64_t          now_ms;
    struct wr_lane  *lane;

    if ((req->kind != WR_CALL && req->kind != WR_COMMAND)
        || wr_message_text(req->msg, WIRE_HEADER_SUB) == NULL)
    {
        return;
    }

    lane = req->lane;
    now_ms = wr_clock_ms();

    if (lane->doubted_ms != 0 && now_ms - lane->doubted_ms < DOUBT_PAUSE_MS) {
        return;
    }

    lane->doubted_ms = now_ms;
    wr_log_warn(&req->log, "whom \"%.100s\" speaks for is not believed: "
                "trusted_users does not name this user", req->sender);
}


static const struct wr_handler *
find_handler(const struct wr_request *req)
{
    const char               *type;
    const struct wr_handler  *handler;

    type = (req->kind == WR_CHANNEL)
           ? req->home + strlen(WIRE_QUEUE_CHANNEL_PREFIX) : req->msg->type;

    for (handler = req->lane->service->handlers; handler->type != NULL;
         handler++)
    {
        if (handler->kind == req->kind
            && strcmp(handler->type, type) == 0)
        {
            return handler;
        }
    }

    return NULL;
}


static void
check(struct wr_request *req)
{
    struct wr_message  *msg;

    msg = req->msg;
    req->handler = find_handler(req);

    if (req->kind == WR_CALL && !is_believed(req)) {
        wr_stats_add(WR_STAT_messages_untrusted, 1);
    }

    if (msg->queue == WR_QUEUE_PARK) {
        wr_request_decide(req, WR_BROKEN,
                          wr_arena_printf(req->arena, "given up by the "
                                          "broker: %s", msg->death_reason));

    } else if (msg->is_oversize) {
        wr_request_fail(req, WR_BROKEN, WIRE_ERROR_TOO_LARGE,
                        "body too large");

    } else if (req->kind == WR_CALL) {
        check_call(req);

    } else if (!wr_id_is_uuid(msg->message_id)) {
        wr_request_decide(req, WR_BROKEN, "message id is no uuid");

    } else if (req->kind == WR_COMMAND || req->kind == WR_CHANNEL) {
        check_command(req);

    } else {
        check_event(req);
    }

    if (!req->is_decided && req->handler == NULL) {
        wr_request_decide(req, WR_BROKEN,
                          wr_arena_printf(req->arena, "no handler for "
                                          "\"%.100s\"", msg->type));
    }
}


/* A method that is for other services needs nobody's name. */

static bool
is_believed(const struct wr_request *req)
{
    return req->handler != NULL && req->handler->callers != NULL
           ? may_call(req) : wr_lane_trusts(req->lane, req->sender);
}


static void
check_call(struct wr_request *req)
{
    if (req->handler == NULL) {
        wr_request_decide(req, WR_BROKEN, "unknown method");
        wr_reply_problem(req, WIRE_ERROR_NOT_FOUND,
                         "the service has no such method", false);

    } else if (!may_call(req)) {
        wr_request_decide(req, WR_REFUSED, "not one of the callers");
        wr_reply_problem(req, WIRE_ERROR_FORBIDDEN,
                         "the method is for other services", false);

    } else if (!req->handler->read_only
               && !wr_id_is_uuid(req->msg->message_id))
    {
        wr_request_decide(req, WR_BROKEN, "message id is no uuid");
        wr_reply_problem(req, WIRE_ERROR_INVALID,
                         "the message id must be a UUID", false);
    }
}


static bool
may_call(const struct wr_request *req)
{
    const char *const  *callers;

    callers = req->handler->callers;

    if (callers == NULL) {
        return true;
    }

    while (*callers != NULL && strcmp(*callers, req->sender) != 0) {
        callers++;
    }

    return *callers != NULL;
}


static void
check_command(struct wr_request *req)
{
    if (!wr_lane_trusts(req->lane, req->sender)
        && !wr_lane_knows(req->lane, req->sender))
    {
        refuse_untrusted(req, "command of an unknown sender");
    }
}


/* An event is a fact of the service that it names, in that service's word. */

static void
check_event(struct wr_request *req)
{
    size_t                 prefix;
    const char            *error, *source, *id, *hashed;
    const struct wr_json  *event;

    event = wr_json_parse(req->arena, req->msg->body, req->msg->body_len,
                          &error);

    if (event == NULL) {
        wr_request_decide(req, WR_BROKEN,
                          wr_arena_printf(req->arena, "event is not JSON: %s",
                                          error));
        return;
    }

    /* rights are on routing keys, handlers go by types */

    if ((req->msg->queue == WR_QUEUE_EVENTS
         || req->msg->queue == WR_QUEUE_ORDERED)
        && strcmp(req->msg->type, req->msg->routing_key) != 0)
    {
        refuse_untrusted(req, "event whose type is not its routing key");
        return;
    }

    source = wr_json_text(event, "source", 1, 255, &req->errors);
    id = wr_json_text(event, "id", 1, 255, &req->errors);
    prefix = strlen(WIRE_EVENT_SOURCE_PREFIX);

    if (!wr_json_has(event, "data") || req->errors.count != 0
        || strcasecmp(id, req->msg->message_id) != 0)
    {
        wr_request_decide(req, WR_BROKEN,
                          "event lacks id, source or data, or its id is not "
                          "the message's");
        return;
    }

    if (strncmp(source, WIRE_EVENT_SOURCE_PREFIX, prefix) != 0
        || strcmp(source + prefix, req->sender) != 0)
    {
        refuse_untrusted(req, "event of another sender than its source");
        return;
    }

    req->subject = wr_json_text(event, "subject", 0, 1024, NULL);
    hashed = wr_message_text(req->msg, WIRE_HEADER_SUBJECT);

    /* by which it was given its queue */

    if (hashed != NULL
        && strcmp(hashed, req->subject != NULL ? req->subject : "") != 0)
    {
        wr_request_decide(req, WR_BROKEN,
                          "event whose " WIRE_HEADER_SUBJECT " is not its "
                          "subject");
        return;
    }

    req->version = wr_json_int(event, "aggregateversion", INT64_MIN,
                               INT64_MAX, NULL);
    req->json = wr_json_object(event, "data", NULL);
}


static void
refuse_untrusted(struct wr_request *req, const char *reason)
{
    wr_stats_add(WR_STAT_messages_untrusted, 1);
    wr_request_decide(req, WR_BROKEN,
                      wr_arena_printf(req->arena, "%s: \"%.100s\"", reason,
                                      req->sender));
}
