/*
 * Copyright (C) the Warren authors
 *
 * Which queues a lane consumes.
 */

#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "broker.h"
#include "lane_queues.h"
#include "service.h"
#include "settings.h"
#include "wire.h"


/* So much later a lane asks for queues in order that are to be other lanes':
   who asks first is active. */
#define STANDBY_MS  2000

#define SEPARATORS  " \t,"


static void add(struct wr_broker_config *config, enum wr_queue kind,
    const char *name);
static void add_ordered(const struct wr_service *service, int lanes,
    struct wr_arena *arena, struct wr_broker_config *config);
static void add_channels(const struct wr_service *service, const char *queues,
    struct wr_arena *arena, struct wr_broker_config *config);
static bool is_kind(const char *word, size_t len);
static bool is_channel(const struct wr_service *service, const char *word,
    size_t len);
static bool has_word(const char *words, const char *word);


int
wr_lane_queues_ordered(const struct wr_service *service)
{
    const struct wr_handler  *handler;

    for (handler = service->handlers; handler->type != NULL; handler++) {
        if (handler->in_order) {
            return (service->ordered_queues != 0) ? service->ordered_queues
                                                  : WIRE_ORDERED_QUEUES;
        }
    }

    return 0;
}


/* What comes home and what was given up is everybody's. */

void
wr_lane_queues(const struct wr_service *service,
    const struct wr_settings *settings, struct wr_arena *arena,
    struct wr_broker_config *config)
{
    int          i;
    const char  *queues;

    queues = wr_settings_text(settings, "queues");
    config->nqueues = 0;

    for (i = 0; i <= WR_QUEUE_PARK; i++) {
        if (i == WR_QUEUE_AGAIN || i == WR_QUEUE_PARK
            || has_word(queues, wr_queue_name(i)))
        {
            add(config, i, wr_arena_printf(arena, "%s.%s", wr_queue_name(i),
                                           service->name));
        }
    }

    if (has_word(queues, wr_queue_name(WR_QUEUE_ORDERED))) {
        add_ordered(service, (int) wr_settings_int(settings, "lanes"), arena,
                    config);
    }

    add_channels(service, queues, arena, config);
}


static void
add(struct wr_broker_config *config, enum wr_queue kind, const char *name)
{
    config->queues[config->nqueues].kind = kind;
    config->queues[config->nqueues].standby_ms = 0;
    config->queues[config->nqueues++].name = name;
}


/* Each lane consumes all of them, so that one that dies has a successor. */

static void
add_ordered(const struct wr_service *service, int lanes,
    struct wr_arena *arena, struct wr_broker_config *config)
{
    int  i, n;

    n = wr_lane_queues_ordered(service);

    for (i = 1; i <= n; i++) {
        add(config, WR_QUEUE_ORDERED,
            wr_arena_printf(arena, WIRE_QUEUE_EVENTS_PREFIX "%s.%d",
                            service->name, i));

        if ((i - 1) % lanes != config->lane) {
            config->queues[config->nqueues - 1].standby_ms = STANDBY_MS;
        }
    }
}


static void
add_channels(const struct wr_service *service, const char *queues,
    struct wr_arena *arena, struct wr_broker_config *config)
{
    const char               *name;
    const struct wr_handler  *handler;

    for (handler = service->handlers; handler->type != NULL; handler++) {
        if (handler->kind != WR_CHANNEL) {
            continue;
        }

        name = wr_arena_printf(arena, WIRE_QUEUE_CHANNEL_PREFIX "%s",
                               handler->type);

        if (has_word(queues, name)) {
            add(config, WR_QUEUE_CHANNEL, name);
        }
    }
}


bool
wr_lane_queues_check(const struct wr_service *service, const char *queues,
    char *word_r, size_t size)
{
    size_t       len;
    const char  *p;

    for (p = queues; *p != '\0'; p += len) {
        p += strspn(p, SEPARATORS);
        len = strcspn(p, SEPARATORS);

        if (len != 0 && !is_kind(p, len) && !is_channel(service, p, len)) {
            snprintf(word_r, size, "%.*s", (int) len, p);
            return false;
        }
    }

    return true;
}


static bool
is_kind(const char *word, size_t len)
{
    int          i;
    const char  *name;

    for (i = 0; i <= WR_QUEUE_PARK; i++) {
        name = wr_queue_name(i);

        if (strlen(name) == len && memcmp(name, word, len) == 0) {
            return true;
        }
    }

    return false;
}


static bool
is_channel(const struct wr_service *service, const char *word, size_t len)
{
    size_t                    prefix;
    const struct wr_handler  *handler;

    prefix = strlen(WIRE_QUEUE_CHANNEL_PREFIX);

    if (len <= prefix || memcmp(word, WIRE_QUEUE_CHANNEL_PREFIX, prefix) != 0)
    {
        return false;
    }

    for (handler = service->handlers; handler->type != NULL; handler++) {
        if (handler->kind == WR_CHANNEL
            && strlen(handler->type) == len - prefix
            && memcmp(handler->type, word + prefix, len - prefix) == 0)
        {
            return true;
        }
    }

    return false;
}


/* None at all: all of them. */

static bool
has_word(const char *words, const char *word)
{
    bool         is_empty;
    size_t       len, n;
    const char  *p;

    len = strlen(word);
    is_empty = true;

    for (p = words; *p != '\0'; p += n) {
        p += strspn(p, SEPARATORS);
        n = strcspn(p, SEPARATORS);
        is_empty = is_empty && n == 0;

        if (n == len && n != 0 && memcmp(p, word, len) == 0) {
            return true;
        }
    }

    return is_empty;
}
