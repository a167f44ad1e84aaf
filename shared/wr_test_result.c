/*
 * Copyright (C) the Warren authors
 *
 * What came of a message, for a test to look at.
 */

#include <string.h>

#include "db_stub.h"
#include "key_private.h"
#include "wr_test_private.h"


static const struct wr_request *done(const struct wr_test *test);
static size_t count(const struct wr_test *test, const char *exchange);
static const struct wr_announcement *find(const struct wr_test *test,
    const char *exchange, size_t i);
static const struct wr_json *parse(struct wr_test *test, const char *text,
    size_t len);
static const struct wr_ask *find_ask(const struct wr_test *test, size_t i);


static const struct wr_request *
done(const struct wr_test *test)
{
    if (test->req == NULL) {
        wr_test_bail("nothing was run: wr_test_run() comes first");
    }

    return test->req;
}


const char *
wr_test_reason(const struct wr_test *test)
{
    const struct wr_request  *req;

    req = done(test);

    return (req->outcome != WR_DONE && req->reason != NULL) ? req->reason : "";
}


int
wr_test_status(const struct wr_test *test)
{
    return done(test)->status;
}


const char *
wr_test_header(const struct wr_test *test, const char *name)
{
    size_t                    i, prefix;
    const char               *full;
    const struct wr_request  *req;

    req = done(test);
    prefix = strlen(WIRE_HEADER_HTTP_PREFIX);

    for (i = 0; i < req->nreply_headers; i++) {
        full = req->reply_headers[i].name;

        if (strcmp(full + prefix, name) == 0) {
            return req->reply_headers[i].text;
        }
    }

    return NULL;
}


const char *
wr_test_reply(const struct wr_test *test)
{
    const struct wr_request  *req;

    req = done(test);

    return (req->reply != NULL) ? req->reply : "";
}


const struct wr_json *
wr_test_reply_json(struct wr_test *test)
{
    const struct wr_request  *req;

    req = done(test);

    if (test->reply == NULL) {
        test->reply = parse(test, req->reply, req->reply_len);
    }

    return test->reply;
}


const char *
wr_test_refusal(struct wr_test *test)
{
    size_t       prefix;
    const char  *type;

    if (done(test)->status < 400) {
        return "";
    }

    prefix = strlen(WIRE_PROBLEM_TYPE_PREFIX);
    type = wr_json_text(wr_test_reply_json(test), "type", 0, 1024, NULL);

    return (strncmp(type, WIRE_PROBLEM_TYPE_PREFIX, prefix) == 0)
           ? type + prefix : "";
}


bool
wr_test_has_error(struct wr_test *test, const char *pointer)
{
    size_t                 i;
    const char            *text;
    const struct wr_json  *errors;

    errors = wr_json_array(wr_test_reply_json(test), "errors", 0,
                           WR_JSON_ERRORS_MAX, NULL);

    for (i = 0; i < wr_json_count(errors); i++) {
        text = wr_json_text(wr_json_item(errors, i), "pointer", 0, 1024,
                            NULL);

        if (strcmp(text, pointer) == 0) {
            return true;
        }
    }

    return false;
}


size_t
wr_test_event_count(const struct wr_test *test)
{
    return count(test, WIRE_EXCHANGE_EVENTS);
}


const struct wr_json *
wr_test_event(struct wr_test *test, size_t i)
{
    const struct wr_announcement  *event;

    event = find(test, WIRE_EXCHANGE_EVENTS, i);

    return (event != NULL) ? parse(test, event->body, strlen(event->body))
                           : wr_json_empty();
}


size_t
wr_test_command_count(const struct wr_test *test)
{
    return count(test, WIRE_EXCHANGE_COMMANDS);
}


const char *
wr_test_command_name(struct wr_test *test, size_t i)
{
    const struct wr_announcement  *command;

    command = find(test, WIRE_EXCHANGE_COMMANDS, i);

    return (command != NULL) ? wr_arena_printf(test->message, "%s.%s",
                                               command->key, command->type)
                             : NULL;
}


