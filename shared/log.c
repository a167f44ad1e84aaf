/*
 * Copyright (C) the Warren authors
 *
 * Logs on standard error, one line an event.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "log_private.h"
#include "utf8.h"


/* A line is cut to this, its end of line included. */
#define LINE_MAX_SIZE  8192

/* A message is cut to this, so that there is room for the context. */
#define MESSAGE_MAX    6000

/* A field's value is cut to this. */
#define VALUE_MAX      512

/* of the Elastic Common Schema */
#define ECS_VERSION    "8.11.0"

/* Contexts above a line's own; what lies beyond is left out. */
#define PARENTS_MAX    8


struct line {
    size_t  len;
    size_t  limit;          /* what is put now ends here */
    bool    is_cut;
    char    text[LINE_MAX_SIZE];
};


struct level_name {
    const char  *name;
    const char  *padded;
};


static void message_write(enum wr_log_level level, const struct wr_log *log,
    const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void line_write_json(struct line *line, enum wr_log_level level,
    const struct wr_log *log, const char *message);
static void line_write_text(struct line *line, enum wr_log_level level,
    const struct wr_log *log, const char *message);
static void fields_put(struct line *line, const struct wr_log *log);
static bool field_is_hidden(const struct wr_log *const *chain, int depth,
    int field);
static void field_put(struct line *line, const char *name, const char *value);
static void put(struct line *line, const char *text);
static void put_bytes(struct line *line, const char *text, size_t len);
static void put_escaped(struct line *line, const char *text, size_t max,
    bool is_json);
static size_t escape(char *escaped, const char *text, size_t len,
    bool is_json);
static void line_send(const struct line *line);


static const struct level_name  levels[] = {
    { "error", "error" },
    { "warn", "warn " },
    { "info", "info " },
    { "debug", "debug" }
};


static const char *const  own_fields[] = {
    "@timestamp", "log.level", "message", "ecs.version", "process.pid",
    "service.name"
};


static struct {
    enum wr_log_format    format;
    const char           *service_name;
    const struct wr_log  *base;

    /* shared with the processes forked from this one, once it is set up */
    atomic_int           *level;

    /* sees errors */
    void                (*seen)(const char *message);
} global = { WR_LOG_TEXT, NULL, NULL, NULL, NULL };


static atomic_int  own_level = WR_LOG_INFO;


void
wr_log_setup(enum wr_log_format format, enum wr_log_level level,
    const char *service_name)
{
    global.format = format;
    global.service_name = service_name;

    wr_log_level_set(level);
}


void
wr_log_level_set(enum wr_log_level level)
{
    void  *shared;

    if (global.level == NULL) {
        shared = mmap(NULL, sizeof(atomic_int), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        /* without: a change reaches this process alone */

        global.level = (shared != MAP_FAILED) ? shared : &own_level;
    }

    atomic_store_explicit(global.level, (int) level, memory_order_relaxed);
}


void
wr_log_base(const struct wr_log *base)
{
    global.base = base;
}


int
wr_log_level_of(const char *name)
{
    int  i;

    for (i = 0; i <= WR_LOG_DEBUG; i++) {
        if (strcmp(levels[i].name, name) == 0) {
            return i;
        }
    }

    return -1;
}


int
wr_log_format_of(const char *name)
{
    if (strcmp(name, "json") == 0) {
        return WR_LOG_JSON;
    }

    return strcmp(name, "text") == 0 ? WR_LOG_TEXT : -1;
}


bool
wr_log_enabled(enum wr_log_level level)
{
    const atomic_int  *current;

    current = (global.level != NULL) ? global.level : &own_level;

    return (int) level <= atomic_load_explicit(current, memory_order_relaxed);
}


void
wr_log_write(enum wr_log_level level, const struct wr_log *log,
    const char *format, ...)
{
    va_list  args;

    if (!wr_log_enabled(level)) {
        return;
    }

    va_start(args, format);
    message_write(level, log, format, args);
    va_end(args);
}


void
wr_log_tell(const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    message_write(WR_LOG_INFO, NULL, format, args);
    va_end(args);
}


void
wr_log_errors(void (*seen)(const char *message))
{
    global.seen = seen;
}


static void
message_write(enum wr_log_level level, const struct wr_log *log,
    const char *format, va_list args)
{
    int          saved;
    char         message[MESSAGE_MAX];
    struct line  line;

    saved = errno;

    vsnprintf(message, sizeof(message), format, args);

    if (level == WR_LOG_ERROR && global.seen != NULL) {
        global.seen(message);
    }

    line.len = 0;
    line.is_cut = false;

    if (global.format == WR_LOG_JSON) {
        line_write_json(&line, level, log, message);

    } else {
        line_write_text(&line, level, log, message);
    }

    line_send(&line);

    errno = saved;
}


static void
line_write_json(struct line *line, enum wr_log_level level,
    const struct wr_log *log, const char *message)
{
    char  now[WR_CLOCK_TEXT_SIZE], pid[24];

    line->limit = LINE_MAX_SIZE - 2;        /* the closing brace and "\n" */

    wr_clock_text(wr_clock_wall_ms(), now);
    snprintf(pid, sizeof(pid), "%ld", (long) getpid());

    put(line, "{\"@timestamp\":\"");
    put(line, now);
    put(line, "\",\"log.level\":\"");
    put(line, levels[level].name);
    put(line, "\",\"message\":\"");
    put_escaped(line, message, MESSAGE_MAX, true);
    put(line, "\",\"ecs.version\":\"" ECS_VERSION "\",\"process.pid\":");
    put(line, pid);

    if (global.service_name != NULL) {
        field_put(line, "service.name", global.service_name);
    }

    fields_put(line, log);

    line->limit = LINE_MAX_SIZE;
    put(line, "}\n");
}


static void
line_write_text(struct line *line, enum wr_log_level level,
    const struct wr_log *log, const char *message)
{
    char  now[WR_CLOCK_TEXT_SIZE], pid[24];

    line->limit = LINE_MAX_SIZE - 1;

    wr_clock_text(wr_clock_wall_ms(), now);
    snprintf(pid, sizeof(pid), "[%ld]: ", (long) getpid());

    put(line, now);
    put(line, " ");
    put(line, levels[level].padded);
    put(line, " ");
    put(line, global.service_name != NULL ? global.service_name : "warren");
    put(line, pid);
    put_escaped(line, message, MESSAGE_MAX, false);

    fields_put(line, log);

    line->limit = LINE_MAX_SIZE;
    put(line, "\n");
}


/* The nearest context wins: its parents' fields of that name are left out. */
static void
fields_put(struct line *line, const struct wr_log *log)
{
    int                   depth, i;
    const char           *name, *value;
    const struct wr_log  *chain[PARENTS_MAX + 2];

    depth = 0;

    for ( /* void */ ; log != NULL && depth <= PARENTS_MAX; log = log->parent)
    {
        chain[depth++] = log;
    }

    if (global.base != NULL) {
        chain[depth++] = global.base;
    }

    while (depth-- > 0) {
        for (i = 0; i < WR_LOG_FIELDS; i++) {
            name = chain[depth]->fields[i].name;
            value = chain[depth]->fields[i].value;

            if (name == NULL || value == NULL
                || field_is_hidden(chain, depth, i))
            {
                continue;
            }

            field_put(line, name, value);
        }
    }
}


/* By one of that name in a nearer context, a later one of its own, or what
   every line has. */
static bool
field_is_hidden(const struct wr_log *const *chain, int depth, int field)
{
    int          i, j;
    size_t       n;
    const char  *name, *other;

    name = chain[depth]->fields[field].name;

    for (n = 0; n < sizeof(own_fields) / sizeof(own_fields[0]); n++) {
        if (strcmp(own_fields[n], name) == 0) {
            return true;
        }
    }

    for (i = 0; i <= depth; i++) {
        for (j = (i == depth) ? field + 1 : 0; j < WR_LOG_FIELDS; j++) {
            other = chain[i]->fields[j].name;

            if (other != NULL && chain[i]->fields[j].value != NULL
                && strcmp(other, name) == 0)
            {
                return true;
            }
        }
    }

    return false;
}


/* A field that has no room is left out as a whole. */
static void
field_put(struct line *line, const char *name, const char *value)
{
    bool    is_json;
    size_t  before;

    before = line->len;
    is_json = (global.format == WR_LOG_JSON);

    put(line, is_json ? ",\"" : " ");
    put_escaped(line, name, VALUE_MAX, is_json);
    put(line, is_json ? "\":\"" : "=");
    put_escaped(line, value, VALUE_MAX, is_json);

    if (is_json) {
        put(line, "\"");
    }

    if (line->is_cut) {
        line->len = before;
        line->is_cut = false;
    }
}


static void
put(struct line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}


static void
put_bytes(struct line *line, const char *text, size_t len)
{
    if (line->is_cut || len > line->limit - line->len) {
        line->is_cut = true;
        return;
    }

    memcpy(line->text + line->len, text, len);
    line->len += len;
}


/* At most max bytes of the line; a text that is cut ends in "...". */
static void
put_escaped(struct line *line, const char *text, size_t max, bool is_json)
{
    char    escaped[8];
    size_t  len, n, i, put_len;

    len = strlen(text);
    put_len = 0;

    for (i = 0; i < len; i += n) {
        n = wr_utf8_len(text + i, len - i);

        put_len += escape(escaped, text + i, n, is_json);
        n += (n == 0);

        if (put_len > max - 3) {
            put(line, "...");
            return;
        }

        put(line, escaped);
    }
}


/*
 * Writes one character, terminated, and returns its length; len is 0 for a
 * byte that is not UTF-8.  Nothing that ends a line or moves a terminal's
 * cursor comes through.
 */
static size_t
escape(char *escaped, const char *text, size_t len, bool is_json)
{
    unsigned char  ch;

    if (len == 0) {
        strcpy(escaped, WR_UTF8_REPLACEMENT);
        return WR_UTF8_REPLACEMENT_LEN;
    }

    ch = (unsigned char) text[0];

    if (ch < ' ' || ch == 0x7F) {
        return (size_t) snprintf(escaped, 8, is_json ? "\\u%04x" : "\\x%02x",
                                 ch);
    }

    if (ch == 0xC2 && (unsigned char) text[1] < 0xA0) {
        return (size_t) snprintf(escaped, 8, "\\u%04x",
                                 (unsigned char) text[1]);
    }

    if (is_json && (ch == '"' || ch == '\\')) {
        escaped[0] = '\\';
        escaped[1] = (char) ch;
        escaped[2] = '\0';
        return 2;
    }

    memcpy(escaped, text, len);
    escaped[len] = '\0';

    return len;
}


static void
line_send(const struct line *line)
{
    size_t   sent;
    ssize_t  n;

    for (sent = 0; sent < line->len; sent += (size_t) n) {
        n = write(STDERR_FILENO, line->text + sent, line->len - sent);

        if (n < 0 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n < 0) {
            /* nobody reads it, and there is nowhere to say so */
            return;
        }
    }
}
