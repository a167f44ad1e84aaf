/*
 * Copyright (C) the Warren authors
 *
 * Access tokens: JWT (RFC 7519), signed ES256.
 */

#include <stdlib.h>

#include <jwt.h>

#include "arena.h"
#include "clock.h"
#include "id.h"
#include "users_keys.h"
#include "users_token.h"


struct users_token {
    struct users_keys  *keys;
    const char         *issuer;
    const char         *audience;
    int64_t             ttl_sec;
};


static char *sign(const struct users_token *token, const char *sub,
    const char *scope);


struct users_token *
users_token_new(struct users_keys *keys, const char *issuer,
    const char *audience, int64_t ttl_sec, const char **error_r)
{
    char                *trial;
    struct users_token  *token;

    if (ttl_sec < 1) {
        *error_r = "token.ttl must be a second or more";
        return NULL;
    }

    token = calloc(1, sizeof(*token));

    if (token == NULL) {
        *error_r = "out of memory";
        return NULL;
    }

    token->keys = keys;
    token->issuer = issuer;
    token->audience = audience;
    token->ttl_sec = ttl_sec;

    trial = sign(token, "trial", "");

    if (trial == NULL) {
        *error_r = "a token cannot be signed: are token.issuer and "
                   "token.audience UTF-8?";
        free(token);
        return NULL;
    }

    free(trial);

    return token;
}


void
users_token_free(struct users_token **token)
{
    if (*token != NULL) {
        users_keys_free(&(*token)->keys);
        free(*token);
        *token = NULL;
    }
}


const char *
users_token_sign(const struct users_token *token, struct wr_arena *arena,
    const char *sub, const char *scope)
{
    char        *text;
    const char  *copy;

    text = sign(token, sub, scope);

    if (text == NULL) {
        return NULL;
    }

    copy = wr_arena_strdup(arena, text);
    free(text);

    return copy;
}


int64_t
users_token_ttl_sec(const struct users_token *token)
{
    return token->ttl_sec;
}


struct users_keys *
users_token_keys(const struct users_token *token)
{
    return token->keys;
}


/* Memory of libjwt's, to be given to free(). */

static char *
sign(const struct users_token *token, const char *sub, const char *scope)
{
    int                      rc;
    char                    *text, jti[WR_UUID_SIZE];
    long                     now;
    jwt_t                   *jwt;
    const struct users_key  *key;

    if (jwt_new(&jwt) != 0) {
        return NULL;
    }

    wr_id_uuid7(jti);
    key = users_keys_signing(token->keys);
    now = (long) (wr_clock_wall_ms() / 1000);

    rc = jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *) key->pem,
                     (int) key->pem_len)
         || jwt_add_header(jwt, "kid", key->kid)
         || jwt_add_grant(jwt, "iss", token->issuer)
         || jwt_add_grant(jwt, "aud", token->audience)
         || jwt_add_grant(jwt, "sub", sub)
         || jwt_add_grant(jwt, "scope", scope)
         || jwt_add_grant(jwt, "jti", jti)
         || jwt_add_grant_int(jwt, "iat", now)
         || jwt_add_grant_int(jwt, "exp", now + (long) token->ttl_sec);

    text = rc ? NULL : jwt_encode_str(jwt);
    jwt_free(jwt);

    return text;
}
