/*
 * Copyright (C) the Warren authors
 *
 * The test kit, without a database: what it gives a handler, and what it sees
 * of it.
 */

#include <string.h>

#include "tap.h"
#include "warren.h"
#include "wr_test.h"


static void refusals(struct wr_test *test);
static void write_one(struct wr_test *test);
static void read_one(struct wr_test *test);
static void questions(struct wr_test *test);
static void failures(struct wr_test *test);
static void misuses(struct wr_test *test);
static void events(struct wr_test *test);
static void keys(struct wr_test *test);
static enum wr_outcome add_gather(struct wr_request *req);
static enum wr_outcome add(struct wr_request *req);
static void get_load(struct wr_request *req);
static enum wr_outcome get(struct wr_request *req);
static enum wr_outcome ask_gather(struct wr_request *req);
static enum wr_outcome ask(struct wr_request *req);
static enum wr_outcome stray_gather(struct wr_request *req);
static enum wr_outcome scribble(struct wr_request *req);
static enum wr_outcome lie(struct wr_request *req);
static enum wr_outcome wrong_status(struct wr_request *req);
static enum wr_outcome wrong_error_gather(struct wr_request *req);
static enum wr_outcome late_ask(struct wr_request *req);
static enum wr_outcome happened(struct wr_request *req);
static void move_keys(struct wr_request *req);
static enum wr_outcome move(struct wr_request *req);
static void astray_keys(struct wr_request *req);
static int init(const struct wr_settings *settings, void **state_r,
    const char **error_r);


static const struct wr_key_table  things = { .name = "thing", .column = "id",
                                             .type = "uuid" };
static const struct wr_key_table  shelves = { .name = "shop.shelf",
                                              .column = "n",
                                              .type = "integer",
                                              .is_removed = true };

static const struct wr_handler  handlers[] = {
    { WR_CALL, "add", .gather = add_gather, .apply = add },
    { WR_CALL, "get", .load = get_load, .apply = get, .read_only = true },
    { WR_CALL, "ask", .gather = ask_gather, .apply = ask },
    { WR_CALL, "stray", .gather = stray_gather, .apply = ask },
    { WR_CALL, "scribble", .apply = scribble, .read_only = true },
    { WR_CALL, "lie", .apply = lie },
    { WR_CALL, "wrong_status", .apply = wrong_status },
    { WR_CALL, "wrong_error", .gather = wrong_error_gather,
                              .apply = wrong_status },
    { WR_CALL, "late_ask", .apply = late_ask },
    { WR_EVENT, "thing.happened", .apply = happened },
    { WR_COMMAND, "move", .keys = move_keys, .apply = move,
                          .locks = { &things, &shelves } },
    { WR_COMMAND, "astray", .keys = astray_keys, .apply = move,
                            .locks = { &things } },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "thing", NULL };
static const char *const  asks[] = { "others", NULL };

static const struct wr_setting  settings[] = {
    { "greeting", WR_SETTING_TEXT, NULL, false, "what it says" },
    WR_SETTINGS_END
};

static const struct wr_service  service = {
    .name = "things",
    .schema_min = "0002_things",
    .handlers = handlers,
    .entities = entities,
    .asks = asks,
    .settings = settings,
    .init = init
};


int
main(void)
{
    static const char *const  values[] = { "greeting=hello", NULL };

    struct wr_test  *test;

    test = wr_test_new(&service, values, NULL);
    ok(!wr_test_has_database(test), "there is no database");

    refusals(test);
    write_one(test);
    read_one(test);
    questions(test);
    failures(test);
    misuses(test);
    events(test);
    keys(test);

    wr_test_free(&test);
    ok(test == NULL, "a freed kit is gone");

    return done();
}


