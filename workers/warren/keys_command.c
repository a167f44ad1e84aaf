/*
 * Copyright (C) the Warren authors
 *
 * warren keys: keys that sign tokens, one after the other.
 */

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "keys.h"
#include "keys_command.h"
#include "table.h"
#include "text.h"


/* Gateways read keys again after ten minutes, caches after five. */
#define OVERLAP_SEC    1800

/* The service's token.ttl, an hour, and by how much clocks may differ. */
#define KEEP_SEC       3900

/* Of what is told in seconds: a year. */
#define SECONDS_MAX    31536000

#define TIME_SIZE      32


struct options {
    const char  *directory;
    long         overlap_sec;
    long         keep_sec;
    bool         is_dry;
    bool         is_json;
};


static const char  rotate_usage[] =
    "usage: warren keys rotate --directory DIR [--overlap SECONDS]\n"
    "\n"
    "Makes a key.  It is published at once, and signs after the overlap; the\n"
    "first key of a directory signs at once.\n"
    "\n"
    "  --directory DIR    the service's token.key_directory\n"
    "  --overlap SECONDS  default 1800: gateways must have read it by then\n";

static const char  list_usage[] =
    "usage: warren keys list --directory DIR [--json]\n"
    "\n"
    "  --directory DIR  the service's token.key_directory\n"
    "  --json           for programs\n";

static const char  prune_usage[] =
    "usage: warren keys prune --directory DIR [--keep SECONDS] [--dry-run]\n"
    "\n"
    "Deletes the keys whose tokens have all ended.\n"
    "\n"
    "  --directory DIR  the service's token.key_directory\n"
    "  --keep SECONDS   after a key signed last: at least the service's\n"
    "                   token.ttl and the gateways' leeway; default 3900\n"
    "  --dry-run        tell what would be deleted\n";

static const struct option  rotate_options[] = {
    { "directory", required_argument, NULL, 'd' },
    { "overlap",   required_argument, NULL, 'o' },
    { "help",      no_argument,       NULL, 'h' },
    { NULL,        0,                 NULL, 0 }
};

static const struct option  list_options[] = {
    { "directory", required_argument, NULL, 'd' },
    { "json",      no_argument,       NULL, 'j' },
    { "help",      no_argument,       NULL, 'h' },
    { NULL,        0,                 NULL, 0 }
};

static const struct option  prune_options[] = {
    { "directory", required_argument, NULL, 'd' },
    { "keep",      required_argument, NULL, 'k' },
    { "dry-run",   no_argument,       NULL, 'n' },
    { "help",      no_argument,       NULL, 'h' },
    { NULL,        0,                 NULL, 0 }
};


static int parse(int argc, char **argv, const struct option *known,
    const char *usage, struct options *options, int *status_r);
static int parse_option(struct options *options, int option);
static int parse_seconds(const char *text, long *seconds_r);
static int rotate(struct keys *keys, long overlap_sec);
static int print_json(const struct keys *keys);
static void print_table(const struct keys *keys);
static int prune(const struct keys *keys, const struct options *options);
static const char *time_text(time_t when, char text_r[TIME_SIZE]);


int
keys_command_rotate(int argc, char **argv)
{
    int             status;
    const char     *error;
    struct keys     keys;
    struct options  options;

    if (parse(argc, argv, rotate_options, rotate_usage, &options, &status)
        == -1)
    {
        return status;
    }

    if (keys_open(&keys, options.directory, true, &error) == -1) {
        return text_fail("%s", error);
    }

    status = rotate(&keys, options.overlap_sec);
    keys_close(&keys);

    return status;
}


int
keys_command_list(int argc, char **argv)
{
    int             status;
    const char     *error;
    struct keys     keys;
    struct options  options;

    if (parse(argc, argv, list_options, list_usage, &options, &status) == -1) {
        return status;
    }

    if (keys_open(&keys, options.directory, false, &error) == -1) {
        return text_fail("%s", error);
    }

    status = 0;

    if (options.is_json) {
        status = print_json(&keys);

    } else {
        print_table(&keys);
    }

    keys_close(&keys);

    if (status != 0 || fflush(stdout) == EOF) {
        return text_fail("standard output could not be written");
    }

    return 0;
}


int
keys_command_prune(int argc, char **argv)
{
    int             status;
    const char     *error;
    struct keys     keys;
    struct options  options;

    if (parse(argc, argv, prune_options, prune_usage, &options, &status)
        == -1)
    {
        return status;
    }

    if (keys_open(&keys, options.directory, true, &error) == -1) {
        return text_fail("%s", error);
    }

    status = prune(&keys, &options);
    keys_close(&keys);

    return status;
}


/* 0, or -1 with the exit status. */

static int
parse(int argc, char **argv, const struct option *known, const char *usage,
    struct options *options, int *status_r)
{
    int  option;

    memset(options, 0, sizeof(*options));
    options->overlap_sec = OVERLAP_SEC;
    options->keep_sec = KEEP_SEC;
    optind = 1;

    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {

        if (option == 'h') {
            fputs(usage, stdout);
            *status_r = 0;
            return -1;
        }

        if (parse_option(options, option) == -1) {
            fputs(usage, stderr);
            *status_r = 2;
            return -1;
        }
    }

