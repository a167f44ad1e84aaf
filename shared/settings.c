/*
 * Copyright (C) the Warren authors
 *
 * Configuration: reads file, environment and options into the values of a
 * program's keys.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "log.h"
#include "memory.h"
#include "settings_private.h"


#define ENVIRONMENT_PREFIX  "WARREN_"

/* Of a key, in characters. */
#define KEY_MAX             128


static void entries_make(struct wr_settings *settings,
    const struct wr_setting *const *tables);
static void file_read(struct wr_settings *settings, const char *file);
static void line_read(struct wr_settings *settings, const char *origin,
    char *line);
static void environment_read(struct wr_settings *settings,
    const char *const *environment);
static void options_read(struct wr_settings *settings,
    const char *const *options);
static void values_read(struct wr_settings *settings);
static struct wr_settings_entry *entry_find(
    const struct wr_settings *settings, const char *key, size_t len);
static const struct wr_settings_entry *entry_get(
    const struct wr_settings *settings, const char *key,
    enum wr_setting_type type);
static void key_unknown(struct wr_settings *settings, const char *origin,
    const char *key);
static const char *key_nearest(const struct wr_settings *settings,
    const char *key, bool is_variable);
static size_t distance(const char *a, const char *b);
static void variable_name(const char *key, char name_r[KEY_MAX]);
static char *trim(char *text);


struct wr_settings *
wr_settings_load(const struct wr_settings_source *source)
{
    struct wr_settings  *settings;

    settings = wr_memory_alloc(1, sizeof(struct wr_settings));
    settings->arena = wr_arena_new();

    entries_make(settings, source->tables);

    if (source->file != NULL) {
        file_read(settings, source->file);
    }

    if (source->environment != NULL) {
        environment_read(settings, source->environment);
    }

    if (source->options != NULL) {
        options_read(settings, source->options);
    }

    values_read(settings);

    return settings;
}


void
wr_settings_free(struct wr_settings **settings)
{
    if (*settings == NULL) {
        return;
    }

    wr_arena_free(&(*settings)->arena);
    free((*settings)->errors);
    free(*settings);
    *settings = NULL;
}


const char *
wr_settings_error(const struct wr_settings *settings, size_t i)
{
    return i < settings->errors_count ? settings->errors[i] : NULL;
}


void
wr_settings_error_add(struct wr_settings *settings, const char *format, ...)
{
    va_list  args;

    settings->errors = wr_memory_grow(settings->errors,
                                      (settings->errors_count + 1)
                                      * sizeof(char *));

    va_start(args, format);
    settings->errors[settings->errors_count++] =
        wr_arena_vprintf(settings->arena, format, args);
    va_end(args);
}


void
wr_settings_refuse(struct wr_settings *settings, const char *key,
    const char *format, ...)
{
    char                      *text;
    va_list                    args;
    struct wr_settings_entry  *entry;

    va_start(args, format);
    text = wr_arena_vprintf(settings->arena, format, args);
    va_end(args);

    entry = entry_find(settings, key, strlen(key));

    wr_settings_error_add(settings, "%s: %s: %s",
                          entry != NULL ? entry->origin : "settings", key,
                          text);
}


const char *
wr_settings_text(const struct wr_settings *settings, const char *key)
{
    return entry_get(settings, key, WR_SETTING_TEXT)->value;
}


int64_t
wr_settings_int(const struct wr_settings *settings, const char *key)
{
    return entry_get(settings, key, WR_SETTING_INT)->number;
}


bool
wr_settings_bool(const struct wr_settings *settings, const char *key)
{
    return entry_get(settings, key, WR_SETTING_BOOL)->number != 0;
}


int64_t
wr_settings_ms(const struct wr_settings *settings, const char *key)
{
    return entry_get(settings, key, WR_SETTING_DURATION)->number;
}


int64_t
wr_settings_bytes(const struct wr_settings *settings, const char *key)
{
    return entry_get(settings, key, WR_SETTING_SIZE)->number;
}


const char *
wr_settings_secret(const struct wr_settings *settings, const char *key)
{
    return entry_get(settings, key, WR_SETTING_FILE)->secret;
}


bool
wr_settings_same(const struct wr_settings *a, const struct wr_settings *b,
    size_t i)
{
    return strcmp(a->entries[i].value, b->entries[i].value) == 0
           && strcmp(a->entries[i].secret, b->entries[i].secret) == 0;
}


