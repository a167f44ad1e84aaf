/*
 * Copyright (C) the Warren authors
 *
 * warren status: how queues and workers are.
 */

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "management.h"
#include "secret.h"
#include "status_command.h"
#include "status_queue.h"
#include "status_worker.h"
#include "table.h"
#include "text.h"


#define STATES_SIZE  256

/* An event that waits for longer is wrong; a minute outlives the sweeper. */
#define OUTBOX_AGE_SEC      60
#define OUTBOX_AGE_MAX_SEC  31536000


struct options {
    const char  *url;
    const char  *password_file;
    const char  *ca_file;
    const char  *vhost;
    json_t      *worker_urls;
    long         outbox_age_sec;
    bool         is_json;
};


static const char  usage[] =
    "usage: warren status [--url URL --password-file FILE [--ca FILE]\n"
    "           [--vhost NAME]] [--worker-url URL]... [--outbox-age SECONDS]\n"
    "           [--json]\n"
    "\n"
    "  --url URL               management API: http://admin@127.0.0.1:15672\n"
    "  --password-file FILE    its first line is that user's password\n"
    "  --ca FILE               who signs the certificate of https, as PEM\n"
    "  --vhost NAME            default: warren\n"
    "  --worker-url URL        http.listen of a worker: http://127.0.0.1:9101\n"
    "  --outbox-age SECONDS    an event that waits for longer is wrong; "
    "default: 60\n"
    "  --json                  for programs\n"
    "\n"
    "exit status: 0 all is well, 1 something is not, and is named, 2 wrong "
    "usage\n";

static const struct option  options[] = {
    { "url",           required_argument, NULL, 'u' },
    { "password-file", required_argument, NULL, 'p' },
    { "ca",            required_argument, NULL, 'c' },
    { "vhost",         required_argument, NULL, 'v' },
    { "worker-url",    required_argument, NULL, 'w' },
    { "outbox-age",    required_argument, NULL, 'a' },
    { "json",          no_argument,       NULL, 'j' },
    { "help",          no_argument,       NULL, 'h' },
    { NULL,            0,                 NULL, 0 }
};


static int parse(struct options *o, int argc, char **argv);
static bool read_seconds(const char *text, long *seconds_r);
static int status(const struct options *o);
static json_t *ask_queues(const struct options *o, json_t *problems);
static json_t *ask_workers(const struct options *o, json_t *problems);
static void add_problem(json_t *problems, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void print(const json_t *queues, const json_t *workers);
static bool is_told(const json_t *queue);
static void print_worker(struct table *table, const json_t *worker);
static void print_number(struct table *table, const json_t *number);
static void count_states(const json_t *lanes, char text_r[STATES_SIZE]);
static const char *member(const json_t *object, const char *name);


int
status_command(int argc, char **argv)
{
    int             rc;
    struct options  o;

    memset(&o, 0, sizeof(o));
    o.vhost = "warren";
    o.outbox_age_sec = OUTBOX_AGE_SEC;
    o.worker_urls = json_array();
    rc = parse(&o, argc, argv);

    if (rc == 0 && o.url == NULL && json_array_size(o.worker_urls) == 0) {
        text_fail("--url or --worker-url is needed; warren status --help "
                  "tells more");
        rc = 2;

    } else if (rc == 0 && (o.url == NULL) != (o.password_file == NULL)) {
        text_fail("--url and --password-file go together");
        rc = 2;

    } else if (rc == 0) {
        rc = status(&o);

        if (fflush(stdout) == EOF || ferror(stdout)) {
            rc = text_fail("standard output could not be written");
        }

    } else if (rc == -1) {
        rc = 0;
    }

    json_decref(o.worker_urls);

    return rc;
}


/* 0, 2 for bad usage, -1: the usage was asked for, and that is all. */

static int
parse(struct options *o, int argc, char **argv)
{
    int  option;

    optind = 1;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {

        case 'u':
            o->url = optarg;
            break;

        case 'p':
            o->password_file = optarg;
            break;

        case 'c':
            o->ca_file = optarg;
            break;

        case 'v':
            o->vhost = optarg;
            break;

        case 'w':
            if (json_array_append_new(o->worker_urls, json_string(optarg))
                == -1)
            {
                text_fail("--worker-url is no UTF-8");
                return 2;
            }

            break;

        case 'a':
            if (!read_seconds(optarg, &o->outbox_age_sec)) {
                text_fail("--outbox-age must be seconds, 1 to %d",
                          OUTBOX_AGE_MAX_SEC);
                return 2;
            }

            break;

        case 'j':
            o->is_json = true;
            break;

        case 'h':
            fputs(usage, stdout);
            return -1;

        default:
            fputs(usage, stderr);
            return 2;
        }
    }

    if (optind != argc) {
        fputs(usage, stderr);
        return 2;
    }

    return 0;
}


