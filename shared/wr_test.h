/*
 * Copyright (C) the Warren authors
 *
 * A test kit: runs a worker's handlers without a broker, with or without a
 * database, and prints TAP, so that prove runs the test.
 *
 *     test = wr_test_new(&notes, NULL, getenv("WARREN_TEST_DATABASE_URL"));
 *
 *     wr_test_message(test, WR_CALL, "add_note");
 *     wr_test_person(test, "0d6ff2f2-…", "notes:write");
 *     wr_test_body(test, "{\"text\": \"milk\"}");
 *     wr_test_is_int(wr_test_run(test), WR_DONE, "a note is taken");
 *     wr_test_is_int(wr_test_status(test), 201, "and has a place");
 *
 *     wr_test_free(&test);
 *
 *     return wr_test_end();
 *
 * With a database there is one transaction from wr_test_new() to
 * wr_test_free(), and in the end it is rolled back; later messages see what
 * earlier ones wrote if they were done.  Without one, statements are kept and
 * answered as wr_test_rows() says.
 */

#ifndef WARREN_TEST_H
#define WARREN_TEST_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"
#include "service.h"


struct wr_json;
struct wr_test;


/* The runtime's own outcome beside a handler's: the message failed for good,
   and not by the domain's word. */
#define WR_TEST_BROKEN  ((enum wr_outcome) (WR_UNCERTAIN + 1))


/* Arguments of a message or a question; more end the test. */
#define WR_TEST_ARGS_MAX  32


/*
 * A lane of the service, without a broker; its .init runs.  settings are
 * "key=value" texts that NULL ends, for the service's own keys, or NULL;
 * neither files nor the environment are read.  database_url is a libpq URI, or
 * NULL or "" for none.  What cannot be had ends the process with "Bail out!"
 * and the reason.
 */
struct wr_test *wr_test_new(const struct wr_service *service,
    const char *const *settings, const char *database_url);

/* Rolls back and sets to NULL. */
void wr_test_free(struct wr_test **test);

/* Whether there is a database. */
bool wr_test_has_database(const struct wr_test *test);


/* the next message; texts are copied */

/* Begins one, and forgets all of the last: what was looked at, answers, rows.
   It comes from the gateway and nobody is authenticated. */
void wr_test_message(struct wr_test *test, enum wr_kind kind,
    const char *type);

/* Whom the verified token is for, and its scopes with blanks between; NULL:
   none. */
void wr_test_person(struct wr_test *test, const char *sub, const char *scope);

/* An argument of the path or the query. */
void wr_test_arg(struct wr_test *test, const char *name, const char *value);

/* A header of the HTTP request, by its name in lower case. */
void wr_test_request_header(struct wr_test *test, const char *name,
    const char *value);

/* The body; of an event, its data.  It need not be JSON. */
void wr_test_body(struct wr_test *test, const char *json);

/* Of an event: what it is about, and the version (0: none). */
void wr_test_subject(struct wr_test *test, const char *subject,
    int64_t version);

/* The time the caller waits; without it there is no deadline. */
void wr_test_deadline(struct wr_test *test, int64_t ms);

/*
 * The answer to one question that the handler will ask; several to the same
 * method are given in turn.  json may be NULL.  A question nobody prepared an
 * answer for is answered 503.
 */
void wr_test_answer(struct wr_test *test, const char *service,
    const char *method, int status, const char *json);

/*
 * Without a database: what the next statement whose text has sql in it gives,
 * row after row, NULL for null; of a write, nrows is what it touched.  Without
 * such a word a statement gives no rows and touches none.  Several for the same
 * sql are given in turn.
 */
void wr_test_rows(struct wr_test *test, const char *sql, int nrows,
    int ncolumns, const char *const *values);

/* Without a database: the next statement whose text has sql in it fails, with
   an SQLSTATE of five characters. */
void wr_test_break(struct wr_test *test, const char *sql,
    const char *sqlstate);


/*
 * Runs .gather, .keys, .load and .apply as a lane does, with the same checks
 * before them.  Returns the outcome as the runtime sees it: WR_TEST_BROKEN if
 * no handler would ever see such a message, a statement failed for good, a
 * read-only handler wrote, a key was of a table that .locks do not name, an
 * event was not of the service's entities, somebody was asked who is not in
 * the service's table or elsewhere than in .gather, or a reply, a header or a
 * refusal was one that wr_request(3) does not allow.  What is broken tells its
 * reason on standard error.
 */
enum wr_outcome wr_test_run(struct wr_test *test);


/* what came of it; texts live until the next wr_test_message() */

/* Why it is not WR_DONE; "" if it is. */
const char *wr_test_reason(const struct wr_test *test);

/* Of a call: the HTTP status, a header ("location"; NULL if absent), and the
   body as text and as JSON, for the accessors of json.h. */
int wr_test_status(const struct wr_test *test);
const char *wr_test_header(const struct wr_test *test, const char *name);
const char *wr_test_reply(const struct wr_test *test);
const struct wr_json *wr_test_reply_json(struct wr_test *test);

/* The name of the error that was replied or refused with, as in
   wire_error.def: "not_found"; "" if there was none. */
const char *wr_test_refusal(struct wr_test *test);

/* Whether the reply's list of errors has this JSON pointer: "/text". */
bool wr_test_has_error(struct wr_test *test, const char *pointer);

/* Events that would leave after the commit, in order, as CloudEvents: "type",
   "subject", "data" …  Beyond the last: an empty value. */
size_t wr_test_event_count(const struct wr_test *test);
const struct wr_json *wr_test_event(struct wr_test *test, size_t i);

/* The same for commands: "service.method", NULL beyond the last, and body. */
size_t wr_test_command_count(const struct wr_test *test);
const char *wr_test_command_name(struct wr_test *test, size_t i);
const struct wr_json *wr_test_command(struct wr_test *test, size_t i);

/* Questions, in the order they were asked: "service.method", an argument, the
   body; NULL beyond the last. */
size_t wr_test_ask_count(const struct wr_test *test);
const char *wr_test_ask_name(struct wr_test *test, size_t i);
const char *wr_test_ask_arg(const struct wr_test *test, size_t i,
    const char *name);
const char *wr_test_ask_body(const struct wr_test *test, size_t i);

/* Rows that .keys declared, and whether one of them is of this table and has
   this key. */
size_t wr_test_key_count(const struct wr_test *test);
bool wr_test_has_key(const struct wr_test *test, const char *table,
    const char *value);

/* Without a database: how many statements had this in their text, and a
   parameter, counted from 1, of the last of them; NULL: none or null. */
size_t wr_test_statements(const struct wr_test *test, const char *sql);
const char *wr_test_param(const struct wr_test *test, const char *sql,
    int number);


/* TAP.  Each of the first three prints a line and gives back whether it
   held; the name is a sentence of behaviour. */

/* A condition. */
bool wr_test_ok(bool condition, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Two integers, or two texts that may be NULL; what differs is told. */
bool wr_test_is_int(int64_t got, int64_t want, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool wr_test_is_text(const char *got, const char *want, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/* A remark, a line of its own on standard error. */
void wr_test_diag(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Prints the plan; returns the exit status of main(). */
int wr_test_end(void);


#endif /* WARREN_TEST_H */
