/*
 * Copyright (C) the Warren authors
 *
 * warren dead: options, and the order of things.
 */

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dead_command.h"
#include "dead_print.h"
#include "dead_store.h"
#include "secret.h"
#include "text.h"


/* "list" shows the oldest so many unless told otherwise */
#define LIST_LIMIT  "100"

#define NOTHING     3       /* exit status: no letter matched */


struct options {
    const char          *database;
    const char          *password_file;
    struct dead_filter   filter;
    long long           *ids;
    size_t               nids;
    char                *array;         /* the same for filter.ids: "{1,2}" */
    char                *since;
    char                *before;
    bool                 is_all;
    bool                 is_dry;
    bool                 is_json;
};

/* what is done with each letter that was found */

struct deed {
    const char          *name;          /* "retried" */
    int                (*one)(struct dead_store *store, const json_t *letter,
                              const char **error_r);
};


static const char  usage[] =
    "usage: warren dead list [FILTER]... [--json]\n"
    "       warren dead show ID [--json]\n"
    "       warren dead retry ID...|FILTER...|--all [--dry-run] [--json]\n"
    "       warren dead drop ID...|FILTER...|--all [--dry-run] [--json]\n"
    "\n"
    "  --database URI         postgresql://orders@127.0.0.1/orders_db; as the\n"
    "                         service's role or an administrator\n"
    "  --password-file FILE   its first line is that role's password\n"
    "  --dry-run              tell what would be done, and do nothing\n"
    "  --json                 for programs\n"
    "\n"
    "filters, which must all match:\n"
    "\n"
    "  --reason TEXT          the reason has TEXT in it, in any case\n"
    "  --type TYPE            the message's type\n"
    "  --since TIME           it died then or later: 2026-11-23T14:00Z, or a\n"
    "                         number of s, m, h or d ago: 2h\n"
    "  --before TIME          it died before\n"
    "  --limit N              the oldest N (list: " LIST_LIMIT ")\n"
    "\n"
    "exit status: 0 done, 1 failed, 2 wrong usage, 3 no letter matched\n";

static const struct option  options[] = {
    { "database",      required_argument, NULL, 'D' },
    { "password-file", required_argument, NULL, 'p' },
    { "reason",        required_argument, NULL, 'r' },
    { "type",          required_argument, NULL, 't' },
    { "since",         required_argument, NULL, 's' },
    { "before",        required_argument, NULL, 'b' },
    { "limit",         required_argument, NULL, 'l' },
    { "all",           no_argument,       NULL, 'a' },
    { "dry-run",       no_argument,       NULL, 'n' },
    { "json",          no_argument,       NULL, 'j' },
    { "help",          no_argument,       NULL, 'h' },
    { NULL,            0,                 NULL, 0 }
};


static int run(int argc, char **argv,
    int (*command)(struct options *, struct dead_store *));
static int check(const struct options *o,
    int (*command)(struct options *, struct dead_store *));
static int list(struct options *o, struct dead_store *store);
static int show(struct options *o, struct dead_store *store);
static int retry(struct options *o, struct dead_store *store);
static int drop(struct options *o, struct dead_store *store);
static int act(struct options *o, struct dead_store *store,
    const struct deed *deed);
static int act_on_each(struct options *o, struct dead_store *store,
    const struct deed *deed, json_t *letters);
static bool has_filter(const struct options *o);
static bool is_missing(const struct options *o, const json_t *letters);
static int fail(const struct dead_store *store, const char *error);
static int parse(struct options *o, int argc, char **argv);
static int parse_option(struct options *o, int option);
static int parse_id(struct options *o, const char *text);
static int parse_limit(struct options *o, const char *text);
static const char *parse_time(char **copy, const char *text);
static int bad_usage(const char *text);


int
dead_command_list(int argc, char **argv)
{
    return run(argc, argv, list);
}


int
dead_command_show(int argc, char **argv)
{
    return run(argc, argv, show);
}


int
dead_command_retry(int argc, char **argv)
{
    return run(argc, argv, retry);
}


int
dead_command_drop(int argc, char **argv)
{
    return run(argc, argv, drop);
}


