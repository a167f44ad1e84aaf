/*
 * Copyright (C) the Warren authors
 *
 * Logs on standard error, one line an event.  The message says what happened,
 * the context adds who: a context has a parent and fields of its own.
 *
 * Levels: error (someone must act), warn (we coped), info (life cycle), debug
 * (story).  Never log a token, a password, a card, a body.
 */

#ifndef WARREN_LOG_H
#define WARREN_LOG_H


#include <stdbool.h>


enum wr_log_level {
    WR_LOG_ERROR = 0,
    WR_LOG_WARN,
    WR_LOG_INFO,
    WR_LOG_DEBUG
};


enum wr_log_format {
    WR_LOG_JSON = 0,        /* an object a line, ECS field names */
    WR_LOG_TEXT             /* for people */
};


/*
 * A context.  Embed it or put it on the stack; what it points to must outlive
 * it.  Fields are ECS names ("trace.id", "service.name", "process.pid" …) and
 * values; NULL values are left out.
 */

#define WR_LOG_FIELDS  8

struct wr_log {
    const struct wr_log  *parent;
    struct {
        const char       *name;
        const char       *value;
    }                     fields[WR_LOG_FIELDS];
};


/* What every line of this process has; called once a process.  service_name
   is kept. */
void wr_log_setup(enum wr_log_format format, enum wr_log_level level,
    const char *service_name);

/* Whether lines of this level are written at all. */
bool wr_log_enabled(enum wr_log_level level);

/*
 * One line, at most 8 kB, written with one write().  log may be NULL.  "%m"
 * works as in syslog(3).
 */
void wr_log_write(enum wr_log_level level, const struct wr_log *log,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

#define wr_log_error(log, ...)  wr_log_write(WR_LOG_ERROR, log, __VA_ARGS__)
#define wr_log_warn(log, ...)   wr_log_write(WR_LOG_WARN, log, __VA_ARGS__)
#define wr_log_info(log, ...)   wr_log_write(WR_LOG_INFO, log, __VA_ARGS__)
#define wr_log_debug(log, ...)                                                \
    do {                                                                      \
        if (wr_log_enabled(WR_LOG_DEBUG)) {                                   \
            wr_log_write(WR_LOG_DEBUG, log, __VA_ARGS__);                     \
        }                                                                     \
    } while (0)


#endif /* WARREN_LOG_H */
