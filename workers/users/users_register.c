/*
 * Copyright (C) the Warren authors
 *
 * Makes an account.  Whether an address has one already is told to nobody but
 * its owner: the answer is the same, and so is the work.
 */

#include <string.h>

#include "clock.h"
#include "users.h"
#include "users_check.h"
#include "users_json.h"
#include "users_mail.h"
#include "users_password.h"
#include "users_store.h"


struct registration {
    char         id[WR_UUID_SIZE];
    char         created_at[WR_CLOCK_TEXT_SIZE];
    const char  *email;
    const char  *name;
    const char  *language;
    const char  *password_hash;
};


static const char *registration_json(struct wr_request *req,
    const struct registration *r, size_t *len_r);


/* The hash takes its time, so it is made where no transaction is open. */

enum wr_outcome
users_register_gather(struct wr_request *req)
{
    const char             *password;
    struct registration    *r;
    const struct wr_json   *body;
    struct users_state     *state;
    struct wr_json_errors  *errors;

    body = wr_request_json(req);
    errors = wr_request_errors(req);
    state = wr_request_state(req);

    r = wr_arena_alloc(wr_request_arena(req), sizeof(*r));
    r->email = users_check_email(body, errors);
    r->name = users_check_name(body, errors);
    r->language = users_check_language(body, "en", errors);
    password = users_check_password(body, "password", errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    r->password_hash = users_password_hash(state->password,
                                           wr_request_arena(req), password);

    if (r->password_hash == NULL) {
        wr_log_error(wr_request_log(req),
                     "password not hashed: not enough memory");
        return WR_RETRY;
    }

    /* the same when the message comes again, which is not kept as it has a
       password: then the account is there, and its owner asked again */

    if (wr_id_is_uuid(wr_request_id(req))) {
        memcpy(r->id, wr_request_id(req), sizeof(r->id) - 1);

    } else {
        wr_id_uuid7(r->id);
    }

    wr_clock_text(wr_clock_wall_ms(), r->created_at);
    wr_request_set(req, r);

    return WR_DONE;
}


enum wr_outcome
users_register(struct wr_request *req)
{
    size_t                       len;
    const char                  *json;
    struct wr_rows              *inserted;
    struct registration         *r;
    struct users_store_account   account;

    r = wr_request_get(req);

    account.id = r->id;
    account.email = r->email;
    account.name = r->name;
    account.language = r->language;
    account.password_hash = r->password_hash;
    account.created_at = r->created_at;

    inserted = users_store_insert(wr_request_tx(req), &account);

    if (wr_rows_count(inserted) != 0) {
        users_json_announce_new(req, r->id, r->email, r->name, r->language);
    }

    /* who gets which letter is found out by a message of its own */

    users_mail_send(req, USERS_MAIL_REGISTERED, r->id, r->email);

    json = registration_json(req, r, &len);
    wr_reply(req, 201, json, len);
    wr_reply_header(req, "location",
                    wr_arena_printf(wr_request_arena(req), "/users/%s",
                                    r->id));

    return WR_DONE;
}


static const char *
registration_json(struct wr_request *req, const struct registration *r,
    size_t *len_r)
{
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", r->id);
    wr_json_put_text(writer, "email", r->email);
    wr_json_put_bool(writer, "email_verified", false);
    wr_json_put_text(writer, "name", r->name);
    wr_json_put_text(writer, "language", r->language);
    wr_json_array_begin(writer, "roles");
    wr_json_put_text(writer, NULL, "customer");
    wr_json_array_end(writer);
    wr_json_put_text(writer, "created_at", r->created_at);
    wr_json_object_end(writer);

    return wr_json_writer_text(writer, len_r);
}