static void
refusals(struct wr_test *test)
{
    wr_test_message(test, WR_CALL, "nothing");
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "a method that nobody handles is broken");
    is_str(wr_test_refusal(test), "not_found", "the caller is told");

    wr_test_message(test, WR_CALL, "add");
    wr_test_body(test, "{\"text\": 7}");
    is_int(wr_test_run(test), WR_REFUSED, "nobody may not add");
    is_str(wr_test_refusal(test), "unauthenticated", "by the error's name");
    is_int(wr_test_status(test), 401, "and its status");
    is_int(wr_test_statements(test, ""), 0, "no statement was sent");

    wr_test_message(test, WR_CALL, "add");
    wr_test_person(test, "ada", "a b");
    wr_test_body(test, "{\"text\": 7}");
    is_int(wr_test_run(test), WR_REFUSED, "a number is no text");
    ok(wr_test_has_error(test, "/text"), "the error has its pointer");
    ok(!wr_test_has_error(test, "/other"), "and no other one");
    ok(strstr(wr_test_reason(test), "/text") != NULL, "as the reason has");

    wr_test_message(test, WR_CALL, "add");
    wr_test_person(test, "ada", "a b");
    wr_test_body(test, "{");
    is_int(wr_test_run(test), WR_REFUSED, "what is no JSON is refused");
}


static void
write_one(struct wr_test *test)
{
    const struct wr_json  *event;

    wr_test_message(test, WR_CALL, "add");
    wr_test_person(test, "ada", "b");
    wr_test_arg(test, "colour", "red");
    wr_test_deadline(test, 60000);
    wr_test_body(test, "{\"text\": \"x\"}");
    is_int(wr_test_run(test), WR_DONE, "a message is done");
    is_str(wr_test_reason(test), "", "without a reason");
    is_int(wr_test_status(test), 201, "its status is seen");
    is_str(wr_test_header(test, "location"), "/things/1",
           "and a header");
    is_str(wr_test_header(test, "etag"), NULL, "that was set");
    is_str(wr_json_text(wr_test_reply_json(test), "said", 0, 99, NULL),
           "hello", "the reply is JSON, and .init has run");
    is_int(wr_test_statements(test, "insert into thing"), 1,
           "the statement was kept");
    is_str(wr_test_param(test, "insert into thing", 2), "x",
           "with its parameters");
    is_str(wr_test_param(test, "insert into thing", 3), "red",
           "an argument among them");
    is_str(wr_test_param(test, "insert into thing", 4), NULL,
           "and no more of them");

    is_int(wr_test_event_count(test), 1, "its event is seen");
    event = wr_test_event(test, 0);
    is_str(wr_json_text(event, "type", 0, 99, NULL), "thing.added",
           "by type");
    is_str(wr_json_text(event, "subject", 0, 99, NULL), "1",
           "and subject");
    is_int(wr_test_command_count(test), 1, "its command is seen");
    is_str(wr_test_command_name(test, 0), "others.do", "by name");
    ok(wr_json_has(wr_test_command(test, 0), "a"), "and body");
    is_str(wr_test_command_name(test, 1), NULL, "and none after it");

    wr_test_message(test, WR_CALL, "get");
    is_int(wr_test_statements(test, ""), 0,
           "the next message finds nothing of the last");
}


static void
read_one(struct wr_test *test)
{
    static const char *const  row[] = { "5", NULL };
    static const char *const  other[] = { "6", "x" };

    wr_test_message(test, WR_CALL, "get");
    is_int(wr_test_run(test), WR_REFUSED, "a statement gives no rows");

    wr_test_message(test, WR_CALL, "get");
    wr_test_rows(test, "from elsewhere", 1, 2, row);
    is_int(wr_test_run(test), WR_REFUSED, "rows are for their statement");

    wr_test_message(test, WR_CALL, "get");
    wr_test_rows(test, "from thing", 1, 2, row);
    wr_test_rows(test, "from thing", 1, 2, other);
    is_int(wr_test_run(test), WR_DONE, "unless a test gives some");
    is_int(wr_json_int(wr_test_reply_json(test), "n", 0, 9, NULL), 5,
           "the first word for a statement comes first");
    is_str(wr_json_text(wr_test_reply_json(test), "text", 0, 9, NULL), "",
           "null stays null");
}


