/*
 * Copyright (C) the Warren authors
 *
 * A worker whose messages change the same few rows, with and without telling
 * beforehand which.  It is "echo" to the broker and the database; the test
 * makes the table.
 */

#include <stdlib.h>

#include "warren.h"


#define ROWS_MAX  100
#define ID_MAX    99


static void add_keys(struct wr_request *req);
static enum wr_outcome add(struct wr_request *req);
static enum wr_outcome add_refused(struct wr_request *req);
static void see_load(struct wr_request *req);
static enum wr_outcome see(struct wr_request *req);
static void stray_keys(struct wr_request *req);
static enum wr_outcome link_to(struct wr_request *req);
static enum wr_outcome note(struct wr_request *req);
static enum wr_outcome note_refused(struct wr_request *req);
static void environment(void);
static const char *id_of(struct wr_request *req, size_t i);


/* a test may name others, which are wrong */
static struct wr_key_table  hot = { .name = "hot", .column = "id",
                                    .type = "text" };
static struct wr_key_table  cold = { .name = "cold", .column = "id",
                                     .type = "uuid" };

static const struct wr_handler  handlers[] = {
    { WR_COMMAND, "add",           .apply = add },
    { WR_COMMAND, "add_locked",    .apply = add, .keys = add_keys,
                                   .locks = { &hot } },
    { WR_COMMAND, "add_refused",   .apply = add_refused },
    { WR_COMMAND, "link_to",       .apply = link_to },
    { WR_COMMAND, "note",          .apply = note },
    { WR_COMMAND, "stray",         .apply = add, .keys = stray_keys,
                                   .locks = { &hot } },
    { WR_CALL,    "add",           .apply = add },
    { WR_CALL,    "add_locked",    .apply = add, .keys = add_keys,
                                   .locks = { &hot } },
    { WR_CALL,    "add_refused",   .apply = add_refused },
    { WR_CALL,    "note",          .apply = note },
    { WR_CALL,    "note_refused",  .apply = note_refused },
    { WR_CALL,    "see",           .apply = see, .load = see_load },
    { WR_CALL,    "see_locked",    .apply = see, .load = see_load,
                                   .keys = add_keys, .locks = { &hot } },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "echo", NULL };

static const struct wr_service  service = {
    .name = "echo", .schema_min = "0002_echo", .handlers = handlers,
    .entities = entities
};


int
main(int argc, char **argv)
{
    environment();

    return wr_service_run(&service, argc, argv);
}


static void
environment(void)
{
    if (getenv("HOT_TABLE") != NULL) {
        hot.name = getenv("HOT_TABLE");
    }

    if (getenv("HOT_COLUMN") != NULL) {
        hot.column = getenv("HOT_COLUMN");
    }

    if (getenv("HOT_TYPE") != NULL) {
        hot.type = getenv("HOT_TYPE");
    }
}


/* Of the body's {"rows": [{"id": …}]}, in their order; NULL after the last. */
static const char *
id_of(struct wr_request *req, size_t i)
{
    const struct wr_json  *rows;

    rows = wr_json_array(wr_request_json(req), "rows", 0, ROWS_MAX, NULL);

    return (i < wr_json_count(rows))
           ? wr_json_text(wr_json_item(rows, i), "id", 0, ID_MAX, NULL) : NULL;
}


static void
add_keys(struct wr_request *req)
{
    size_t       i;
    const char  *id;

    for (i = 0; (id = id_of(req, i)) != NULL; i++) {
        wr_key(req, &hot, id);
    }
}


static enum wr_outcome
add(struct wr_request *req)
{
    size_t       i;
    const char  *id;

    for (i = 0; (id = id_of(req, i)) != NULL; i++) {
        wr_tx_exec(wr_request_tx(req),
                   "update hot set n = n + 1 where id = $1", WR_PARAMS(id));
    }

    return WR_DONE;
}


static enum wr_outcome
add_refused(struct wr_request *req)
{
    (void) add(req);

    return wr_refuse(req, WIRE_ERROR_CONFLICT, "it was told to refuse");
}


static void
see_load(struct wr_request *req)
{
    wr_request_set(req, wr_tx_query(wr_request_tx(req),
                                    "select n from hot where id = $1",
                                    WR_PARAMS(id_of(req, 0))));
}


/* Adds, and tells what .load saw before. */
static enum wr_outcome
see(struct wr_request *req)
{
    size_t                  len;
    const char             *json;
    struct wr_rows         *rows;
    struct wr_json_writer  *writer;

    rows = wr_request_get(req);
    (void) add(req);

    writer = wr_json_writer_new(wr_request_arena(req));
    wr_json_object_begin(writer, NULL);
    wr_json_put_int(writer, "n", wr_rows_int(rows, 0, 0));
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}


/* A table that is not among its .locks. */
static void
stray_keys(struct wr_request *req)
{
    wr_key(req, &cold, "0d6ff2f2-0000-4000-8000-000000000000");
}


/* What the commit alone finds wrong: the constraint is deferred. */
static enum wr_outcome
link_to(struct wr_request *req)
{
    wr_tx_exec(wr_request_tx(req), "insert into hot_link (hot_id) values ($1)",
               WR_PARAMS(id_of(req, 0)));

    return WR_DONE;
}


/* Rows that the batch writes together, each with those that refer to it. */
static enum wr_outcome
note(struct wr_request *req)
{
    size_t       i;
    const char  *id;

    for (i = 0; (id = id_of(req, i)) != NULL; i++) {
        wr_tx_add(wr_request_tx(req),
                  "insert into hot_note (id, text) "
                  "select * from unnest($1::text[], $2::text[])",
                  WR_PARAMS(id, (i == 0) ? "{\"a, \\b\"}" : NULL));
        wr_tx_add(wr_request_tx(req),
                  "insert into hot_page (note_id) "
                  "select * from unnest($1::text[])", WR_PARAMS(id));
    }

    return WR_DONE;
}


static enum wr_outcome
note_refused(struct wr_request *req)
{
    (void) note(req);

    return wr_refuse(req, WIRE_ERROR_CONFLICT, "it was told to refuse");
}
