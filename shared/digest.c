/*
 * Copyright (C) the Warren authors
 *
 * Digests, by OpenSSL.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "digest.h"
#include "log.h"
#include "memory.h"


struct wr_digest {
    EVP_MD_CTX  *context;
};


static void check(int rc);


struct wr_digest *
wr_digest_new(void)
{
    struct wr_digest  *digest;

    digest = wr_memory_alloc(1, sizeof(struct wr_digest));
    digest->context = EVP_MD_CTX_new();

    if (digest->context == NULL) {
        wr_memory_out(sizeof(struct wr_digest));
    }

    check(EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL));

    return digest;
}


void
wr_digest_add(struct wr_digest *digest, const char *bytes, size_t len)
{
    int            i;
    unsigned char  size[sizeof(uint64_t)];

    for (i = 0; i < (int) sizeof(size); i++) {
        size[i] = (unsigned char) ((uint64_t) len >> (56 - 8 * i));
    }

    check(EVP_DigestUpdate(digest->context, size, sizeof(size)));
    check(EVP_DigestUpdate(digest->context, bytes, len));
}


void
wr_digest_end(struct wr_digest **digest, char text_r[WR_DIGEST_SIZE])
{
    int            i;
    unsigned       len;
    unsigned char  bytes[EVP_MAX_MD_SIZE];

    check(EVP_DigestFinal_ex((*digest)->context, bytes, &len));

    for (i = 0; i < WR_DIGEST_SIZE / 2; i++) {
        snprintf(text_r + 2 * i, 3, "%02x", bytes[i]);
    }

    EVP_MD_CTX_free((*digest)->context);
    free(*digest);
    *digest = NULL;
}


/* A library that has no SHA-256 cannot be worked with. */

static void
check(int rc)
{
    if (rc != 1) {
        wr_log_error(NULL, "SHA-256 failed");
        abort();
    }
}
