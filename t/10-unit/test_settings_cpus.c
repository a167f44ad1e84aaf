/*
 * Copyright (C) the Warren authors
 *
 * How many CPUs a process may use: what control groups of either version say,
 * in files that this test writes.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings_private.h"
#include "tap.h"


#define PATH_SIZE  256


static void test_affinity(int all);
static void test_version_2(int all);
static void test_version_1(int all);
static void put(const char *path, const char *text);


static char  root[] = "/tmp/warren-cpus-XXXXXX";


int
main(void)
{
    int   all;
    char  command[64];

    if (mkdtemp(root) == NULL) {
        printf("Bail out! no folder for the test\n");
        return 1;
    }

    all = wr_settings_cpus(root);

    test_affinity(all);
    test_version_2(all);
    test_version_1(all);

    snprintf(command, sizeof(command), "rm -r %s", root);
    ok(system(command) == 0, "nothing is left");

    return done();
}


static void
test_affinity(int all)
{
    int        first;
    cpu_set_t  set, one;

    ok(sched_getaffinity(0, sizeof(set), &set) == 0, "there is an affinity");
    is_int(all, CPU_COUNT(&set), "without a control group it alone counts");

    for (first = 0; !CPU_ISSET(first, &set); first++) {
        /* void */
    }

    CPU_ZERO(&one);
    CPU_SET(first, &one);

    ok(sched_setaffinity(0, sizeof(one), &one) == 0, "it can be one CPU");
    is_int(wr_settings_cpus(root), 1, "a process on one CPU has one");
    ok(sched_setaffinity(0, sizeof(set), &set) == 0, "and all again");
}


static void
test_version_2(int all)
{
    put("proc/self/cgroup", "0::/a.slice/b.service\n");
    is_int(wr_settings_cpus(root), all, "a group that is not there is none");

    put("sys/fs/cgroup/a.slice/b.service/cpu.max", "max 100000\n");
    is_int(wr_settings_cpus(root), all, "\"max\" is no quota");

    put("sys/fs/cgroup/a.slice/b.service/cpu.max", "6400000 100000\n");
    is_int(wr_settings_cpus(root), all < 64 ? all : 64,
           "a quota of more than there is adds nothing");

    put("sys/fs/cgroup/a.slice/b.service/cpu.max", "199999 100000\n");
    is_int(wr_settings_cpus(root), 1, "a CPU that is not whole does not count");

    put("sys/fs/cgroup/a.slice/b.service/cpu.max", "1000 100000\n");
    is_int(wr_settings_cpus(root), 1, "but there is always one");

    put("sys/fs/cgroup/a.slice/b.service/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/a.slice/cpu.max", "100000 100000\n");
    is_int(wr_settings_cpus(root), 1, "a group above has a say");

    put("sys/fs/cgroup/a.slice/cpu.max", "");
    put("sys/fs/cgroup/cpu.max", "100000 100000\n");
    is_int(wr_settings_cpus(root), 1,
           "so has the first of all, which a container sees as its own");

    put("sys/fs/cgroup/cpu.max", "100000 0\n");
    is_int(wr_settings_cpus(root), all, "a period of nothing is no quota");

    put("proc/self/cgroup", "0::a\nnonsense\n\n:\n0:\n");
    is_int(wr_settings_cpus(root), all, "lines of another form are left out");
}


static void
test_version_1(int all)
{
    put("proc/self/cgroup", "12:memory:/m\n4:cpuset,cpu,cpuacct:/c\n"
        "1:name=systemd:/c\n");
    put("sys/fs/cgroup/cpuset,cpu,cpuacct/c/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpuset,cpu,cpuacct/c/cpu.cfs_period_us", "100000\n");
    is_int(wr_settings_cpus(root), all, "-1 is no quota in version 1");

    put("sys/fs/cgroup/cpuset,cpu,cpuacct/c/cpu.cfs_quota_us", "150000\n");
    is_int(wr_settings_cpus(root), 1, "a quota of version 1 counts");

    put("sys/fs/cgroup/memory/m/cpu.cfs_quota_us", "1\n");
    put("sys/fs/cgroup/cpuset,cpu,cpuacct/c/cpu.cfs_quota_us", "-1\n");
    put("proc/self/cgroup", "12:memory:/m\n4:cpuset:/c\n");
    is_int(wr_settings_cpus(root), all, "that of another controller does not");
}


/* A file below root, with its folders. */
static void
put(const char *path, const char *text)
{
    char   full[PATH_SIZE], *slash;
    FILE  *file;

    snprintf(full, sizeof(full), "%s/%s", root, path);

    for (slash = strchr(full + sizeof(root), '/'); slash != NULL;
         slash = strchr(slash + 1, '/'))
    {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }

    file = fopen(full, "w");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        printf("Bail out! %s cannot be written\n", full);
        exit(1);
    }
}
