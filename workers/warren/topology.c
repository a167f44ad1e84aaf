/*
 * Copyright (C) the Warren authors
 *
 * What must be on the broker: objects, bindings, policies and rights, from one
 * table and from what the workers say of themselves.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "topology.h"
#include "wire.h"


/* how often a row stands in the topology */

enum each {
    EACH_BROKER = 0,        /* once */
    EACH_SERVICE,           /* for each service: {service} */
    EACH_RUNG,              /* for each service and rung: {rung} as well */
    EACH_EVENT,             /* for each event a service handles: {word} */
    EACH_CHANNEL,           /* for each channel a service serves: {word} */
    EACH_ORDERING,          /* for each service with events in order */
    EACH_ORDERED_EVENT,     /* for each event in order: {word} */
    EACH_ORDERED_QUEUE      /* for each queue that divides them: {number} */
};


/* an argument of an object; a number, if text is NULL */

struct argument {
    const char  *name;      /* NULL ends a table */
    const char  *text;
    int64_t      number;
};

/* stands for the delay of the rung */
#define RUNG_TTL  -1

/* stands for true */
#define TRUE      -2

#define TEXT(name, text)      { name, text, 0 }
#define NUMBER(name, number)  { name, NULL, number }
#define ARGUMENTS_END         { NULL, NULL, 0 }


struct exchange_row {
    enum each               each;
    const char             *name;
    const char             *type;
    const struct argument  *arguments;
};

struct queue_row {
    enum each               each;
    const char             *name;
    const struct argument  *arguments;
};

struct binding_row {
    enum each               each;
    const char             *exchange;
    const char             *queue;
    const char             *key;
    bool                    is_exchange;    /* what "queue" names is one */
};

struct policy_row {
    const char             *name;
    const char             *apply_to;
    const char             *pattern;
    struct argument         definition;
};

struct right_row {
    enum each               each;
    const char             *user;
    const char             *configure;
    const char             *write;
    const char             *read;
    const char             *events;     /* routing keys it may announce */
    const char             *people;     /* and bind of what they should see */
};


/* what the words in braces stand for */

struct scope {
    const json_t            *service;   /* NULL: none */
    const char              *word;
    const struct wire_rung  *rung;
    char                     number[24];
    char                    *entities;  /* "a|b" */
    char                    *channels;  /* "|channel\.(a|b)", or "" */
    char                    *ordered;   /* "|events\.S\.[0-9]+", or "" */
};


static const struct argument  no_arguments[] = {
    ARGUMENTS_END
};

static const struct argument  call_arguments[] = {
    TEXT("x-queue-type", "classic"),
    NUMBER("x-max-length", WIRE_RPC_MAX_LENGTH),
    NUMBER("x-max-length-bytes", WIRE_RPC_MAX_LENGTH_BYTES),
    TEXT("x-overflow", "reject-publish"),
    NUMBER("x-message-ttl", WIRE_RPC_TTL_MS),
    ARGUMENTS_END
};

/* at-least-once dead-lettering falls back to at-most-once without
   reject-publish, and loses what has no routing key of its own */

static const struct argument  work_arguments[] = {
    TEXT("x-queue-type", "quorum"),
    NUMBER("x-delivery-limit", WIRE_DELIVERY_LIMIT),
    TEXT("x-dead-letter-exchange", WIRE_EXCHANGE_PARK),
    TEXT("x-dead-letter-routing-key", "{service}"),
    TEXT("x-dead-letter-strategy", "at-least-once"),
    TEXT("x-overflow", "reject-publish"),
    ARGUMENTS_END
};

/* one consumer at a time, so that what is tried again keeps its place */

static const struct argument  ordered_arguments[] = {
    TEXT("x-queue-type", "quorum"),
    NUMBER("x-single-active-consumer", TRUE),
    NUMBER("x-delivery-limit", WIRE_DELIVERY_LIMIT),
    TEXT("x-dead-letter-exchange", WIRE_EXCHANGE_PARK),
    TEXT("x-dead-letter-routing-key", "{service}"),
    TEXT("x-dead-letter-strategy", "at-least-once"),
    TEXT("x-overflow", "reject-publish"),
    ARGUMENTS_END
};

