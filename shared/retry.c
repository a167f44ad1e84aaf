/*
 * Copyright (C) the Warren authors
 *
 * Rungs.
 */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "history.h"
#include "lane_private.h"
#include "retry.h"
#include "wire.h"


/* What the broker has not confirmed by then is unknown. */
#define CONFIRM_TIMEOUT_MS  10000

/* our own headers, beside the sender's */
#define OWN_HEADERS         5

#define ERROR_MAX           200


struct flight {
    struct wr_confirm  confirm;
    unsigned           rung;
    bool               is_open;
};


static void send_open(struct wr_lane *lane, struct wr_request **reqs,
    struct flight *flights, size_t n, enum wr_retry_result *results_r);
static enum wr_published send_one(struct wr_lane *lane,
    struct wr_request *req, struct flight *flight);
static void wait_open(struct wr_lane *lane, struct flight *flights, size_t n);
static size_t collect(struct wr_request **reqs, struct flight *flights,
    size_t n, enum wr_retry_result *results_r);
static size_t make_headers(struct wr_request *req, struct wr_header *headers);


void
wr_retry_send(struct wr_lane *lane, struct wr_request **reqs, size_t n,
    enum wr_retry_result *results_r)
{
    size_t          i, left;
    struct flight  *flights;

    flights = wr_arena_alloc(lane->own.arena, n * sizeof(struct flight));

    for (i = 0; i < n; i++) {
        flights[i].is_open = true;
        flights[i].rung = reqs[i]->is_free ? 0 : (unsigned) reqs[i]->attempt;
        results_r[i] = WR_RETRY_UNKNOWN;
    }

    for (left = n; left != 0; ) {
        send_open(lane, reqs, flights, n, results_r);
        wr_broker_flush(lane->broker);
        wait_open(lane, flights, n);
        left = collect(reqs, flights, n, results_r);

        if (!wr_broker_is_open(lane->broker)) {
            break;
        }
    }

    for (i = 0; i < n; i++) {
        wr_broker_forget(lane->broker, &flights[i].confirm);
    }
}


static void
send_open(struct wr_lane *lane, struct wr_request **reqs,
    struct flight *flights, size_t n, enum wr_retry_result *results_r)
{
    size_t             i;
    enum wr_published  rc;

    for (i = 0; i < n; i++) {
        if (!flights[i].is_open) {
            continue;
        }

        rc = send_one(lane, reqs[i], &flights[i]);

        if (rc == WR_PUBLISH_REFUSED) {
            flights[i].is_open = false;
            results_r[i] = WR_RETRY_NO_RUNG;

        } else if (rc != WR_PUBLISHED) {
            return;
        }
    }
}


/* Blocked, it waits; with the window full, too. */

static enum wr_published
send_one(struct wr_lane *lane, struct wr_request *req, struct flight *flight)
{
    char                    exchange[256];
    const char             *key;
    enum wr_published       rc;
    struct wr_header        headers[WR_BROKER_HEADERS_MAX];
    struct wr_publishing    pub;

    snprintf(exchange, sizeof(exchange), WIRE_EXCHANGE_RETRY_PREFIX "%s",
             lane->service->name);
    key = (wire_rung(flight->rung) != NULL)
          ? wire_rung(flight->rung)->name : wire_rung(WIRE_RUNGS - 1)->name;

    memset(&pub, 0, sizeof(pub));
    pub.exchange = exchange;
    pub.key = key;
    pub.is_mandatory = true;
    pub.is_persistent = true;
    pub.type = req->msg->type;
    pub.content_type = req->msg->content_type;
    pub.correlation_id = req->msg->correlation_id;
    pub.reply_to = req->msg->reply_to;
    pub.message_id = req->msg->message_id;
    pub.timestamp_sec = req->msg->timestamp_sec;
    pub.headers = headers;
    pub.nheaders = make_headers(req, headers);
    pub.body = req->msg->body;
    pub.body_len = req->msg->body_len;

    for ( ;; ) {
        rc = wr_broker_publish(lane->broker, &pub, &flight->confirm);

        if (rc != WR_PUBLISH_LATER) {
            return rc;
        }

        wr_lane_wait(lane, 100);

        if (!wr_lane_wait_unblocked(lane)) {
            return WR_PUBLISH_DOWN;
        }
    }
}


/* The sender's headers but for ours, then ours. */

static size_t
make_headers(struct wr_request *req, struct wr_header *headers)
{
    static const char  *own[OWN_HEADERS] = {
        WIRE_HEADER_ATTEMPT, WIRE_HEADER_ERROR, WIRE_HEADER_HOME,
        WIRE_HEADER_ORIGIN, WIRE_HEADER_HISTORY
    };

    size_t                    i, j, n;
    const struct wr_message  *msg;

    msg = req->msg;

    for (i = 0, n = 0;
         i < msg->nheaders && n < WR_BROKER_HEADERS_MAX - OWN_HEADERS; i++)
    {
        for (j = 0; j < OWN_HEADERS; j++) {
            if (strcmp(msg->headers[i].name, own[j]) == 0) {
                break;
            }
        }

        if (j == OWN_HEADERS) {
            headers[n++] = msg->headers[i];
        }
    }

    memset(headers + n, 0, OWN_HEADERS * sizeof(struct wr_header));
    headers[n].name = WIRE_HEADER_ATTEMPT;
    headers[n++].number = req->attempt + (req->is_free ? 0 : 1);
    headers[n].name = WIRE_HEADER_ERROR;
    headers[n++].text = wr_arena_printf(req->arena, "%.*s", ERROR_MAX,
                                        (req->reason != NULL) ? req->reason
                                                              : "retry");
    headers[n].name = WIRE_HEADER_HOME;
    headers[n++].text = req->home;
    headers[n].name = WIRE_HEADER_ORIGIN;
    headers[n++].text = req->sender;
    headers[n].name = WIRE_HEADER_HISTORY;
    headers[n++].text = wr_history_header(req);

    return n;
}


static void
wait_open(struct wr_lane *lane, struct flight *flights, size_t n)
{
    size_t   i;
    int64_t  end_ms;

    end_ms = wr_clock_ms() + CONFIRM_TIMEOUT_MS;

    for (i = 0; i < n; i++) {
        while (flights[i].is_open
               && flights[i].confirm.state == WR_CONFIRM_WAITING
               && wr_broker_is_open(lane->broker)
               && wr_clock_ms() < end_ms)
        {
            wr_lane_wait(lane, 100);
        }
    }
}


/* How many must be sent again, to the next rung. */

static size_t
collect(struct wr_request **reqs, struct flight *flights, size_t n,
    enum wr_retry_result *results_r)
{
    size_t          i, left;
    struct flight  *flight;

    for (i = 0, left = 0; i < n; i++) {
        flight = &flights[i];

        if (!flight->is_open) {
            continue;
        }

        switch (flight->confirm.state) {

        case WR_CONFIRM_ACKED:
            flight->is_open = false;
            results_r[i] = WR_RETRY_SENT;
            wr_stats_retried(flight->rung);
            break;

        case WR_CONFIRM_NACKED:
        case WR_CONFIRM_RETURNED:
            wr_log_warn(&reqs[i]->log, "rung %u does not take the message",
                        flight->rung);
            flight->rung++;

            if (flight->rung >= WIRE_RUNGS) {
                flight->is_open = false;
                results_r[i] = WR_RETRY_NO_RUNG;

            } else {
                left++;
            }

            break;

        default:
            flight->is_open = false;
            break;
        }
    }

    return left;
}