static void
questions(struct wr_test *test)
{
    wr_test_message(test, WR_CALL, "ask");
    wr_test_answer(test, "others", "second", 200, "{\"b\": 2}");
    wr_test_answer(test, "others", "first", 404, NULL);
    is_int(wr_test_run(test), WR_DONE, "questions are answered");
    is_int(wr_json_int(wr_test_reply_json(test), "first", 0, 999, NULL), 404,
           "each with its own status");
    is_int(wr_json_int(wr_test_reply_json(test), "second", 0, 999, NULL), 2,
           "and body");
    is_int(wr_test_ask_count(test), 2, "both were seen");
    is_str(wr_test_ask_name(test, 0), "others.first", "in their order");
    is_str(wr_test_ask_arg(test, 0, "id"), "7", "with arguments");
    is_str(wr_test_ask_body(test, 1), "{}", "and body");
    is_str(wr_test_ask_name(test, 2), NULL, "and none after them");

    wr_test_message(test, WR_CALL, "ask");
    wr_test_answer(test, "others", "second", 200, "{\"b\": 2}");
    is_int(wr_test_run(test), WR_DONE, "one without an answer");
    is_int(wr_json_int(wr_test_reply_json(test), "first", 0, 999, NULL), 503,
           "is answered as if nobody served it");

    wr_test_message(test, WR_CALL, "stray");
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "who is not in the table may not be asked");
    ok(strstr(wr_test_reason(test), "nobody") != NULL, "and is named");
}


static void
failures(struct wr_test *test)
{
    wr_test_message(test, WR_CALL, "add");
    wr_test_person(test, "ada", "b");
    wr_test_body(test, "{\"text\": \"x\"}");
    wr_test_break(test, "insert into thing", "23505");
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "a statement that fails for good breaks the message");
    is_int(wr_test_status(test), 500, "and is the service's mistake");
    is_int(wr_test_event_count(test), 0, "nothing is announced");

    wr_test_message(test, WR_CALL, "add");
    wr_test_person(test, "ada", "b");
    wr_test_body(test, "{\"text\": \"x\"}");
    wr_test_break(test, "insert into thing", "40P01");
    is_int(wr_test_run(test), WR_RETRY, "a deadlock may be tried again");
    is_str(wr_test_refusal(test), "unavailable", "as the caller is told");

    wr_test_message(test, WR_CALL, "scribble");
    wr_test_rows(test, "update thing", 1, 0, NULL);
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "a read-only handler that writes is broken");

    wr_test_message(test, WR_CALL, "lie");
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "so is one that announces what is another's");
    ok(strstr(wr_test_reason(test), "order.placed") != NULL,
       "and the event is named");
}


static void
misuses(struct wr_test *test)
{
    wr_test_message(test, WR_CALL, "wrong_status");
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "a reply with the status of an error is broken");
    ok(strstr(wr_test_reason(test), "404") != NULL, "and the status is named");

    wr_test_message(test, WR_CALL, "wrong_error");
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "so is a refusal with an error that is the gateway's");
    ok(strstr(wr_test_reason(test), "timeout") != NULL, "which is named");

    wr_test_message(test, WR_CALL, "late_ask");
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "so is a question from .apply");
    ok(strstr(wr_test_reason(test), "others.first") != NULL,
       "which nobody would answer");
}


static void
events(struct wr_test *test)
{
    wr_test_message(test, WR_EVENT, "thing.happened");
    wr_test_subject(test, "9", 3);
    wr_test_body(test, "{\"text\": \"data\"}");
    is_int(wr_test_run(test), WR_DONE, "an event is handled");
    is_str(wr_test_param(test, "insert into fact", 1), "9",
           "its subject is there");
    is_str(wr_test_param(test, "insert into fact", 2), "3",
           "its version");
    is_str(wr_test_param(test, "insert into fact", 3), "data",
           "and its data");

    wr_test_message(test, WR_EVENT, "thing.happened");
    wr_test_body(test, "{");
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "an event that is no JSON never comes to a handler");
}