static void
entries_make(struct wr_settings *settings,
    const struct wr_setting *const *tables)
{
    size_t                    n, i;
    const struct wr_setting  *setting;

    n = 0;

    for (i = 0; tables[i] != NULL; i++) {
        for (setting = tables[i]; setting->key != NULL; setting++) {
            n++;
        }
    }

    settings->entries = wr_arena_alloc(settings->arena,
                                       n * sizeof(struct wr_settings_entry));

    for (i = 0; tables[i] != NULL; i++) {
        for (setting = tables[i]; setting->key != NULL; setting++) {

            if (entry_find(settings, setting->key, strlen(setting->key))
                != NULL || strlen(setting->key) >= KEY_MAX - 8)
            {
                wr_log_error(NULL, "the program's table has key \"%s\" twice, "
                             "or it is too long", setting->key);
                abort();
            }

            settings->entries[settings->count].setting = setting;
            settings->entries[settings->count].value = setting->fallback;
            settings->entries[settings->count].secret = "";
            settings->entries[settings->count].origin = "default";
            settings->count++;
        }
    }
}


static void
file_read(struct wr_settings *settings, const char *file)
{
    char          line[WR_SETTINGS_LINE_MAX];
    FILE         *in;
    size_t        len;
    unsigned      n;
    const char   *origin;

    in = fopen(file, "re");

    if (in == NULL) {
        wr_settings_error_add(settings, "%s: cannot be opened: %s", file,
                              strerror(errno));
        return;
    }

    for (n = 1; fgets(line, sizeof(line), in) != NULL; n++) {
        origin = wr_arena_printf(settings->arena, "%s:%u", file, n);
        len = strlen(line);

        if (len == sizeof(line) - 1 && line[len - 1] != '\n') {
            wr_settings_error_add(settings, "%s: the line is longer than %d "
                                  "bytes", origin, WR_SETTINGS_LINE_MAX - 2);
            break;
        }

        line_read(settings, origin, line);
    }

    if (ferror(in)) {
        wr_settings_error_add(settings, "%s: cannot be read: %s", file,
                              strerror(errno));
    }

    fclose(in);
}


static void
line_read(struct wr_settings *settings, const char *origin, char *line)
{
    char                      *key, *value;
    struct wr_settings_entry  *entry;

    key = trim(line);

    if (*key == '\0' || *key == '#') {
        return;
    }

    value = strchr(key, '=');

    if (value == NULL) {
        wr_settings_error_add(settings, "%s: not \"key = value\": %.100s",
                              origin, key);
        return;
    }

    *value++ = '\0';
    key = trim(key);
    entry = entry_find(settings, key, strlen(key));

    if (entry == NULL) {
        key_unknown(settings, origin, key);
        return;
    }

    if (strcmp(entry->origin, "default") != 0) {
        wr_settings_error_add(settings, "%s: %s: stands twice, first at %s",
                              origin, key, entry->origin);
        return;
    }

    entry->value = wr_arena_strdup(settings->arena, trim(value));
    entry->origin = origin;
}


/*
 * Of the variables that no key has, only those are refused that look like a
 * slip of the pen: a container's engine sets variables of its own for every
 * service it knows, WARREN_GATEWAY_PORT for one.
 */
static void
environment_read(struct wr_settings *settings, const char *const *environment)
{
    char                       name[KEY_MAX];
    size_t                     i, len;
    const char                *value, *nearest, *variable;
    struct wr_settings_entry  *entry;

    for ( /* void */ ; *environment != NULL; environment++) {
        value = strchr(*environment, '=');

        if (value == NULL
            || strncmp(*environment, ENVIRONMENT_PREFIX,
                       sizeof(ENVIRONMENT_PREFIX) - 1) != 0)
        {
            continue;
        }

        len = (size_t) (value - *environment);
        variable = wr_arena_copy(settings->arena, *environment, len);
        entry = NULL;

        for (i = 0; i < settings->count && entry == NULL; i++) {
            variable_name(settings->entries[i].setting->key, name);

            if (strcmp(name, variable) == 0) {
                entry = &settings->entries[i];
            }
        }

        if (entry != NULL) {
            entry->value = wr_arena_strdup(settings->arena, value + 1);
            entry->origin = variable;
            continue;
        }

        nearest = key_nearest(settings, variable, true);

        if (nearest != NULL) {
            variable_name(nearest, name);
            wr_settings_error_add(settings, "%s: unknown variable, did you "
                                  "mean %s?", variable, name);
        }
    }
}


static void
options_read(struct wr_settings *settings, const char *const *options)
{
    size_t                     len;
    const char                *value, *key;
    struct wr_settings_entry  *entry;

    for ( /* void */ ; *options != NULL; options++) {
        value = strchr(*options, '=');

        if (value == NULL) {
            wr_settings_error_add(settings, "-o %s: not \"key=value\"",
                                  *options);
            continue;
        }

        len = (size_t) (value - *options);
        key = trim(wr_arena_copy(settings->arena, *options, len));
        entry = entry_find(settings, key, strlen(key));

        if (entry == NULL) {
            key_unknown(settings, "-o", key);
            continue;
        }

        entry->value = trim(wr_arena_strdup(settings->arena, value + 1));
        entry->origin = "-o";
    }
}