const struct wr_json *
wr_test_command(struct wr_test *test, size_t i)
{
    const struct wr_announcement  *command;

    command = find(test, WIRE_EXCHANGE_COMMANDS, i);

    return (command != NULL)
           ? parse(test, command->body, strlen(command->body))
           : wr_json_empty();
}


static size_t
count(const struct wr_test *test, const char *exchange)
{
    size_t  n;

    n = 0;

    while (find(test, exchange, n) != NULL) {
        n++;
    }

    return n;
}


/* Nothing leaves of a message that was not done. */

static const struct wr_announcement *
find(const struct wr_test *test, const char *exchange, size_t i)
{
    const struct wr_request       *req;
    const struct wr_announcement  *announcement;

    req = done(test);

    if (req->outcome != WR_DONE) {
        return NULL;
    }

    for (announcement = req->announcements; announcement != NULL;
         announcement = announcement->next)
    {
        if (strcmp(announcement->exchange, exchange) == 0 && i-- == 0) {
            break;
        }
    }

    return announcement;
}


static const struct wr_json *
parse(struct wr_test *test, const char *text, size_t len)
{
    const char            *error;
    const struct wr_json  *json;

    json = wr_json_parse(test->message, text != NULL ? text : "", len,
                         &error);

    return (json != NULL) ? json : wr_json_empty();
}


size_t
wr_test_ask_count(const struct wr_test *test)
{
    size_t  n;

    n = 0;

    while (find_ask(test, n) != NULL) {
        n++;
    }

    return n;
}


const char *
wr_test_ask_name(struct wr_test *test, size_t i)
{
    const struct wr_ask  *ask;

    ask = find_ask(test, i);

    return (ask != NULL) ? wr_arena_printf(test->message, "%s.%s",
                                           ask->service, ask->method)
                         : NULL;
}


const char *
wr_test_ask_arg(const struct wr_test *test, size_t i, const char *name)
{
    size_t                n, prefix;
    const struct wr_ask  *ask;

    ask = find_ask(test, i);
    prefix = strlen(WIRE_HEADER_ARG_PREFIX);

    for (n = 0; ask != NULL && n < ask->nheaders; n++) {
        if (strncmp(ask->headers[n].name, WIRE_HEADER_ARG_PREFIX, prefix) == 0
            && strcmp(ask->headers[n].name + prefix, name) == 0)
        {
            return ask->headers[n].text;
        }
    }

    return NULL;
}


const char *
wr_test_ask_body(const struct wr_test *test, size_t i)
{
    const struct wr_ask  *ask;

    ask = find_ask(test, i);

    return (ask != NULL) ? ask->body : NULL;
}


static const struct wr_ask *
find_ask(const struct wr_test *test, size_t i)
{
    const struct wr_ask  *ask;

    for (ask = done(test)->asks; ask != NULL && i != 0; ask = ask->next) {
        i--;
    }

    return ask;
}


size_t
wr_test_statements(const struct wr_test *test, const char *sql)
{
    return test->has_database ? 0 : wr_db_stub_count(test->lane.db, sql);
}


const char *
wr_test_param(const struct wr_test *test, const char *sql, int number)
{
    return test->has_database ? NULL
                              : wr_db_stub_param(test->lane.db, sql, number);
}


size_t
wr_test_key_count(const struct wr_test *test)
{
    size_t                         count;
    const struct wr_declared_key  *key;

    count = 0;

    for (key = done(test)->keys; key != NULL; key = key->next) {
        count++;
    }

    return count;
}


bool
wr_test_has_key(const struct wr_test *test, const char *table,
    const char *value)
{
    const struct wr_declared_key  *key;

    for (key = done(test)->keys; key != NULL; key = key->next) {
        if (strcmp(key->table->name, table) == 0
            && strcmp(key->value, value) == 0)
        {
            return true;
        }
    }

    return false;
}
