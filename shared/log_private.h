/*
 * Copyright (C) the Warren authors
 *
 * What supervisor and service do to the log, and nobody else.
 */

#ifndef WARREN_LOG_PRIVATE_H
#define WARREN_LOG_PRIVATE_H


#include "log.h"


/* The level, for all processes that are forked after the first call. */
void wr_log_level_set(enum wr_log_level level);

/* Fields that each line of this process has from now on; base is kept. */
void wr_log_base(const struct wr_log *base);

/* An info line whatever the level is: somebody has asked for it. */
void wr_log_tell(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* A function that is given the message of each error of this process; it must
   not log.  NULL: none. */
void wr_log_errors(void (*seen)(const char *message));

/* By name: "error", "warn", "info", "debug"; "json", "text".  -1: none. */
int wr_log_level_of(const char *name);
int wr_log_format_of(const char *name);


#endif /* WARREN_LOG_PRIVATE_H */
