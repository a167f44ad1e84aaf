/*
 * Copyright (C) the Warren authors
 *
 * Hashes of passwords: Argon2id (RFC 9106).
 */

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <argon2.h>
#include <openssl/rand.h>

#include "arena.h"
#include "users_password.h"


#define LANES      1
#define SALT_SIZE  16
#define HASH_SIZE  32

/* larger pieces go back to the system when they are freed */
#define KEPT_SIZE  1048576

/* "$argon2id$v=19$m=…,t=…,p=1$salt$hash" */
#define TEXT_SIZE  160


struct users_password {
    uint32_t   memory_kib;
    uint32_t   passes;
    char       nobody[TEXT_SIZE];
};


static int hash(const struct users_password *password, const char *text,
    size_t len, char hash_r[TEXT_SIZE]);


struct users_password *
users_password_new(int64_t memory_bytes, int64_t passes,
    const char **error_r)
{
    unsigned char           secret[HASH_SIZE];
    struct users_password  *password;

    if (memory_bytes < USERS_PASSWORD_MEMORY_MIN
        || memory_bytes > USERS_PASSWORD_MEMORY_MAX)
    {
        *error_r = "password.memory must be from 64k to 1024m";
        return NULL;
    }

    if (passes < 1 || passes > USERS_PASSWORD_PASSES_MAX) {
        *error_r = "password.passes must be from 1 to 64";
        return NULL;
    }

    /* else the C library would keep a hash's memory for the next one, in each
       lane: megabytes that are needed for milliseconds */
    mallopt(M_MMAP_THRESHOLD, KEPT_SIZE);

    password = calloc(1, sizeof(*password));

    if (password == NULL) {
        *error_r = "out of memory";
        return NULL;
    }

    password->memory_kib = (uint32_t) (memory_bytes / 1024);
    password->passes = (uint32_t) passes;

    if (RAND_bytes(secret, sizeof(secret)) != 1
        || hash(password, (const char *) secret, sizeof(secret),
                password->nobody)
           == -1)
    {
        *error_r = "password.memory is more than there is";
        users_password_free(&password);
    }

    return password;
}


void
users_password_free(struct users_password **password)
{
    free(*password);
    *password = NULL;
}


const char *
users_password_hash(const struct users_password *password,
    struct wr_arena *arena, const char *text)
{
    char  made[TEXT_SIZE];

    if (hash(password, text, strlen(text), made) == -1) {
        return NULL;
    }

    return wr_arena_strdup(arena, made);
}


bool
users_password_is(const struct users_password *password, const char *hash,
    const char *text)
{
    bool  is_there, is_right;

    is_there = (hash != NULL);
    is_right = argon2id_verify(is_there ? hash : password->nobody, text,
                               strlen(text))
               == ARGON2_OK;

    return is_there && is_right;
}


bool
users_password_is_current(const struct users_password *password,
    const char *hash)
{
    int   len;
    char  cost[TEXT_SIZE];

    len = snprintf(cost, sizeof(cost),
                   "$argon2id$v=%d$m=%" PRIu32 ",t=%" PRIu32 ",p=%d$",
                   ARGON2_VERSION_NUMBER, password->memory_kib,
                   password->passes, LANES);

    return strncmp(hash, cost, (size_t) len) == 0;
}


static int
hash(const struct users_password *password, const char *text, size_t len,
    char hash_r[TEXT_SIZE])
{
    unsigned char  salt[SALT_SIZE];

    if (RAND_bytes(salt, sizeof(salt)) != 1) {
        return -1;
    }

    return argon2id_hash_encoded(password->passes, password->memory_kib,
                                 LANES, text, len, salt, sizeof(salt),
                                 HASH_SIZE, hash_r, TEXT_SIZE)
           == ARGON2_OK ? 0 : -1;
}
