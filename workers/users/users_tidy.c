/*
 * Copyright (C) the Warren authors
 *
 * Deletes what is over, so that no table grows with those who try.
 */

#include "users.h"
#include "users_store.h"


enum wr_outcome
users_tidy(struct wr_request *req)
{
    users_store_tidy(wr_request_tx(req));

    return WR_DONE;
}
