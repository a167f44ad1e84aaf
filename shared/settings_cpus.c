/*
 * Copyright (C) the Warren authors
 *
 * How many CPUs this process may use: those of its affinity, or fewer when a
 * control group has a quota.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "settings_private.h"


/* A mask for more CPUs than this is not asked for. */
#define CPUS_MAX   (1 << 16)

/* A path longer than this is passed over. */
#define PATH_SIZE  4096

#define CGROUPS    "/sys/fs/cgroup"


static int affinity_count(void);
static int quota_count(const char *root, const char *line);
static bool has_word(const char *words, const char *word);
static int folder_count(const char *folder, bool is_v2);
static int cpus_count(long long quota, long long period);
static long long number_read(const char *folder, const char *name);


int
wr_settings_cpus(const char *root)
{
    int      count, quota;
    char     path[PATH_SIZE], *line;
    FILE    *file;
    size_t   size;

    count = affinity_count();
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    file = fopen(path, "re");

    if (file == NULL) {
        return count;
    }

    line = NULL;
    size = 0;

    while (getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        quota = quota_count(root, line);
        count = (quota < count) ? quota : count;
    }

    free(line);
    fclose(file);

    return count;
}


/* The kernel refuses a mask that is smaller than its own. */
static int
affinity_count(void)
{
    int         n, count;
    size_t      size;
    cpu_set_t  *set;

    for (n = CPU_SETSIZE; n <= CPUS_MAX; n *= 2) {
        set = CPU_ALLOC(n);

        if (set == NULL) {
            break;
        }

        size = CPU_ALLOC_SIZE(n);
        CPU_ZERO_S(size, set);

        if (sched_getaffinity(0, size, set) == 0) {
            count = CPU_COUNT_S(size, set);
            CPU_FREE(set);
            return (count > 0) ? count : 1;
        }

        CPU_FREE(set);

        if (errno != EINVAL) {
            break;
        }
    }

    count = (int) sysconf(_SC_NPROCESSORS_ONLN);

    return (count > 0) ? count : 1;
}


/* A line is "0::/path" of version 2, or "4:cpu,cpuacct:/path" of version 1.
   Each group above has a say, too; and in a container a path may be one that
   only the host has, so what is not there is passed over. */
static int
quota_count(const char *root, const char *line)
{
    int          n, count, least;
    char         folder[PATH_SIZE], *slash;
    bool         is_v2;
    size_t       base;
    const char  *controllers, *path;

    controllers = strchr(line, ':');
    path = (controllers != NULL) ? strchr(++controllers, ':') : NULL;

    if (path == NULL || path[1] != '/') {
        return INT_MAX;
    }

    is_v2 = (path == controllers);

    if (!is_v2 && !has_word(controllers, "cpu")) {
        return INT_MAX;
    }

    n = is_v2 ? snprintf(folder, sizeof(folder), "%s" CGROUPS, root)
              : snprintf(folder, sizeof(folder), "%s" CGROUPS "/%.*s", root,
                         (int) (path - controllers), controllers);
    base = (size_t) n;

    if (n < 0 || base + strlen(path + 1) >= sizeof(folder)) {
        return INT_MAX;
    }

    strcpy(folder + base, path + 1);
    least = INT_MAX;

    for ( ;; ) {
        count = folder_count(folder, is_v2);
        least = (count < least) ? count : least;
        slash = strrchr(folder + base, '/');

        if (slash == NULL) {
            return least;
        }

        *slash = '\0';
    }
}


/* words end at ":" and are divided by "," */
static bool
has_word(const char *words, const char *word)
{
    size_t  n;

    for ( ;; ) {
        n = strcspn(words, ",:");

        if (n == strlen(word) && memcmp(words, word, n) == 0) {
            return true;
        }

        if (words[n] != ',') {
            return false;
        }

        words += n + 1;
    }
}


/* INT_MAX: it has no quota, or none that can be read. */
static int
folder_count(const char *folder, bool is_v2)
{
    int        n;
    char       path[PATH_SIZE + 32];
    FILE      *file;
    long long  quota, period;

    if (!is_v2) {
        return cpus_count(number_read(folder, "cpu.cfs_quota_us"),
                          number_read(folder, "cpu.cfs_period_us"));
    }

    snprintf(path, sizeof(path), "%s/cpu.max", folder);
    file = fopen(path, "re");

    if (file == NULL) {
        return INT_MAX;
    }

    /* "max" is no number */

    n = fscanf(file, "%lld %lld", &quota, &period);
    fclose(file);

    return (n == 2) ? cpus_count(quota, period) : INT_MAX;
}


static long long
number_read(const char *folder, const char *name)
{
    char       path[PATH_SIZE + 32];
    FILE      *file;
    long long  number;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "re");

    if (file == NULL) {
        return -1;
    }

    if (fscanf(file, "%lld", &number) != 1) {
        number = -1;
    }

    fclose(file);

    return number;
}


/* Whole ones: who has a lane more than that is throttled under load. */
static int
cpus_count(long long quota, long long period)
{
    if (quota <= 0 || period <= 0 || quota / period >= INT_MAX) {
        return INT_MAX;
    }

    return (quota < period) ? 1 : (int) (quota / period);
}
