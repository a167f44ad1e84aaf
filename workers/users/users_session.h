/*
 * Copyright (C) the Warren authors
 *
 * What a client gets that has logged in: a token, and a refresh token.
 */

#ifndef USERS_SESSION_H
#define USERS_SESSION_H


#include "request.h"


/* Replies 200 with a token for a subject and a refresh token. */
enum wr_outcome users_session_reply(struct wr_request *req, const char *sub,
    const char *scope, const char *refresh_token);


#endif /* USERS_SESSION_H */
