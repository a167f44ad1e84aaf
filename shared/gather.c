/*
 * Copyright (C) the Warren authors
 *
 * Gathering.
 */

#include <string.h>

#include "ask_shared.h"
#include "clock.h"
#include "debug.h"
#include "gather.h"
#include "lane_private.h"
#include "stats.h"
#include "turn.h"
#include "wire.h"


static void run(struct wr_lane *lane, struct wr_request *req);
static void send_asks(struct wr_lane *lane, struct wr_request *req);
static void send_ask(struct wr_lane *lane, struct wr_ask *ask);
static void send_all_shared(struct wr_lane *lane, struct wr_request **reqs,
    size_t n);
static void send_shared(struct wr_lane *lane, struct wr_ask_shared *shared);
static bool begin(struct wr_ask *ask, int64_t *left_ms_r);
static bool publish(struct wr_lane *lane, const struct wr_ask *ask,
    struct wr_publishing *pub, int64_t left_ms, struct wr_confirm *confirm,
    enum wire_error *error_r);
static void look(struct wr_lane *lane, struct wr_request **reqs, size_t n);
static void look_ask(struct wr_ask *ask);
static void answer(struct wr_lane *lane, struct wr_request **reqs, size_t n,
    struct wr_message **msg);
static struct wr_ask *find(struct wr_lane *lane, struct wr_request **reqs,
    size_t n, const char *correlation_id);
static struct wr_ask *find_of(struct wr_request *req,
    const char *correlation_id);
static int answer_status(const struct wr_message *msg);
static size_t count_open(struct wr_request **reqs, size_t n,
    int64_t *end_ms_r);
static void fail(struct wr_ask *ask, enum wire_error error);
static void tell(struct wr_ask *ask);


void
wr_gather(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t   i;
    int64_t  now_ms, end_ms;

    for (i = 0; i < n; i++) {
        run(lane, reqs[i]);
        wr_turn_keep(lane);
        wr_stats_alive();
    }

    send_all_shared(lane, reqs, n);
    wr_broker_flush(lane->broker);
    wr_debug_step(WR_DEBUG_after_ask);
    look(lane, reqs, n);

    if (count_open(reqs, n, &end_ms) == 0) {
        return;
    }

    /* the nearest end is that of the first look: others wait no longer, and
       who has asked nothing needs some time of its own */

    for (i = 0; i < n; i++) {
        if (!reqs[i]->is_decided && !wr_request_is_asking(reqs[i])
            && reqs[i]->deadline_ms != INT64_MAX
            && reqs[i]->deadline_ms - WR_LANE_PATIENCE_MS < end_ms)
        {
            end_ms = reqs[i]->deadline_ms - WR_LANE_PATIENCE_MS;
        }
    }

    do {
        now_ms = wr_clock_ms();
        wr_lane_wait(lane, end_ms > now_ms ? end_ms - now_ms : 0);
        look(lane, reqs, n);

    } while (count_open(reqs, n, NULL) != 0 && wr_clock_ms() < end_ms);
}


static void
run(struct wr_lane *lane, struct wr_request *req)
{
    enum wr_outcome  outcome;

    if (req->is_decided || req->is_gathered) {
        return;
    }

    req->is_gathered = true;

    if (req->handler->gather == NULL) {
        return;
    }

    outcome = wr_request_run(req, req->handler->gather);
    wr_request_gathered(req);

    if (outcome != WR_DONE) {
        wr_request_decide(req, outcome, req->reason);
        wr_reply_complete(req);
        return;
    }

    send_asks(lane, req);
}


static void
send_asks(struct wr_lane *lane, struct wr_request *req)
{
    struct wr_ask  *ask;

    for (ask = req->asks; ask != NULL; ask = ask->next) {
        if (!ask->is_sent && ask->status == 0 && ask->key == NULL) {
            send_ask(lane, ask);
        }
    }
}


static void
send_ask(struct wr_lane *lane, struct wr_ask *ask)
{
    int64_t                left_ms;
    enum wire_error        error;
    struct wr_publishing   pub;

    if (!begin(ask, &left_ms)) {
        return;
    }

    memset(&pub, 0, sizeof(pub));
    pub.correlation_id = ask->correlation_id;
    pub.message_id = ask->message_id;
    pub.body = ask->body;
    pub.body_len = ask->body_len;

    if (!publish(lane, ask, &pub, left_ms, &ask->confirm, &error)) {
        fail(ask, error);
    }
}


/* Those of the batch that are one message. */

