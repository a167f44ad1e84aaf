/*
 * Copyright (C) the Warren authors
 *
 * A service: the tables that a worker's main.c consists of.
 */

#ifndef WARREN_SERVICE_H
#define WARREN_SERVICE_H


#include <stdbool.h>
#include <stddef.h>

#include "key.h"
#include "request.h"
#include "settings.h"


enum wr_kind {
    WR_CALL = 0,            /* queue rpc.S; somebody waits for the reply */
    WR_COMMAND,             /* queue commands.S */
    WR_EVENT,               /* queue events.S, bound to the handler's type */
    WR_CHANNEL              /* queue channel.<type>: all messages of it */
};


/*
 * The steps of a handler; only .apply is required.  Each runs once a try, in
 * this order, for all messages of a batch.
 */

struct wr_handler {
    enum wr_kind       kind;

    /* method, event or channel; NULL ends a table */
    const char        *type;

    /* asks other services (wr_ask) or computes at length: no transaction is
       open.  Anything but WR_DONE ends the message here. */
    enum wr_outcome  (*gather)(struct wr_request *req);

    /* Whether what .gather began, beside the runtime, is still under way: a
       transfer of a library's.  Until it says no, the message is held, those
       of its batch go on without it, and it is asked again every few
       milliseconds; it must not wait.  A message that is held may be given
       up with its connection, and come anew (wr_request_is_repeated): what
       was begun must not depend on its memory. */
    bool             (*waits)(struct wr_request *req);

    /* queues the queries whose rows .apply will read, so that the whole batch
       shares one round trip.  They see no write of the same batch. */
    void             (*load)(struct wr_request *req);

    /* decides, writes, replies */
    enum wr_outcome  (*apply)(struct wr_request *req);

    /* of calls: no inbox row, no transaction */
    bool               read_only;

    /* of calls that write: the answer is a secret, so the inbox keeps neither
       it nor a digest of the body.  A message that comes again runs again, and
       the handler sees to it by wr_request_id() that no harm is done. */
    bool               is_secret;

    /* of calls: the services that may call it, by their broker users, as NULL
       ends them; anybody else is refused with WIRE_ERROR_FORBIDDEN.  NULL:
       whoever may write to the queue. */
    const char *const *callers;

    /* Declares (wr_key) the rows of the tables in .locks that .apply will
       change: they are locked before .load, those of the whole batch in one
       order and without a round trip of their own.  It runs after .gather and
       has no transaction.  A worker whose database has no such table, or no
       unique key or right there, does not start. */
    void             (*keys)(struct wr_request *req);
    const struct wr_key_table  *locks[WR_KEY_TABLES_MAX];

    /*
     * Of events: those of one subject act in the order in which the broker
     * got them, whichever lane has them.  One that fails is tried again where
     * it stands, and the later ones of its subject wait behind it, until it
     * has acted or is a dead letter.
     */
    bool               in_order;

    /*
     * Of commands: the service sends it to itself, once in so many
     * milliseconds, however many workers it has and whether or not the last
     * one is done; 1000 to 3600000, 0: not.  The body is {}.  What was not
     * done while no worker ran is not made up for.
     */
    int                every_ms;
};

#define WR_HANDLERS_END  { .kind = WR_CALL, .type = NULL }


struct wr_service {
    const char               *name;         /* letters, digits, "-", "_" */

    /* the sqitch change that must be there */
    const char               *schema_min;

    const struct wr_handler  *handlers;

    /* first words of the events it announces: { "order", NULL }; may be NULL */
    const char *const        *entities;

    /* services it asks, for its rights on the broker; their trusted_users must
       name this service (wr_ask); may be NULL */
    const char *const        *asks;

    /* services whose commands and messages of channels it takes, beside those
       it asks, itself and trusted_users; may be NULL */
    const char *const        *commands_from;

    /* queues that events in order are divided into, by subject, at most
       WIRE_ORDERED_QUEUES_MAX; 0: WIRE_ORDERED_QUEUES.  More lanes than that
       have no events in order to do. */
    int                       ordered_queues;

    /* Overwrites what must never be stored, in a text that a dead letter is
       about to keep: the body or the headers of any message that came for the
       service, whatever it is.  May be NULL. */
    void                    (*scrub)(char *text, size_t len);

    /* its own keys beside the runtime's; may be NULL */
    const struct wr_setting  *settings;

    /* Runs in each lane before it consumes.  What *state_r is set to is handed
       to handlers by wr_request_state().  Returns 0, or -1 with the reason:
       the worker does not start.  May be NULL. */
    int                     (*init)(const struct wr_settings *settings,
                                    void **state_r, const char **error_r);
};


/*
 * All of a worker's main(): options, configuration, lanes, signals.  Returns
 * the exit status: 0 after an orderly end, 1 if it could not start, 2 for bad
 * usage or configuration.
 */
int wr_service_run(const struct wr_service *service, int argc, char **argv);


#endif /* WARREN_SERVICE_H */
