/*
 * Copyright (C) the Warren authors
 *
 * The values of settings: from text to number or secret, and back to people.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "settings_private.h"


struct unit {
    const char  *name;
    int64_t      factor;
};


static int number_read(const char *text, const struct unit *units,
    int64_t *number_r);
static int secret_read(struct wr_settings *settings,
    struct wr_settings_entry *entry);
static int secret_check(struct wr_settings *settings, const char *key,
    const char *path, int fd);
static const char *mask_url(const char *value, char **masked);


static const struct unit  duration_units[] = {
    { "ms", 1 },
    { "s", 1000 },
    { "m", 60 * 1000 },
    { "h", 3600 * 1000 },
    { "d", 24 * 3600 * 1000 },
    { NULL, 0 }
};

static const struct unit  size_units[] = {
    { "", 1 },
    { "k", 1 << 10 },
    { "m", 1 << 20 },
    { "g", 1 << 30 },
    { NULL, 0 }
};

static const struct unit  no_units[] = {
    { "", 1 },
    { NULL, 0 }
};


int
wr_settings_value_read(struct wr_settings *settings,
    struct wr_settings_entry *entry)
{
    const char  *expected;

    /* an optional value that was not given */

    if (entry->value[0] == '\0' && entry->setting->fallback != NULL
        && entry->setting->fallback[0] == '\0')
    {
        return 0;
    }

    expected = NULL;

    switch (entry->setting->type) {

    case WR_SETTING_TEXT:
        break;

    case WR_SETTING_INT:
        if (number_read(entry->value, no_units, &entry->number) != 0) {
            expected = "an integer";
        }

        break;

    case WR_SETTING_CPUS:
        if (strcmp(entry->value, "auto") == 0) {
            entry->number = wr_settings_cpus("");

        } else if (number_read(entry->value, no_units, &entry->number) != 0) {
            expected = "an integer, or auto";
        }

        break;

    case WR_SETTING_BOOL:
        entry->number = (strcmp(entry->value, "on") == 0);

        if (entry->number == 0 && strcmp(entry->value, "off") != 0) {
            expected = "\"on\" or \"off\"";
        }

        break;

    case WR_SETTING_DURATION:
        if (number_read(entry->value, duration_units, &entry->number) != 0
            || entry->number < 0)
        {
            expected = "a duration such as 250ms, 15s, 5m, 1h or 14d";
        }

        break;

    case WR_SETTING_SIZE:
        if (number_read(entry->value, size_units, &entry->number) != 0
            || entry->number < 0)
        {
            expected = "a size such as 64k or 16m";
        }

        break;

    case WR_SETTING_FILE:
        return secret_read(settings, entry);
    }

    if (expected == NULL) {
        return 0;
    }

    wr_settings_refuse(settings, entry->setting->key, "\"%.100s\" is not %s",
                       entry->value, expected);

    return -1;
}


char *
wr_settings_masked(struct wr_arena *arena, const char *value)
{
    char        *masked, *p;
    const char  *end;

    /* each character becomes three at most */

    masked = wr_arena_alloc(arena, 3 * strlen(value) + 4);
    p = masked;

    while (*value != '\0') {

        if (value[0] == ':' && value[1] == '/' && value[2] == '/') {
            value = mask_url(value, &p);
            continue;
        }

        if (strncasecmp(value, "password=", 9) == 0) {
            end = (value[9] == '\'') ? strchr(value + 10, '\'') : NULL;
            end = (end != NULL) ? end + 1 : value + 9 + strcspn(value + 9,
                                                                "& \t");
            p = stpcpy(stpncpy(p, value, 9), "***");
            value = end;
            continue;
        }

        *p++ = *value++;
    }

    *p = '\0';

    return masked;
}