static void
send_all_shared(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t                 i;
    int64_t                left_ms;
    struct wr_ask         *ask;
    struct wr_ask_shared  *list, *next;

    list = NULL;

    for (i = 0; i < n; i++) {
        for (ask = reqs[i]->asks; ask != NULL; ask = ask->next) {
            if (ask->key != NULL && !ask->is_sent && ask->status == 0
                && !reqs[i]->is_decided && begin(ask, &left_ms))
            {
                wr_ask_shared_join(&list, ask, left_ms);
            }
        }
    }

    for ( ; list != NULL; list = next) {
        next = list->next;
        send_shared(lane, list);
    }
}


static void
send_shared(struct wr_lane *lane, struct wr_ask_shared *shared)
{
    struct wr_ask         *ask;
    enum wire_error        error;
    struct wr_publishing   pub;

    memset(&pub, 0, sizeof(pub));
    pub.correlation_id = shared->correlation_id;
    pub.message_id = shared->message_id;
    pub.body = wr_ask_shared_body(shared, &pub.body_len);

    if (!publish(lane, shared->first, &pub, shared->left_ms, &shared->confirm,
                 &error))
    {
        for (ask = shared->first; ask != NULL; ask = ask->next_shared) {
            fail(ask, error);
        }
    }

    /* they may end before it does */

    shared->first = shared->last = NULL;
}


/* Returns false if there is no time for an answer. */

static bool
begin(struct wr_ask *ask, int64_t *left_ms_r)
{
    int64_t  left_ms;

    left_ms = wr_request_remaining_ms(ask->req);
    left_ms -= (left_ms < 10 * WR_ASK_MARGIN_MS) ? left_ms / 10
                                                 : WR_ASK_MARGIN_MS;
    left_ms = (left_ms > WR_ASK_TIMEOUT_MS) ? WR_ASK_TIMEOUT_MS : left_ms;
    ask->is_sent = true;
    ask->end_ms = wr_clock_ms() + left_ms;
    *left_ms_r = left_ms;

    if (left_ms == 0) {
        fail(ask, WIRE_ERROR_TIMEOUT);
        return false;
    }

    wr_stats_add(WR_STAT_asks_sent, 1);

    return true;
}


/* Returns false, and what was wrong, if no answer is to be waited for. */

static bool
publish(struct wr_lane *lane, const struct wr_ask *ask,
    struct wr_publishing *pub, int64_t left_ms, struct wr_confirm *confirm,
    enum wire_error *error_r)
{
    struct wr_header  headers[WR_BROKER_HEADERS_MAX], *deadline;

    memcpy(headers, ask->headers, ask->nheaders * sizeof(struct wr_header));
    deadline = &headers[ask->nheaders];
    deadline->name = WIRE_HEADER_DEADLINE;
    deadline->text = NULL;
    deadline->number = wr_clock_wall_ms() + left_ms;

    pub->exchange = WIRE_EXCHANGE_RPC;
    pub->key = ask->service;
    pub->is_mandatory = true;
    pub->type = ask->method;
    pub->content_type = WIRE_CONTENT_JSON;
    pub->reply_to = wr_broker_reply_queue(lane->broker);
    pub->expiration_ms = left_ms;
    pub->headers = headers;
    pub->nheaders = ask->nheaders + 1;

    switch (wr_broker_publish(lane->broker, pub, confirm)) {

    case WR_PUBLISHED:
        return true;

    case WR_PUBLISH_LATER:
        *error_r = WIRE_ERROR_UNAVAILABLE;
        break;

    case WR_PUBLISH_DOWN:
        /* some of it may have been written */
        *error_r = (confirm->state == WR_CONFIRM_NONE)
                   ? WIRE_ERROR_UNAVAILABLE : WIRE_ERROR_INTERRUPTED;
        break;

    default:
        *error_r = WIRE_ERROR_BAD_REPLY;
        break;
    }

    return false;
}


static void
look(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t              i;
    struct wr_ask      *ask;
    struct wr_message  *msg;

    while ((msg = wr_broker_take_reply(lane->broker)) != NULL) {
        answer(lane, reqs, n, &msg);
    }

    for (i = 0; i < n; i++) {
        for (ask = reqs[i]->asks; ask != NULL; ask = ask->next) {
            if (ask->status == 0) {
                look_ask(ask);
            }

            if (ask->status == 0 && !wr_broker_is_open(lane->broker)) {
                fail(ask, WIRE_ERROR_INTERRUPTED);
            }
        }
    }
}


