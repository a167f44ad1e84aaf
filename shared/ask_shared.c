/*
 * Copyright (C) the Warren authors
 *
 * Shared questions: what is asked about one key is asked about all keys of a
 * batch at once.
 */

#include <stdlib.h>
#include <string.h>

#include "ask_shared.h"
#include "memory.h"
#include "wire.h"


static bool is_kind(const struct wr_ask_shared *shared,
    const struct wr_ask *ask);
static bool is_first(const struct wr_ask_shared *shared,
    const struct wr_ask *ask);


void
wr_ask_shared_join(struct wr_ask_shared **list, struct wr_ask *ask,
    int64_t left_ms)
{
    struct wr_ask_shared  *shared, **place;

    for (place = list; *place != NULL && !is_kind(*place, ask);
         place = &(*place)->next)
    {
        /* void */
    }

    if (*place == NULL) {
        shared = wr_memory_alloc(1, sizeof(struct wr_ask_shared));
        shared->arena = wr_arena_new();
        shared->first = ask;
        wr_ask_mark(ask);
        strcpy(shared->correlation_id, ask->correlation_id);
        strcpy(shared->message_id, ask->message_id);
        *place = shared;

    } else {
        (*place)->last->next_shared = ask;
    }

    shared = *place;
    shared->last = ask;
    shared->nasks++;
    shared->left_ms = (left_ms > shared->left_ms) ? left_ms : shared->left_ms;
    ask->shared = shared;
}


static bool
is_kind(const struct wr_ask_shared *shared, const struct wr_ask *ask)
{
    return strcmp(shared->first->service, ask->service) == 0
           && strcmp(shared->first->method, ask->method) == 0;
}


const char *
wr_ask_shared_body(struct wr_ask_shared *shared, size_t *len_r)
{
    const struct wr_ask    *ask;
    struct wr_json_writer  *w;

    w = wr_json_writer_new(shared->arena);
    wr_json_object_begin(w, NULL);
    wr_json_array_begin(w, "keys");

    for (ask = shared->first; ask != NULL; ask = ask->next_shared) {
        if (is_first(shared, ask)) {
            wr_json_put_text(w, NULL, ask->key);
        }
    }

    wr_json_array_end(w);
    wr_json_object_end(w);

    return wr_json_writer_text(w, len_r);
}


/* Whether nobody before asks about the same. */

static bool
is_first(const struct wr_ask_shared *shared, const struct wr_ask *ask)
{
    const struct wr_ask  *other;

    for (other = shared->first; other != ask; other = other->next_shared) {
        if (strcmp(other->key, ask->key) == 0) {
            return false;
        }
    }

    return true;
}


bool
wr_ask_shared_answer(struct wr_ask_shared *shared,
    const struct wr_message *msg, int status)
{
    const char            *error;
    const struct wr_json  *json;

    if (status >= 200 && status < 300) {
        json = wr_json_parse(shared->arena, msg->body, msg->body_len, &error);

        /* what is no object is not one without the keys */

        if (json != NULL && wr_json_object(json, NULL, NULL) == json) {
            shared->json = json;
            shared->status = status;
        }

    } else {
        shared->status = status;
    }

    return shared->status != 0;
}


void
wr_ask_shared_look(struct wr_ask *ask)
{
    struct wr_json_errors        errors;
    const struct wr_json        *json;
    const struct wr_ask_shared  *shared;

    shared = ask->shared;

    if (shared->status == 0) {
        return;
    }

    if (shared->json == NULL) {
        ask->status = (shared->status >= 500)
                      ? shared->status
                      : wire_error_info(WIRE_ERROR_BAD_REPLY)->status;
        return;
    }

    if (!wr_json_has(shared->json, ask->key)) {
        ask->status = wire_error_info(WIRE_ERROR_NOT_FOUND)->status;
        return;
    }

    memset(&errors, 0, sizeof(errors));
    errors.arena = shared->arena;
    json = wr_json_object(shared->json, ask->key, &errors);

    if (errors.count != 0) {
        ask->status = wire_error_info(WIRE_ERROR_BAD_REPLY)->status;
        return;
    }

    ask->status = 200;
    ask->json = json;
}


void
wr_ask_shared_leave(struct wr_broker *broker, struct wr_ask *ask)
{
    struct wr_ask_shared  *shared;

    shared = ask->shared;

    if (shared == NULL) {
        return;
    }

    ask->shared = NULL;

    if (--shared->nasks == 0) {
        wr_broker_forget(broker, &shared->confirm);
        wr_arena_free(&shared->arena);
        free(shared);
    }
}
