/*
 * Copyright (C) the Warren authors
 *
 * How settings are read, told and changed: for the service's main and the
 * supervisor.
 */

#ifndef WARREN_SETTINGS_PRIVATE_H
#define WARREN_SETTINGS_PRIVATE_H


#include <stddef.h>
#include <stdio.h>

#include "settings.h"


struct wr_arena;


/* Bytes of a line in a file, and of a secret; more are refused. */
#define WR_SETTINGS_LINE_MAX  8192


/* where values come from, the last one wins; kept as long as the settings */

struct wr_settings_source {
    const struct wr_setting *const  *tables;        /* ends with NULL */
    const char                      *file;          /* NULL: none */
    const char *const               *environment;   /* as environ, or NULL */
    const char *const               *options;       /* "key=value", NULL */
};


/* one key */

struct wr_settings_entry {
    const struct wr_setting  *setting;
    const char               *value;        /* as written; NULL: none */
    const char               *secret;       /* WR_SETTING_FILE: first line */
    int64_t                   number;       /* ms, bytes, 0 or 1 */

    /* for people: "default", "FILE:LINE", "WARREN_X", "-o" */
    const char               *origin;
};


struct wr_settings {
    struct wr_arena           *arena;
    size_t                     count;
    struct wr_settings_entry  *entries;

    size_t                     errors_count;
    const char               **errors;
};


/*
 * Reads all sources.  Never NULL: what was wrong is asked for with
 * wr_settings_error(), and if something was, values must not be used.
 */
struct wr_settings *wr_settings_load(const struct wr_settings_source *source);
void wr_settings_free(struct wr_settings **settings);

/* What was wrong, a line each, in the order found; NULL beyond the last. */
const char *wr_settings_error(const struct wr_settings *settings, size_t i);

/* Adds an error: the text as it is, or one that begins with where the key's
   value comes from and its name. */
void wr_settings_error_add(struct wr_settings *settings, const char *format,
    ...) __attribute__((format(printf, 2, 3)));
void wr_settings_refuse(struct wr_settings *settings, const char *key,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* All keys with values, origins and help, in a form that can be read again;
   secrets are "***". */
void wr_settings_dump(const struct wr_settings *settings, FILE *out);

/* Whether two readings of the same tables have the same value there. */
bool wr_settings_same(const struct wr_settings *a,
    const struct wr_settings *b, size_t i);

/*
 * Reads a key's text into number and secret, by its type.  Returns 0, or -1
 * after adding an error.
 */
int wr_settings_value_read(struct wr_settings *settings,
    struct wr_settings_entry *entry);

/*
 * CPUs that this process may use, at least 1: of its affinity, and no more
 * than the quotas of its control groups (version 2 or 1) have whole ones.
 * Files are looked for below root, "" but in tests.
 */
int wr_settings_cpus(const char *root);

/* A copy of a value in which passwords of URLs are "***". */
char *wr_settings_masked(struct wr_arena *arena, const char *value);


/* The keys of every worker; and what their types alone do not say. */
extern const struct wr_setting  wr_settings_runtime[];
void wr_settings_runtime_check(struct wr_settings *settings);


#endif /* WARREN_SETTINGS_PRIVATE_H */
