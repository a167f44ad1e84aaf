/*
 * Copyright (C) the Warren authors
 *
 * Files with secrets.
 */

#ifndef WARREN_SECRET_H
#define WARREN_SECRET_H


#include <stddef.h>


/* Larger files are refused: neither a password nor a key is that long. */
#define SECRET_SIZE_MAX  65536


/*
 * The first line of a file, without its end, in memory that secret_free()
 * takes.  Returns NULL and the reason if it cannot be read, is empty, or may
 * be read by everybody.
 */
char *secret_line(const char *path, const char **error_r);

/* The whole file, as secret_line(); a public key may be read by everybody, so
   that is not looked at. */
char *secret_file(const char *path, size_t *len_r, const char **error_r);

/* Wipes and frees; secret may be NULL.  Sets it to NULL. */
void secret_free(char **secret);


#endif /* WARREN_SECRET_H */
