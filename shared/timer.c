/*
 * Copyright (C) the Warren authors
 *
 * Commands that a service sends itself now and then.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "digest.h"
#include "lane_private.h"
#include "timer.h"
#include "wire.h"


static bool is_sender(const struct wr_lane *lane);
static int64_t slot(const struct wr_handler *handler, int64_t wall_ms);
static bool send_tick(struct wr_lane *lane, const struct wr_handler *handler,
    int64_t wall_ms);


int64_t
wr_timer_left_ms(const struct wr_lane *lane)
{
    int64_t                   wall_ms, left_ms, ms;
    const struct wr_handler  *handler;

    if (!is_sender(lane)) {
        return INT64_MAX;
    }

    wall_ms = wr_clock_wall_ms();
    left_ms = INT64_MAX;

    for (handler = lane->service->handlers; handler->type != NULL; handler++) {
        if (handler->every_ms == 0) {
            continue;
        }

        ms = (slot(handler, wall_ms) == slot(handler, lane->timer_ms))
             ? handler->every_ms - wall_ms % handler->every_ms : 0;
        left_ms = (ms < left_ms) ? ms : left_ms;
    }

    return left_ms;
}


void
wr_timer(struct wr_lane *lane)
{
    int64_t                   wall_ms;
    const struct wr_handler  *handler;

    if (!is_sender(lane)) {
        return;
    }

    wall_ms = wr_clock_wall_ms();

    for (handler = lane->service->handlers; handler->type != NULL; handler++) {
        if (handler->every_ms == 0
            || slot(handler, wall_ms) == slot(handler, lane->timer_ms))
        {
            continue;
        }

        /* on failure soon again: what was sent of this slot acts once */

        if (!send_tick(lane, handler, wall_ms)) {
            return;
        }
    }

    lane->timer_ms = wall_ms;
}


/* One lane of a worker is enough, and none where nobody here could act. */

static bool
is_sender(const struct wr_lane *lane)
{
    unsigned  i;

    for (i = 0; lane->number == 0 && i < lane->broker_config.nqueues; i++) {
        if (lane->broker_config.queues[i].kind == WR_QUEUE_COMMANDS) {
            return true;
        }
    }

    return false;
}


/* After the clock was set back it is an older one, whose id has acted. */

static int64_t
slot(const struct wr_handler *handler, int64_t wall_ms)
{
    return wall_ms / handler->every_ms;
}


/* Without a confirm: what is lost is made good by the next slot's. */

static bool
send_tick(struct wr_lane *lane, const struct wr_handler *handler,
    int64_t wall_ms)
{
    char                  id[WR_UUID_SIZE];
    struct wr_publishing  pub;

    wr_timer_id(lane->service->name, handler, wall_ms, id);

    memset(&pub, 0, sizeof(pub));
    pub.exchange = WIRE_EXCHANGE_COMMANDS;
    pub.key = lane->service->name;
    pub.is_persistent = true;
    pub.type = handler->type;
    pub.content_type = WIRE_CONTENT_JSON;
    pub.message_id = id;
    pub.body = "{}";
    pub.body_len = 2;

    return wr_broker_publish(lane->broker, &pub, NULL) == WR_PUBLISHED;
}


/* RFC 9562: 48 bits of time, the version, and what tells it from others, here
   digits of a digest instead of random ones. */

void
wr_timer_id(const char *service, const struct wr_handler *handler,
    int64_t wall_ms, char id_r[WR_UUID_SIZE])
{
    char               text[WR_DIGEST_SIZE];
    uint64_t           ms;
    struct wr_digest  *digest;

    digest = wr_digest_new();
    wr_digest_add(digest, service, strlen(service));
    wr_digest_add(digest, handler->type, strlen(handler->type));
    wr_digest_end(&digest, text);

    ms = (uint64_t) (slot(handler, wall_ms) * handler->every_ms);

    snprintf(id_r, WR_UUID_SIZE,
             "%08" PRIx64 "-%04" PRIx64 "-7%.3s-8%.3s-%.12s",
             ms >> 16 & 0xffffffff, ms & 0xffff, text, text + 3, text + 6);
}
