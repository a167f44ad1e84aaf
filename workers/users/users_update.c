/*
 * Copyright (C) the Warren authors
 *
 * Changes name, language and address of the caller.
 */

#include <strings.h>

#include "users.h"
#include "users_caller.h"
#include "users_check.h"
#include "users_json.h"
#include "users_mail.h"
#include "users_password.h"
#include "users_store.h"
#include "users_throttle.h"


struct update {
    const char             *name;       /* NULL: as it is */
    const char             *language;
    const char             *email;
    const char             *password;   /* to another address */
    struct wr_rows         *account;
    struct users_throttle   throttle;
};


static enum wr_outcome move(struct wr_request *req, struct update *update,
    bool *is_done_r);


enum wr_outcome
users_update_gather(struct wr_request *req)
{
    struct update          *update;
    enum wr_outcome         outcome;
    const struct wr_json   *body;
    struct wr_json_errors  *errors;

    outcome = users_caller_check(req);

    if (outcome != WR_DONE) {
        return outcome;
    }

    body = wr_request_json(req);
    errors = wr_request_errors(req);
    update = wr_arena_alloc(wr_request_arena(req), sizeof(*update));
    update->name = wr_json_has(body, "name")
                   ? users_check_name(body, errors) : NULL;
    update->language = users_check_language(body, NULL, errors);
    update->email = wr_json_has(body, "email")
                    ? users_check_email(body, errors) : NULL;

    /* who finds a session open must not take the account away */

    update->password = (update->email != NULL)
                       ? wr_json_text(body, "password", 1, USERS_PASSWORD_MAX,
                                      errors)
                       : NULL;

    if (errors->count == 0 && update->name == NULL && update->email == NULL
        && update->language == NULL)
    {
        wr_json_error_add(errors, body, NULL,
                          "must have name, language or email");
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    users_throttle_set(&update->throttle, req, wr_request_sub(req));
    wr_request_set(req, update);

    return WR_DONE;
}


void
users_update_keys(struct wr_request *req)
{
    struct update  *update;

    update = wr_request_get(req);
    wr_key(req, users_tables.users, wr_request_sub(req));

    if (update->email != NULL) {
        users_throttle_keys(&update->throttle, req);
    }
}


void
users_update_load(struct wr_request *req)
{
    struct update  *update;

    update = wr_request_get(req);
    update->account = users_store_by_id(wr_request_tx(req),
                                        wr_request_sub(req));

    if (update->email != NULL) {
        users_throttle_load(&update->throttle, req);
    }
}


enum wr_outcome
users_update(struct wr_request *req)
{
    bool             is_moving;
    size_t           len;
    const char      *json;
    struct update   *update;
    struct wr_rows  *rows;
    enum wr_outcome  outcome;

    update = wr_request_get(req);
    rows = update->account;
    is_moving = false;

    if (wr_rows_count(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    if (update->email != NULL
        && strcasecmp(update->email,
                      wr_rows_text(rows, 0, USERS_STORE_EMAIL)) != 0)
    {
        outcome = move(req, update, &is_moving);

        if (!is_moving) {
            return outcome;
        }
    }

    if (update->name != NULL || update->language != NULL) {
        rows = users_store_update(wr_request_tx(req), wr_request_sub(req),
                                  update->name, update->language);
        users_json_announce(req, rows);
    }

    json = users_json_account(req, rows, is_moving ? update->email : NULL,
                              &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}


/* The address stays what it is until the new one has answered, so that a slip
   of the keyboard takes nobody's account away.  The old one is told. */

static enum wr_outcome
move(struct wr_request *req, struct update *update, bool *is_done_r)
{
    enum wr_outcome      outcome;
    struct users_state  *state;

    state = wr_request_state(req);

    if (!users_throttle_begin(&update->throttle, req, &outcome)) {
        return outcome;
    }

    if (!users_password_is(state->password,
                           wr_rows_text(update->account, 0,
                                        USERS_STORE_PASSWORD_HASH),
                           update->password))
    {
        return wr_refuse_kept(req, WIRE_ERROR_FORBIDDEN,
                              "the password is wrong");
    }

    users_throttle_forgive(&update->throttle, req);
    users_mail_send(req, USERS_MAIL_VERIFY, wr_request_sub(req),
                    update->email);
    users_mail_send(req, USERS_MAIL_MOVING, wr_request_sub(req), NULL);
    *is_done_r = true;

    return WR_DONE;
}
