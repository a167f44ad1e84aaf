/*
 * Copyright (C) the Warren authors
 *
 * Hashes of passwords: Argon2id (RFC 9106).
 */

#ifndef USERS_PASSWORD_H
#define USERS_PASSWORD_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct users_password;
struct wr_arena;


/* Less memory is no hindrance to a thief, more one to ourselves. */
#define USERS_PASSWORD_MEMORY_MIN  65536
#define USERS_PASSWORD_MEMORY_MAX  1073741824
#define USERS_PASSWORD_PASSES_MAX  64


/*
 * The cost of hashes to come, and a hash that no password has.  Takes as long
 * as a hash does.  Returns NULL and the reason for a cost out of bounds.
 */
struct users_password *users_password_new(int64_t memory_bytes,
    int64_t passes, const char **error_r);
void users_password_free(struct users_password **password);

/* The hash, with salt and cost inside; NULL without memory for it.  Blocks for
   some ten milliseconds. */
const char *users_password_hash(const struct users_password *password,
    struct wr_arena *arena, const char *text);

/*
 * Whether text has this hash.  hash may be NULL, of an account that is not
 * there: that is false, and takes as long.
 */
bool users_password_is(const struct users_password *password,
    const char *hash, const char *text);

/* Whether a hash is of the cost that is set now. */
bool users_password_is_current(const struct users_password *password,
    const char *hash);


#endif /* USERS_PASSWORD_H */
