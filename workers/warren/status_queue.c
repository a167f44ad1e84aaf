/*
 * Copyright (C) the Warren authors
 *
 * How the queues of all services are, by the management API.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "management.h"
#include "status_queue.h"
#include "text.h"
#include "wire.h"


struct kind {
    const char  *prefix;
    bool         is_channel;        /* no service's, and not always listened */
    bool         is_consumed;       /* by every lane of the service */
};


/* in the order of a table; "events.unrouted" is found first */

static const struct kind  kinds[] = {
    { WIRE_QUEUE_UNROUTED,        true,  false },
    { WIRE_QUEUE_RPC_PREFIX,      false, true },
    { WIRE_QUEUE_COMMANDS_PREFIX, false, true },
    { WIRE_QUEUE_EVENTS_PREFIX,   false, true },
    { WIRE_QUEUE_AGAIN_PREFIX,    false, true },
    { WIRE_QUEUE_PARK_PREFIX,     false, true },
    { WIRE_QUEUE_RETRY_PREFIX,    false, false },
    { WIRE_QUEUE_CHANNEL_PREFIX,  true,  false },
};

#define KINDS  (sizeof(kinds) / sizeof(kinds[0]))


static json_t *make_queue(const json_t *there);
static size_t kind_of(const char *name);
static char *service_of(const char *name);
static json_int_t count(const json_t *there, const char *name);
static double rate(const json_t *there, const char *name);
static int compare(const void *left, const void *right);
static const char *member(const json_t *object, const char *name);


json_t *
status_queue_ask(struct management *management, const char *vhost,
    const char **error_r)
{
    size_t    i, n;
    json_t   *there, *queues, *queue, **sorted;

    there = management_get(management, error_r, "queues", vhost, NULL);

    if (there == NULL) {
        if (*error_r == NULL) {
            *error_r = text_error("there is no vhost %s; --vhost names "
                                  "another, warren topology apply makes one",
                                  vhost);
        }

        return NULL;
    }

    sorted = text_alloc((json_array_size(there) + 1) * sizeof(json_t *));
    n = 0;

    json_array_foreach(there, i, queue) {
        if (kind_of(member(queue, "name")) != KINDS) {
            sorted[n++] = make_queue(queue);
        }
    }

    qsort(sorted, n, sizeof(json_t *), compare);
    queues = json_array();

    for (i = 0; i < n; i++) {
        json_array_append_new(queues, sorted[i]);
    }

    free(sorted);
    json_decref(there);

    return queues;
}


char *
status_queue_problem(const json_t *queue)
{
    const char         *name, *state;
    const struct kind  *kind;

    name = member(queue, "name");
    state = member(queue, "state");
    kind = &kinds[kind_of(name)];

    /* a classic queue without work may say "idle", a busy one "flow" */

    if (strcmp(state, "running") != 0 && strcmp(state, "idle") != 0
        && strcmp(state, "flow") != 0 && state[0] != '\0')
    {
        return text_printf("queue %s is %s; look at the broker's nodes", name,
                           state);
    }

    if (count(queue, "consumers") != 0) {
        return NULL;
    }

    if (kind->is_consumed) {
        return text_printf("queue %s has no consumer; start a worker of %s, "
                           "or look at why none is ready", name,
                           member(queue, "service"));
    }

    if (strncmp(name, WIRE_QUEUE_CHANNEL_PREFIX,
                strlen(WIRE_QUEUE_CHANNEL_PREFIX)) == 0
        && count(queue, "ready") != 0)
    {
        return text_printf("queue %s has messages and no consumer; start who "
                           "delivers them", name);
    }

    return NULL;
}


static json_t *
make_queue(const json_t *there)
{
    char        *service;
    json_t      *queue;
    const char  *name;

    name = member(there, "name");
    service = service_of(name);
    queue = json_pack("{s:s, s:s%, s:s, s:s, s:I, s:I, s:I, s:f, s:f}",
                      "name", name, "kind", name, strcspn(name, "."),
                      "service", service, "state", member(there, "state"),
                      "ready", count(there, "messages_ready"),
                      "unacked", count(there, "messages_unacknowledged"),
                      "consumers", count(there, "consumers"),
                      "in_per_sec", rate(there, "publish_details"),
                      "out_per_sec", rate(there, "deliver_get_details"));
    free(service);

    return queue;
}


/* KINDS: it is none of ours. */

static size_t
kind_of(const char *name)
{
    size_t  i;

    for (i = 0; i < KINDS; i++) {
        if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
            break;
        }
    }

    return i;
}


/* "retry.orders.5s" is of orders. */

static char *
service_of(const char *name)
{
    size_t              len;
    const char         *service, *end;
    const struct kind  *kind;

    kind = &kinds[kind_of(name)];

    if (kind->is_channel) {
        return text_printf("%s", "");
    }

    service = name + strlen(kind->prefix);
    len = strlen(service);

    if (strcmp(kind->prefix, WIRE_QUEUE_RETRY_PREFIX) == 0) {
        end = strrchr(service, '.');
        len = end != NULL ? (size_t) (end - service) : len;
    }

    return text_printf("%.*s", (int) len, service);
}


/* A queue that was just made has no numbers yet. */

static json_int_t
count(const json_t *there, const char *name)
{
    return json_integer_value(json_object_get(there, name));
}


static double
rate(const json_t *there, const char *name)
{
    const json_t  *stats;

    stats = json_object_get(there, "message_stats");

    return json_number_value(json_object_get(json_object_get(stats, name),
                                             "rate"));
}


/* By service, then kind, then name; what is no service's comes last. */

static int
compare(const void *left, const void *right)
{
    int           rc;
    size_t        a, b;
    const char   *mine, *other;
    const json_t *l, *r;

    l = *(json_t *const *) left;
    r = *(json_t *const *) right;
    mine = member(l, "service");
    other = member(r, "service");

    if ((mine[0] == '\0') != (other[0] == '\0')) {
        return mine[0] == '\0' ? 1 : -1;
    }

    rc = strcmp(mine, other);

    if (rc != 0) {
        return rc;
    }

    a = kind_of(member(l, "name"));
    b = kind_of(member(r, "name"));

    if (a != b) {
        return a < b ? -1 : 1;
    }

    return strcmp(member(l, "name"), member(r, "name"));
}


/* "" if it is no text. */

static const char *
member(const json_t *object, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}