static int
init(const struct wr_settings *values, void **state_r, const char **error_r)
{
    (void) error_r;

    *state_r = (void *) wr_settings_text(values, "greeting");

    return 0;
}


static void
keys(struct wr_test *test)
{
    wr_test_message(test, WR_COMMAND, "move");
    wr_test_body(test, "{\"thing\": \"0d6ff2f2-0000-4000-8000-00000000000a\","
                       " \"from\": \"12\", \"to\": \"7\"}");
    is_int(wr_test_run(test), WR_DONE, "rows are declared");
    is_int(wr_test_key_count(test), 3, "and seen");
    ok(wr_test_has_key(test, "thing", "0d6ff2f2-0000-4000-8000-00000000000a"),
       "by table and key");
    ok(wr_test_has_key(test, "shop.shelf", "7"), "each of them");
    ok(!wr_test_has_key(test, "thing", "7"), "and no other");
    is_str(wr_test_param(test, "from \"shop\".\"shelf\" where \"n\" = any "
                         "($1::bigint[]) order by \"n\" for update", 1),
           "{\"7\",\"12\"}", "those of a table are locked together");
    is_str(wr_test_param(test, "from \"thing\" where \"id\" = any "
                         "($1::uuid[]) order by \"id\" for no key update",
                         1),
           "{\"0d6ff2f2-0000-4000-8000-00000000000a\"}",
           "as strongly as was asked for");
    is_int(wr_test_statements(test, "select 1 from"), 2,
           "with one statement a table");

    wr_test_message(test, WR_COMMAND, "move");
    wr_test_body(test, "{\"thing\": \"x\", \"from\": \"1.5\"}");
    is_int(wr_test_run(test), WR_REFUSED, "what is no key is the handler's");
    is_int(wr_test_key_count(test), 0, "and locks nothing");
    is_int(wr_test_statements(test, "select 1 from"), 0, "at all");

    wr_test_message(test, WR_COMMAND, "move");
    wr_test_body(test, "no JSON");
    is_int(wr_test_run(test), WR_REFUSED, "a body that .keys has read");
    ok(strstr(wr_test_reason(test), "invalid:") != NULL
       && strstr(wr_test_reason(test), "/thing") == NULL,
       "is no JSON for .apply, too: %s", wr_test_reason(test));

    wr_test_message(test, WR_COMMAND, "move");
    wr_test_body(test, "{\"thing\": \"0d6ff2f2-0000-4000-8000-00000000000a\","
                       " \"from\": \"12\", \"to\": \"7\"}");
    wr_test_break(test, "for update", "55P03");
    is_int(wr_test_run(test), WR_RETRY, "a row that is not got is for later");

    wr_test_message(test, WR_COMMAND, "astray");
    is_int(wr_test_run(test), WR_TEST_BROKEN,
           "a table that .locks do not name is a mistake");
    is_int(wr_test_statements(test, ""), 0, "that sends nothing");
}


static enum wr_outcome
add_gather(struct wr_request *req)
{
    if (wr_request_sub(req) == NULL || !wr_request_has_scope(req, "b")) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    wr_request_set(req, (void *) wr_json_text(wr_request_json(req), "text", 1,
                                              9, wr_request_errors(req)));

    return wr_request_errors(req)->count != 0 ? wr_refuse_invalid(req)
                                              : WR_DONE;
}


static enum wr_outcome
add(struct wr_request *req)
{
    const char  *json;

    wr_tx_exec(wr_request_tx(req),
               "insert into thing (owner, text, colour) values ($1, $2, $3)",
               WR_PARAMS(wr_request_sub(req), wr_request_get(req),
                         wr_request_arg(req, "colour")));

    json = wr_arena_printf(wr_request_arena(req), "{\"said\": \"%s\"}",
                           (const char *) wr_request_state(req));
    wr_event(req, "thing.added", "1", 1, json, strlen(json));
    wr_command(req, "others", "do", "{\"a\": 1}", 8);
    wr_reply(req, 201, json, strlen(json));
    wr_reply_header(req, "location", "/things/1");

    return WR_DONE;
}


