/*
 * Copyright (C) the Warren authors
 *
 * Makes a broker have a topology.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "management.h"
#include "text.h"
#include "topology.h"
#include "topology_account.h"
#include "topology_apply.h"


struct apply {
    struct management  *management;
    const char         *vhost;
    const json_t       *topology;
    const json_t       *accounts;
    enum topology_mode  mode;

    /* what is there, by name; bindings: an array */
    json_t             *exchanges;
    json_t             *queues;
    json_t             *policies;
    json_t             *bindings;

    unsigned            mismatches;
    unsigned            made;
    unsigned            kept;
};


static void tell(const struct apply *apply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell_made(struct apply *apply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell_words(const char *before, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static int check_node(struct apply *apply, const char **error_r);
static int check_plugin(struct apply *apply, const char **error_r);
static const char *find_hash(const json_t *topology);
static int make_vhost(struct apply *apply, const char **error_r);
static int read_objects(struct apply *apply, const char **error_r);
static json_t *read_list(struct apply *apply, const char *kind,
    const char **error_r);
static json_t *read_by_name(struct apply *apply, const char *kind,
    const char **error_r);
static void compare_exchanges(struct apply *apply);
static void compare_queues(struct apply *apply);
static void compare_arguments(struct apply *apply, const char *kind,
    const char *name, const json_t *there, const json_t *wanted);
static void compare_value(struct apply *apply, const char *kind,
    const char *name, const char *what, const json_t *there,
    const json_t *wanted);
static int make_objects(struct apply *apply, const char **error_r);
static int make_object(struct apply *apply, const char *kind,
    const char *name, json_t *body, const char **error_r);
static int make_policies(struct apply *apply, const char **error_r);
static int make_bindings(struct apply *apply, const char **error_r);
static bool has_binding(const json_t *bindings, const json_t *wanted);
static void tell_stale_bindings(struct apply *apply);
static int make_accounts(struct apply *apply, const char **error_r);
static int make_rights(struct apply *apply, const char **error_r);
static int make_user_rights(struct apply *apply, const json_t *right,
    const char **error_r);
static int make_topic_rights(struct apply *apply, const json_t *right,
    const char **error_r);
static bool is_same(const json_t *there, const json_t *wanted,
    const char *first, const char *second, const char *third);


int
topology_apply(struct management *management, const char *vhost,
    const json_t *topology, const json_t *accounts, enum topology_mode mode)
{
    int            rc;
    const char    *error;
    struct apply   apply;

    memset(&apply, 0, sizeof(apply));
    apply.management = management;
    apply.vhost = vhost;
    apply.topology = topology;
    apply.accounts = accounts;
    apply.mode = mode;
    rc = 1;

    if (mode != TOPOLOGY_MAKE) {
        management_look_only(management);
    }

    if (check_node(&apply, &error) == -1
        || check_plugin(&apply, &error) == -1
        || make_vhost(&apply, &error) == -1
        || read_objects(&apply, &error) == -1)
    {
        text_fail("%s", error);
        goto done;
    }

    compare_exchanges(&apply);
    compare_queues(&apply);

    if (apply.mismatches != 0) {
        text_fail("nothing was made; what differs is deleted by hand when it "
                  "is empty, and applied again");
        goto done;
    }

    if (make_objects(&apply, &error) == -1
        || make_policies(&apply, &error) == -1
        || make_bindings(&apply, &error) == -1
        || make_accounts(&apply, &error) == -1
        || make_rights(&apply, &error) == -1)
    {
        text_fail("%s", error);
        goto done;
    }

    tell_stale_bindings(&apply);

    tell(&apply, "vhost %s: %u %s, %u as they should be", vhost, apply.made,
         mode == TOPOLOGY_MAKE ? "made" : "to be made", apply.kept);
    rc = (mode == TOPOLOGY_MAKE || apply.made == 0) ? 0 : TOPOLOGY_CHANGES;

done:

    json_decref(apply.exchanges);
    json_decref(apply.queues);
    json_decref(apply.policies);
    json_decref(apply.bindings);

    return rc;
}


static void
tell(const struct apply *apply, const char *format, ...)
{
    va_list  args;

    if (apply->mode != TOPOLOGY_CHECK) {
        va_start(args, format);
        tell_words("", format, args);
        va_end(args);
    }
}


/* Counts it, too. */

static void
tell_made(struct apply *apply, const char *format, ...)
{
    va_list  args;

    apply->made++;

    if (apply->mode != TOPOLOGY_CHECK) {
        va_start(args, format);
        tell_words(apply->mode == TOPOLOGY_MAKE ? "made " : "would make ",
                   format, args);
        va_end(args);
    }
}


static void
tell_words(const char *before, const char *format, va_list args)
{
    fputs(before, stdout);
    vprintf(format, args);
    putchar('\n');
}


/* At-least-once dead-lettering needs the feature flag stream_queue. */

static int
check_node(struct apply *apply, const char **error_r)
{
    size_t       i;
    json_t      *flags, *flag;
    const char  *name, *state;

    flags = management_get(apply->management, error_r, "feature-flags", NULL);

    if (flags == NULL) {
        if (*error_r == NULL) {
            *error_r = "the node has no feature flags: RabbitMQ 3.10 or newer "
                       "is needed";
        }

        return -1;
    }

    state = NULL;

    json_array_foreach(flags, i, flag) {
        name = json_string_value(json_object_get(flag, "name"));

        if (name != NULL && strcmp(name, "stream_queue") == 0) {
            state = json_string_value(json_object_get(flag, "state"));
        }
    }

    /* a node so new that it does not name the flag has it for good */

    if (state != NULL && strcmp(state, "enabled") != 0) {
        *error_r = text_error("the node's feature flag stream_queue is %s, "
                              "and dead letters could be lost; run "
                              "rabbitmqctl enable_feature_flag stream_queue",
                              state);
        json_decref(flags);
        return -1;
    }

    json_decref(flags);

    return 0;
}


/* Events in order need an exchange type that nodes do not have by default. */

static int
check_plugin(struct apply *apply, const char **error_r)
{
    bool         is_there;
    size_t       i;
    json_t      *overview, *type;
    const char  *name, *exchange;

    exchange = find_hash(apply->topology);

    if (exchange == NULL) {
        return 0;
    }

    overview = management_get(apply->management, error_r, "overview", NULL);

    if (overview == NULL) {
        *error_r = (*error_r != NULL) ? *error_r : "the node has no overview";
        return -1;
    }

    is_there = false;

    json_array_foreach(json_object_get(overview, "exchange_types"), i, type) {
        name = json_string_value(json_object_get(type, "name"));
        is_there |= name != NULL && strcmp(name, TOPOLOGY_HASH) == 0;
    }

    json_decref(overview);

    if (!is_there) {
        *error_r = text_error("exchange %s is for events in order and of the "
                              "type " TOPOLOGY_HASH ", which the node does not "
                              "know; run rabbitmq-plugins enable "
                              "rabbitmq_consistent_hash_exchange on each of "
                              "its nodes", exchange);
        return -1;
    }

    return 0;
}


/* The first exchange of that type; NULL: there is none. */

static const char *
find_hash(const json_t *topology)
{
    size_t       i;
    json_t      *exchange;
    const char  *type;

    json_array_foreach(json_object_get(topology, "exchanges"), i, exchange) {
        type = json_string_value(json_object_get(exchange, "type"));

        if (strcmp(type, TOPOLOGY_HASH) == 0) {
            return json_string_value(json_object_get(exchange, "name"));
        }
    }

    return NULL;
}


static int
make_vhost(struct apply *apply, const char **error_r)
{
    json_t  *there;

    there = management_get(apply->management, error_r, "vhosts", apply->vhost,
                           NULL);

    if (there != NULL) {
        apply->kept++;
        json_decref(there);
        return 0;
    }

    if (*error_r != NULL) {
        return -1;
    }

    if (management_send(apply->management, "PUT", json_object(), error_r,
                        "vhosts", apply->vhost, NULL)
        == -1)
    {
        return -1;
    }

    tell_made(apply, "vhost %s", apply->vhost);

    return 0;
}


static int
read_objects(struct apply *apply, const char **error_r)
{
    apply->exchanges = read_by_name(apply, "exchanges", error_r);

    if (apply->exchanges == NULL) {
        return -1;
    }

    apply->queues = read_by_name(apply, "queues", error_r);

    if (apply->queues == NULL) {
        return -1;
    }

    apply->policies = read_by_name(apply, "policies", error_r);

    if (apply->policies == NULL) {
        return -1;
    }

    apply->bindings = read_list(apply, "bindings", error_r);

    if (apply->bindings == NULL) {
        return -1;
    }

    return 0;
}


/* A vhost that a plan would make has nothing in it. */

static json_t *
read_list(struct apply *apply, const char *kind, const char **error_r)
{
    json_t  *list;

    list = management_get(apply->management, error_r, kind, apply->vhost,
                          NULL);

    if (list == NULL && *error_r == NULL) {
        if (apply->mode != TOPOLOGY_MAKE) {
            return json_array();
        }

        *error_r = "the vhost went away";
    }

    return list;
}


static json_t *
read_by_name(struct apply *apply, const char *kind, const char **error_r)
{
    size_t       i;
    json_t      *list, *object, *named;
    const char  *name;

    list = read_list(apply, kind, error_r);

    if (list == NULL) {
        return NULL;
    }

    named = json_object();

    json_array_foreach(list, i, object) {
        name = json_string_value(json_object_get(object, "name"));

        if (name != NULL) {
            json_object_set(named, name, object);
        }
    }

    json_decref(list);

    return named;
}


static void
compare_exchanges(struct apply *apply)
{
    size_t       i;
    json_t      *wanted, *there;
    const char  *name;

    json_array_foreach(json_object_get(apply->topology, "exchanges"), i,
                       wanted)
    {
        name = json_string_value(json_object_get(wanted, "name"));
        there = json_object_get(apply->exchanges, name);

        if (there == NULL) {
            continue;
        }

        compare_value(apply, "exchange", name, "its type",
                      json_object_get(there, "type"),
                      json_object_get(wanted, "type"));
        compare_value(apply, "exchange", name, "durable",
                      json_object_get(there, "durable"), json_true());
        compare_value(apply, "exchange", name, "auto_delete",
                      json_object_get(there, "auto_delete"), json_false());
        compare_value(apply, "exchange", name, "internal",
                      json_object_get(there, "internal"), json_false());
        compare_arguments(apply, "exchange", name,
                          json_object_get(there, "arguments"),
                          json_object_get(wanted, "arguments"));
    }
}


static void
compare_queues(struct apply *apply)
{
    size_t       i;
    json_t      *wanted, *there, *arguments;
    const char  *name;

    json_array_foreach(json_object_get(apply->topology, "queues"), i, wanted) {
        name = json_string_value(json_object_get(wanted, "name"));
        there = json_object_get(apply->queues, name);

        if (there == NULL) {
            continue;
        }

        compare_value(apply, "queue", name, "durable",
                      json_object_get(there, "durable"), json_true());
        compare_value(apply, "queue", name, "auto_delete",
                      json_object_get(there, "auto_delete"), json_false());
        compare_value(apply, "queue", name, "exclusive",
                      json_object_get(there, "exclusive"), json_false());

        /* a type by the vhost's default does not stand in the arguments */
        arguments = json_copy(json_object_get(there, "arguments"));
        json_object_set(arguments, "x-queue-type",
                        json_object_get(there, "type"));
        compare_arguments(apply, "queue", name, arguments,
                          json_object_get(wanted, "arguments"));
        json_decref(arguments);
    }
}


static void
compare_arguments(struct apply *apply, const char *kind, const char *name,
    const json_t *there, const json_t *wanted)
{
    json_t      *value;
    const char  *key;

    json_object_foreach((json_t *) wanted, key, value) {
        compare_value(apply, kind, name, key, json_object_get(there, key),
                      value);
    }

    json_object_foreach((json_t *) there, key, value) {

        if (json_object_get(wanted, key) == NULL) {
            compare_value(apply, kind, name, key, value, NULL);
        }
    }
}


/* NULL is absent. */

static void
compare_value(struct apply *apply, const char *kind, const char *name,
    const char *what, const json_t *there, const json_t *wanted)
{
    char  *is, *must;

    if (there == wanted || json_equal(there, wanted)) {
        return;
    }

    is = there == NULL ? NULL : json_dumps(there, JSON_ENCODE_ANY);
    must = wanted == NULL ? NULL : json_dumps(wanted, JSON_ENCODE_ANY);

    text_fail("%s %s of vhost %s: %s is %s, must be %s", kind, name,
              apply->vhost, what, is != NULL ? is : "absent",
              must != NULL ? must : "absent");
    apply->mismatches++;

    free(is);
    free(must);
}


static int
make_objects(struct apply *apply, const char **error_r)
{
    int          rc;
    size_t       i;
    json_t      *wanted;
    const char  *name;

    json_array_foreach(json_object_get(apply->topology, "exchanges"), i,
                       wanted)
    {
        name = json_string_value(json_object_get(wanted, "name"));

        if (json_object_get(apply->exchanges, name) != NULL) {
            apply->kept++;
            continue;
        }

        rc = make_object(apply, "exchange", name,
                         json_pack("{s:O, s:b, s:b, s:b, s:O}", "type",
                                   json_object_get(wanted, "type"),
                                   "durable", 1, "auto_delete", 0,
                                   "internal", 0, "arguments",
                                   json_object_get(wanted, "arguments")),
                         error_r);

        if (rc == -1) {
            return -1;
        }
    }

    json_array_foreach(json_object_get(apply->topology, "queues"), i, wanted) {
        name = json_string_value(json_object_get(wanted, "name"));

        if (json_object_get(apply->queues, name) != NULL) {
            apply->kept++;
            continue;
        }

        rc = make_object(apply, "queue", name,
                         json_pack("{s:b, s:b, s:O}", "durable", 1,
                                   "auto_delete", 0, "arguments",
                                   json_object_get(wanted, "arguments")),
                         error_r);

        if (rc == -1) {
            return -1;
        }
    }

    return 0;
}


static int
make_object(struct apply *apply, const char *kind, const char *name,
    json_t *body, const char **error_r)
{
    int    rc;
    char  *kinds;

    kinds = text_printf("%ss", kind);
    rc = management_send(apply->management, "PUT", body, error_r, kinds,
                         apply->vhost, name, NULL);
    free(kinds);

    if (rc == -1) {
        return -1;
    }

    tell_made(apply, "%s %s", kind, name);

    return 0;
}


static int
make_policies(struct apply *apply, const char **error_r)
{
    size_t       i;
    json_t      *wanted, *there;
    const char  *name;

    json_array_foreach(json_object_get(apply->topology, "policies"), i,
                       wanted)
    {
        name = json_string_value(json_object_get(wanted, "name"));
        there = json_object_get(apply->policies, name);

        if (there != NULL) {
            if (!is_same(there, wanted, "pattern", "apply-to", "definition")) {
                tell(apply, "kept policy %s, as an operator has tuned it",
                     name);
            }

            apply->kept++;
            continue;
        }

        if (management_send(apply->management, "PUT",
                            json_pack("{s:O, s:O, s:O, s:i}", "pattern",
                                      json_object_get(wanted, "pattern"),
                                      "apply-to",
                                      json_object_get(wanted, "apply-to"),
                                      "definition",
                                      json_object_get(wanted, "definition"),
                                      "priority", 0),
                            error_r, "policies", apply->vhost, name, NULL)
            == -1)
        {
            return -1;
        }

        tell_made(apply, "policy %s", name);
    }

    return 0;
}


static int
make_bindings(struct apply *apply, const char **error_r)
{
    size_t       i;
    json_t      *wanted;
    const char  *source, *queue, *key, *type;

    json_array_foreach(json_object_get(apply->topology, "bindings"), i,
                       wanted)
    {
        if (has_binding(apply->bindings, wanted)) {
            apply->kept++;
            continue;
        }

        source = json_string_value(json_object_get(wanted, "source"));
        queue = json_string_value(json_object_get(wanted, "destination"));
        key = json_string_value(json_object_get(wanted, "routing_key"));
        type = json_string_value(json_object_get(wanted, "destination_type"));

        if (management_send(apply->management, "POST",
                            json_pack("{s:s, s:{}}", "routing_key", key,
                                      "arguments"),
                            error_r, "bindings", apply->vhost, "e", source,
                            type[0] == 'e' ? "e" : "q", queue, NULL)
            == -1)
        {
            return -1;
        }

        tell_made(apply, "binding %s to %s by \"%s\"", source, queue, key);
    }

    return 0;
}


static bool
has_binding(const json_t *bindings, const json_t *wanted)
{
    size_t   i;
    json_t  *there;

    json_array_foreach(bindings, i, there) {
        if (is_same(there, wanted, "source", "destination", "routing_key")
            && json_equal(json_object_get(there, "destination_type"),
                          json_object_get(wanted, "destination_type"))
            && json_object_size(json_object_get(there, "arguments")) == 0)
        {
            return true;
        }
    }

    return false;
}


/*
 * A pattern that a service listed once and lists no more goes on feeding its
 * queue.  It is the operator who knows whether older workers still run.
 */

static void
tell_stale_bindings(struct apply *apply)
{
    size_t       i;
    json_t      *there, *wanted, *hashed;
    const char  *source, *queue;

    wanted = json_object();
    hashed = json_object();

    json_array_foreach(json_object_get(apply->topology, "queues"), i, there) {
        json_object_set(wanted,
                        json_string_value(json_object_get(there, "name")),
                        there);
    }

    /* what hangs on an exchange of ours alone takes from our queues */

    json_array_foreach(json_object_get(apply->topology, "exchanges"), i,
                       there)
    {
        if (strcmp(json_string_value(json_object_get(there, "type")),
                   TOPOLOGY_HASH)
            == 0)
        {
            json_object_set(hashed,
                            json_string_value(json_object_get(there, "name")),
                            there);
        }
    }

    json_array_foreach(apply->bindings, i, there) {
        source = json_string_value(json_object_get(there, "source"));
        queue = json_string_value(json_object_get(there, "destination"));

        if (source == NULL || source[0] == '\0' || queue == NULL
            || (json_object_get(wanted, queue) == NULL
                && json_object_get(hashed, queue) == NULL
                && json_object_get(hashed, source) == NULL)
            || has_binding(json_object_get(apply->topology, "bindings"),
                           there))
        {
            continue;
        }

        tell(apply, "kept binding %s to %s by \"%s\", which no worker asks "
             "for; unbind it when no old worker runs", source, queue,
             json_string_value(json_object_get(there, "routing_key")));
    }

    json_decref(wanted);
    json_decref(hashed);
}


static int
make_accounts(struct apply *apply, const char **error_r)
{
    int          rc;
    json_t      *password;
    const char  *name;

    json_object_foreach((json_t *) apply->accounts, name, password) {
        rc = topology_account_apply(apply->management, name,
                                    json_string_value(password), error_r);

        if (rc == -1) {
            return -1;
        }

        if (rc == 1) {
            tell_made(apply, "user %s", name);

        } else {
            apply->kept++;
        }
    }

    return 0;
}


static int
make_rights(struct apply *apply, const char **error_r)
{
    size_t       i;
    json_t      *right, *user;
    const char  *name;

    json_array_foreach(json_object_get(apply->topology, "rights"), i, right) {
        name = json_string_value(json_object_get(right, "user"));
        user = management_get(apply->management, error_r, "users", name, NULL);

        if (user == NULL && *error_r != NULL) {
            return -1;
        }

        /* one that a plan would make is not there yet */

        if (user == NULL && json_object_get(apply->accounts, name) == NULL) {
            tell(apply, "no rights for user %s, who does not exist; --user "
                 "%s=SECRETFILE makes one", name, name);
            continue;
        }

        json_decref(user);

        if (make_user_rights(apply, right, error_r) == -1
            || make_topic_rights(apply, right, error_r) == -1)
        {
            return -1;
        }
    }

    return 0;
}


static int
make_user_rights(struct apply *apply, const json_t *right,
    const char **error_r)
{
    bool         is_there;
    json_t      *there;
    const char  *name;

    name = json_string_value(json_object_get(right, "user"));
    there = management_get(apply->management, error_r, "permissions",
                           apply->vhost, name, NULL);

    if (there == NULL && *error_r != NULL) {
        return -1;
    }

    is_there = there != NULL
               && is_same(there, right, "configure", "write", "read");
    json_decref(there);

    if (is_there) {
        apply->kept++;
        return 0;
    }

    if (management_send(apply->management, "PUT",
                        json_pack("{s:O, s:O, s:O}", "configure",
                                  json_object_get(right, "configure"),
                                  "write", json_object_get(right, "write"),
                                  "read", json_object_get(right, "read")),
                        error_r, "permissions", apply->vhost, name, NULL)
        == -1)
    {
        return -1;
    }

    tell_made(apply, "rights of user %s", name);

    return 0;
}


static int
make_topic_rights(struct apply *apply, const json_t *right,
    const char **error_r)
{
    bool         is_there;
    size_t       i, n;
    json_t      *there, *wanted, *item;
    const char  *name;

    name = json_string_value(json_object_get(right, "user"));

    json_array_foreach(json_object_get(right, "topics"), i, wanted) {
        there = management_get(apply->management, error_r,
                               "topic-permissions", apply->vhost, name, NULL);

        if (there == NULL && *error_r != NULL) {
            return -1;
        }

        is_there = false;

        json_array_foreach(there, n, item) {
            is_there |= is_same(item, wanted, "exchange", "write", "read");
        }

        json_decref(there);

        if (is_there) {
            apply->kept++;
            continue;
        }

        if (management_send(apply->management, "PUT", json_copy(wanted),
                            error_r, "topic-permissions", apply->vhost, name,
                            NULL)
            == -1)
        {
            return -1;
        }

        tell_made(apply, "topic rights of user %s", name);
    }

    return 0;
}


/* Whether three members are equal. */

static bool
is_same(const json_t *there, const json_t *wanted, const char *first,
    const char *second, const char *third)
{
    return json_equal(json_object_get(there, first),
                      json_object_get(wanted, first))
           && json_equal(json_object_get(there, second),
                         json_object_get(wanted, second))
           && json_equal(json_object_get(there, third),
                         json_object_get(wanted, third));
}