    if (options->directory == NULL || optind != argc) {
        fputs(usage, stderr);
        *status_r = 2;
        return -1;
    }

    return 0;
}


static int
parse_option(struct options *options, int option)
{
    switch (option) {

    case 'd':
        options->directory = optarg;
        return 0;

    case 'o':
        return parse_seconds(optarg, &options->overlap_sec);

    case 'k':
        return parse_seconds(optarg, &options->keep_sec);

    case 'n':
        options->is_dry = true;
        return 0;

    case 'j':
        options->is_json = true;
        return 0;

    default:
        return -1;
    }
}


static int
parse_seconds(const char *text, long *seconds_r)
{
    char  *end;

    errno = 0;
    *seconds_r = strtol(text, &end, 10);

    return errno == 0 && end != text && *end == '\0' && *seconds_r >= 0
           && *seconds_r <= SECONDS_MAX ? 0 : -1;
}


static int
rotate(struct keys *keys, long overlap_sec)
{
    char                    kid[KEYS_KID_SIZE], when[TIME_SIZE];
    time_t                  from;
    const char             *error;
    const struct keys_key  *last;

    from = keys->now;

    if (keys->count > 0) {
        last = &keys->key[keys->count - 1];

        /* a second one would be found by gateways that know neither */

        if (last->state == KEYS_NEXT) {
            return text_fail("%s: the key %s is new already, and signs from "
                             "%s on; nothing has changed", keys->path,
                             last->kid, time_text(last->signs_from, when));
        }

        from += overlap_sec;

        /* the new one is the last, also if they rotate in a second */

        if (from <= last->signs_from) {
            from = last->signs_from + 1;
        }
    }

    if (keys_add(keys, from, kid, &error) == -1) {
        return text_fail("%s", error);
    }

    printf("%s signs from %s on\n", kid, time_text(from, when));

    if (fflush(stdout) == EOF) {
        return text_fail("standard output could not be written; the key %s "
                         "is there", kid);
    }

    return 0;
}


static int
print_json(const struct keys *keys)
{
    int      rc;
    char     from[TIME_SIZE], until[TIME_SIZE];
    size_t   i;
    json_t  *list, *item;

    list = json_array();

    for (i = 0; i < keys->count; i++) {
        item = json_pack(
            "{s:s, s:s, s:s, s:s?}", "kid", keys->key[i].kid,
            "state", keys_state_name(keys->key[i].state),
            "signs_from", time_text(keys->key[i].signs_from, from),
            "signs_until", keys->key[i].signs_until == 0
                           ? NULL
                           : time_text(keys->key[i].signs_until, until));
        json_array_append_new(list, item);
    }

    list = json_pack("{s:o}", "keys", list);

    if (list == NULL) {
        return -1;
    }

    rc = json_dumpf(list, stdout, JSON_COMPACT);
    json_decref(list);

    return rc == -1 || puts("") == EOF ? -1 : 0;
}


static void
print_table(const struct keys *keys)
{
    char                    from[TIME_SIZE], until[TIME_SIZE];
    size_t                  i;
    struct table           *table;
    const struct keys_key  *key;

    table = table_new("KID", "STATE", "SIGNS FROM (UTC)", "UNTIL", NULL);

    for (i = 0; i < keys->count; i++) {
        key = &keys->key[i];

        table_add(table, "%s", key->kid);
        table_add(table, "%s", keys_state_name(key->state));
        table_add(table, "%s", time_text(key->signs_from, from));
        table_add(table, "%s", key->signs_until == 0
                               ? "-" : time_text(key->signs_until, until));
    }

    table_print(table, stdout);
    table_free(&table);
}


/* An old key goes when the last token it may have signed has ended.  Nothing
   goes if what signs could not. */

static int
prune(const struct keys *keys, const struct options *options)
{
    size_t                  i;
    const char             *error;
    const struct keys_key  *key;

    for (i = 0; i < keys->count; i++) {
        key = &keys->key[i];

        if (key->state != KEYS_OLD && keys_check(keys, key, &error) == -1) {
            return text_fail("%s; nothing has changed", error);
        }
    }

    for (i = 0; i < keys->count; i++) {
        key = &keys->key[i];

        if (key->state != KEYS_OLD
            || keys->now - key->signs_until < options->keep_sec)
        {
            continue;
        }

        if (!options->is_dry && keys_delete(keys, key, &error) == -1) {
            return text_fail("%s", error);
        }

        printf("%s %s\n", options->is_dry ? "would delete" : "deleted",
               key->kid);
    }

    return fflush(stdout) == EOF
           ? text_fail("standard output could not be written") : 0;
}


static const char *
time_text(time_t when, char text_r[TIME_SIZE])
{
    struct tm  tm;

    if (gmtime_r(&when, &tm) == NULL
        || strftime(text_r, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        text_r[0] = '\0';
    }

    return text_r;
}
