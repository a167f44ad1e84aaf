/*
 * Copyright (C) the Warren authors
 *
 * What a handler sees of a message, and how it answers.  All texts live as
 * long as the message.
 */

#ifndef WARREN_REQUEST_H
#define WARREN_REQUEST_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"


struct wr_arena;
struct wr_ask;
struct wr_json;
struct wr_json_errors;
struct wr_log;
struct wr_request;
struct wr_tx;


/*
 * How a handler ends.  The runtime makes of it commit or rollback, reply, ack,
 * retry or dead letter.
 */

enum wr_outcome {
    /* done: commit, reply, ack */
    WR_DONE = 0,

    /* the domain says no, and will say so again: what wr_refuse() gave */
    WR_REFUSED,

    /* not now: later may work; nothing is committed */
    WR_RETRY,

    /* it may have happened; nothing (more) is committed */
    WR_UNCERTAIN
};


/* the message */

/* Memory that lives as long as the message. */
struct wr_arena *wr_request_arena(struct wr_request *req);

/* A context whose lines name the message and its trace. */
const struct wr_log *wr_request_log(struct wr_request *req);

/* The transaction; in a read-only call statements run outside of one.  NULL in
   .gather: no transaction is open while a lane waits for others. */
struct wr_tx *wr_request_tx(struct wr_request *req);

/* What the service's .init returned. */
void *wr_request_state(struct wr_request *req);

/* What the handler's own steps hand to one another; NULL until set. */
void wr_request_set(struct wr_request *req, void *data);
void *wr_request_get(struct wr_request *req);

/* The method or event type; message_id. */
const char *wr_request_type(struct wr_request *req);
const char *wr_request_id(struct wr_request *req);

/* Whether it may have been tried before, by whomever, and have ended halfway:
   it was delivered before, or comes from a rung or the dead letters. */
bool wr_request_is_repeated(struct wr_request *req);

/* The subject of the verified token; NULL if nobody was authenticated, or the
   sender is not one whose word on that is believed: the key trusted_users. */
const char *wr_request_sub(struct wr_request *req);

/* Whether the verified token has this scope (RFC 6749, 3.3). */
bool wr_request_has_scope(struct wr_request *req, const char *scope);

/* An argument of the path or the query; NULL if absent. */
const char *wr_request_arg(struct wr_request *req, const char *name);

/* A header of the HTTP request, by its name in lower case; NULL if there was
   none, or the gateway's gateway_request_header does not name it. */
const char *wr_request_header(struct wr_request *req, const char *name);

/* Milliseconds until the deadline, at least 0; INT64_MAX without one. */
int64_t wr_request_remaining_ms(struct wr_request *req);

/*
 * The body as JSON; of an event, its "data".  A body that is not JSON gives an
 * empty value and an error in wr_request_errors().  Never NULL.
 */
const struct wr_json *wr_request_json(struct wr_request *req);

/* The collector for the accessors of json.h. */
struct wr_json_errors *wr_request_errors(struct wr_request *req);

/* Of an event: its subject, and aggregateversion (0 if absent). */
const char *wr_request_subject(struct wr_request *req);
int64_t wr_request_version(struct wr_request *req);


/* the reply of a call; the last one set counts; ignored for what is no call */

/* status is 200 to 299; wr_refuse() has the others.  json is copied, and NULL
   with len 0 is no body.  A call that is done without a reply is answered
   204. */
void wr_reply(struct wr_request *req, int status, const char *json,
    size_t len);

/* One of the headers that wire_reply_header_may_pass() admits, by its name in
   lower case.  location, etag, cache-control, retry-after and link get to the
   client, any other if the gateway's gateway_response_header names it. */
void wr_reply_header(struct wr_request *req, const char *name,
    const char *value);

/*
 * Refuses: return its result, WR_REFUSED.  detail is for the client, and may
 * be NULL.  The error's status must be 400 to 499: WIRE_ERROR_INVALID is 400,
 * WIRE_ERROR_UNAUTHENTICATED 401, WIRE_ERROR_FORBIDDEN 403,
 * WIRE_ERROR_NOT_FOUND 404, WIRE_ERROR_CONFLICT 409; wire_error.def has all.
 */
