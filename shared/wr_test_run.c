/*
 * Copyright (C) the Warren authors
 *
 * A handler's steps, run as a lane runs them, for one message.
 */

#include <poll.h>
#include <string.h>

#include "ask_shared.h"
#include "insert.h"
#include "key_private.h"
#include "tx.h"
#include "wr_test_private.h"


/* between two questions to .waits */
#define WAIT_MS  5


static void gather(struct wr_test *test, struct wr_request *req);
static void answer_asks(struct wr_test *test, struct wr_request *req);
static void answer_ask(struct wr_test *test, struct wr_ask *ask);
static struct wr_test_answer *find_answer(struct wr_test *test,
    const struct wr_ask *ask);
static void apply(struct wr_test *test, struct wr_request *req);
static void check(struct wr_test *test, struct wr_request *req);
static void check_constraints(struct wr_test *test);
static void check_database(struct wr_test *test, struct wr_request *req);
static void check_announcements(struct wr_test *test,
    struct wr_request *req);
static void end(struct wr_test *test, struct wr_request *req);
static bool has_word(const char *const *words, const char *word, size_t len);
static void fail(struct wr_request *req, const char *reason);


enum wr_outcome
wr_test_run(struct wr_test *test)
{
    struct wr_request  *req;

    if (test->message == NULL || test->req != NULL) {
        wr_test_bail("wr_test_message() must come before wr_test_run()");
    }

    req = wr_request_new(&test->lane, wr_test_deliver(test));
    test->req = req;
    gather(test, req);

    if (!req->is_decided) {
        apply(test, req);
    }

    wr_reply_complete(req);

    if (req->outcome == WR_BROKEN) {
        wr_test_diag("%s is broken: %s", req->msg->type,
                     wr_test_reason(test));
    }

    return req->outcome;
}


static void
gather(struct wr_test *test, struct wr_request *req)
{
    enum wr_outcome  outcome;

    if (req->is_decided || req->handler->gather == NULL) {
        return;
    }

    outcome = req->handler->gather(req);
    wr_request_gathered(req);

    if (req->misuse != NULL) {
        fail(req, req->misuse);
        return;
    }

    if (outcome != WR_DONE) {
        wr_request_decide(req, outcome, req->reason);
        return;
    }

    answer_asks(test, req);

    while (!req->is_decided && req->handler->waits != NULL
           && req->handler->waits(req))
    {
        poll(NULL, 0, WAIT_MS);
    }
}


/* They stand with the last one first. */

static void
answer_asks(struct wr_test *test, struct wr_request *req)
{
    struct wr_ask  *ask, *next, *asks;

    asks = NULL;

    for (ask = req->asks; ask != NULL; ask = next) {
        next = ask->next;
        ask->next = asks;
        asks = ask;
    }

    req->asks = asks;

    for (ask = asks; ask != NULL; ask = ask->next) {
        if (!has_word(test->service->asks, ask->service,
                      strlen(ask->service)))
        {
            fail(req, wr_arena_printf(req->arena, "\"%s\" is not among those "
                                      "whom the service asks",
                                      ask->service));
            return;
        }

        answer_ask(test, ask);
    }
}


static void
answer_ask(struct wr_test *test, struct wr_ask *ask)
{
    struct wr_message      *msg;
    struct wr_ask_shared    alone = { 0 };
    struct wr_test_answer  *answer;

    ask->is_sent = true;

    if (ask->key != NULL) {
        /* as it would be alone */
        alone.arena = test->message;
        alone.first = ask;
        ask->body = wr_ask_shared_body(&alone, &ask->body_len);
    }

    answer = find_answer(test, ask);

    if (answer == NULL) {
        wr_test_diag("no answer was prepared for %s.%s", ask->service,
                     ask->method);
        ask->status = wire_error_info(WIRE_ERROR_NO_ROUTE)->status;
        return;
    }

    answer->is_given = true;
    ask->status = answer->status;

    if (answer->json != NULL) {
        msg = wr_arena_alloc(test->message, sizeof(struct wr_message));
        msg->arena = test->message;
        msg->body = wr_arena_strdup(test->message, answer->json);
        msg->body_len = strlen(msg->body);
        ask->answer = msg;
    }
}


static struct wr_test_answer *
find_answer(struct wr_test *test, const struct wr_ask *ask)
{
    struct wr_test_answer  *answer;

    for (answer = test->answers; answer != NULL; answer = answer->next) {
        if (!answer->is_given && strcmp(answer->service, ask->service) == 0
            && strcmp(answer->method, ask->method) == 0)
        {
            break;
        }
    }

    return answer;
}