static const struct argument  rung_arguments[] = {
    TEXT("x-queue-type", "quorum"),
    NUMBER("x-message-ttl", RUNG_TTL),
    NUMBER("x-max-length", WIRE_RETRY_MAX_LENGTH),
    TEXT("x-dead-letter-exchange", WIRE_EXCHANGE_AGAIN),
    TEXT("x-dead-letter-routing-key", "{service}"),
    TEXT("x-dead-letter-strategy", "at-least-once"),
    TEXT("x-overflow", "reject-publish"),
    ARGUMENTS_END
};

static const struct argument  park_arguments[] = {
    TEXT("x-queue-type", "classic"),
    ARGUMENTS_END
};

static const struct argument  unrouted_arguments[] = {
    TEXT("x-queue-type", "classic"),
    NUMBER("x-max-length", WIRE_UNROUTED_MAX_LENGTH),
    TEXT("x-overflow", "drop-head"),
    ARGUMENTS_END
};


/* by the subject, since a routing key tells what happened and not to whom */

static const struct argument  hash_arguments[] = {
    TEXT("hash-header", WIRE_HEADER_SUBJECT),
    ARGUMENTS_END
};


static const struct exchange_row  exchange_rows[] = {
    { EACH_BROKER,  WIRE_EXCHANGE_RPC,                       "direct",
      no_arguments },
    { EACH_BROKER,  WIRE_EXCHANGE_REPLIES,                   "direct",
      no_arguments },
    { EACH_BROKER,  WIRE_EXCHANGE_COMMANDS,                  "direct",
      no_arguments },
    { EACH_BROKER,  WIRE_EXCHANGE_EVENTS,                    "topic",
      no_arguments },
    { EACH_BROKER,  WIRE_EXCHANGE_UNROUTED,                  "fanout",
      no_arguments },
    { EACH_BROKER,  WIRE_EXCHANGE_NOTIFICATIONS,             "topic",
      no_arguments },
    { EACH_BROKER,  WIRE_EXCHANGE_AGAIN,                     "direct",
      no_arguments },
    { EACH_BROKER,  WIRE_EXCHANGE_PARK,                      "direct",
      no_arguments },
    { EACH_BROKER,  WIRE_EXCHANGE_LIMITS,                    "fanout",
      no_arguments },
    { EACH_BROKER,  WIRE_EXCHANGE_DROPPED,                   "direct",
      no_arguments },
    { EACH_SERVICE, WIRE_EXCHANGE_RETRY_PREFIX "{service}",  "direct",
      no_arguments },
    { EACH_ORDERING, WIRE_EXCHANGE_ORDERED_PREFIX "{service}",
      TOPOLOGY_HASH, hash_arguments },
};

static const struct queue_row  queue_rows[] = {
    { EACH_BROKER,  WIRE_QUEUE_UNROUTED,
      unrouted_arguments },
    { EACH_SERVICE, WIRE_QUEUE_RPC_PREFIX "{service}",       call_arguments },
    { EACH_SERVICE, WIRE_QUEUE_COMMANDS_PREFIX "{service}",  work_arguments },
    { EACH_SERVICE, WIRE_QUEUE_EVENTS_PREFIX "{service}",    work_arguments },
    { EACH_ORDERED_QUEUE, WIRE_QUEUE_EVENTS_PREFIX "{service}.{number}",
      ordered_arguments },
    { EACH_SERVICE, WIRE_QUEUE_AGAIN_PREFIX "{service}",     work_arguments },
    { EACH_SERVICE, WIRE_QUEUE_PARK_PREFIX "{service}",      park_arguments },
    { EACH_CHANNEL, WIRE_QUEUE_CHANNEL_PREFIX "{word}",      work_arguments },
    { EACH_RUNG,    WIRE_QUEUE_RETRY_PREFIX "{service}.{rung}",
      rung_arguments },
};

