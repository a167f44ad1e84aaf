/*
 * Copyright (C) the Warren authors
 *
 * Access tokens: JWT (RFC 7519), signed ES256.
 */

#ifndef USERS_TOKEN_H
#define USERS_TOKEN_H


#include <stdint.h>


struct users_keys;
struct users_token;
struct wr_arena;


/*
 * Signs once, so that what does not do keeps the worker from starting.  The
 * keys are the token's then; if it fails they stay the caller's.  issuer and
 * audience are kept.  Returns NULL and the reason.
 */
struct users_token *users_token_new(struct users_keys *keys,
    const char *issuer, const char *audience, int64_t ttl_sec,
    const char **error_r);
void users_token_free(struct users_token **token);

/* A token for a subject that may do what the scope says; NULL if it could not
   be signed. */
const char *users_token_sign(const struct users_token *token,
    struct wr_arena *arena, const char *sub, const char *scope);

/* How long one is good. */
int64_t users_token_ttl_sec(const struct users_token *token);

/* The keys it signs with, which stay its own. */
struct users_keys *users_token_keys(const struct users_token *token);


#endif /* USERS_TOKEN_H */
