/*
 * Copyright (C) the Warren authors
 *
 * Signatures of webhooks, and the secrets they are made with.
 */

#ifndef NOTIFICATIONS_SIGN_H
#define NOTIFICATIONS_SIGN_H


#include <stddef.h>
#include <stdint.h>


struct wr_arena;


/* A person's secret is made of the service's key and a salt, so that it need
   not be kept: it is the same whenever it is asked for.  Owned by the arena. */
const char *notifications_sign_secret(struct wr_arena *arena, const char *key,
    const char *user_id, const char *salt);

/* "t=SECONDS,v1=HEX": HMAC-SHA256 by the secret's text of the seconds, a dot,
   and the body.  Owned by the arena. */
const char *notifications_sign(struct wr_arena *arena, const char *secret,
    int64_t sec, const char *body, size_t len);


#endif /* NOTIFICATIONS_SIGN_H */