/* Copies "://user:password@" without the password; returns what follows. */
static const char *
mask_url(const char *value, char **masked)
{
    size_t       len;
    const char  *at, *colon;

    len = 3 + strcspn(value + 3, " \t?");
    at = memrchr(value, '@', len);
    colon = (at != NULL) ? memchr(value + 3, ':', (size_t) (at - value) - 3)
                         : NULL;

    if (colon == NULL) {
        *masked = stpncpy(*masked, value, 3);
        return value + 3;
    }

    *masked = stpncpy(*masked, value, (size_t) (colon - value) + 1);
    *masked = stpcpy(*masked, "***");

    return at;
}


void
wr_settings_dump(const struct wr_settings *settings, FILE *out)
{
    size_t                          i;
    const struct wr_setting        *setting;
    const struct wr_settings_entry *entry;

    for (i = 0; i < settings->count; i++) {
        entry = &settings->entries[i];
        setting = entry->setting;

        fprintf(out, "%s# %s (from: %s%s%s)\n%s = %s\n",
                i != 0 ? "\n" : "",
                setting->help != NULL ? setting->help : setting->key,
                entry->origin,
                setting->is_reloadable ? "; reloadable" : "",
                entry->secret[0] != '\0' ? "; holds ***" : "",
                setting->key,
                wr_settings_masked(settings->arena, entry->value));
    }
}


/* A decimal integer and one of the units; 0 needs none. */
static int
number_read(const char *text, const struct unit *units, int64_t *number_r)
{
    char       *end;
    long long   number;

    if ((*text < '0' || *text > '9')
        && !(*text == '-' && text[1] >= '0' && text[1] <= '9'))
    {
        return -1;
    }

    errno = 0;
    number = strtoll(text, &end, 10);

    if (errno != 0) {
        return -1;
    }

    if (number == 0 && *end == '\0') {
        *number_r = 0;
        return 0;
    }

    for ( /* void */ ; units->name != NULL; units++) {
        if (strcmp(end, units->name) == 0) {
            return __builtin_mul_overflow(number, units->factor, number_r)
                   ? -1 : 0;
        }
    }

    return -1;
}


/* O_NONBLOCK: a FIFO that somebody put there must not hold us up. */
static int
secret_read(struct wr_settings *settings, struct wr_settings_entry *entry)
{
    int          fd, rc;
    char         text[WR_SETTINGS_LINE_MAX];
    ssize_t      n;
    const char  *key;

    key = entry->setting->key;
    fd = open(entry->value, O_RDONLY|O_CLOEXEC|O_NOCTTY|O_NONBLOCK);

    if (fd == -1) {
        wr_settings_refuse(settings, key, "\"%s\" cannot be opened: %s",
                           entry->value, strerror(errno));
        return -1;
    }

    rc = secret_check(settings, key, entry->value, fd);

    if (rc == 0) {
        n = read(fd, text, sizeof(text));

        if (n < 0) {
            wr_settings_refuse(settings, key, "\"%s\" cannot be read: %s",
                               entry->value, strerror(errno));
            rc = -1;

        } else {
            entry->secret = wr_arena_copy(settings->arena, text, (size_t) n);
            ((char *) entry->secret)[strcspn(entry->secret, "\r\n")] = '\0';

            if (entry->secret[0] == '\0'
                || strlen(entry->secret) == sizeof(text))
            {
                wr_settings_refuse(settings, key, "\"%s\" has a first line "
                                   "that is empty or too long", entry->value);
                rc = -1;
            }
        }

        explicit_bzero(text, sizeof(text));
    }

    close(fd);

    return rc;
}


static int
secret_check(struct wr_settings *settings, const char *key, const char *path,
    int fd)
{
    struct stat  st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        wr_settings_refuse(settings, key, "\"%s\" is not a file", path);
        return -1;
    }

    if ((st.st_mode & S_IRWXO) != 0) {
        wr_settings_refuse(settings, key, "\"%s\" is open to everybody (mode "
                           "%04o); mend it: chmod o-rwx '%s'", path,
                           (unsigned) (st.st_mode & 07777), path);
        return -1;
    }

    return 0;
}
