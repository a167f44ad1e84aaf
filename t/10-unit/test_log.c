/*
 * Copyright (C) the Warren authors
 *
 * The log: each line is one JSON object or one line of text, whatever is in
 * the message, the fields, or the errno.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "json.h"
#include "log_private.h"
#include "tap.h"


#define TEXT_SIZE  65536


static void test_json(void);
static void test_nasty(void);
static void test_long(void);
static void test_contexts(void);
static void test_levels(void);
static void test_text(void);
static void test_errno(void);
static void test_forked(void);
static void capture_begin(void);
static const char *capture_end(void);
static const struct wr_json *line_parse(const char *line);
static const char *field(const struct wr_json *line, const char *name);


static struct wr_arena  *arena;
static int               saved_fd;
static FILE             *captured;
static char              text[TEXT_SIZE];


int
main(void)
{
    arena = wr_arena_new();

    test_json();
    test_nasty();
    test_long();
    test_contexts();
    test_levels();
    test_text();
    test_errno();
    test_forked();

    wr_arena_free(&arena);

    return done();
}


static void
test_json(void)
{
    char                   pid[24];
    const struct wr_json  *line;

    wr_log_setup(WR_LOG_JSON, WR_LOG_INFO, "orders");

    capture_begin();
    wr_log_info(NULL, "served %d", 7);
    line = line_parse(capture_end());

    is_str(field(line, "message"), "served 7", "the message is formatted");
    is_str(field(line, "log.level"), "info", "the level has its name");
    is_str(field(line, "service.name"), "orders", "the service has its name");
    is_int(strlen(field(line, "@timestamp")), 24, "the time is RFC 3339");

    snprintf(pid, sizeof(pid), "%ld", (long) getpid());
    is_int(wr_json_int(line, "process.pid", 1, INT64_C(1) << 32, NULL),
           getpid(), "the process is told as a number");
}


static void
test_nasty(void)
{
    const struct wr_json  *line;

    struct wr_log  log = { NULL, { { "trace.id", "a\"b\\c\nd\xFF" } } };

    capture_begin();
    wr_log_info(&log, "%s", "q\" b\\ n\n r\r t\t e\x1B[0m d\x7F \xFF \xC2\x9B "
                "\xE2\x82\xAC \xED\xA0\x80");
    line = line_parse(capture_end());

    is_str(field(line, "message"), "q\" b\\ n\n r\r t\t e\x1B[0m d\x7F "
           "\xEF\xBF\xBD \xC2\x9B \xE2\x82\xAC "
           "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD",
           "what is escaped reads back, what is not UTF-8 is replaced");
    is_str(field(line, "trace.id"), "a\"b\\c\nd\xEF\xBF\xBD",
           "and so in a field");

    capture_begin();
    wr_log_info(NULL, "%s", "n\n e\x1B d\x7F c\xC2\x9B");
    capture_end();
    ok(strpbrk(text, "\x1B\x7F\xC2") == NULL, "no control character is bare");
    ok(strchr(text, '\n') == text + strlen(text) - 1, "a line is one line");
}


static void
test_long(void)
{
    char                  *wide;
    size_t                 i;
    const char            *message;
    struct wr_log          log, parent;
    const struct wr_json  *line;

    static const char  *names[] = {
        "a", "b", "c", "d", "e", "f", "g", "h"
    };

    wide = malloc(100001);
    memset(wide, 1, 100000);            /* six characters each */
    wide[100000] = '\0';

    memset(&log, 0, sizeof(log));
    memset(&parent, 0, sizeof(parent));
    log.parent = &parent;

    for (i = 0; i < WR_LOG_FIELDS; i++) {
        log.fields[i].name = names[i];
        log.fields[i].value = wide;
        parent.fields[i].name = wide;
        parent.fields[i].value = wide;
    }

    capture_begin();
    wr_log_info(&log, "%s", wide);
    capture_end();

    ok(strlen(text) <= 8192, "a line has 8 kB at most");
    line = line_parse(text);
    message = field(line, "message");
    is_str(message + strlen(message) - 3, "...", "a cut message says so");

    memset(wide, 'x', 100000);
    capture_begin();
    wr_log_info(NULL, "%s", wide);
    capture_end();
    ok(strlen(text) <= 8192 && strlen(text) > 5000,
       "a plain message may fill most of it");
    line_parse(text);

    free(wide);
}


