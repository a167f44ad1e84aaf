/*
 * Copyright (C) the Warren authors
 *
 * A directory of keys that sign tokens one after the other.
 */

#ifndef WARREN_KEYS_H
#define WARREN_KEYS_H


#include <stddef.h>
#include <time.h>


/* Of a name, with its zero: what tokens bear as kid. */
#define KEYS_KID_SIZE  64

/* Keys in a directory; the service of users reads no more. */
#define KEYS_MAX       64


enum keys_state {
    KEYS_OLD = 0,       /* has signed, and is there for its tokens */
    KEYS_SIGNING,
    KEYS_NEXT           /* is known already, and will sign */
};


struct keys_key {
    char             kid[KEYS_KID_SIZE];
    enum keys_state  state;
    time_t           signs_from;
    time_t           signs_until;       /* 0: nobody follows yet */
};


struct keys {
    int              fd;                /* the directory; locked if asked for */
    const char      *path;
    time_t           now;               /* when it was read */
    size_t           count;
    struct keys_key  key[KEYS_MAX];     /* the one that signs last is last */
};


/*
 * Reads which keys there are; path is kept.  is_locked waits until nobody else
 * changes them, until keys_close().  Returns 0, or -1 and the reason.
 */
int keys_open(struct keys *keys, const char *path, int is_locked,
    const char **error_r);
void keys_close(struct keys *keys);

/* "old", "signing", "next" */
const char *keys_state_name(enum keys_state state);

/*
 * Makes a key, which signs from then on, and puts its file, which nobody but
 * the directory's owner may read, into the directory whole or not at all.
 * Returns 0, or -1 and the reason.
 */
int keys_add(struct keys *keys, time_t signs_from,
    char kid_r[KEYS_KID_SIZE], const char **error_r);

/* Whether the key's file can be read and is a private key; 0, or -1 and the
   reason. */
int keys_check(const struct keys *keys, const struct keys_key *key,
    const char **error_r);

/* Deletes a key's file; 0, or -1 and the reason. */
int keys_delete(const struct keys *keys, const struct keys_key *key,
    const char **error_r);


#endif /* WARREN_KEYS_H */