static void
get_load(struct wr_request *req)
{
    wr_request_set(req, wr_tx_query(wr_request_tx(req),
                                    "select n, text from thing",
                                    WR_NO_PARAMS));
}


static enum wr_outcome
get(struct wr_request *req)
{
    const char      *json;
    struct wr_rows  *rows;

    rows = wr_request_get(req);

    if (wr_rows_count(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    json = wr_arena_printf(wr_request_arena(req), "{\"n\": %s%s}",
                           wr_rows_text(rows, 0, 0),
                           wr_rows_text(rows, 0, 1) == NULL
                           ? "" : ", \"text\": \"x\"");
    wr_reply(req, 200, json, strlen(json));

    return WR_DONE;
}


static enum wr_outcome
ask_gather(struct wr_request *req)
{
    struct wr_ask  **asked;

    asked = wr_arena_alloc(wr_request_arena(req), 2 * sizeof(*asked));
    asked[0] = wr_ask(req, "others", "first");
    wr_ask_arg(asked[0], "id", "7");
    asked[1] = wr_ask(req, "others", "second");
    wr_ask_json(asked[1], "{}", 2);
    wr_request_set(req, asked);

    return WR_DONE;
}


static enum wr_outcome
ask(struct wr_request *req)
{
    const char      *json;
    struct wr_ask  **asked;

    asked = wr_request_get(req);
    json = wr_arena_printf(wr_request_arena(req),
                           "{\"first\": %d, \"second\": %d}",
                           wr_ask_status(asked[0]),
                           (int) wr_json_int(wr_ask_answer(asked[1]), "b", 0,
                                             9, NULL));
    wr_reply(req, 200, json, strlen(json));

    return WR_DONE;
}


static enum wr_outcome
stray_gather(struct wr_request *req)
{
    (void) wr_ask(req, "nobody", "first");

    return WR_DONE;
}


static enum wr_outcome
scribble(struct wr_request *req)
{
    wr_tx_exec(wr_request_tx(req), "update thing set n = 1", WR_NO_PARAMS);

    return WR_DONE;
}


static enum wr_outcome
lie(struct wr_request *req)
{
    wr_event(req, "order.placed", "1", 1, "{}", 2);

    return WR_DONE;
}


static enum wr_outcome
wrong_status(struct wr_request *req)
{
    wr_reply(req, 404, "{}", 2);

    return WR_DONE;
}


static enum wr_outcome
wrong_error_gather(struct wr_request *req)
{
    return wr_refuse(req, WIRE_ERROR_TIMEOUT, NULL);
}


static enum wr_outcome
late_ask(struct wr_request *req)
{
    wr_ask(req, "others", "first");

    return WR_DONE;
}


static enum wr_outcome
happened(struct wr_request *req)
{
    wr_tx_exec(wr_request_tx(req), "insert into fact values ($1, $2, $3)",
               WR_PARAMS(wr_request_subject(req),
                         wr_arena_printf(wr_request_arena(req), "%d",
                                         (int) wr_request_version(req)),
                         wr_json_text(wr_request_json(req), "text", 0, 9,
                                      wr_request_errors(req))));

    return WR_DONE;
}


static void
move_keys(struct wr_request *req)
{
    const struct wr_json  *body;

    body = wr_request_json(req);

    wr_key(req, &things, wr_json_text(body, "thing", 0, 99, NULL));
    wr_key(req, &shelves, wr_json_text(body, "from", 0, 99, NULL));
    wr_key(req, &shelves, wr_json_text(body, "to", 0, 99, NULL));
}


static enum wr_outcome
move(struct wr_request *req)
{
    struct wr_json_errors  *errors;

    errors = wr_request_errors(req);

    (void) wr_json_text(wr_request_json(req), "thing", 36, 36, errors);

    return (errors->count == 0) ? WR_DONE : wr_refuse_invalid(req);
}


static void
astray_keys(struct wr_request *req)
{
    wr_key(req, &shelves, "1");
}