static void
test_contexts(void)
{
    const struct wr_json  *line;

    struct wr_log  base = { NULL, { { "warren.lane", "3" }, { "x", "base" } } };
    struct wr_log  parent = { NULL, { { "trace.id", "outer" },
                                      { "y", "parent" } } };
    struct wr_log  child = { &parent, { { "trace.id", "inner" },
                                        { "x", NULL }, { NULL, "v" },
                                        { "z", "" }, { "message", "no" },
                                        { "w", "first" }, { "w", "last" } } };

    wr_log_base(&base);
    capture_begin();
    wr_log_warn(&child, "something");
    line = line_parse(capture_end());
    wr_log_base(NULL);

    is_str(field(line, "trace.id"), "inner", "the nearest context wins");
    is_str(field(line, "y"), "parent", "a parent's field is inherited");
    is_str(field(line, "warren.lane"), "3", "the process's fields are there");
    is_str(field(line, "x"), "base", "a NULL value hides nothing");
    is_str(field(line, "z"), "", "an empty value is a value");
    is_str(field(line, "w"), "last", "of two in one context the last wins");
    is_str(field(line, "message"), "something",
           "what every line has cannot be replaced");
    ok(strstr(text, "outer") == NULL, "no name stands twice");
}


static void
test_levels(void)
{
    wr_log_setup(WR_LOG_JSON, WR_LOG_WARN, "orders");

    capture_begin();
    wr_log_error(NULL, "error");
    wr_log_warn(NULL, "warn");
    wr_log_info(NULL, "info");
    wr_log_debug(NULL, "debug");
    capture_end();

    ok(strstr(text, "\"error\"") && strstr(text, "\"warn\""),
       "lines up to the level are written");
    ok(!strstr(text, "\"info\"") && !strstr(text, "\"debug\""),
       "lines beyond it are not");
    ok(wr_log_enabled(WR_LOG_WARN) && !wr_log_enabled(WR_LOG_INFO),
       "and that can be asked");

    is_int(wr_log_level_of("debug"), WR_LOG_DEBUG, "levels have names");
    is_int(wr_log_level_of("Debug"), -1, "in lower case");
    is_int(wr_log_format_of("text"), WR_LOG_TEXT, "and so have formats");
    is_int(wr_log_format_of("xml"), -1, "which are two");
}


static void
test_text(void)
{
    struct wr_log  log = { NULL, { { "trace.id", "abc" } } };

    wr_log_setup(WR_LOG_TEXT, WR_LOG_DEBUG, "orders");

    capture_begin();
    wr_log_debug(&log, "a\nforged line \x1B[2J");
    capture_end();

    ok(strstr(text, "Z debug orders[") != NULL, "time, level, service, pid");
    ok(strstr(text, "]: a\\x0aforged line \\x1b[2J trace.id=abc\n") != NULL,
       "message and fields, with nothing that a terminal obeys");
    ok(strchr(text, '\n') == text + strlen(text) - 1, "a line is one line");

    wr_log_setup(WR_LOG_JSON, WR_LOG_INFO, "orders");
}


static void
test_errno(void)
{
    errno = ENOENT;
    capture_begin();
    errno = ENOENT;
    wr_log_info(NULL, "it failed: %m");
    ok(errno == ENOENT, "errno is as it was");
    is_str(field(line_parse(capture_end()), "message"),
           "it failed: No such file or directory", "%%m is the error's text");
}


static void
test_forked(void)
{
    int    status;
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        wr_log_level_set(WR_LOG_ERROR);
        _exit(0);
    }

    waitpid(pid, &status, 0);
    ok(!wr_log_enabled(WR_LOG_WARN),
       "a level set in one process holds in those it was forked from");
    wr_log_level_set(WR_LOG_INFO);
}


static void
capture_begin(void)
{
    fflush(stdout);
    captured = tmpfile();
    saved_fd = dup(STDERR_FILENO);
    dup2(fileno(captured), STDERR_FILENO);
}


static const char *
capture_end(void)
{
    size_t  n;

    dup2(saved_fd, STDERR_FILENO);
    close(saved_fd);

    rewind(captured);
    n = fread(text, 1, sizeof(text) - 1, captured);
    text[n] = '\0';
    fclose(captured);

    return text;
}


static const struct wr_json *
line_parse(const char *line)
{
    size_t                 len;
    const char            *error;
    const struct wr_json  *json;

    len = strlen(line);
    error = "";
    json = wr_json_parse(arena, line, len, &error);

    ok(json != NULL && len > 0 && line[len - 1] == '\n',
       "the line is strict JSON %s", error);

    return json != NULL ? json : wr_json_empty();
}


static const char *
field(const struct wr_json *line, const char *name)
{
    if (!wr_json_has(line, name)) {
        return "(none)";
    }

    return wr_json_text(line, name, 0, SIZE_MAX, NULL);
}
