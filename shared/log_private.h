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

/* By name: "error", "warn", "info", "debug"; "json", "text".  -1: none. */
int wr_log_level_of(const char *name);
int wr_log_format_of(const char *name);


#endif /* WARREN_LOG_PRIVATE_H */
