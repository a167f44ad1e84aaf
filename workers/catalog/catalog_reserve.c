/*
 * Copyright (C) the Warren authors
 *
 * Holds what an order is of: all of its lines, or none.
 */

#include <string.h>

#include "catalog.h"
#include "catalog_lines.h"
#include "catalog_store.h"


#define UUID_LEN  (WR_UUID_SIZE - 1)


struct placed {
    const char             *order_id;
    const char             *user_id;
    const char             *currency;
    int64_t                 total_cents;
    struct catalog_lines    lines;
};


static const char *read_uuid(const struct wr_json *data, const char *member,
    struct wr_json_errors *errors);
static void announce_reserved(struct wr_request *req,
    const struct placed *placed, const char *expires_at);
static void announce_rejected(struct wr_request *req,
    const struct placed *placed, const char *lines);
static struct wr_json_writer *begin(struct wr_request *req,
    const struct placed *placed);


enum wr_outcome
catalog_reserve_gather(struct wr_request *req)
{
    struct placed          *placed;
    const struct wr_json   *data;
    struct wr_json_errors  *errors;

    data = wr_request_json(req);
    errors = wr_request_errors(req);
    placed = wr_arena_alloc(wr_request_arena(req), sizeof(*placed));

    placed->order_id = read_uuid(data, "id", errors);
    placed->user_id = read_uuid(data, "user_id", errors);
    placed->total_cents = wr_json_int(data, "total_cents", 0,
                                      CATALOG_CENTS_MAX, errors);
    placed->currency = wr_json_text(data, "currency", 3, 3, errors);
    catalog_lines_read(data, "lines", &placed->lines, errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    catalog_lines_merge(&placed->lines);
    catalog_lines_arrays(wr_request_arena(req), &placed->lines);
    wr_request_set(req, placed);

    return WR_DONE;
}


void
catalog_reserve_keys(struct wr_request *req)
{
    size_t          i;
    struct placed  *placed;

    placed = wr_request_get(req);

    for (i = 0; i < placed->lines.count; i++) {
        wr_key(req, catalog_tables.stock, placed->lines.items[i].product_id);
    }
}


enum wr_outcome
catalog_reserve(struct wr_request *req)
{
    const char            *state;
    struct placed         *placed;
    struct wr_rows        *rows;
    struct catalog_state  *service;

    placed = wr_request_get(req);
    service = wr_request_state(req);
    rows = catalog_store_reserve(wr_request_tx(req), placed->order_id,
                                 &placed->lines, service->lifetime);
    state = wr_rows_text(rows, 0, CATALOG_STORE_STATE);

    /* it came before, by another message, or was cancelled before it came */

    if (state == NULL) {
        wr_log_info(wr_request_log(req), "the order is known already");
        return WR_DONE;
    }

    if (strcmp(state, "held") != 0) {
        announce_rejected(req, placed,
                          wr_rows_text(rows, 0, CATALOG_STORE_SHORT));
        return WR_DONE;
    }

    /* a product that was made while rows were locked, and is taken from by
       others: all or none */

    if (wr_rows_int(rows, 0, CATALOG_STORE_TAKEN)
        != (int64_t) placed->lines.count)
    {
        return WR_RETRY;
    }

    announce_reserved(req, placed,
                      wr_rows_text(rows, 0, CATALOG_STORE_EXPIRES_AT));

    return WR_DONE;
}


static const char *
read_uuid(const struct wr_json *data, const char *member,
    struct wr_json_errors *errors)
{
    const char  *id;

    id = wr_json_text(data, member, UUID_LEN, UUID_LEN, errors);

    if (id[0] != '\0' && !wr_id_is_uuid(id)) {
        wr_json_error_add(errors, data, member, "must be a UUID");
    }

    return id;
}


/* With all that a payment needs. */

static void
announce_reserved(struct wr_request *req, const struct placed *placed,
    const char *expires_at)
{
    size_t                      i, len;
    const char                 *json;
    struct wr_json_writer      *writer;
    const struct catalog_line  *line;

    writer = begin(req, placed);
    wr_json_put_text(writer, "expires_at", expires_at);
    wr_json_array_begin(writer, "lines");

    for (i = 0; i < placed->lines.count; i++) {
        line = &placed->lines.items[i];

        wr_json_object_begin(writer, NULL);
        wr_json_put_text(writer, "product_id", line->product_id);
        wr_json_put_int(writer, "quantity", line->quantity);
        wr_json_object_end(writer);
    }

    wr_json_array_end(writer);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_event(req, "stock.reserved", placed->order_id, 1, json, len);
}


/* lines are those that are short; of a product that is unknown, available is
   null. */

static void
announce_rejected(struct wr_request *req, const struct placed *placed,
    const char *lines)
{
    size_t                  len;
    const char             *json;
    struct wr_json_writer  *writer;

    writer = begin(req, placed);

    /* none only if the query failed, and then nothing of this counts */
    if (lines != NULL) {
        wr_json_put_raw(writer, "lines", lines, strlen(lines));
    }

    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_event(req, "stock.rejected", placed->order_id, 1, json, len);
}


static struct wr_json_writer *
begin(struct wr_request *req, const struct placed *placed)
{
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "order_id", placed->order_id);
    wr_json_put_text(writer, "user_id", placed->user_id);
    wr_json_put_int(writer, "total_cents", placed->total_cents);
    wr_json_put_text(writer, "currency", placed->currency);

    return writer;
}
