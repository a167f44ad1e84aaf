/*
 * Copyright (C) the Warren authors
 *
 * Places an order: asks catalog what it costs, stores it with its lines, and
 * announces it.  The inbox has already seen to it that one message acts once.
 */

#include "orders.h"
#include "orders_json.h"
#include "orders_price.h"
#include "orders_store.h"


enum wr_outcome
orders_create_gather(struct wr_request *req)
{
    const char    *sub;
    struct order  *order;

    sub = wr_request_sub(req);

    if (sub == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    if (!wr_request_has_scope(req, ORDERS_SCOPE_WRITE)) {
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the scope " ORDERS_SCOPE_WRITE " is required");
    }

    if (!wr_id_is_uuid(sub)) {
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the token is not for a person");
    }

    order = wr_arena_alloc(wr_request_arena(req), sizeof(*order));
    order->user_id = sub;

    orders_json_read(wr_request_json(req), order, wr_request_errors(req));

    if (wr_request_errors(req)->count != 0) {
        return wr_refuse_invalid(req);
    }

    orders_price_ask(req, order);

    wr_id_uuid7(order->id);
    wr_clock_text(wr_clock_wall_ms(), order->created_at);
    wr_request_set(req, order);

    return WR_DONE;
}


enum wr_outcome
orders_create(struct wr_request *req)
{
    size_t                len;
    const char           *json;
    struct order         *order;
    enum wr_outcome       outcome;
    struct wr_arena      *arena;
    struct orders_state  *state;

    order = wr_request_get(req);
    outcome = orders_price_take(req, order);

    if (outcome != WR_DONE) {
        return outcome;
    }

    arena = wr_request_arena(req);
    state = wr_request_state(req);
    orders_store_insert(wr_request_tx(req), arena, order,
                        state->reservation_timeout);

    json = orders_json_write(arena, order, true, &len);
    wr_event(req, "order.placed", order->id, 1, json, len);

    json = orders_json_write(arena, order, false, &len);
    wr_reply(req, 201, json, len);
    wr_reply_header(req, "location",
                    wr_arena_printf(arena, "/orders/%s", order->id));

    return WR_DONE;
}