enum wr_outcome wr_refuse(struct wr_request *req, enum wire_error error,
    const char *detail);

/*
 * Refuses a call, and keeps what was written, so that a refusal can be a fact
 * that counts: an attempt, a token that was used twice.  Return its result,
 * which is WR_DONE.
 */
enum wr_outcome wr_refuse_kept(struct wr_request *req, enum wire_error error,
    const char *detail);

/* Refuses with WIRE_ERROR_INVALID and all that wr_request_errors() has. */
enum wr_outcome wr_refuse_invalid(struct wr_request *req);


/*
 * Facts.  The event is stored in the transaction and leaves after its commit.
 * type is "<entity>.<fact>" and one of the service's own; subject is the id of
 * what it is about; version grows with each change of it (0: not told); data
 * is JSON and copied.
 */
void wr_event(struct wr_request *req, const char *type, const char *subject,
    int64_t version, const char *data, size_t len);

/*
 * A command for a service, stored and sent as wr_event() does.  The service
 * takes commands of those who are in its trusted_users, and of itself and those
 * that it asks; any other becomes a dead letter there.
 */
void wr_command(struct wr_request *req, const char *service,
    const char *method, const char *json, size_t len);

/*
 * What a person should see, on a channel: stored and sent as wr_event() does,
 * to the queue of the channel where a service has one, and to whom streams it;
 * without either it is lost.  user is the person's id.  Returns false, and
 * sends nothing, if the id cannot be a word of a routing key: it is empty, or
 * longer than WIRE_KEY_WORD_MAX once other characters are written as %XX.
 */
bool wr_notify(struct wr_request *req, const char *channel, const char *user,
    const char *type, const char *json, size_t len);

/*
 * As wr_notify(), for those who are looking right now: id, a UUID, becomes the
 * message's.  It is kept in memory alone and costs no row; a worker that dies
 * after its commit loses it.  So it is for what can be read later, too.
 */
bool wr_push(struct wr_request *req, const char *channel, const char *user,
    const char *id, const char *type, const char *json, size_t len);


/*
 * Questions to other services, from .gather alone.  All questions of a batch
 * travel together, with the identity, trace and deadline of the message; .apply
 * runs when they are answered or it is too late.
 *
 *     add_gather:  add->user = wr_ask(req, "users", "get_user");
 *                  wr_ask_arg(add->user, "id", wr_request_sub(req));
 *                  wr_request_set(req, add);
 *
 *     add:         if (wr_ask_status(add->user) == 404) {
 *                      return wr_refuse(req, WIRE_ERROR_FORBIDDEN, NULL);
 *                  }
 *
 *                  if (wr_ask_status(add->user) != 200) {
 *                      return WR_RETRY;
 *                  }
 *
 * Whoever is asked must be in the service's .asks, and "warren topology apply"
 * have made that right.  The other service believes the identity only if its
 * trusted_users names this one ("trusted_users = gateway orders"); if not, it
 * sees nobody, and most calls are then answered 401.
 */
struct wr_ask *wr_ask(struct wr_request *req, const char *service,
    const char *method);
void wr_ask_arg(struct wr_ask *ask, const char *name, const char *value);
void wr_ask_json(struct wr_ask *ask, const char *json, size_t len);

/*
 * A question about one key that is not asked in the name of a person: all of a
 * batch to one method are one message, without an identity.  The method gets
 *
 *     {"keys": ["a", "b"]}
 *
 * and answers 200 with an object that has a member for each key that it knows,
 * itself an object: {"a": {…}}.  Here the status is then 200 or, of a key that
 * the answer does not have, 404; the answer is the member.  With any other
 * status below 500 the question itself was refused: that is 502.  As nobody is
 * named, the method should tell in .callers whom it answers.
 */
struct wr_ask *wr_ask_about(struct wr_request *req, const char *service,
    const char *method, const char *key);

/*
 * The HTTP status of the answer.  502, 503 and 504 also stand for an answer
 * that did not come, with the meanings of wire_error.def: 503 says that nothing
 * has happened.
 */
int wr_ask_status(struct wr_ask *ask);

/* The body of the answer, as wr_request_json(). */
const struct wr_json *wr_ask_answer(struct wr_ask *ask);


#endif /* WARREN_REQUEST_H */
