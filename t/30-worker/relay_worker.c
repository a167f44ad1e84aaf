/*
 * Copyright (C) the Warren authors
 *
 * A worker that tells another service what it is told: a command leaves in the
 * transaction of its handler, which ends as the caller says.
 */

#include <string.h>

#include "warren.h"


#define TEXT_MAX  1000


static enum wr_outcome tell(struct wr_request *req);
static void command(struct wr_request *req, const char *text);


static const struct wr_handler  handlers[] = {
    { WR_CALL,    "tell", .apply = tell },
    { WR_COMMAND, "tell", .apply = tell },
    WR_HANDLERS_END
};

static const char *const  commanders[] = { "echo", NULL };

/* its database is that of the worker echo */

static const struct wr_service  service = {
    .name = "relay", .schema_min = "0002_echo", .handlers = handlers,
    .commands_from = commanders
};


int
main(int argc, char **argv)
{
    return wr_service_run(&service, argc, argv);
}


/* {"text": …} becomes the command "note" of echo; the argument "end" is how
   this ends, "ms" how long it takes. */

static enum wr_outcome
tell(struct wr_request *req)
{
    const char  *text, *end, *ms;

    text = wr_json_text(wr_request_json(req), "text", 0, TEXT_MAX,
                        wr_request_errors(req));

    if (wr_request_errors(req)->count != 0) {
        return wr_refuse_invalid(req);
    }

    end = wr_request_arg(req, "end");
    end = (end != NULL) ? end : "";
    ms = wr_request_arg(req, "ms");

    if (ms != NULL) {
        wr_tx_exec(wr_request_tx(req), "select pg_sleep($1::float8 / 1000)",
                   WR_PARAMS(ms));
    }

    wr_tx_exec(wr_request_tx(req),
               "insert into echo (id, text) values ($1, $2)",
               WR_PARAMS(wr_request_id(req), text));
    command(req, text);

    if (strcmp(end, "refuse") == 0) {
        return wr_refuse(req, WIRE_ERROR_CONFLICT, "it was told to refuse");
    }

    if (strcmp(end, "retry") == 0) {
        return WR_RETRY;
    }

    if (strcmp(end, "fail") == 0) {
        wr_tx_exec(wr_request_tx(req), "select 1 / $1::int", WR_PARAMS("0"));
    }

    wr_reply(req, 202, "{}", 2);

    return WR_DONE;
}


static void
command(struct wr_request *req, const char *text)
{
    size_t                  len;
    const char             *json;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));
    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "text", text);
    wr_json_object_end(writer);
    json = wr_json_writer_text(writer, &len);

    wr_command(req, "echo", "note", json, len);
}
