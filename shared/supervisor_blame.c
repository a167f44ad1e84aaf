/*
 * Copyright (C) the Warren authors
 *
 * Whose fault a lane's death is: that of what it worked on, or of somebody
 * else.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "supervisor_private.h"


#define VMSTAT      "/proc/vmstat"
#define OOM_KILLS   "oom_kill "

/* of a line there */
#define LINE_SIZE   128


int64_t
wr_supervisor_oom_kills(void)
{
    char      line[LINE_SIZE];
    FILE     *file;
    int64_t   count;

    file = fopen(VMSTAT, "re");
    count = -1;

    while (file != NULL && count == -1
           && fgets(line, sizeof(line), file) != NULL)
    {
        if (strncmp(line, OOM_KILLS, sizeof(OOM_KILLS) - 1) == 0) {
            count = strtoll(line + sizeof(OOM_KILLS) - 1, NULL, 10);
        }
    }

    if (file != NULL) {
        fclose(file);
    }

    return count;
}


bool
wr_supervisor_blames(const struct wr_supervisor *sv, int lane, int status)
{
    int64_t                           kills;
    const struct wr_supervised_lane  *ln;

    ln = &sv->lanes[lane];

    /* exit() amid a message is what a handler should not do, and what
       sanitizers make of a crash */

    if (!WIFSIGNALED(status)) {
        return true;
    }

    switch (WTERMSIG(status)) {

    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
    case SIGHUP:
    case SIGUSR1:
        return false;

    case SIGKILL:
        break;

    default:
        return true;
    }

    /* stuck, and deaf to SIGABRT; or too slow to end, which may have many
       reasons */

    if (ln->is_killed) {
        return ln->abort_ms != 0;
    }

    /* the kernel's own SIGKILL tells nobody whose it is, but is counted */

    kills = wr_supervisor_oom_kills();

    return kills == -1 || kills != ln->oom_kills;
}
