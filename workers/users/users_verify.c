/*
 * Copyright (C) the Warren authors
 *
 * An address is the account's once its owner has opened a link.
 */

#include "users.h"
#include "users_caller.h"
#include "users_check.h"
#include "users_json.h"
#include "users_mail.h"
#include "users_secret.h"
#include "users_store.h"


struct verification {
    char             link[USERS_DIGEST_SIZE];
    struct wr_rows  *rows;
};


static enum wr_outcome refuse(struct wr_request *req);


enum wr_outcome
users_verify_gather(struct wr_request *req)
{
    const char             *text;
    struct verification    *verification;
    struct wr_json_errors  *errors;

    errors = wr_request_errors(req);
    text = users_check_secret(wr_request_json(req), "token", errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    verification = wr_arena_alloc(wr_request_arena(req),
                                  sizeof(*verification));
    users_secret_digest(text, verification->link);
    wr_request_set(req, verification);

    return WR_DONE;
}


void
users_verify_load(struct wr_request *req)
{
    struct verification  *verification;

    verification = wr_request_get(req);
    verification->rows = users_store_find_link(wr_request_tx(req),
                                               verification->link, "verify");
}


enum wr_outcome
users_verify(struct wr_request *req)
{
    const char           *id;
    struct wr_tx         *tx;
    struct wr_rows       *account;
    struct verification  *verification;

    verification = wr_request_get(req);
    tx = wr_request_tx(req);

    if (wr_rows_count(verification->rows) == 0
        || wr_rows_affected(users_store_use_link(tx, verification->link)) == 0)
    {
        return refuse(req);
    }

    id = wr_rows_text(verification->rows, 0, USERS_STORE_LINK_USER);
    account = users_store_verify(tx, id,
                                 wr_rows_text(verification->rows, 0,
                                              USERS_STORE_LINK_EMAIL));

    /* somebody has registered with it meanwhile; only its owner gets here */

    if (wr_rows_count(account) == 0) {
        return wr_refuse(req, WIRE_ERROR_CONFLICT,
                         "the address has another account");
    }

    /* what was sent to another address must not bring that one back */

    users_store_drop_verify_links(tx, id);
    users_json_announce(req, account);

    return WR_DONE;
}


enum wr_outcome
users_verify_again_gather(struct wr_request *req)
{
    return users_caller_check(req);
}


enum wr_outcome
users_verify_again(struct wr_request *req)
{
    users_mail_send(req, USERS_MAIL_VERIFY, wr_request_sub(req), NULL);
    wr_reply(req, 202, NULL, 0);

    return WR_DONE;
}


static enum wr_outcome
refuse(struct wr_request *req)
{
    wr_json_error_add(wr_request_errors(req), wr_request_json(req), "token",
                      "is not valid, or not any more");

    return wr_refuse_invalid(req);
}