static void
apply(struct wr_test *test, struct wr_request *req)
{
    struct wr_db  *db;

    db = test->lane.db;
    wr_keys_declare(&req, 1);
    wr_request_reset(req);

    if (req->is_decided) {
        return;
    }

    wr_db_clear(db);
    req->has_tx = true;

    if (test->has_database) {
        wr_db_exec(db, &test->lane.own, "savepoint message", WR_NO_PARAMS);
    }

    wr_keys_lock(&test->lane, &req, 1);

    if (req->handler->load != NULL) {
        req->handler->load(req);
        wr_db_wait(db);
    }

    if (wr_db_failure(db, NULL, NULL) == WR_DB_OK) {
        req->outcome = req->handler->apply(req);
        wr_insert_store(db, &req->owner, &req, 1);
    }

    check(test, req);
    end(test, req);
    req->has_tx = false;
}


static void
check(struct wr_test *test, struct wr_request *req)
{
    if (test->has_database) {

        if (req->outcome == WR_DONE) {
            check_constraints(test);
        }

        wr_db_sync(test->lane.db);
    }

    check_database(test, req);

    if (req->is_decided) {
        return;
    }

    if (req->handler->read_only && wr_db_owner_wrote(&req->owner)) {
        fail(req, "a read-only handler wrote");
        return;
    }

    if (req->misuse != NULL) {
        fail(req, req->misuse);
        return;
    }

    if (req->outcome == WR_DONE) {
        check_announcements(test, req);
    }

    if (!req->is_decided) {
        wr_request_decide(req, req->outcome, req->reason);
    }
}


/* What a commit would find; constraints are deferred again afterwards. */

static void
check_constraints(struct wr_test *test)
{
    struct wr_db        *db;
    struct wr_db_owner  *own;

    db = test->lane.db;
    own = &test->lane.own;

    wr_db_exec(db, own, "savepoint constraints", WR_NO_PARAMS);
    wr_db_exec(db, own, "set constraints all immediate", WR_NO_PARAMS);
    wr_db_exec(db, own, "rollback to savepoint constraints", WR_NO_PARAMS);
}


static void
check_database(struct wr_test *test, struct wr_request *req)
{
    const char  *text;

    switch (wr_db_failure(test->lane.db, NULL, &text)) {

    case WR_DB_OK:
        break;

    case WR_DB_RETRYABLE:
        wr_request_fail(req, WR_RETRY, WIRE_ERROR_UNAVAILABLE, text);
        break;

    case WR_DB_PERMANENT:
        fail(req, text);
        break;

    case WR_DB_LOST:
        wr_test_bail("the database was lost: %s", text);
    }
}


/* What the broker's rights would refuse. */

static void
check_announcements(struct wr_test *test, struct wr_request *req)
{
    const struct wr_announcement  *announcement;

    for (announcement = req->announcements; announcement != NULL;
         announcement = announcement->next)
    {
        if (strcmp(announcement->exchange, WIRE_EXCHANGE_EVENTS) == 0
            && !has_word(test->service->entities, announcement->type,
                         strcspn(announcement->type, ".")))
        {
            fail(req, wr_arena_printf(req->arena, "the event \"%s\" is of no "
                                      "entity of the service",
                                      announcement->type));
            return;
        }
    }
}


static void
end(struct wr_test *test, struct wr_request *req)
{
    struct wr_db        *db;
    struct wr_db_owner  *own;

    if (!test->has_database) {
        return;
    }

    db = test->lane.db;
    own = &test->lane.own;
    wr_db_clear(db);

    if (req->outcome != WR_DONE) {
        wr_db_exec(db, own, "rollback to savepoint message", WR_NO_PARAMS);
    }

    wr_db_exec(db, own, "release savepoint message", WR_NO_PARAMS);
    wr_db_sync(db);
    wr_db_owner_clear(own);
}


static bool
has_word(const char *const *words, const char *word, size_t len)
{
    for ( /* void */ ; words != NULL && *words != NULL; words++) {
        if (strlen(*words) == len && memcmp(*words, word, len) == 0) {
            return true;
        }
    }

    return false;
}


static void
fail(struct wr_request *req, const char *reason)
{
    wr_request_fail(req, WR_BROKEN, WIRE_ERROR_INTERNAL, reason);
}