static bool
read_seconds(const char *text, long *seconds_r)
{
    char  *end;
    long   seconds;

    errno = 0;
    seconds = strtol(text, &end, 10);

    if (errno != 0 || end == text || *end != '\0' || seconds < 1
        || seconds > OUTBOX_AGE_MAX_SEC)
    {
        return false;
    }

    *seconds_r = seconds;

    return true;
}


/* All that can be asked is told, whatever else cannot. */

static int
status(const struct options *o)
{
    bool     is_healthy;
    size_t   i;
    json_t  *queues, *workers, *problems, *problem, *whole;

    problems = json_array();
    queues = ask_queues(o, problems);
    workers = ask_workers(o, problems);
    is_healthy = json_array_size(problems) == 0;

    if (o->is_json) {
        whole = json_pack("{s:b, s:O, s:O, s:O}", "healthy", (int) is_healthy,
                          "problems", problems, "queues", queues, "workers",
                          workers);
        json_dumpf(whole, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        puts("");
        json_decref(whole);

    } else {
        print(queues, workers);
        fflush(stdout);

        json_array_foreach(problems, i, problem) {
            text_fail("%s", json_string_value(problem));
        }
    }

    json_decref(queues);
    json_decref(workers);
    json_decref(problems);

    return is_healthy ? 0 : 1;
}


static json_t *
ask_queues(const struct options *o, json_t *problems)
{
    char               *password, *problem;
    size_t              i;
    json_t             *queues, *queue;
    const char         *error;
    struct management  *management;

    if (o->url == NULL) {
        return json_array();
    }

    queues = NULL;
    management = NULL;
    password = secret_line(o->password_file, &error);

    if (password != NULL) {
        management = management_open(o->url, password, o->ca_file, &error);
    }

    if (management != NULL) {
        queues = status_queue_ask(management, o->vhost, &error);
    }

    management_close(&management);
    secret_free(&password);

    if (queues == NULL) {
        add_problem(problems, "%s", error);
        return json_array();
    }

    if (json_array_size(queues) == 0) {
        add_problem(problems, "vhost %s has no queue of a service; warren "
                    "topology apply makes them", o->vhost);
    }

    json_array_foreach(queues, i, queue) {
        problem = status_queue_problem(queue);

        if (problem != NULL) {
            add_problem(problems, "%s", problem);
            free(problem);
        }
    }

    return queues;
}


static json_t *
ask_workers(const struct options *o, json_t *problems)
{
    char         states[STATES_SIZE];
    double       age_sec;
    size_t       i;
    json_t      *workers, *worker, *url;
    const char  *error;

    workers = json_array();

    json_array_foreach(o->worker_urls, i, url) {
        worker = status_worker_ask(json_string_value(url), &error);

        if (worker == NULL) {
            add_problem(problems, "%s", error);
            continue;
        }

        if (!json_is_true(json_object_get(worker, "ready"))) {
            count_states(json_object_get(worker, "lanes"), states);
            add_problem(problems, "worker of %s at %s is not ready (%s); its "
                        "log tells why", member(worker, "service"),
                        json_string_value(url), states);
        }

        age_sec = json_number_value(json_object_get(worker,
                                                    "outbox_age_seconds"));

        if (age_sec > (double) o->outbox_age_sec) {
            add_problem(problems, "worker of %s at %s: an event waits to be "
                        "sent for %.0f seconds; is the broker blocked, or a "
                        "queue missing?", member(worker, "service"),
                        json_string_value(url), age_sec);
        }

        json_array_append_new(workers, worker);
    }

    return workers;
}


/* None is lost, even if it is no UTF-8. */

static void
add_problem(json_t *problems, const char *format, ...)
{
    char     *text;
    json_t   *problem;
    va_list   args;

    va_start(args, format);
    text = text_vprintf(format, args);
    va_end(args);

    text_clean(text, "");
    problem = json_string(text);

    if (problem == NULL) {
        problem = json_string("something failed that is no UTF-8");
    }

    json_array_append_new(problems, problem);
    free(text);
}


static void
print(const json_t *queues, const json_t *workers)
{
    size_t         i;
    json_t        *queue, *worker;
    struct table  *table;

    table = table_new("QUEUE", ">READY", ">UNACKED", ">CONSUMERS", ">IN/S",
                      ">OUT/S", NULL);

    json_array_foreach(queues, i, queue) {
        if (!is_told(queue)) {
            continue;
        }

        table_add(table, "%s", member(queue, "name"));
        table_add(table, "%" JSON_INTEGER_FORMAT,
                  json_integer_value(json_object_get(queue, "ready")));
        table_add(table, "%" JSON_INTEGER_FORMAT,
                  json_integer_value(json_object_get(queue, "unacked")));
        table_add(table, "%" JSON_INTEGER_FORMAT,
                  json_integer_value(json_object_get(queue, "consumers")));
        table_add(table, "%.1f",
                  json_number_value(json_object_get(queue, "in_per_sec")));
        table_add(table, "%.1f",
                  json_number_value(json_object_get(queue, "out_per_sec")));
    }

    table_print(table, stdout);
    table_free(&table);

    if (json_array_size(queues) != 0 && json_array_size(workers) != 0) {
        puts("");
    }

    table = table_new("WORKER", "SERVICE", "LANES", ">OUTBOX", ">OLDEST",
                      NULL);

    json_array_foreach(workers, i, worker) {
        print_worker(table, worker);
    }

    table_print(table, stdout);
    table_free(&table);
}


/* Of a service's eight rungs people want those that have something. */

static bool
is_told(const json_t *queue)
{
    return strcmp(member(queue, "kind"), "retry") != 0
           || json_integer_value(json_object_get(queue, "ready")) != 0
           || json_integer_value(json_object_get(queue, "unacked")) != 0;
}


static void
print_worker(struct table *table, const json_t *worker)
{
    char  states[STATES_SIZE];

    count_states(json_object_get(worker, "lanes"), states);
    table_add(table, "%s", member(worker, "url"));
    table_add(table, "%s", member(worker, "service"));
    table_add(table, "%s", states);
    print_number(table, json_object_get(worker, "outbox_depth"));
    print_number(table, json_object_get(worker, "outbox_age_seconds"));
}


static void
print_number(struct table *table, const json_t *number)
{
    if (json_is_number(number)) {
        table_add(table, "%.0f", json_number_value(number));

    } else {
        table_add(table, "-");
    }
}


/* "2 ready, 1 paused", in the order in which they come. */

static void
count_states(const json_t *lanes, char text_r[STATES_SIZE])
{
    size_t       i, n, len;
    json_t      *lane, *counts, *count;
    const char  *state;

    counts = json_object();

    json_array_foreach(lanes, i, lane) {
        state = member(lane, "state");
        n = (size_t) json_integer_value(json_object_get(counts, state));
        json_object_set_new(counts, state, json_integer((json_int_t) n + 1));
    }

    text_r[0] = '\0';
    len = 0;

    json_object_foreach(counts, state, count) {
        if (len < STATES_SIZE) {
            len += (size_t) snprintf(text_r + len, STATES_SIZE - len,
                                     "%s%" JSON_INTEGER_FORMAT " %s",
                                     len != 0 ? ", " : "",
                                     json_integer_value(count), state);
        }
    }

    json_decref(counts);
}


/* "" if it is no text. */

static const char *
member(const json_t *object, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}