static const struct binding_row  binding_rows[] = {
    { EACH_BROKER,  WIRE_EXCHANGE_UNROUTED, WIRE_QUEUE_UNROUTED, "", false },
    { EACH_SERVICE, WIRE_EXCHANGE_RPC,
      WIRE_QUEUE_RPC_PREFIX "{service}", "{service}", false },
    { EACH_SERVICE, WIRE_EXCHANGE_COMMANDS,
      WIRE_QUEUE_COMMANDS_PREFIX "{service}", "{service}", false },
    { EACH_EVENT,   WIRE_EXCHANGE_EVENTS,
      WIRE_QUEUE_EVENTS_PREFIX "{service}", "{word}", false },
    { EACH_ORDERED_EVENT, WIRE_EXCHANGE_EVENTS,
      WIRE_EXCHANGE_ORDERED_PREFIX "{service}", "{word}", true },
    /* the key is the queue's share of the subjects */
    { EACH_ORDERED_QUEUE, WIRE_EXCHANGE_ORDERED_PREFIX "{service}",
      WIRE_QUEUE_EVENTS_PREFIX "{service}.{number}", "1", false },
    { EACH_CHANNEL, WIRE_EXCHANGE_NOTIFICATIONS,
      WIRE_QUEUE_CHANNEL_PREFIX "{word}", "{word}.*", false },
    { EACH_SERVICE, WIRE_EXCHANGE_AGAIN,
      WIRE_QUEUE_AGAIN_PREFIX "{service}", "{service}", false },
    { EACH_SERVICE, WIRE_EXCHANGE_PARK,
      WIRE_QUEUE_PARK_PREFIX "{service}", "{service}", false },
    { EACH_RUNG,    WIRE_EXCHANGE_RETRY_PREFIX "{service}",
      WIRE_QUEUE_RETRY_PREFIX "{service}.{rung}", "{rung}", false },
};

/* arguments hold the hard bounds, these what operators tune: the smaller of
   the two counts, and a policy that is there is never written over */

static const struct policy_row  policy_rows[] = {
    { "warren-rpc", "queues", "^rpc\\.",
      NUMBER("max-length", WIRE_RPC_POLICY_MAX_LENGTH) },
    { "warren-events", "exchanges", "^events$",
      TEXT("alternate-exchange", WIRE_EXCHANGE_UNROUTED) },
};

/*
 * Nobody has a right on the default exchange: whoever may write to it may
 * write into every queue.  The gateway binds persons one by one, with no
 * pattern, and what else is told of them, such as letters, it never sees.  A
 * queue's own name, which is nobody's key, tries its right to bind.
 */

static const struct right_row  right_rows[] = {
    { EACH_BROKER, TOPOLOGY_GATEWAY,
      "^amq\\.gen-",
      "^(rpc|commands|limits|dropped|amq\\.gen-.*)$",
      "^(amq\\.gen-.*|replies|limits|notifications|dropped)$",
      "^$",
      "^(inapp\\.[A-Za-z0-9_~%-]+|amq\\.gen-[A-Za-z0-9_-]+)$" },
    { EACH_SERVICE, "{service}",
      "^amq\\.gen-",
      "^(rpc|commands|events|notifications|replies|retry\\.{service}"
      "|amq\\.gen-.*)$",
      "^(amq\\.gen-.*|replies|(rpc|commands|events|again|park)\\.{service}"
      "{ordered}{channels})$",
      "^({entities})\\.", NULL },
};


static int check_ordered(const json_t *service, const char **error_r);
static int check_words(const json_t *service, const char *member,
    const char *characters, const char **error_r);
static void expand_row(enum each each, const json_t *services,
    json_t *(*make)(const void *row, const struct scope *scope),
    const void *row, json_t *list);
static void expand_service(enum each each, const struct scope *service,
    json_t *(*make)(const void *row, const struct scope *scope),
    const void *row, json_t *list);
static void expand_ordered(struct scope *scope,
    json_t *(*make)(const void *row, const struct scope *scope),
    const void *row, json_t *list);
static bool has_order(const json_t *service);
static const char *member_of(enum each each);
static json_t *make_arguments(const struct argument *argument,
    const struct scope *scope);
static json_t *make_exchange(const void *data, const struct scope *scope);
static json_t *make_queue(const void *data, const struct scope *scope);
static json_t *make_binding(const void *data, const struct scope *scope);
static json_t *make_policy(const void *data, const struct scope *scope);
static json_t *make_right(const void *data, const struct scope *scope);
static json_t *argument_value(const struct argument *argument,
    const struct scope *scope);
