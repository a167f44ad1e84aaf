/*
 * Copyright (C) the Warren authors
 *
 * Questions about single keys that a batch asks as one message.
 */

#ifndef WARREN_ASK_SHARED_H
#define WARREN_ASK_SHARED_H


#include "request_private.h"


/*
 * One message for all questions of a batch to the same method of the same
 * service.  It lives as long as one of them: they may end at different times.
 */

struct wr_ask_shared {
    struct wr_ask_shared  *next;        /* of those that are to be sent */
    int                    nasks;       /* that still point to it */
    struct wr_arena       *arena;       /* its own */
    struct wr_ask         *first;       /* until it is sent */
    struct wr_ask         *last;
    char                   correlation_id[WIRE_CORRELATION_LEN + 1];
    char                   message_id[WR_UUID_SIZE];
    int64_t                left_ms;     /* of the one with the most time */
    struct wr_confirm      confirm;
    int                    status;      /* 0: not answered yet */
    const struct wr_json  *json;        /* of the answer */
};


/* Adds a question to the one of its kind in the list, or a new one. */
void wr_ask_shared_join(struct wr_ask_shared **list, struct wr_ask *ask,
    int64_t left_ms);

/* {"keys": [...]}, each key once; of the questions that have joined. */
const char *wr_ask_shared_body(struct wr_ask_shared *shared, size_t *len_r);

/* Takes what was answered; the message stays the caller's.  Returns false if it
   is no answer. */
bool wr_ask_shared_answer(struct wr_ask_shared *shared,
    const struct wr_message *msg, int status);

/*
 * What the answer says of one key, if it is there: 200 with the object, or 404.
 * Whoever does not take the question at all has not answered it: 502.
 */
void wr_ask_shared_look(struct wr_ask *ask);

/* A question ends; the last one ends the message. */
void wr_ask_shared_leave(struct wr_broker *broker, struct wr_ask *ask);


#endif /* WARREN_ASK_SHARED_H */
