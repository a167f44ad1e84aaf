/*
 * Copyright (C) the Warren authors
 *
 * Users of the broker and their passwords.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "management.h"
#include "text.h"
#include "topology_account.h"


/* RabbitMQ's rabbit_password_hashing_sha256: salt, then SHA-256 of salt and
   password, in base64 */

#define HASHING    "rabbit_password_hashing_sha256"
#define SALT_SIZE  4
#define HASH_SIZE  (SALT_SIZE + 32)
#define TEXT_SIZE  (4 * ((HASH_SIZE + 2) / 3) + 1)


static bool has_password(const json_t *user, const char *password);
static int hash(const unsigned char *salt, const char *password,
    char text_r[TEXT_SIZE]);


int
topology_account_apply(struct management *management, const char *name,
    const char *password, const char **error_r)
{
    int             rc;
    char            text[TEXT_SIZE];
    json_t         *user, *tags;
    unsigned char   salt[SALT_SIZE];

    user = management_get(management, error_r, "users", name, NULL);

    if (user == NULL && *error_r != NULL) {
        return -1;
    }

    if (user != NULL && has_password(user, password)) {
        json_decref(user);
        return 0;
    }

    if (RAND_bytes(salt, sizeof(salt)) != 1
        || hash(salt, password, text) == -1)
    {
        *error_r = "a password could not be hashed";
        json_decref(user);
        return -1;
    }

    tags = user == NULL ? json_string("")
                        : json_incref(json_object_get(user, "tags"));

    rc = management_send(management, "PUT",
                         json_pack("{s:s, s:s, s:o}", "password_hash", text,
                                   "hashing_algorithm", HASHING,
                                   "tags", tags),
                         error_r, "users", name, NULL);
    json_decref(user);

    return rc == -1 ? -1 : 1;
}


static bool
has_password(const json_t *user, const char *password)
{
    char            text[TEXT_SIZE];
    const char     *algorithm, *there;
    unsigned char   raw[TEXT_SIZE];

    there = json_string_value(json_object_get(user, "password_hash"));
    algorithm = json_string_value(json_object_get(user, "hashing_algorithm"));

    if (there == NULL || algorithm == NULL || strcmp(algorithm, HASHING) != 0
        || strlen(there) != TEXT_SIZE - 1
        || EVP_DecodeBlock(raw, (const unsigned char *) there, TEXT_SIZE - 1)
           < HASH_SIZE)
    {
        return false;
    }

    return hash(raw, password, text) == 0 && strcmp(text, there) == 0;
}


static int
hash(const unsigned char *salt, const char *password,
    char text_r[TEXT_SIZE])
{
    int             rc;
    size_t          len;
    unsigned char  *salted, raw[HASH_SIZE];

    len = strlen(password);
    salted = text_alloc(SALT_SIZE + len);
    memcpy(salted, salt, SALT_SIZE);
    memcpy(salted + SALT_SIZE, password, len);
    memcpy(raw, salt, SALT_SIZE);

    rc = EVP_Digest(salted, SALT_SIZE + len, raw + SALT_SIZE, NULL,
                    EVP_sha256(), NULL);

    OPENSSL_cleanse(salted, SALT_SIZE + len);
    free(salted);

    if (rc != 1) {
        return -1;
    }

    EVP_EncodeBlock((unsigned char *) text_r, raw, HASH_SIZE);

    return 0;
}