static json_t *fill(const char *pattern, const struct scope *scope);
static const char *word_of(const struct scope *scope, const char *name,
    size_t len);
static char *join_words(const json_t *service, const char *member,
    const char *before, const char *after);


#define NAME_CHARACTERS                                                       \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


int
topology_check_service(const json_t *service, const char **error_r)
{
    const char  *name;

    name = json_string_value(json_object_get(service, "service"));

    if (name == NULL || name[0] == '\0'
        || name[strspn(name, NAME_CHARACTERS)] != '\0'
        || strcmp(name, TOPOLOGY_GATEWAY) == 0)
    {
        *error_r = "a topology's \"service\" must be a name of letters, "
                   "digits, \"-\" and \"_\", and not \"gateway\"";
        return -1;
    }

    if (check_words(service, "entities", NAME_CHARACTERS, error_r) == -1
        || check_words(service, "channels", NAME_CHARACTERS, error_r) == -1
        || check_words(service, "events", NAME_CHARACTERS ".*#", error_r)
           == -1
        || check_words(service, "ordered", NAME_CHARACTERS ".*#", error_r)
           == -1)
    {
        return -1;
    }

    return check_ordered(service, error_r);
}


static int
check_ordered(const json_t *service, const char **error_r)
{
    json_int_t  n;

    n = json_integer_value(json_object_get(service, "ordered_queues"));

    if (json_array_size(json_object_get(service, "ordered")) != 0
        && (n < 1 || n > WIRE_ORDERED_QUEUES_MAX))
    {
        *error_r = text_error("a topology's \"ordered_queues\" must be within "
                              "1 and %d", WIRE_ORDERED_QUEUES_MAX);
        return -1;
    }

    return 0;
}


int
topology_check_channels(const json_t *services, const json_t *service,
    const char **error_r)
{
    size_t       i, j, k;
    json_t      *other, *theirs, *ours;
    const char  *name, *owner;

    name = json_string_value(json_object_get(service, "service"));

    json_array_foreach(services, i, other) {
        owner = json_string_value(json_object_get(other, "service"));

        if (strcmp(owner, name) == 0) {
            continue;
        }

        json_array_foreach(json_object_get(other, "channels"), j, theirs) {
            json_array_foreach(json_object_get(service, "channels"), k, ours) {
                if (json_equal(theirs, ours)) {
                    *error_r = text_error("channel \"%s\" is served by %s and "
                                          "by %s: only one service may",
                                          json_string_value(ours), owner,
                                          name);
                    return -1;
                }
            }
        }
    }

    return 0;
}


json_t *
topology_expand(const json_t *services)
{
    size_t   i;
    json_t  *exchanges, *queues, *bindings, *policies, *rights;

    exchanges = json_array();
    queues = json_array();
    bindings = json_array();
    policies = json_array();
    rights = json_array();

#define expand(rows, make, list)                                              \
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {                    \
        expand_row(rows[i].each, services, make, &rows[i], list);             \
    }

    expand(exchange_rows, make_exchange, exchanges);
    expand(queue_rows, make_queue, queues);
    expand(binding_rows, make_binding, bindings);
    expand(right_rows, make_right, rights);

#undef expand

    for (i = 0; i < sizeof(policy_rows) / sizeof(policy_rows[0]); i++) {
        expand_row(EACH_BROKER, services, make_policy, &policy_rows[i],
                   policies);
    }

    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "exchanges", exchanges,
                     "queues", queues, "bindings", bindings,
                     "policies", policies, "rights", rights);
}


static int
check_words(const json_t *service, const char *member,
    const char *characters, const char **error_r)
{
    size_t       i;
    json_t      *words, *word;
    const char  *text;

    words = json_object_get(service, member);

    if (words == NULL) {
        return 0;
    }

    if (!json_is_array(words)) {
        *error_r = text_error("a topology's \"%s\" must be an array", member);
        return -1;
    }

    json_array_foreach(words, i, word) {
        text = json_string_value(word);

        if (text == NULL || text[0] == '\0'
            || text[strspn(text, characters)] != '\0')
        {
            *error_r = text_error("a topology's \"%s\" must be of names",
                                  member);
            return -1;
        }
    }

    return 0;
}


