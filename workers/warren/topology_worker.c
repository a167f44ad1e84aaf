/*
 * Copyright (C) the Warren authors
 *
 * What workers say of themselves.
 */

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"
#include "topology.h"
#include "topology_worker.h"


extern char  **environ;


static int start(const char *program, pid_t *pid_r, int *fd_r);
static int add(json_t *services, const char *name, int fd,
    const char **error_r);
static int read_all(int fd, char *text, size_t size);


int
topology_worker_run(json_t *services, const char *program,
    const char **error_r)
{
    int    rc, fd, status, error;
    pid_t  pid;

    fd = -1;
    pid = -1;
    error = start(program, &pid, &fd);

    if (error != 0) {
        *error_r = text_error("%s: %s", program, strerror(error));
        return -1;
    }

    rc = add(services, program, fd, error_r);
    close(fd);

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
        /* again */
    }

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        *error_r = text_error("%s --topology failed; is it a worker?",
                              program);
        return -1;
    }

    return rc;
}


int
topology_worker_load(json_t *services, const char *path, const char **error_r)
{
    int  rc, fd;

    fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1) {
        *error_r = text_error("%s: %s", path, strerror(errno));
        return -1;
    }

    rc = add(services, path, fd, error_r);
    close(fd);

    return rc;
}


/* 0 or an errno. */

static int
start(const char *program, pid_t *pid_r, int *fd_r)
{
    int                          error, fds[2];
    char                        *argv[3];
    posix_spawn_file_actions_t   actions;

    if (pipe(fds) == -1) {
        return errno;
    }

    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);

    argv[0] = (char *) program;
    argv[1] = (char *) "--topology";
    argv[2] = NULL;

    error = posix_spawn_file_actions_init(&actions);

    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(&actions, fds[1],
                                                 STDOUT_FILENO);

        if (error == 0) {
            error = posix_spawnp(pid_r, program, &actions, NULL, argv,
                                 environ);
        }

        posix_spawn_file_actions_destroy(&actions);
    }

    close(fds[1]);

    if (error != 0) {
        close(fds[0]);
        return error;
    }

    *fd_r = fds[0];

    return 0;
}


static int
add(json_t *services, const char *name, int fd, const char **error_r)
{
    int            len;
    char           text[TOPOLOGY_WORKER_SIZE_MAX];
    json_t        *service;
    const char    *error;
    json_error_t   json_error;

    len = read_all(fd, text, sizeof(text));

    if (len == -1) {
        *error_r = text_error("%s: %s", name, strerror(errno));
        return -1;
    }

    service = json_loadb(text, (size_t) len, JSON_REJECT_DUPLICATES,
                         &json_error);

    if (service == NULL) {
        *error_r = text_error("%s: no topology: %s", name, json_error.text);
        return -1;
    }

    if (topology_check_service(service, &error) == -1
        || topology_check_channels(services, service, &error) == -1)
    {
        *error_r = text_error("%s: %s", name, error);
        json_decref(service);
        return -1;
    }

    json_array_append_new(services, service);

    return 0;
}


static int
read_all(int fd, char *text, size_t size)
{
    size_t   len;
    ssize_t  n;

    len = 0;

    for ( ;; ) {

        if (len == size) {
            errno = EFBIG;
            return -1;
        }

        n = read(fd, text + len, size - len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            return -1;
        }

        if (n == 0) {
            return (int) len;
        }

        len += (size_t) n;
    }
}
