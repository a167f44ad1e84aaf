/*
 * Copyright (C) the Warren authors
 *
 * Another password for who has forgotten it, by a link to the account's
 * address.
 */

#include <strings.h>

#include "users.h"
#include "users_check.h"
#include "users_json.h"
#include "users_mail.h"
#include "users_password.h"
#include "users_secret.h"
#include "users_store.h"


struct confirm {
    char             link[USERS_DIGEST_SIZE];
    const char      *hash;      /* of the password */
    struct wr_rows  *rows;
};


static enum wr_outcome refuse(struct wr_request *req);


enum wr_outcome
users_reset_gather(struct wr_request *req)
{
    const char             *email;
    struct wr_json_errors  *errors;

    errors = wr_request_errors(req);
    email = users_check_email(wr_request_json(req), errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, (void *) email);

    return WR_DONE;
}


/* Whether there is such an account is not looked at here: neither answer nor
   time can tell. */

enum wr_outcome
users_reset(struct wr_request *req)
{
    users_mail_send(req, USERS_MAIL_RESET, NULL, wr_request_get(req));
    wr_reply(req, 202, NULL, 0);

    return WR_DONE;
}


enum wr_outcome
users_confirm_gather(struct wr_request *req)
{
    const char             *text, *password;
    struct confirm         *confirm;
    const struct wr_json   *body;
    struct users_state     *state;
    struct wr_json_errors  *errors;

    body = wr_request_json(req);
    errors = wr_request_errors(req);
    state = wr_request_state(req);
    text = users_check_secret(body, "token", errors);
    password = users_check_password(body, "password", errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    confirm = wr_arena_alloc(wr_request_arena(req), sizeof(*confirm));
    users_secret_digest(text, confirm->link);
    confirm->hash = users_password_hash(state->password,
                                        wr_request_arena(req), password);

    if (confirm->hash == NULL) {
        wr_log_error(wr_request_log(req),
                     "password not hashed: not enough memory");
        return WR_RETRY;
    }

    wr_request_set(req, confirm);

    return WR_DONE;
}


void
users_confirm_load(struct wr_request *req)
{
    struct confirm  *confirm;

    confirm = wr_request_get(req);
    confirm->rows = users_store_find_link(wr_request_tx(req), confirm->link,
                                          "reset");
}


/* Who has the link has the address, so that is verified, too.  A session of
   whoever knew the old password ends, and so does a link that he asked for. */

enum wr_outcome
users_confirm(struct wr_request *req)
{
    const char      *id;
    struct wr_tx    *tx;
    struct confirm  *confirm;
    struct wr_rows  *account;

    confirm = wr_request_get(req);
    tx = wr_request_tx(req);

    if (wr_rows_count(confirm->rows) == 0
        || wr_rows_affected(users_store_use_link(tx, confirm->link)) == 0)
    {
        return refuse(req);
    }

    id = wr_rows_text(confirm->rows, 0, USERS_STORE_LINK_USER);
    account = users_store_verify(tx, id,
                                 wr_rows_text(confirm->rows, 0,
                                              USERS_STORE_LINK_EMAIL));

    if (wr_rows_count(account) == 0) {
        return refuse(req);
    }

    users_store_password(tx, id, confirm->hash, NULL);
    users_store_end_all(tx, id, "password");
    users_store_drop_links(tx, id);
    users_json_announce(req, account);
    users_mail_send(req, USERS_MAIL_CHANGED, id, NULL);

    return WR_DONE;
}


static enum wr_outcome
refuse(struct wr_request *req)
{
    wr_json_error_add(wr_request_errors(req), wr_request_json(req), "token",
                      "is not valid, or not any more");

    return wr_refuse_invalid(req);
}
