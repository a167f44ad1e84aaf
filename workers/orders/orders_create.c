/*
 * Copyright (C) the Warren authors
 *
 * Places an order: stores it with its lines, and announces it.  The inbox has
 * already seen to it that one message acts once.
 */

#include "orders.h"
#include "orders_json.h"
#include "orders_store.h"


struct creation {
    struct wr_ask  *ask;        /* whether users knows the person */
    struct order    order;
};


static enum wr_outcome check_user(struct wr_request *req,
    struct wr_ask *ask);


enum wr_outcome
orders_create_gather(struct wr_request *req)
{
    const char       *sub;
    struct creation  *creation;

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

    creation = wr_arena_alloc(wr_request_arena(req), sizeof(*creation));
    creation->order.user_id = sub;

    orders_json_read(wr_request_json(req), &creation->order,
                     wr_request_errors(req));

    if (wr_request_errors(req)->count != 0) {
        return wr_refuse_invalid(req);
    }

    creation->ask = wr_ask_about(req, "users", "known_users", sub);

    wr_id_uuid7(creation->order.id);
    wr_clock_text(wr_clock_wall_ms(), creation->order.created_at);
    wr_request_set(req, creation);

    return WR_DONE;
}


enum wr_outcome
orders_create(struct wr_request *req)
{
    size_t            len;
    const char       *json;
    struct order     *order;
    enum wr_outcome   outcome;
    struct wr_arena  *arena;
    struct creation  *creation;

    creation = wr_request_get(req);
    outcome = check_user(req, creation->ask);

    if (outcome != WR_DONE) {
        return outcome;
    }

    arena = wr_request_arena(req);
    order = &creation->order;

    orders_store_insert(wr_request_tx(req), arena, order);

    json = orders_json_write(arena, order, true, &len);
    wr_event(req, "order.placed", order->id, 1, json, len);

    json = orders_json_write(arena, order, false, &len);
    wr_reply(req, 201, json, len);
    wr_reply_header(req, "location",
                    wr_arena_printf(arena, "/orders/%s", order->id));

    return WR_DONE;
}


/* A token outlives the account it was given for. */

static enum wr_outcome
check_user(struct wr_request *req, struct wr_ask *ask)
{
    int  status;

    status = wr_ask_status(ask);

    switch (status) {

    case 200:
        return WR_DONE;

    case 404:
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the account does not exist");

    default:
        /* nothing was written here, and a look at users changes nothing */
        wr_log_warn(wr_request_log(req), "users did not answer: %d", status);
        return WR_RETRY;
    }
}
