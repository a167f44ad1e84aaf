/*
 * Copyright (C) the Warren authors
 *
 * Secrets that are handed out, and the digests that are kept of them.
 */

#ifndef USERS_SECRET_H
#define USERS_SECRET_H


/* 256 random bits in base64url (RFC 4648), with the terminating zero. */
#define USERS_SECRET_SIZE  44

/* SHA-256 in hexadecimal, with the terminating zero. */
#define USERS_DIGEST_SIZE  65


/* A new one; the process ends when there is no randomness. */
void users_secret_new(char secret_r[USERS_SECRET_SIZE]);

/* What is kept of it.  It is random, so that no salt is needed and nobody finds
   it by trying. */
void users_secret_digest(const char *secret, char hash_r[USERS_DIGEST_SIZE]);


#endif /* USERS_SECRET_H */
