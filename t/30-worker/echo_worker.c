/*
 * Copyright (C) the Warren authors
 *
 * A worker that does what its caller says, so that a test of the runtime needs
 * no domain: it echoes, refuses, retries, crashes, is slow, writes.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "warren.h"


#define TEXT_MAX   1000000

/* of "slow", in milliseconds */
#define SLOW_MAX   60000


static enum wr_outcome echo(struct wr_request *req);
static enum wr_outcome refuse(struct wr_request *req);
static enum wr_outcome retry(struct wr_request *req);
static enum wr_outcome uncertain(struct wr_request *req);
static enum wr_outcome crash(struct wr_request *req);
static enum wr_outcome crash_while(struct wr_request *req);
static enum wr_outcome retry_while(struct wr_request *req);
static bool is_there(struct wr_request *req);
static enum wr_outcome slow(struct wr_request *req);
static enum wr_outcome busy(struct wr_request *req);
static enum wr_outcome fail(struct wr_request *req);
static enum wr_outcome write_text(struct wr_request *req);
static enum wr_outcome ask_gather(struct wr_request *req);
static enum wr_outcome ask(struct wr_request *req);
static enum wr_outcome about_gather(struct wr_request *req);
static enum wr_outcome retry_gather(struct wr_request *req);
static enum wr_outcome send_note(struct wr_request *req);
static enum wr_outcome note(struct wr_request *req);
static enum wr_outcome doze(struct wr_request *req);
static enum wr_outcome on_written(struct wr_request *req);
static enum wr_outcome on_made(struct wr_request *req);
static void sleep_first(struct wr_request *req);
static void insert(struct wr_request *req, const char *id, const char *text);
static void reply(struct wr_request *req, int status, const char *name,
    const char *value);


static const char *const  callers[] = { "other", NULL };

static const struct wr_handler  handlers[] = {
    { WR_CALL,    "echo",          .apply = echo, .read_only = true },
    { WR_CALL,    "refuse",        .apply = refuse },
    { WR_CALL,    "retry",         .apply = retry },
    { WR_CALL,    "uncertain",     .apply = uncertain },
    { WR_CALL,    "crash",         .apply = crash },
    { WR_CALL,    "slow",          .apply = slow },
    { WR_CALL,    "busy",          .apply = busy, .read_only = true },
    { WR_CALL,    "fail",          .apply = fail },
    { WR_CALL,    "write",         .apply = write_text },
    { WR_CALL,    "ask",           .gather = ask_gather, .apply = ask },
    { WR_CALL,    "about",         .gather = about_gather, .apply = ask },
    { WR_CALL,    "inner",         .apply = echo, .read_only = true,
                                   .callers = callers },
    { WR_CALL,    "retry_gather",  .gather = retry_gather, .apply = retry },
    { WR_CALL,    "send",          .apply = send_note },
    { WR_COMMAND, "note",          .apply = note },
    { WR_COMMAND, "doze",          .apply = doze },
    { WR_COMMAND, "refuse",        .apply = refuse },
    { WR_COMMAND, "retry",         .apply = retry },
    { WR_COMMAND, "crash",         .apply = crash },
    { WR_COMMAND, "crash_gather",  .gather = crash, .apply = note },
    { WR_COMMAND, "crash_while",   .apply = crash_while },
    { WR_COMMAND, "retry_while",   .apply = retry_while },
    { WR_EVENT,   "echo.written",  .apply = on_written },
    { WR_EVENT,   "stub.made",     .apply = on_made },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "echo", NULL };
static const char *const  asks[] = { "echo", NULL };

static const struct wr_service  service = {
    .name = "echo", .schema_min = "0002_echo", .handlers = handlers,
    .entities = entities, .asks = asks
};


int
main(int argc, char **argv)
{
    return wr_service_run(&service, argc, argv);
}


