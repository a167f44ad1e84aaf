/*
 * Copyright (C) the Warren authors
 *
 * The message that a test makes.
 */

#include <string.h>

#include "db_stub.h"
#include "wr_test_private.h"


static void check_begun(const struct wr_test *test);
static void put_header(struct wr_test *test, const char *name,
    const char *text);
static const char *envelope(struct wr_test *test, const char *id);


void
wr_test_message(struct wr_test *test, enum wr_kind kind, const char *type)
{
    wr_test_forget(test);

    test->message = wr_arena_new();
    test->kind = kind;
    test->type = wr_arena_strdup(test->message, type);
    test->nheaders = 0;
    test->nargs = 0;
    test->body = (kind == WR_EVENT) ? "null" : "";
    test->subject = NULL;
    test->version = 0;
    test->deadline_ms = -1;
    test->answers = NULL;
    test->last_answer = &test->answers;

    if (!test->has_database) {
        wr_db_stub(test->lane.db, test->message);
    }
}


void
wr_test_person(struct wr_test *test, const char *sub, const char *scope)
{
    check_begun(test);
    put_header(test, WIRE_HEADER_SUB, sub);
    put_header(test, WIRE_HEADER_SCOPE, scope);
}


void
wr_test_arg(struct wr_test *test, const char *name, const char *value)
{
    check_begun(test);

    if (test->nargs == WR_TEST_ARGS_MAX) {
        wr_test_bail("more than %d arguments", WR_TEST_ARGS_MAX);
    }

    test->nargs++;
    put_header(test, wr_arena_printf(test->message,
                                     WIRE_HEADER_ARG_PREFIX "%s", name),
               value);
}


void
wr_test_request_header(struct wr_test *test, const char *name,
    const char *value)
{
    check_begun(test);

    if (test->nargs == WR_TEST_ARGS_MAX) {
        wr_test_bail("more than %d arguments", WR_TEST_ARGS_MAX);
    }

    test->nargs++;
    put_header(test, wr_arena_printf(test->message,
                                     WIRE_HEADER_REQUEST_PREFIX "%s", name),
               value);
}


static void
check_begun(const struct wr_test *test)
{
    if (test->message == NULL || test->req != NULL) {
        wr_test_bail("a message begins with wr_test_message()");
    }
}


/* One of a name; NULL takes it away. */

static void
put_header(struct wr_test *test, const char *name, const char *text)
{
    size_t  i;

    for (i = 0; i < test->nheaders; i++) {
        if (strcmp(test->headers[i].name, name) == 0) {
            break;
        }
    }

    if (text == NULL) {
        if (i < test->nheaders) {
            test->headers[i] = test->headers[--test->nheaders];
        }

        return;
    }

    memset(&test->headers[i], 0, sizeof(test->headers[i]));
    test->headers[i].name = name;
    test->headers[i].text = wr_arena_strdup(test->message, text);
    test->nheaders += (i == test->nheaders);
}


void
wr_test_body(struct wr_test *test, const char *json)
{
    check_begun(test);
    test->body = wr_arena_strdup(test->message, json);
}


void
wr_test_subject(struct wr_test *test, const char *subject, int64_t version)
{
    check_begun(test);
    test->subject = wr_arena_strdup(test->message, subject);
    test->version = version;
}


void
wr_test_deadline(struct wr_test *test, int64_t ms)
{
    check_begun(test);
    test->deadline_ms = ms;
}


void
wr_test_answer(struct wr_test *test, const char *service, const char *method,
    int status, const char *json)
{
    struct wr_test_answer  *answer;

    check_begun(test);
    answer = wr_arena_alloc(test->message, sizeof(struct wr_test_answer));
    answer->service = wr_arena_strdup(test->message, service);
    answer->method = wr_arena_strdup(test->message, method);
    answer->status = status;
    answer->json = wr_arena_strdup(test->message, json);
    *test->last_answer = answer;
    test->last_answer = &answer->next;
}


void
wr_test_rows(struct wr_test *test, const char *sql, int nrows, int ncolumns,
    const char *const *values)
{
    check_begun(test);

    if (!test->has_database) {
        wr_db_stub_rows(test->lane.db, sql, nrows, ncolumns, values);
    }
}


void
wr_test_break(struct wr_test *test, const char *sql, const char *sqlstate)
{
    check_begun(test);

    if (!test->has_database) {
        wr_db_stub_break(test->lane.db, sql, sqlstate);
    }
}


struct wr_message *
wr_test_deliver(struct wr_test *test)
{
    static const enum wr_queue  queues[] = {
        [WR_CALL] = WR_QUEUE_RPC,
        [WR_COMMAND] = WR_QUEUE_COMMANDS,
        [WR_EVENT] = WR_QUEUE_EVENTS,
        [WR_CHANNEL] = WR_QUEUE_CHANNEL
    };

    char               *id;
    struct wr_message  *msg;

    id = wr_arena_alloc(test->message, WR_UUID_SIZE);
    wr_id_uuid7(id);

    msg = wr_arena_alloc(test->message, sizeof(struct wr_message));
    msg->arena = test->message;
    msg->queue = queues[test->kind];
    msg->from = wr_arena_printf(test->message, "%s.%s",
                                wr_queue_name(msg->queue),
                                (test->kind == WR_CHANNEL)
                                ? test->type : test->service->name);
    msg->routing_key = (test->kind == WR_EVENT) ? test->type
                                                : test->service->name;
    msg->type = test->type;
    msg->content_type = (test->kind == WR_EVENT) ? WIRE_CONTENT_CLOUDEVENT
                                                 : WIRE_CONTENT_JSON;
    msg->correlation_id = "";
    msg->reply_to = "";
    msg->message_id = id;
    msg->user_id = WR_TEST_SENDER;
    msg->app_id = "";
    msg->death_queue = "";
    msg->death_reason = "";
    msg->expiration_ms = test->deadline_ms;
    msg->headers = test->headers;
    msg->nheaders = test->nheaders;
    msg->body = wr_arena_strdup(test->message, (test->kind == WR_EVENT)
                                               ? envelope(test, id)
                                               : test->body);
    msg->body_len = strlen(msg->body);

    return msg;
}


/* A fact of whoever sends the message. */

static const char *
envelope(struct wr_test *test, const char *id)
{
    struct wr_json_writer  *w;

    w = wr_json_writer_new(test->message);
    wr_json_object_begin(w, NULL);
    wr_json_put_text(w, "specversion", "1.0");
    wr_json_put_text(w, "id", id);
    wr_json_put_text(w, "source", WIRE_EVENT_SOURCE_PREFIX WR_TEST_SENDER);
    wr_json_put_text(w, "type", test->type);

    if (test->subject != NULL) {
        wr_json_put_text(w, "subject", test->subject);
    }

    if (test->version != 0) {
        wr_json_put_int(w, "aggregateversion", test->version);
    }

    wr_json_put_raw(w, "data", test->body, strlen(test->body));
    wr_json_object_end(w);

    return wr_json_writer_text(w, NULL);
}
