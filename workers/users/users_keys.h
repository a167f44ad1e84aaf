/*
 * Copyright (C) the Warren authors
 *
 * The keys of access tokens: one file, or a directory in which they rotate.
 */

#ifndef USERS_KEYS_H
#define USERS_KEYS_H


#include <stddef.h>
#include <stdint.h>


struct users_keys;
struct wr_arena;


/* A key's file that is larger is none. */
#define USERS_KEYS_FILE_MAX  16384

/* With more in the directory none of them is read: it wants pruning. */
#define USERS_KEYS_MAX       64

/* a coordinate on P-256 in base64url, with its zero */
#define USERS_KEYS_COORDINATE_SIZE  48


struct users_key {
    char     kid[64];
    int64_t  signs_from_sec;        /* since the epoch */
    char     x[USERS_KEYS_COORDINATE_SIZE];
    char     y[USERS_KEYS_COORDINATE_SIZE];
    size_t   pem_len;
    char     pem[USERS_KEYS_FILE_MAX];
};


/*
 * Reads all keys, so that one that does not do keeps the worker from starting.
 * file (named kid) and directory may be "", not both; that key signs until one
 * of the directory does.  The texts are kept.  Returns NULL and the reason.
 *
 * In the directory a key is a file KID.pem, whose KID begins with the time in
 * UTC from when it signs: 20261124T030000Z-c8d21f07.  "warren keys" makes them.
 * What begins with "." or does not end with ".pem" is not looked at.
 */
struct users_keys *users_keys_new(const char *file, const char *kid,
    const char *directory, const char **error_r);
void users_keys_free(struct users_keys **keys);

/*
 * The key that signs now; good until the next call.  The directory is read
 * again by this and users_keys_json() if a second has passed: if it cannot be,
 * the keys that are known stay, and the log says why.
 */
const struct users_key *users_keys_signing(struct users_keys *keys);

/* The public halves of all keys as a JSON Web Key Set (RFC 7517). */
const char *users_keys_json(struct users_keys *keys, struct wr_arena *arena,
    size_t *len_r);


#endif /* USERS_KEYS_H */
