/*
 * Copyright (C) the Warren authors
 *
 * A worker that does something once a second.  It is "echo" to the broker and
 * the database; TICK_KIND and TICK_EVERY make its table a wrong one.
 */

#include <stdlib.h>
#include <string.h>

#include "warren.h"


static enum wr_outcome tick(struct wr_request *req);
static enum wr_outcome ping(struct wr_request *req);


static struct wr_handler  handlers[] = {
    { WR_COMMAND, "tick", .apply = tick, .every_ms = 1000 },
    { WR_COMMAND, "tock", .apply = tick, .every_ms = 2000 },
    { WR_CALL,    "ping", .apply = ping, .read_only = true },
    WR_HANDLERS_END
};

static const struct wr_service  service = {
    .name = "echo", .schema_min = "0002_echo", .handlers = handlers
};


int
main(int argc, char **argv)
{
    const char  *kind, *every;

    kind = getenv("TICK_KIND");
    every = getenv("TICK_EVERY");

    if (kind != NULL && strcmp(kind, "call") == 0) {
        handlers[0].kind = WR_CALL;
    }

    if (every != NULL) {
        handlers[0].every_ms = atoi(every);
    }

    return wr_service_run(&service, argc, argv);
}


/* A second one of the same slot would fail: the key is there already. */
static enum wr_outcome
tick(struct wr_request *req)
{
    wr_tx_exec(wr_request_tx(req),
               "insert into echo (id, text) values ($1, $2)",
               WR_PARAMS(wr_request_id(req), wr_request_type(req)));

    return WR_DONE;
}


static enum wr_outcome
ping(struct wr_request *req)
{
    wr_reply(req, 204, NULL, 0);

    return WR_DONE;
}
