/*
 * Copyright (C) the Warren authors
 *
 * Files with secrets.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "secret.h"
#include "text.h"


static char *read_file(const char *path, bool is_private, size_t *len_r,
    const char **error_r);
static char *read_all(int fd, size_t *len_r);


char *
secret_line(const char *path, const char **error_r)
{
    char    *secret;
    size_t   len;

    secret = read_file(path, true, &len, error_r);

    if (secret == NULL) {
        return NULL;
    }

    secret[strcspn(secret, "\r\n")] = '\0';

    if (secret[0] == '\0') {
        *error_r = text_error("%s: its first line is empty, the secret is "
                              "expected there", path);
        secret_free(&secret);
    }

    return secret;
}


char *
secret_file(const char *path, size_t *len_r, const char **error_r)
{
    return read_file(path, false, len_r, error_r);
}


void
secret_free(char **secret)
{
    if (*secret != NULL) {
        OPENSSL_cleanse(*secret, strlen(*secret));
        free(*secret);
        *secret = NULL;
    }
}


static char *
read_file(const char *path, bool is_private, size_t *len_r,
    const char **error_r)
{
    int           fd;
    char         *text;
    struct stat   st;

    fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1 || fstat(fd, &st) == -1) {
        *error_r = text_error("%s: %s", path, strerror(errno));
        text = NULL;
        goto done;
    }

    if (is_private && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH)) {
        *error_r = text_error("%s may be read by everybody; chmod o= it", path);
        text = NULL;
        goto done;
    }

    text = read_all(fd, len_r);

    if (text == NULL) {
        *error_r = text_error("%s: %s", path,
                              errno == EFBIG ? "too large for a secret"
                                             : strerror(errno));
    }

done:

    if (fd != -1) {
        close(fd);
    }

    return text;
}


/* Terminated.  NULL and errno if it could not be read or is too large. */

static char *
read_all(int fd, size_t *len_r)
{
    int      error;
    char    *text;
    size_t   len;
    ssize_t  n;

    text = text_alloc(SECRET_SIZE_MAX + 1);
    len = 0;
    error = EFBIG;

    while (len < SECRET_SIZE_MAX) {
        n = read(fd, text + len, SECRET_SIZE_MAX - len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            error = errno;
            break;
        }

        if (n == 0) {
            *len_r = len;
            return text;
        }

        len += (size_t) n;
    }

    secret_free(&text);
    errno = error;

    return NULL;
}