/* {"text": …} comes back, with who asks and what is left of the time. */
static enum wr_outcome
echo(struct wr_request *req)
{
    size_t                  len;
    int64_t                 left_ms;
    const char             *text, *json;
    struct wr_json_writer  *writer;

    text = wr_json_text(wr_request_json(req), "text", 0, TEXT_MAX,
                        wr_request_errors(req));

    if (wr_request_errors(req)->count != 0) {
        return wr_refuse_invalid(req);
    }

    left_ms = wr_request_remaining_ms(req);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "text", text);
    wr_json_put_text(writer, "sub", wr_request_sub(req));
    wr_json_put_bool(writer, "reads", wr_request_has_scope(req, "echo:read"));
    wr_json_put_text(writer, "arg", wr_request_arg(req, "arg"));
    wr_json_put_text(writer, "header", wr_request_header(req, "x-tenant"));
    wr_json_put_bool(writer, "has_deadline", left_ms != INT64_MAX);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);
    wr_reply_header(req, "cache-control", "no-store");
    wr_reply_header(req, "x-served-by", "echo");

    return WR_DONE;
}


static enum wr_outcome
refuse(struct wr_request *req)
{
    return wr_refuse(req, WIRE_ERROR_CONFLICT, "it was told to refuse");
}


/* Something is written before, which must be gone after. */
static enum wr_outcome
retry(struct wr_request *req)
{
    insert(req, wr_request_id(req), "retry");

    return WR_RETRY;
}


static enum wr_outcome
uncertain(struct wr_request *req)
{
    insert(req, wr_request_id(req), "uncertain");

    return WR_UNCERTAIN;
}


static enum wr_outcome
crash(struct wr_request *req)
{
    (void) req;

    /* a sanitizer would make a report of it */
    signal(SIGABRT, SIG_DFL);
    abort();
}


/* Crashes as long as the file of the argument "file" is there. */
static enum wr_outcome
crash_while(struct wr_request *req)
{
    if (is_there(req)) {
        return crash(req);
    }

    insert(req, wr_request_id(req), "mended");

    return WR_DONE;
}


/* The same, but it asks to be tried again. */
static enum wr_outcome
retry_while(struct wr_request *req)
{
    insert(req, wr_request_id(req), "mended");

    return is_there(req) ? WR_RETRY : WR_DONE;
}


static bool
is_there(struct wr_request *req)
{
    const char  *file;

    file = wr_request_arg(req, "file");

    return file != NULL && access(file, F_OK) == 0;
}


/* Sleeps for the argument "ms", in the database. */
static enum wr_outcome
slow(struct wr_request *req)
{
    long             ms;
    const char      *arg;
    struct wr_rows  *rows;

    arg = wr_request_arg(req, "ms");
    ms = (arg != NULL) ? strtol(arg, NULL, 10) : -1;

    if (ms < 0 || ms > SLOW_MAX) {
        return wr_refuse(req, WIRE_ERROR_INVALID, "ms is 0 to 60000");
    }

    rows = wr_tx_query(wr_request_tx(req),
                       "select pg_sleep($1::float8 / 1000)", WR_PARAMS(arg));

    reply(req, 200, "slept", wr_rows_count(rows) == 1 ? "yes" : "no");

    return WR_DONE;
}


/* As slow, but the lane does nothing else. */
static enum wr_outcome
busy(struct wr_request *req)
{
    const char       *arg;
    struct timespec   pause = { 0, 0 };

    arg = wr_request_arg(req, "ms");
    pause.tv_nsec = (arg != NULL) ? strtol(arg, NULL, 10) % 1000 * 1000000 : 0;
    (void) nanosleep(&pause, NULL);
    reply(req, 200, "slept", "yes");

    return WR_DONE;
}


/* A statement that the database refuses, and not at once. */
static enum wr_outcome
fail(struct wr_request *req)
{
    wr_tx_exec(wr_request_tx(req), "select 1 / $1::int", WR_PARAMS("0"));
    reply(req, 200, "failed", "no");

    return WR_DONE;
}


