/*
 * Copyright (C) the Warren authors
 *
 * A file with the supervisor's process id.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "pid_file.h"


int
wr_pid_file_open(const char *path, char *error_r, size_t error_size)
{
    int   fd, len;
    char  text[24];

    fd = open(path, O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0644);

    if (fd == -1) {
        snprintf(error_r, error_size, "\"%s\" cannot be opened: %s", path,
                 strerror(errno));
        return -1;
    }

    if (flock(fd, LOCK_EX|LOCK_NB) != 0) {
        snprintf(error_r, error_size, "\"%s\" is locked: another worker runs",
                 path);
        close(fd);
        return -1;
    }

    len = snprintf(text, sizeof(text), "%ld\n", (long) getpid());

    if (ftruncate(fd, 0) != 0 || write(fd, text, (size_t) len) != len) {
        snprintf(error_r, error_size, "\"%s\" cannot be written: %s", path,
                 strerror(errno));
        close(fd);
        return -1;
    }

    return fd;
}


/* Removed before it is unlocked: nobody else's file can be meant. */
void
wr_pid_file_close(const char *path, int fd)
{
    unlink(path);
    close(fd);
}
