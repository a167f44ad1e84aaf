/*
 * Copyright (C) the Warren authors
 *
 * Makes an account.
 */

#include <string.h>

#include "clock.h"
#include "users.h"
#include "users_password.h"
#include "users_store.h"


/* of an address's part before the "@" (RFC 5321) */
#define LOCAL_MAX  64


struct registration {
    char             id[WR_UUID_SIZE];
    char             created_at[WR_CLOCK_TEXT_SIZE];
    const char      *email;
    const char      *name;
    const char      *password_hash;
    struct wr_rows  *taken;
};


static void check_email(const struct wr_json *body, const char *email,
    struct wr_json_errors *errors);
static bool is_email(const char *email);
static void check_name(const struct wr_json *body, const char *name,
    struct wr_json_errors *errors);
static const char *registration_json(struct wr_request *req,
    const struct registration *r, bool with_time, size_t *len_r);


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
    r->email = wr_json_text(body, "email", USERS_EMAIL_MIN, USERS_EMAIL_MAX,
                            errors);
    r->name = wr_json_text(body, "name", 1, USERS_NAME_MAX, errors);
    password = wr_json_text(body, "password", USERS_PASSWORD_MIN,
                            USERS_PASSWORD_MAX, errors);

    check_email(body, r->email, errors);
    check_name(body, r->name, errors);

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

    wr_id_uuid7(r->id);
    wr_clock_text(wr_clock_wall_ms(), r->created_at);
    wr_request_set(req, r);

    return WR_DONE;
}


void
users_register_load(struct wr_request *req)
{
    struct registration  *r;

    r = wr_request_get(req);
    r->taken = users_store_by_email(wr_request_tx(req), r->email);
}


enum wr_outcome
users_register(struct wr_request *req)
{
    size_t                len;
    const char           *json;
    struct wr_rows       *inserted;
    struct registration  *r;

    r = wr_request_get(req);

    if (wr_rows_count(r->taken) == 0) {
        inserted = users_store_insert(wr_request_tx(req), r->id, r->email,
                                      r->name, r->password_hash,
                                      r->created_at);

    } else {
        inserted = NULL;
    }

    /* none: another took the address since it was looked for */

    if (inserted == NULL || wr_rows_count(inserted) == 0) {
        return wr_refuse(req, WIRE_ERROR_CONFLICT,
                         "the e-mail address is taken");
    }

    json = registration_json(req, r, false, &len);
    wr_event(req, "user.registered", r->id, 1, json, len);

    json = registration_json(req, r, true, &len);
    wr_reply(req, 201, json, len);
    wr_reply_header(req, "location",
                    wr_arena_printf(wr_request_arena(req), "/users/%s",
                                    r->id));

    return WR_DONE;
}


static void
check_email(const struct wr_json *body, const char *email,
    struct wr_json_errors *errors)
{
    /* "" was told by its accessor */

    if (email[0] != '\0' && !is_email(email)) {
        wr_json_error_add(errors, body, "email",
                          "must be an e-mail address in ASCII");
    }
}


/* What can be sent to; quoted local parts, which nobody has, are refused. */

static bool
is_email(const char *email)
{
    size_t       i;
    const char  *domain;

    domain = strchr(email, '@');

    if (domain == NULL || domain == email || domain - email > LOCAL_MAX) {
        return false;
    }

    for (i = 0; email[i] != '\0'; i++) {

        if (email[i] <= ' ' || email[i] >= 127
            || strchr("\"(),:;<>[\\]", email[i]) != NULL)
        {
            return false;
        }
    }

    domain++;

    return domain[0] != '\0' && domain[0] != '.' && domain[0] != '-'
           && strchr(domain, '@') == NULL
           && email[i - 1] != '.' && email[i - 1] != '-'
           && strstr(email, "..") == NULL
           && domain[strspn(domain, "abcdefghijklmnopqrstuvwxyz"
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789.-")]
              == '\0';
}


static void
check_name(const struct wr_json *body, const char *name,
    struct wr_json_errors *errors)
{
    size_t  i;

    for (i = 0; name[i] != '\0'; i++) {

        if ((unsigned char) name[i] < ' ' || name[i] == 127) {
            wr_json_error_add(errors, body, "name",
                              "must not have control characters");
            return;
        }
    }
}


static const char *
registration_json(struct wr_request *req, const struct registration *r,
    bool with_time, size_t *len_r)
{
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", r->id);
    wr_json_put_text(writer, "email", r->email);
    wr_json_put_text(writer, "name", r->name);

    if (with_time) {
        wr_json_put_text(writer, "created_at", r->created_at);
    }

    wr_json_object_end(writer);

    return wr_json_writer_text(writer, len_r);
}