static void
look_ask(struct wr_ask *ask)
{
    if (ask->shared != NULL) {
        wr_ask_shared_look(ask);

        if (ask->status != 0) {
            tell(ask);
            return;
        }
    }

    switch (ask->shared != NULL ? ask->shared->confirm.state
                                : ask->confirm.state)
    {

    case WR_CONFIRM_RETURNED:
        fail(ask, WIRE_ERROR_NO_ROUTE);
        return;

    case WR_CONFIRM_NACKED:
        fail(ask, WIRE_ERROR_OVERLOADED);
        return;

    case WR_CONFIRM_LOST:
        fail(ask, WIRE_ERROR_INTERRUPTED);
        return;

    default:
        break;
    }

    if (wr_clock_ms() >= ask->end_ms) {
        fail(ask, WIRE_ERROR_TIMEOUT);
    }
}


/* Only the asked service may answer, once, in time. */

static void
answer(struct wr_lane *lane, struct wr_request **reqs, size_t n,
    struct wr_message **msg)
{
    int             status;
    struct wr_ask  *ask;

    ask = find(lane, reqs, n, (*msg)->correlation_id);

    if (ask == NULL || strcmp((*msg)->user_id, ask->service) != 0) {
        wr_stats_add(WR_STAT_replies_foreign, 1);
        wr_log_debug(&lane->log, "reply of \"%s\" dropped", (*msg)->user_id);
        wr_broker_release(lane->broker, msg);
        return;
    }

    status = (*msg)->is_oversize ? 0 : answer_status(*msg);

    if (ask->shared != NULL) {
        if (status == 0 || !wr_ask_shared_answer(ask->shared, *msg, status)) {
            ask->shared->status =
                wire_error_info(WIRE_ERROR_BAD_REPLY)->status;
        }

        wr_broker_release(lane->broker, msg);
        return;
    }

    ask->status = status;

    if (ask->status == 0) {
        fail(ask, WIRE_ERROR_BAD_REPLY);
        wr_broker_release(lane->broker, msg);
        return;
    }

    ask->answer = *msg;

    if (ask->status >= 500) {
        wr_stats_add(WR_STAT_asks_failed, 1);
    }
}


/* Messages that are held still ask, too. */

static struct wr_ask *
find(struct wr_lane *lane, struct wr_request **reqs, size_t n,
    const char *correlation_id)
{
    size_t              i;
    struct wr_ask      *ask;
    struct wr_request  *req;

    for (i = 0, ask = NULL; i < n && ask == NULL; i++) {
        ask = find_of(reqs[i], correlation_id);
    }

    for (req = lane->held; req != NULL && ask == NULL; req = req->next) {
        ask = find_of(req, correlation_id);
    }

    return ask;
}


static struct wr_ask *
find_of(struct wr_request *req, const char *correlation_id)
{
    struct wr_ask  *ask;

    for (ask = req->asks; ask != NULL; ask = ask->next) {
        if (ask->status != 0
            || (ask->shared != NULL && ask->shared->status != 0))
        {
            continue;
        }

        if (strcmp(ask->shared != NULL ? ask->shared->correlation_id
                                       : ask->correlation_id,
                   correlation_id)
            == 0)
        {
            break;
        }
    }

    return ask;
}


static int
answer_status(const struct wr_message *msg)
{
    int64_t  status;

    status = wr_message_number(msg, WIRE_HEADER_STATUS, 0);

    return (status >= WIRE_STATUS_MIN && status <= WIRE_STATUS_MAX)
           ? (int) status : 0;
}


/* How many questions are open, and the nearest of their ends. */

static size_t
count_open(struct wr_request **reqs, size_t n, int64_t *end_ms_r)
{
    size_t          i, count;
    int64_t         end_ms;
    struct wr_ask  *ask;

    end_ms = INT64_MAX;

    for (i = 0, count = 0; i < n; i++) {
        for (ask = reqs[i]->asks; ask != NULL; ask = ask->next) {
            if (ask->status == 0) {
                count++;
                end_ms = (ask->end_ms < end_ms) ? ask->end_ms : end_ms;
            }
        }
    }

    if (end_ms_r != NULL) {
        *end_ms_r = end_ms;
    }

    return count;
}


static void
fail(struct wr_ask *ask, enum wire_error error)
{
    ask->status = wire_error_info(error)->status;
    wr_stats_add(WR_STAT_asks_failed, 1);
    wr_log_warn(&ask->req->log, "%s.%s was not answered: %s", ask->service,
                ask->method, wire_error_info(error)->name);
}


/* Of what was asked together each one is told for itself. */

static void
tell(struct wr_ask *ask)
{
    if (ask->status >= 500) {
        wr_stats_add(WR_STAT_asks_failed, 1);
        wr_log_warn(&ask->req->log, "%s.%s was not answered: %d",
                    ask->service, ask->method, ask->status);
    }
}


void
wr_gather_idle(struct wr_lane *lane)
{
    struct wr_message  *msg;

    while ((msg = wr_broker_take_reply(lane->broker)) != NULL) {
        answer(lane, NULL, 0, &msg);
    }
}
