/*
 * Copyright (C) the Warren authors
 *
 * Tells other services which ids are those of accounts.
 */

#include "users.h"
#include "users_store.h"


#define UUID_LEN  (WR_UUID_SIZE - 1)


struct known {
    const char      **ids;      /* NULL ends them */
    struct wr_rows   *rows;
};


enum wr_outcome
users_known_gather(struct wr_request *req)
{
    size_t                   i, count;
    struct known            *known;
    const struct wr_json    *keys, *key;
    struct wr_json_errors   *errors;

    errors = wr_request_errors(req);
    keys = wr_json_array(wr_request_json(req), "keys", 1, USERS_KNOWN_MAX,
                         errors);
    count = (errors->count == 0) ? wr_json_count(keys) : 0;
    known = wr_arena_alloc(wr_request_arena(req), sizeof(*known));
    known->ids = wr_arena_alloc(wr_request_arena(req),
                                (count + 1) * sizeof(*known->ids));

    for (i = 0; i < count; i++) {
        key = wr_json_item(keys, i);
        known->ids[i] = wr_json_text(key, NULL, UUID_LEN, UUID_LEN, errors);

        if (known->ids[i][0] != '\0' && !wr_id_is_uuid(known->ids[i])) {
            wr_json_error_add(errors, key, NULL, "must be a UUID");
        }
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, known);

    return WR_DONE;
}


void
users_known_load(struct wr_request *req)
{
    struct known  *known;

    known = wr_request_get(req);
    known->rows = users_store_known(wr_request_tx(req), wr_request_arena(req),
                                    known->ids);
}


enum wr_outcome
users_known(struct wr_request *req)
{
    int                     row;
    size_t                  len;
    const char             *json;
    struct known           *known;
    struct wr_json_writer  *writer;

    known = wr_request_get(req);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);

    for (row = 0; row < wr_rows_count(known->rows); row++) {
        wr_json_object_begin(writer, wr_rows_text(known->rows, row, 0));
        wr_json_object_end(writer);
    }

    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
