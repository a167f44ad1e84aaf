/*
 * Copyright (C) the Warren authors
 *
 * Keys of tokens: PEM files of EC (P-256) and RSA keys.
 */

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "key.h"
#include "secret.h"
#include "text.h"


static bool is_usable(EVP_PKEY *key);
static int no_passphrase(char *text, int size, int is_writing, void *data);


EVP_PKEY *
key_load(const char *path, bool is_private, const char **error_r)
{
    BIO       *bio;
    char      *pem;
    size_t     len;
    EVP_PKEY  *key;

    pem = secret_file(path, &len, error_r);

    if (pem == NULL) {
        return NULL;
    }

    key = NULL;
    bio = BIO_new_mem_buf(pem, (int) len);

    if (bio != NULL) {
        key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

        if (key == NULL && !is_private) {
            BIO_reset(bio);
            key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
        }
    }

    BIO_free(bio);
    secret_free(&pem);
    ERR_clear_error();

    if (key == NULL) {
        *error_r = text_error("%s: no %s key in PEM without a passphrase",
                              path, is_private ? "private" : "such");
        return NULL;
    }

    if (!is_usable(key)) {
        *error_r = text_error("%s: the key is neither EC on P-256 nor RSA of "
                              "%d bits or more", path, KEY_RSA_BITS_MIN);
        EVP_PKEY_free(key);
        return NULL;
    }

    return key;
}


const char *
key_algorithm(EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "EC") ? "ES256" : "RS256";
}


static bool
is_usable(EVP_PKEY *key)
{
    char  group[64];

    if (EVP_PKEY_is_a(key, "RSA")) {
        return EVP_PKEY_get_bits(key) >= KEY_RSA_BITS_MIN;
    }

    return EVP_PKEY_is_a(key, "EC")
           && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1
           && strcmp(group, "prime256v1") == 0;
}


/* Nobody is there to be asked. */

static int
no_passphrase(char *text, int size, int is_writing, void *data)
{
    (void) text;
    (void) size;
    (void) is_writing;
    (void) data;

    return -1;
}
