/*
 * Copyright (C) the Warren authors
 *
 * Keys of tokens: PEM files of EC (P-256) and RSA keys.
 */

#ifndef WARREN_KEY_H
#define WARREN_KEY_H


#include <stdbool.h>

#include <openssl/evp.h>


/* RSA keys below are refused, as RFC 7518 wants it. */
#define KEY_RSA_BITS_MIN  2048


/* Reads a private key, or (is_private false) the public half of a private or
   public one.  Returns NULL and the reason. */
EVP_PKEY *key_load(const char *path, bool is_private, const char **error_r);

/* "ES256" or "RS256". */
const char *key_algorithm(EVP_PKEY *key);


#endif /* WARREN_KEY_H */
