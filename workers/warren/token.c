/*
 * Copyright (C) the Warren authors
 *
 * warren token: signs an access token, for tests and for operators.
 */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jwt.h>
#include <openssl/rand.h>

#include "key.h"
#include "secret.h"
#include "text.h"
#include "token.h"


/* one hour, unless told otherwise */
#define TTL_SEC  3600

#define JTI_SIZE  16


struct claims {
    const char  *key_file;
    const char  *kid;
    const char  *issuer;
    const char  *audience;
    const char  *sub;
    const char  *scope;
    long         ttl_sec;       /* negative: has expired already */
};


static const char  usage[] =
    "usage: warren token --key FILE --kid KID --issuer ISSUER "
    "--audience AUDIENCE\n"
    "           --sub SUBJECT [--scope \"SCOPE ...\"] [--ttl SECONDS]\n"
    "\n"
    "  --key FILE     private key, PEM: EC (P-256) signs ES256, RSA RS256\n"
    "  --ttl SECONDS  default 3600; a negative one has expired already\n";

static const struct option  options[] = {
    { "key",      required_argument, NULL, 'k' },
    { "kid",      required_argument, NULL, 'i' },
    { "issuer",   required_argument, NULL, 'I' },
    { "audience", required_argument, NULL, 'A' },
    { "sub",      required_argument, NULL, 's' },
    { "scope",    required_argument, NULL, 'S' },
    { "ttl",      required_argument, NULL, 't' },
    { "help",     no_argument,       NULL, 'h' },
    { NULL,       0,                 NULL, 0 }
};


static int parse_option(struct claims *claims, int option);
static int print(const struct claims *claims);
static char *sign(const struct claims *claims, jwt_alg_t algorithm,
    const char *pem, size_t len);


int
token_command(int argc, char **argv)
{
    int            option;
    struct claims  claims;

    memset(&claims, 0, sizeof(claims));
    claims.ttl_sec = TTL_SEC;
    optind = 1;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {

        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }

        if (parse_option(&claims, option) == -1) {
            fputs(usage, stderr);
            return 2;
        }
    }

    if (claims.key_file == NULL || claims.kid == NULL
        || claims.issuer == NULL || claims.audience == NULL
        || claims.sub == NULL || optind != argc)
    {
        fputs(usage, stderr);
        return 2;
    }

    return print(&claims);
}


static int
parse_option(struct claims *claims, int option)
{
    char  *end;

    switch (option) {

    case 'k':
        claims->key_file = optarg;
        return 0;

    case 'i':
        claims->kid = optarg;
        return 0;

    case 'I':
        claims->issuer = optarg;
        return 0;

    case 'A':
        claims->audience = optarg;
        return 0;

    case 's':
        claims->sub = optarg;
        return 0;

    case 'S':
        claims->scope = optarg;
        return 0;

    case 't':
        errno = 0;
        claims->ttl_sec = strtol(optarg, &end, 10);
        return errno == 0 && end != optarg && *end == '\0'
               && labs(claims->ttl_sec) < INT_MAX ? 0 : -1;

    default:
        return -1;
    }
}


static int
print(const struct claims *claims)
{
    int          rc;
    char        *pem, *token;
    size_t       len;
    EVP_PKEY    *key;
    jwt_alg_t    algorithm;
    const char  *error;

    /* libjwt does not look at what it is given */
    key = key_load(claims->key_file, true, &error);

    if (key == NULL) {
        return text_fail("%s", error);
    }

    algorithm = EVP_PKEY_is_a(key, "EC") ? JWT_ALG_ES256 : JWT_ALG_RS256;
    EVP_PKEY_free(key);

    pem = secret_file(claims->key_file, &len, &error);

    if (pem == NULL) {
        return text_fail("%s", error);
    }

    token = sign(claims, algorithm, pem, len);
    secret_free(&pem);

    if (token == NULL) {
        return text_fail("the token could not be signed; are all claims "
                         "UTF-8?");
    }

    rc = puts(token) == EOF || fflush(stdout) == EOF;
    free(token);

    return rc ? text_fail("standard output could not be written") : 0;
}


static char *
sign(const struct claims *claims, jwt_alg_t algorithm, const char *pem,
    size_t len)
{
    int             i, rc;
    char           *token, jti[2 * JTI_SIZE + 1];
    long            now;
    jwt_t          *jwt;
    unsigned char   random[JTI_SIZE];

    if (RAND_bytes(random, sizeof(random)) != 1 || jwt_new(&jwt) != 0) {
        return NULL;
    }

    for (i = 0; i < JTI_SIZE; i++) {
        snprintf(jti + 2 * i, 3, "%02x", random[i]);
    }

    now = (long) time(NULL);

    rc = jwt_set_alg(jwt, algorithm, (const unsigned char *) pem, (int) len)
         || jwt_add_header(jwt, "kid", claims->kid)
         || jwt_add_grant(jwt, "iss", claims->issuer)
         || jwt_add_grant(jwt, "aud", claims->audience)
         || jwt_add_grant(jwt, "sub", claims->sub)
         || jwt_add_grant(jwt, "jti", jti)
         || (claims->scope != NULL
             && jwt_add_grant(jwt, "scope", claims->scope))
         || jwt_add_grant_int(jwt, "iat", now)
         || jwt_add_grant_int(jwt, "exp", now + claims->ttl_sec);

    token = rc ? NULL : jwt_encode_str(jwt);
    jwt_free(jwt);

    return token;
}
