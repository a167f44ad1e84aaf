/*
 * Copyright (C) the Warren authors
 *
 * Makes of an event what a person should see.
 */

#include <inttypes.h>
#include <string.h>

#include "notifications.h"
#include "notifications_store.h"


/* bounds of what other services announce; a name is at most 200 bytes there */

#define NAME_MAX_BYTES  200
#define CENTS_MAX       9007199254740991

#define UUID_LEN        (WR_UUID_SIZE - 1)


/* Fills in id, time, event and kind. */
static void begin(struct wr_request *req, struct notification *notification);
static const char *read_uuid(const struct wr_json *data, const char *member,
    struct wr_json_errors *errors);
static const char *order_data(struct wr_arena *arena, const char *order_id,
    int64_t total_cents, const char *currency);


enum wr_outcome
notifications_on_user_registered(struct wr_request *req)
{
    const char              *name;
    struct wr_arena         *arena;
    struct notification      n;
    const struct wr_json    *data;
    struct wr_json_errors   *errors;

    data = wr_request_json(req);
    errors = wr_request_errors(req);
    arena = wr_request_arena(req);

    begin(req, &n);
    n.user_id = read_uuid(data, "id", errors);
    name = wr_json_text(data, "name", 1, NAME_MAX_BYTES, errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    n.title = wr_arena_printf(arena, "Welcome, %s", name);
    n.body = "Your account is ready.";
    n.data = "{}";

    notifications_store_insert(wr_request_tx(req), &n);

    return WR_DONE;
}


enum wr_outcome
notifications_on_order_placed(struct wr_request *req)
{
    int64_t                  cents;
    const char              *order_id, *currency;
    struct wr_arena         *arena;
    struct notification      n;
    const struct wr_json    *data;
    struct wr_json_errors   *errors;

    data = wr_request_json(req);
    errors = wr_request_errors(req);
    arena = wr_request_arena(req);

    begin(req, &n);
    n.user_id = read_uuid(data, "user_id", errors);
    order_id = read_uuid(data, "id", errors);
    cents = wr_json_int(data, "total_cents", 0, CENTS_MAX, errors);
    currency = wr_json_text(data, "currency", 3, 3, errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    n.title = "Order placed";
    n.body = wr_arena_printf(arena,
                             "Your order over %" PRId64 ".%02d %s was placed.",
                             cents / 100, (int) (cents % 100), currency);
    n.data = order_data(arena, order_id, cents, currency);

    notifications_store_insert(wr_request_tx(req), &n);

    return WR_DONE;
}


static void
begin(struct wr_request *req, struct notification *notification)
{
    memset(notification, 0, sizeof(*notification));

    wr_id_uuid7(notification->id);
    wr_clock_text(wr_clock_wall_ms(), notification->created_at);
    notification->event_id = wr_request_id(req);
    notification->kind = wr_request_type(req);
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


static const char *
order_data(struct wr_arena *arena, const char *order_id, int64_t total_cents,
    const char *currency)
{
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(arena);

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "order_id", order_id);
    wr_json_put_int(writer, "total_cents", total_cents);
    wr_json_put_text(writer, "currency", currency);
    wr_json_object_end(writer);

    return wr_json_writer_text(writer, NULL);
}