static int
run(int argc, char **argv,
    int (*command)(struct options *, struct dead_store *))
{
    int                 rc;
    char               *password;
    const char         *error;
    struct options      o;
    struct dead_store  *store;

    memset(&o, 0, sizeof(o));
    store = NULL;
    password = NULL;
    rc = parse(&o, argc, argv);

    if (rc != 0) {
        rc = rc == -1 ? 0 : rc;
        goto done;
    }

    rc = check(&o, command);

    if (rc != 0) {
        goto done;
    }

    rc = 1;

    if (o.password_file != NULL) {
        password = secret_line(o.password_file, &error);

        if (password == NULL) {
            text_fail("%s", error);
            goto done;
        }
    }

    store = dead_store_open(o.database, password, &error);

    if (store == NULL) {
        text_fail("%s", error);

    } else {
        rc = command(&o, store);
    }

    if (fflush(stdout) == EOF || ferror(stdout)) {
        rc = text_fail("standard output could not be written");
    }

done:

    dead_store_close(&store);
    secret_free(&password);
    free(o.ids);
    free(o.array);
    free(o.since);
    free(o.before);

    return rc;
}


/* Before anything is asked of anybody. */

static int
check(const struct options *o,
    int (*command)(struct options *, struct dead_store *))
{
    if (o->database == NULL) {
        return bad_usage("--database is needed");
    }

    if (command == list && (o->nids != 0 || o->is_dry || o->is_all)) {
        return bad_usage("list takes filters, --json and nothing else");
    }

    if (command == show
        && (o->nids != 1 || has_filter(o) || o->is_dry || o->is_all))
    {
        return bad_usage("show wants one ID, as list tells it");
    }

    if ((command == retry || command == drop)
        && (o->nids != 0) + has_filter(o) + o->is_all != 1)
    {
        return bad_usage("say which: IDs, a filter, or --all");
    }

    return 0;
}


static int
list(struct options *o, struct dead_store *store)
{
    int          rc;
    json_t      *letters;
    json_int_t   count;
    const char  *error;

    if (o->filter.limit == NULL) {
        o->filter.limit = LIST_LIMIT;
    }

    letters = dead_store_find(store, &o->filter, false, &error);
    count = letters == NULL ? -1 : dead_store_count(store, &o->filter, &error);

    if (count == -1) {
        rc = fail(store, error);

    } else {
        dead_print_list(letters, count, o->is_json);
        rc = count == 0 ? NOTHING : 0;
    }

    json_decref(letters);

    return rc;
}


static int
show(struct options *o, struct dead_store *store)
{
    int          rc;
    json_t      *letters, *letter;
    const char  *error;

    letters = dead_store_find(store, &o->filter, false, &error);
    letter = json_array_get(letters, 0);

    if (letters == NULL) {
        rc = fail(store, error);

    } else if (letter == NULL) {
        is_missing(o, letters);
        rc = NOTHING;

    } else if (dead_store_read(store, letter, &error) == -1) {
        rc = fail(store, error);

    } else {
        dead_print_letter(letter, o->is_json);
        rc = 0;
    }

    json_decref(letters);

    return rc;
}


static int
retry(struct options *o, struct dead_store *store)
{
    static const struct deed  deed = { "retried", dead_store_retry };

    return act(o, store, &deed);
}


static int
drop(struct options *o, struct dead_store *store)
{
    static const struct deed  deed = { "dropped", dead_store_drop };

    return act(o, store, &deed);
}


/* One transaction; a dry run does it all, and undoes it. */

static int
act(struct options *o, struct dead_store *store, const struct deed *deed)
{
    int          rc;
    json_t      *letters;
    const char  *error;

    letters = dead_store_find(store, &o->filter, true, &error);

    if (letters == NULL) {
        return fail(store, error);
    }

    if (is_missing(o, letters) || json_array_size(letters) == 0) {
        dead_print_nothing(deed->name, o->is_dry, o->is_json);
        rc = NOTHING;

    } else {
        rc = act_on_each(o, store, deed, letters);
    }

    json_decref(letters);

    return rc;
}


static int
act_on_each(struct options *o, struct dead_store *store,
    const struct deed *deed, json_t *letters)
{
    int          rc;
    bool         has_refused;
    size_t       i;
    json_t      *letter;
    const char  *error;

    has_refused = false;

    json_array_foreach(letters, i, letter) {
        rc = deed->one(store, letter, &error);

        if (rc == -1) {
            return fail(store, error);
        }

        if (rc == 1) {
            has_refused = true;
            json_object_set_new(letter, "refused", json_string(error));
            text_fail("letter %" JSON_INTEGER_FORMAT ": %s",
                      json_integer_value(json_object_get(letter, "id")),
                      error);
        }
    }

    /* nothing is told before it is so */

    if (dead_store_end(store, !o->is_dry, &error) == -1) {
        return fail(store, error);
    }

    dead_print_deeds(letters, deed->name, o->is_dry, o->is_json);

    return has_refused ? 1 : 0;
}


