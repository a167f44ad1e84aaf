/*
 * Copyright (C) the Warren authors
 *
 * What a handler announces: events, commands and what people should see, kept
 * with the message until its transaction stores them.
 */

#include <stdlib.h>
#include <string.h>
#include <string.h>

#include "clock.h"
#include "lane_private.h"
#include "request_private.h"
#include "wire.h"


static const char *subject_header(struct wr_request *req,
    const char *subject);
static struct wr_announcement *notify(struct wr_request *req,
    const char *channel, const char *user, const char *type,
    const char *json, size_t len);
static struct wr_announcement *add(struct wr_request *req);


/* CloudEvents 1.0 in structured JSON */

void
wr_event(struct wr_request *req, const char *type, const char *subject,
    int64_t version, const char *data, size_t len)
{
    char                     time[WR_CLOCK_TEXT_SIZE];
    struct wr_json_writer   *w;
    struct wr_announcement  *event;

    event = add(req);
    event->exchange = WIRE_EXCHANGE_EVENTS;
    event->key = wr_arena_strdup(req->arena, type);
    event->type = event->key;
    event->subject = wr_arena_strdup(req->arena, (subject != NULL) ? subject
                                                                   : "");
    event->content_type = WIRE_CONTENT_CLOUDEVENT;

    wr_clock_text(wr_clock_wall_ms(), time);
    w = wr_json_writer_new(req->arena);
    wr_json_object_begin(w, NULL);
    wr_json_put_text(w, "specversion", "1.0");
    wr_json_put_text(w, "id", event->id);
    wr_json_put_text(w, "source",
                     wr_arena_printf(req->arena, WIRE_EVENT_SOURCE_PREFIX "%s",
                                     req->lane->service->name));
    wr_json_put_text(w, "type", type);
    wr_json_put_text(w, "subject", subject);
    wr_json_put_text(w, "time", time);
    wr_json_put_text(w, "datacontenttype", WIRE_CONTENT_JSON);

    if (version != 0) {
        wr_json_put_int(w, "aggregateversion", version);
    }

    wr_json_put_raw(w, "data", data, len);
    wr_json_object_end(w);
    event->body = wr_json_writer_text(w, NULL);
    event->headers = subject_header(req, subject);
}


/* By it, the broker gives all events of a subject to one queue. */

static const char *
subject_header(struct wr_request *req, const char *subject)
{
    struct wr_json_writer  *w;

    if (subject == NULL) {
        return NULL;
    }

    w = wr_json_writer_new(req->arena);
    wr_json_array_begin(w, NULL);
    wr_json_object_begin(w, NULL);
    wr_json_put_text(w, "name", WIRE_HEADER_SUBJECT);
    wr_json_put_text(w, "text", subject);
    wr_json_object_end(w);
    wr_json_array_end(w);

    return wr_json_writer_text(w, NULL);
}


void
wr_command(struct wr_request *req, const char *service, const char *method,
    const char *json, size_t len)
{
    struct wr_announcement  *command;

    command = add(req);
    command->exchange = WIRE_EXCHANGE_COMMANDS;
    command->key = wr_arena_strdup(req->arena, service);
    command->type = wr_arena_strdup(req->arena, method);
    command->content_type = WIRE_CONTENT_JSON;
    command->body = wr_arena_copy(req->arena, json, len);
}


bool
wr_notify(struct wr_request *req, const char *channel, const char *user,
    const char *type, const char *json, size_t len)
{
    return notify(req, channel, user, type, json, len) != NULL;
}


bool
wr_push(struct wr_request *req, const char *channel, const char *user,
    const char *id, const char *type, const char *json, size_t len)
{
    struct wr_announcement  *message;

    if (!wr_id_is_uuid(id)) {
        return false;
    }

    message = notify(req, channel, user, type, json, len);

    if (message == NULL) {
        return false;
    }

    memcpy(message->id, id, WR_UUID_SIZE);
    message->is_passing = true;

    return true;
}


/* NULL: there is no key for this person. */

static struct wr_announcement *
notify(struct wr_request *req, const char *channel, const char *user,
    const char *type, const char *json, size_t len)
{
    char                     word[WIRE_KEY_WORD_MAX];
    size_t                   n;
    struct wr_announcement  *message;

    n = wire_key_word(word, user, strlen(user));

    if (n == 0) {
        return NULL;
    }

    message = add(req);
    message->exchange = WIRE_EXCHANGE_NOTIFICATIONS;
    message->key = wr_arena_printf(req->arena, "%s.%.*s", channel, (int) n,
                                   word);
    message->type = wr_arena_strdup(req->arena, type);
    message->content_type = WIRE_CONTENT_JSON;
    message->body = wr_arena_copy(req->arena, json, len);

    return message;
}


static struct wr_announcement *
add(struct wr_request *req)
{
    struct wr_announcement  *announcement;

    if (++req->nannouncements > WR_ANNOUNCEMENTS_MAX) {
        wr_log_error(&req->log, "more than %d announcements of one message",
                     WR_ANNOUNCEMENTS_MAX);
        abort();
    }

    announcement = wr_arena_alloc(req->arena, sizeof(struct wr_announcement));
    wr_id_uuid7(announcement->id);
    *req->last_announcement = announcement;
    req->last_announcement = &announcement->next;

    return announcement;
}
