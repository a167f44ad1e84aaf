/*
 * Copyright (C) the Warren authors
 *
 * Secrets that are handed out, and the digests that are kept of them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "users_secret.h"


#define BYTES  32


void
users_secret_new(char secret_r[USERS_SECRET_SIZE])
{
    char           *p;
    unsigned char   bytes[BYTES], text[USERS_SECRET_SIZE + 1];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        abort();
    }

    /* 43 characters and one "=" */

    EVP_EncodeBlock(text, bytes, sizeof(bytes));
    memcpy(secret_r, text, USERS_SECRET_SIZE - 1);
    secret_r[USERS_SECRET_SIZE - 1] = '\0';

    for (p = secret_r; *p != '\0'; p++) {
        *p = (*p == '+') ? '-' : (*p == '/') ? '_' : *p;
    }

    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(text, sizeof(text));
}


void
users_secret_digest(const char *secret, char hash_r[USERS_DIGEST_SIZE])
{
    size_t          i;
    unsigned char   bytes[SHA256_DIGEST_LENGTH];

    if (EVP_Digest(secret, strlen(secret), bytes, NULL, EVP_sha256(), NULL)
        != 1)
    {
        abort();
    }

    for (i = 0; i < sizeof(bytes); i++) {
        snprintf(hash_r + 2 * i, 3, "%02x", bytes[i]);
    }
}
