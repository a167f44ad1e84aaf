/*
 * Copyright (C) the Warren authors
 *
 * Digests: SHA-256 of what is given part by part.
 */

#ifndef WARREN_DIGEST_H
#define WARREN_DIGEST_H


#include <stddef.h>


struct wr_digest;


/* In hexadecimal, with its end. */
#define WR_DIGEST_SIZE  65


/* Never NULL: without memory the process ends. */
struct wr_digest *wr_digest_new(void);

/* The length goes in before the bytes: parts cannot pass for others that look
   the same when put together. */
void wr_digest_add(struct wr_digest *digest, const char *bytes, size_t len);

/* Writes the digest, and frees what it was made with. */
void wr_digest_end(struct wr_digest **digest, char text_r[WR_DIGEST_SIZE]);


#endif /* WARREN_DIGEST_H */
