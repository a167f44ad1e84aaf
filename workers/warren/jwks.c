/*
 * Copyright (C) the Warren authors
 *
 * warren jwks: the public half of a key as a JSON Web Key Set (RFC 7517).
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "jwks.h"
#include "key.h"
#include "text.h"


/* bytes of a coordinate on P-256 */
#define COORDINATE_SIZE  32


static const char  usage[] =
    "usage: warren jwks --key FILE --kid KID\n"
    "\n"
    "  --key FILE   private or public key, PEM\n"
    "  --kid KID    its name in tokens\n";

static const struct option  options[] = {
    { "key",  required_argument, NULL, 'k' },
    { "kid",  required_argument, NULL, 'i' },
    { "help", no_argument,       NULL, 'h' },
    { NULL,   0,                 NULL, 0 }
};


static int print(const char *path, const char *kid);
static int add_number(json_t *jwk, const char *member, EVP_PKEY *key,
    const char *parameter, int size);
static char *base64url(const unsigned char *data, int len);


int
jwks_command(int argc, char **argv)
{
    int          option;
    const char  *path, *kid;

    path = NULL;
    kid = NULL;
    optind = 1;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {

        switch (option) {

        case 'k':
            path = optarg;
            break;

        case 'i':
            kid = optarg;
            break;

        case 'h':
            fputs(usage, stdout);
            return 0;

        default:
            fputs(usage, stderr);
            return 2;
        }
    }

    if (path == NULL || kid == NULL || optind != argc) {
        fputs(usage, stderr);
        return 2;
    }

    return print(path, kid);
}


static int
print(const char *path, const char *kid)
{
    int          rc;
    json_t      *jwk, *set;
    EVP_PKEY    *key;
    const char  *error;

    key = key_load(path, false, &error);

    if (key == NULL) {
        return text_fail("%s", error);
    }

    jwk = json_object();

    if (EVP_PKEY_is_a(key, "EC")) {
        json_object_set_new(jwk, "kty", json_string("EC"));
        json_object_set_new(jwk, "crv", json_string("P-256"));
        rc = add_number(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X,
                        COORDINATE_SIZE)
             | add_number(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y,
                          COORDINATE_SIZE);

    } else {
        json_object_set_new(jwk, "kty", json_string("RSA"));
        rc = add_number(jwk, "n", key, OSSL_PKEY_PARAM_RSA_N, 0)
             | add_number(jwk, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
    }

    json_object_set_new(jwk, "use", json_string("sig"));
    json_object_set_new(jwk, "alg", json_string(key_algorithm(key)));
    rc |= json_object_set_new(jwk, "kid", json_string(kid));
    EVP_PKEY_free(key);

    set = json_pack("{s:[o]}", "keys", jwk);

    if (rc != 0 || set == NULL) {
        json_decref(set);
        return text_fail("%s: its numbers cannot be read, or the kid is not "
                         "UTF-8", path);
    }

    rc = json_dumpf(set, stdout, JSON_COMPACT);
    json_decref(set);

    if (rc == -1 || puts("") == EOF || fflush(stdout) == EOF) {
        return text_fail("standard output could not be written");
    }

    return 0;
}


/* size 0: as many bytes as the number has. */

static int
add_number(json_t *jwk, const char *member, EVP_PKEY *key,
    const char *parameter, int size)
{
    int             rc;
    char           *text;
    BIGNUM         *number;
    unsigned char  *data;

    number = NULL;

    if (EVP_PKEY_get_bn_param(key, parameter, &number) != 1) {
        return -1;
    }

    if (size == 0) {
        size = BN_num_bytes(number);
    }

    data = text_alloc((size_t) size + 1);
    rc = BN_bn2binpad(number, data, size);
    BN_free(number);

    if (rc == size) {
        text = base64url(data, size);
        rc = json_object_set_new(jwk, member, json_string(text));
        free(text);

    } else {
        rc = -1;
    }

    free(data);

    return rc;
}


static char *
base64url(const unsigned char *data, int len)
{
    char  *text, *p;

    text = text_alloc((size_t) (4 * ((len + 2) / 3) + 1));
    EVP_EncodeBlock((unsigned char *) text, data, len);

    for (p = text; *p != '\0'; p++) {

        if (*p == '+') {
            *p = '-';

        } else if (*p == '/') {
            *p = '_';

        } else if (*p == '=') {
            *p = '\0';
            break;
        }
    }

    return text;
}