/* {"id": …, "text": …}: a row and an event, after the argument "ms". */
static enum wr_outcome
write_text(struct wr_request *req)
{
    size_t                  len;
    const char             *id, *text, *json;
    struct wr_json_errors  *errors;
    struct wr_json_writer  *writer;

    errors = wr_request_errors(req);
    id = wr_json_text(wr_request_json(req), "id", 1, 100, errors);
    text = wr_json_text(wr_request_json(req), "text", 0, TEXT_MAX, errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    sleep_first(req);
    insert(req, id, text);

    writer = wr_json_writer_new(wr_request_arena(req));
    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", id);
    wr_json_put_text(writer, "text", text);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_event(req, "echo.written", id, 1, json, len);
    wr_reply(req, 201, json, len);

    wr_reply_header(req, "location", "/texts/1");
    wr_reply_header(req, "x-served-by", "echo");

    return WR_DONE;
}


/* Asks itself, or the argument "service", to echo, and tells what came of
   it. */
static enum wr_outcome
ask_gather(struct wr_request *req)
{
    const char     *who;
    struct wr_ask  *question;

    static const char  text[] = "{\"text\":\"asked\"}";

    who = wr_request_arg(req, "service");
    question = wr_ask(req, who != NULL ? who : "echo", "echo");
    wr_ask_json(question, text, sizeof(text) - 1);
    wr_request_set(req, question);

    return WR_DONE;
}


static enum wr_outcome
ask(struct wr_request *req)
{
    struct wr_ask  *question;

    question = wr_request_get(req);

    if (wr_ask_status(question) == 503) {
        return WR_RETRY;
    }

    if (wr_ask_status(question) == 404) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, "nobody knows it");
    }

    if (wr_ask_status(question) != 200) {
        return WR_UNCERTAIN;
    }

    reply(req, 200, "answer", wr_json_text(wr_ask_answer(question), "text", 0,
                                           TEXT_MAX, NULL));

    return WR_DONE;
}


/* About the argument "key". */
static enum wr_outcome
about_gather(struct wr_request *req)
{
    const char  *key;

    key = wr_request_arg(req, "key");
    wr_request_set(req, wr_ask_about(req, "other", "look",
                                     key != NULL ? key : ""));

    return WR_DONE;
}


static enum wr_outcome
retry_gather(struct wr_request *req)
{
    (void) req;

    return WR_RETRY;
}


/* The command "note" for the argument "service". */
static enum wr_outcome
send_note(struct wr_request *req)
{
    const char  *who;

    static const char  json[] = "{\"text\":\"sent\"}";

    who = wr_request_arg(req, "service");
    wr_command(req, who != NULL ? who : "echo", "note", json,
               sizeof(json) - 1);

    return WR_DONE;
}


/* After the argument "ms", "times" times. */
static enum wr_outcome
note(struct wr_request *req)
{
    const char  *text;

    text = wr_json_text(wr_request_json(req), "text", 0, TEXT_MAX,
                        wr_request_errors(req));

    if (wr_request_errors(req)->count != 0) {
        return wr_refuse_invalid(req);
    }

    sleep_first(req);
    insert(req, wr_request_id(req), text);

    return WR_DONE;
}


/* Says so, and then the lane does nothing for half a second. */
static enum wr_outcome
doze(struct wr_request *req)
{
    struct timespec  pause = { 0, 500000000 };

    wr_log_info(wr_request_log(req), "dozes");
    (void) nanosleep(&pause, NULL);
    insert(req, wr_request_id(req), "dozed");

    return WR_DONE;
}


static void
sleep_first(struct wr_request *req)
{
    long         times;
    const char  *ms, *arg;

    ms = wr_request_arg(req, "ms");
    arg = wr_request_arg(req, "times");

    for (times = (arg != NULL) ? strtol(arg, NULL, 10) : 1;
         ms != NULL && times > 0; times--)
    {
        wr_tx_exec(wr_request_tx(req),
                   "select pg_sleep($1::float8 / 1000)", WR_PARAMS(ms));
    }
}


/* Counts how often the event acted. */
static enum wr_outcome
on_written(struct wr_request *req)
{
    wr_tx_exec(wr_request_tx(req),
               "insert into echo_seen (id, times) values ($1, 1) "
               "on conflict (id) do update set times = echo_seen.times + 1",
               WR_PARAMS(wr_request_subject(req)));

    return WR_DONE;
}


static enum wr_outcome
on_made(struct wr_request *req)
{
    insert(req, wr_request_subject(req), "made");

    return WR_DONE;
}


static void
insert(struct wr_request *req, const char *id, const char *text)
{
    wr_tx_exec(wr_request_tx(req),
               "insert into echo (id, text) values ($1, $2)",
               WR_PARAMS(id, text));
}


static void
reply(struct wr_request *req, int status, const char *name, const char *value)
{
    size_t                  len;
    const char             *json;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));
    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, name, value);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, status, json, len);
}
