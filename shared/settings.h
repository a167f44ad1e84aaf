/*
 * Copyright (C) the Warren authors
 *
 * Configuration: one table per program says key, type, default, whether it is
 * reloadable, and help.  Values come from a file ("key = value" lines, "#"
 * comments), then the environment (WARREN_<KEY>, in upper case, dots become
 * underscores), then options (-o key=value).  Unknown keys and bad values are
 * refused by name.
 */

#ifndef WARREN_SETTINGS_H
#define WARREN_SETTINGS_H


#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>


enum wr_setting_type {
    WR_SETTING_TEXT = 0,
    WR_SETTING_INT,
    WR_SETTING_BOOL,        /* on, off */
    WR_SETTING_DURATION,    /* 250ms, 15s, 5m, 1h; kept in ms */
    WR_SETTING_SIZE,        /* 64k, 16m; kept in bytes */
    WR_SETTING_FILE,        /* a secret's file: must be readable, by its owner
                               and group alone; its first line is the value */
    WR_SETTING_CPUS         /* an integer, or auto: as many as there are CPUs
                               that the process may use */
};


struct wr_setting {
    const char           *key;          /* NULL ends a table */
    enum wr_setting_type  type;
    const char           *fallback;     /* NULL: required */
    bool                  is_reloadable;
    const char           *help;
};

#define WR_SETTINGS_END  { NULL, WR_SETTING_TEXT, NULL, false, NULL }


struct wr_settings;


/*
 * The values of keys that stand in the program's table, with the right type:
 * anything else is a mistake in the program and ends it.  Texts live as long
 * as the settings.  An optional text, file or so without a value ("") is "".
 */
const char *wr_settings_text(const struct wr_settings *settings,
    const char *key);
int64_t wr_settings_int(const struct wr_settings *settings, const char *key);
bool wr_settings_bool(const struct wr_settings *settings, const char *key);
int64_t wr_settings_ms(const struct wr_settings *settings, const char *key);
int64_t wr_settings_bytes(const struct wr_settings *settings,
    const char *key);

/* Of a WR_SETTING_FILE: the secret, its file's first line. */
const char *wr_settings_secret(const struct wr_settings *settings,
    const char *key);


#endif /* WARREN_SETTINGS_H */