static bool
has_filter(const struct options *o)
{
    return o->filter.reason != NULL || o->filter.type != NULL
           || o->filter.since != NULL || o->filter.before != NULL
           || o->filter.limit != NULL;
}


/* Tells the IDs that are not there: somebody else was faster, or mistyped, so
   that the others had better be looked at, too. */

static bool
is_missing(const struct options *o, const json_t *letters)
{
    bool     is_missing;
    size_t   i, n;
    json_t  *letter;

    if (o->nids == json_array_size(letters)) {
        return false;
    }

    is_missing = false;

    for (n = 0; n < o->nids; n++) {

        json_array_foreach(letters, i, letter) {
            if (json_integer_value(json_object_get(letter, "id"))
                == o->ids[n])
            {
                break;
            }
        }

        if (i == json_array_size(letters)) {
            text_fail("no dead letter %lld, so nothing was done; warren dead "
                      "list tells which there are", o->ids[n]);
            is_missing = true;
        }
    }

    return is_missing;
}


static int
fail(const struct dead_store *store, const char *error)
{
    text_fail("%s", error);

    return dead_store_is_bad_value(store) ? 2 : 1;
}


/* 0, 2 for bad usage, -1: the usage was asked for, and that is all. */

static int
parse(struct options *o, int argc, char **argv)
{
    int  option, rc;

    optind = 1;

    for ( ;; ) {
        option = getopt_long(argc, argv, "h", options, NULL);

        if (option == -1) {
            break;
        }

        if (option == 'h') {
            fputs(usage, stdout);
            return -1;
        }

        if (option == '?') {
            fputs(usage, stderr);
            return 2;
        }

        rc = parse_option(o, option);

        if (rc != 0) {
            return rc;
        }
    }

    for ( ; optind < argc; optind++) {
        rc = parse_id(o, argv[optind]);

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static int
parse_option(struct options *o, int option)
{
    switch (option) {

    case 'D':
        o->database = optarg;
        return 0;

    case 'p':
        o->password_file = optarg;
        return 0;

    case 'r':
        o->filter.reason = optarg;
        return 0;

    case 't':
        o->filter.type = optarg;
        return 0;

    case 's':
        o->filter.since = parse_time(&o->since, optarg);
        return 0;

    case 'b':
        o->filter.before = parse_time(&o->before, optarg);
        return 0;

    case 'l':
        return parse_limit(o, optarg);

    case 'a':
        o->is_all = true;
        return 0;

    case 'n':
        o->is_dry = true;
        return 0;

    default:
        o->is_json = true;
        return 0;
    }
}


/* Each once. */

static int
parse_id(struct options *o, const char *text)
{
    char       *end, *longer;
    size_t      i;
    long long   id;

    errno = 0;
    id = strtoll(text, &end, 10);

    if (errno != 0 || *end != '\0' || end == text || id <= 0) {
        return bad_usage("an ID is a number, as list tells it");
    }

    for (i = 0; i < o->nids; i++) {
        if (o->ids[i] == id) {
            return 0;
        }
    }

    o->ids = text_grow(o->ids, (o->nids + 1) * sizeof(*o->ids));
    o->ids[o->nids++] = id;

    longer = (o->array == NULL) ? text_printf("{%lld}", id)
             : text_printf("%.*s,%lld}", (int) strlen(o->array) - 1, o->array,
                           id);
    free(o->array);
    o->array = longer;
    o->filter.ids = longer;

    return 0;
}


static int
parse_limit(struct options *o, const char *text)
{
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text)
        || strlen(text) > 18 || strtoll(text, NULL, 10) == 0)
    {
        return bad_usage("--limit is a number of letters");
    }

    o->filter.limit = text;

    return 0;
}


/* "2h" is so long ago; all else is read by the database. */

static const char *
parse_time(char **copy, const char *text)
{
    char        *end;
    char         stamp[sizeof("2026-11-23T14:00:00Z") + 16];
    time_t       at;
    struct tm    tm;
    long         n;

    static const struct {
        char     unit;
        time_t   sec;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };

    size_t  i;

    n = strtol(text, &end, 10);

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end == text || n < 0 || n > 1000000 || end[0] != units[i].unit
            || end[1] != '\0')
        {
            continue;
        }

        at = time(NULL) - n * units[i].sec;

        if (gmtime_r(&at, &tm) == NULL
            || strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        {
            break;
        }

        free(*copy);
        *copy = text_printf("%s", stamp);

        return *copy;
    }

    return text;
}


static int
bad_usage(const char *text)
{
    text_fail("%s; warren dead list --help tells more", text);

    return 2;
}
