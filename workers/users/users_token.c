/*
 * Copyright (C) the Warren authors
 *
 * Access tokens: JWT (RFC 7519), signed ES256.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jwt.h>

#include "arena.h"
#include "clock.h"
#include "id.h"
#include "users_token.h"


struct users_token {
    char         key[USERS_TOKEN_KEY_MAX];
    size_t       key_len;
    const char  *kid;
    const char  *issuer;
    const char  *audience;
    int64_t      ttl_sec;
};


static int read_key(struct users_token *token, const char *path,
    const char **error_r);
static char *sign(const struct users_token *token, const char *sub,
    const char *scope);
static const char *fail(const char *path, const char *reason);


struct users_token *
users_token_new(const char *key_file, const char *kid, const char *issuer,
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

    token->kid = kid;
    token->issuer = issuer;
    token->audience = audience;
    token->ttl_sec = ttl_sec;

    if (read_key(token, key_file, error_r) == -1) {
        users_token_free(&token);
        return NULL;
    }

    trial = sign(token, "trial", "");

    if (trial == NULL) {
        *error_r = fail(key_file, "no private key, PEM, EC on P-256");
        users_token_free(&token);
    }

    free(trial);

    return token;
}


void
users_token_free(struct users_token **token)
{
    if (*token != NULL) {
        explicit_bzero((*token)->key, sizeof((*token)->key));
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


static int
read_key(struct users_token *token, const char *path, const char **error_r)
{
    int           rc;
    FILE         *file;
    struct stat   st;

    rc = -1;
    file = fopen(path, "re");

    if (file == NULL || fstat(fileno(file), &st) == -1) {
        *error_r = fail(path, strerror(errno));
        goto done;
    }

    if (st.st_mode & S_IROTH) {
        *error_r = fail(path, "may be read by everybody; chmod o= it");
        goto done;
    }

    token->key_len = fread(token->key, 1, sizeof(token->key), file);

    if (ferror(file) || token->key_len == sizeof(token->key)) {
        *error_r = fail(path, "cannot be read, or is too large for a key");
        goto done;
    }

    rc = 0;

done:

    if (file != NULL) {
        fclose(file);
    }

    return rc;
}


/* Memory of libjwt's, to be given to free(). */

static char *
sign(const struct users_token *token, const char *sub, const char *scope)
{
    int      rc;
    char    *text, jti[WR_UUID_SIZE];
    long     now;
    jwt_t   *jwt;

    if (jwt_new(&jwt) != 0) {
        return NULL;
    }

    wr_id_uuid7(jti);
    now = (long) (wr_clock_wall_ms() / 1000);

    rc = jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *) token->key,
                     (int) token->key_len)
         || jwt_add_header(jwt, "kid", token->kid)
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


/* The one reason a lane gives before it ends. */

static const char *
fail(const char *path, const char *reason)
{
    static char  text[512];

    snprintf(text, sizeof(text), "token.key_file %s: %s", path, reason);

    return text;
}