/* Appends to list what make() gives for the row, as often as it stands. */

static void
expand_row(enum each each, const json_t *services,
    json_t *(*make)(const void *row, const struct scope *scope),
    const void *row, json_t *list)
{
    size_t        i;
    json_t       *service;
    struct scope  scope;

    memset(&scope, 0, sizeof(scope));

    if (each == EACH_BROKER) {
        json_array_append_new(list, make(row, &scope));
        return;
    }

    json_array_foreach(services, i, service) {
        scope.service = service;
        scope.entities = join_words(service, "entities", "", "");
        scope.channels = join_words(service, "channels", "|channel\\.(", ")");
        scope.ordered = has_order(service)
                        ? text_printf("|events\\.%s\\.[0-9]+",
                                      json_string_value(json_object_get(
                                          service, "service")))
                        : text_printf("%s", "");

        expand_service(each, &scope, make, row, list);

        free(scope.ordered);
        free(scope.entities);
        free(scope.channels);
    }
}


static void
expand_service(enum each each, const struct scope *service,
    json_t *(*make)(const void *row, const struct scope *scope),
    const void *row, json_t *list)
{
    size_t        i;
    unsigned      rung;
    json_t       *words, *word;
    struct scope  scope;

    scope = *service;

    if (each == EACH_SERVICE
        || (each == EACH_ORDERING && has_order(scope.service)))
    {
        json_array_append_new(list, make(row, &scope));
        return;
    }

    if (each == EACH_RUNG) {
        for (rung = 0; rung < WIRE_RUNGS; rung++) {
            scope.rung = wire_rung(rung);
            json_array_append_new(list, make(row, &scope));
        }

        return;
    }

    if (each == EACH_ORDERED_QUEUE) {
        expand_ordered(&scope, make, row, list);
        return;
    }

    words = json_object_get(scope.service, member_of(each));

    json_array_foreach(words, i, word) {
        scope.word = json_string_value(word);
        json_array_append_new(list, make(row, &scope));
    }
}


static void
expand_ordered(struct scope *scope,
    json_t *(*make)(const void *row, const struct scope *scope),
    const void *row, json_t *list)
{
    json_int_t  i, n;

    n = json_integer_value(json_object_get(scope->service, "ordered_queues"));

    for (i = 1; has_order(scope->service) && i <= n; i++) {
        snprintf(scope->number, sizeof(scope->number),
                 "%" JSON_INTEGER_FORMAT, i);
        json_array_append_new(list, make(row, scope));
    }
}


static bool
has_order(const json_t *service)
{
    return json_array_size(json_object_get(service, "ordered")) != 0;
}


/* What a service says its words in; NULL: nowhere. */

static const char *
member_of(enum each each)
{
    switch (each) {

    case EACH_EVENT:
        return "events";

    case EACH_CHANNEL:
        return "channels";

    case EACH_ORDERED_EVENT:
        return "ordered";

    default:
        return NULL;
    }
}


static json_t *
make_exchange(const void *data, const struct scope *scope)
{
    const struct exchange_row  *row = data;

    return json_pack("{s:o, s:s, s:o}", "name", fill(row->name, scope),
                     "type", row->type,
                     "arguments", make_arguments(row->arguments, scope));
}


static json_t *
make_queue(const void *data, const struct scope *scope)
{
    const struct queue_row  *row = data;

    return json_pack("{s:o, s:o}", "name", fill(row->name, scope),
                     "arguments", make_arguments(row->arguments, scope));
}


static json_t *
make_arguments(const struct argument *argument, const struct scope *scope)
{
    json_t  *arguments;

    arguments = json_object();

    for ( /* void */ ; argument->name != NULL; argument++) {
        json_object_set_new(arguments, argument->name,
                            argument_value(argument, scope));
    }

    return arguments;
}


