/*
 * Copyright (C) the Warren authors
 *
 * Accounts as JSON.
 */

#include <string.h>

#include "users.h"
#include "users_json.h"
#include "users_store.h"


static bool is_true(struct wr_rows *rows, int column);
static void announce(struct wr_request *req, const char *type,
    int64_t version, const char *const texts[4], bool is_verified);


const char *
users_json_account(struct wr_request *req, struct wr_rows *rows,
    const char *pending, size_t *len_r)
{
    const char             *roles;
    struct wr_json_writer  *writer;

    roles = wr_rows_text(rows, 0, USERS_STORE_ROLES);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", wr_rows_text(rows, 0, USERS_STORE_ID));
    wr_json_put_text(writer, "email",
                     wr_rows_text(rows, 0, USERS_STORE_EMAIL));

    if (pending != NULL) {
        wr_json_put_text(writer, "pending_email", pending);
    }

    wr_json_put_bool(writer, "email_verified",
                     is_true(rows, USERS_STORE_VERIFIED));
    wr_json_put_text(writer, "name", wr_rows_text(rows, 0, USERS_STORE_NAME));
    wr_json_put_text(writer, "language",
                     wr_rows_text(rows, 0, USERS_STORE_LANGUAGE));
    wr_json_put_raw(writer, "roles", roles, strlen(roles));
    wr_json_put_text(writer, "created_at",
                     wr_rows_text(rows, 0, USERS_STORE_CREATED_AT));
    wr_json_object_end(writer);

    return wr_json_writer_text(writer, len_r);
}


void
users_json_announce(struct wr_request *req, struct wr_rows *rows)
{
    announce(req, "user.updated", wr_rows_int(rows, 0, USERS_STORE_VERSION),
             (const char *const[4]) {
                 wr_rows_text(rows, 0, USERS_STORE_ID),
                 wr_rows_text(rows, 0, USERS_STORE_EMAIL),
                 wr_rows_text(rows, 0, USERS_STORE_NAME),
                 wr_rows_text(rows, 0, USERS_STORE_LANGUAGE)
             }, is_true(rows, USERS_STORE_VERIFIED));
}


void
users_json_announce_new(struct wr_request *req, const char *id,
    const char *email, const char *name, const char *language)
{
    announce(req, "user.registered", 1,
             (const char *const[4]) { id, email, name, language }, false);
}


static bool
is_true(struct wr_rows *rows, int column)
{
    const char  *text;

    text = wr_rows_text(rows, 0, column);

    return text != NULL && text[0] == 't';
}


static void
announce(struct wr_request *req, const char *type, int64_t version,
    const char *const texts[4], bool is_verified)
{
    size_t                  len;
    const char             *json;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", texts[0]);
    wr_json_put_text(writer, "email", texts[1]);
    wr_json_put_text(writer, "name", texts[2]);
    wr_json_put_text(writer, "language", texts[3]);
    wr_json_put_bool(writer, "email_verified", is_verified);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_event(req, type, texts[0], version, json, len);
}