static void
values_read(struct wr_settings *settings)
{
    char                       name[KEY_MAX];
    size_t                     i;
    struct wr_settings_entry  *entry;

    for (i = 0; i < settings->count; i++) {
        entry = &settings->entries[i];

        if (entry->setting->fallback != NULL
            || (entry->value != NULL && entry->value[0] != '\0'))
        {
            wr_settings_value_read(settings, entry);
            continue;
        }

        variable_name(entry->setting->key, name);
        entry->value = "";

        wr_settings_error_add(settings, "%s is required: give it in the file, "
                              "as %s, or with -o", entry->setting->key, name);
    }
}


static struct wr_settings_entry *
entry_find(const struct wr_settings *settings, const char *key, size_t len)
{
    size_t       i;
    const char  *known;

    for (i = 0; i < settings->count; i++) {
        known = settings->entries[i].setting->key;

        if (strlen(known) == len && memcmp(known, key, len) == 0) {
            return &settings->entries[i];
        }
    }

    return NULL;
}


/* A file's name can be had as a text. */
static const struct wr_settings_entry *
entry_get(const struct wr_settings *settings, const char *key,
    enum wr_setting_type type)
{
    const struct wr_settings_entry  *entry;

    entry = entry_find(settings, key, strlen(key));

    if (entry == NULL
        || (entry->setting->type != type
            && !(type == WR_SETTING_TEXT
                 && entry->setting->type == WR_SETTING_FILE)
            && !(type == WR_SETTING_INT
                 && entry->setting->type == WR_SETTING_CPUS)))
    {
        wr_log_error(NULL, "the program asked for setting \"%s\", which %s",
                     key, entry == NULL ? "it does not have"
                                        : "has another type");
        abort();
    }

    return entry;
}


static void
key_unknown(struct wr_settings *settings, const char *origin, const char *key)
{
    const char  *nearest;

    nearest = key_nearest(settings, key, false);

    if (nearest == NULL) {
        wr_settings_error_add(settings, "%s: unknown key \"%.100s\"", origin,
                              key);
        return;
    }

    wr_settings_error_add(settings, "%s: unknown key \"%.100s\", did you mean "
                          "\"%s\"?", origin, key, nearest);
}


/*
 * The key that was likely meant, or NULL.  Of variables only a slip counts, one
 * letter in four at most; of keys, which are refused anyway, a half.
 */
static const char *
key_nearest(const struct wr_settings *settings, const char *key,
    bool is_variable)
{
    char         name[KEY_MAX];
    size_t       i, n, best, prefix;
    const char  *nearest;

    if (strlen(key) >= KEY_MAX) {
        return NULL;
    }

    prefix = is_variable ? sizeof(ENVIRONMENT_PREFIX) - 1 : 0;
    best = (strlen(key) - prefix) / (is_variable ? 4 : 2) + 1;
    nearest = NULL;

    for (i = 0; i < settings->count; i++) {
        variable_name(settings->entries[i].setting->key, name);
        n = distance(key, is_variable ? name
                                      : settings->entries[i].setting->key);

        if (n < best) {
            best = n;
            nearest = settings->entries[i].setting->key;
        }
    }

    return nearest;
}


/* Levenshtein's: letters to insert, leave out or replace. */
static size_t
distance(const char *a, const char *b)
{
    size_t  i, j, above, left, row[KEY_MAX + 1];

    for (j = 0; j <= strlen(b); j++) {
        row[j] = j;
    }

    for (i = 1; i <= strlen(a); i++) {
        left = row[0];
        row[0] = i;

        for (j = 1; j <= strlen(b); j++) {
            above = row[j];
            row[j] = left + (a[i - 1] != b[j - 1]);

            if (row[j] > above + 1) {
                row[j] = above + 1;
            }

            if (row[j] > row[j - 1] + 1) {
                row[j] = row[j - 1] + 1;
            }

            left = above;
        }
    }

    return row[strlen(b)];
}


static void
variable_name(const char *key, char name_r[KEY_MAX])
{
    size_t  i;
    char   *p;

    strcpy(name_r, ENVIRONMENT_PREFIX);
    p = name_r + sizeof(ENVIRONMENT_PREFIX) - 1;

    for (i = 0; key[i] != '\0'; i++) {
        if (key[i] >= 'a' && key[i] <= 'z') {
            *p++ = (char) (key[i] - 'a' + 'A');

        } else {
            *p++ = (key[i] == '.' || key[i] == '-') ? '_' : key[i];
        }
    }

    *p = '\0';
}


/* In place: without blanks at either end. */
static char *
trim(char *text)
{
    char  *last;

    text += strspn(text, " \t\r\n");
    last = text + strlen(text);

    while (last > text && strchr(" \t\r\n", last[-1]) != NULL) {
        last--;
    }

    *last = '\0';

    return text;
}
