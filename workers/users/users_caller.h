/*
 * Copyright (C) the Warren authors
 *
 * Who may change an account.
 */

#ifndef USERS_CALLER_H
#define USERS_CALLER_H


#include "request.h"


/* WR_DONE if the caller is a person who may change the own account; else what
   is to be returned. */
enum wr_outcome users_caller_check(struct wr_request *req);


#endif /* USERS_CALLER_H */