static json_t *
make_binding(const void *data, const struct scope *scope)
{
    const struct binding_row  *row = data;

    return json_pack("{s:o, s:o, s:s, s:o}",
                     "source", fill(row->exchange, scope),
                     "destination", fill(row->queue, scope),
                     "destination_type",
                     row->is_exchange ? "exchange" : "queue",
                     "routing_key", fill(row->key, scope));
}


static json_t *
make_policy(const void *data, const struct scope *scope)
{
    const struct policy_row  *row = data;

    return json_pack("{s:s, s:s, s:s, s:{s:o}}", "name", row->name,
                     "pattern", row->pattern, "apply-to", row->apply_to,
                     "definition", row->definition.name,
                     argument_value(&row->definition, scope));
}


static json_t *
make_right(const void *data, const struct scope *scope)
{
    bool                     is_mute;
    json_t                  *right;
    const struct right_row  *row = data;

    /* a service without entities announces nothing */
    is_mute = (scope->entities == NULL || scope->entities[0] == '\0');

    right = json_pack("{s:o, s:o, s:o, s:o, s:[{s:s, s:o, s:s}]}",
                      "user", fill(row->user, scope),
                      "configure", fill(row->configure, scope),
                      "write", fill(row->write, scope),
                      "read", fill(row->read, scope),
                      "topics", "exchange", WIRE_EXCHANGE_EVENTS,
                      "write", fill(is_mute ? "^$" : row->events, scope),
                      "read", "^$");

    if (row->people != NULL) {
        json_array_append_new(json_object_get(right, "topics"),
                              json_pack("{s:s, s:s, s:o}",
                                        "exchange",
                                        WIRE_EXCHANGE_NOTIFICATIONS,
                                        "write", "^$",
                                        "read", fill(row->people, scope)));
    }

    return right;
}


static json_t *
argument_value(const struct argument *argument, const struct scope *scope)
{
    if (argument->text != NULL) {
        return fill(argument->text, scope);
    }

    if (argument->number == TRUE) {
        return json_true();
    }

    if (argument->number == RUNG_TTL) {
        return json_integer(scope->rung->ttl_ms);
    }

    return json_integer(argument->number);
}


/* A text with each {name} replaced. */

static json_t *
fill(const char *pattern, const struct scope *scope)
{
    char        *text, *longer;
    size_t       len;
    json_t      *result;
    const char  *end;

    text = text_printf("%s", "");

    while (*pattern != '\0') {

        if (*pattern == '{') {
            end = strchr(pattern, '}');
            longer = text_printf("%s%s", text,
                                 word_of(scope, pattern + 1,
                                         (size_t) (end - pattern - 1)));
            pattern = end + 1;

        } else {
            len = strcspn(pattern, "{");
            longer = text_printf("%s%.*s", text, (int) len, pattern);
            pattern += len;
        }

        free(text);
        text = longer;
    }

    result = json_string(text);
    free(text);

    return result;
}


static const char *
word_of(const struct scope *scope, const char *name, size_t len)
{
#define is(word)  (len == sizeof(word) - 1 && memcmp(name, word, len) == 0)

    if (is("service")) {
        return json_string_value(json_object_get(scope->service, "service"));
    }

    if (is("rung")) {
        return scope->rung->name;
    }

    if (is("number")) {
        return scope->number;
    }

    if (is("ordered")) {
        return scope->ordered;
    }

    if (is("word")) {
        return scope->word;
    }

    if (is("entities")) {
        return scope->entities;
    }

    if (is("channels")) {
        return scope->channels;
    }

#undef is

    /* the tables have no other */
    abort();
}


/* "a|b" between before and after; nothing at all of nothing. */

static char *
join_words(const json_t *service, const char *member, const char *before,
    const char *after)
{
    char    *text, *longer;
    size_t   i;
    json_t  *words, *word;

    words = json_object_get(service, member);

    if (json_array_size(words) == 0) {
        return text_printf("%s", "");
    }

    text = text_printf("%s", before);

    json_array_foreach(words, i, word) {
        longer = text_printf("%s%s%s", text, i == 0 ? "" : "|",
                             json_string_value(word));
        free(text);
        text = longer;
    }

    longer = text_printf("%s%s", text, after);
    free(text);

    return longer;
}
