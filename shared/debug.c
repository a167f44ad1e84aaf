/*
 * Copyright (C) the Warren authors
 *
 * Steps at which a lane kills itself.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "debug.h"
#include "log.h"


/* Of a count, and of the other side of a chance. */
#define NUMBER_MAX   1000000000

#define ERROR_SIZE   1024


/* when to die at a step; the last is for any of them */

struct wish {
    long  count;            /* at this time that it is reached; 0: not */
    long  chance;           /* one in so many; 0: none */
    long  reached;
};


static int wish_read(char *text, struct wish *all);
static int number_read(const char *text, long *number_r);
static int step_find(const char *name);
static int refuse_step(const char *name);
static bool is_fulfilled(struct wish *wish);
static uint64_t next_random(void);


static const char *const  names[WR_DEBUG_STEP_COUNT + 1] = {
#define X(name, help)  [WR_DEBUG_##name] = #name,
    WR_DEBUG_STEPS(X)
#undef X
    [WR_DEBUG_STEP_COUNT] = "any"
};


bool  wr_debug_is_armed;

static struct wish  wishes[WR_DEBUG_STEP_COUNT + 1];
static uint64_t     seed;
static char         error_text[ERROR_SIZE];


int
wr_debug_init(const char **error_r)
{
    int          rc;
    long         number;
    char        *copy, *word, *save;
    const char  *wanted, *given;

    *error_r = error_text;
    wanted = getenv(WR_DEBUG_KILL);
    given = getenv(WR_DEBUG_SEED);

    if (wanted == NULL || wanted[0] == '\0') {
        return 0;
    }

    seed = (uint64_t) wr_clock_us() % NUMBER_MAX;

    if (given != NULL) {
        if (number_read(given, &number) != 0) {
            snprintf(error_text, ERROR_SIZE, WR_DEBUG_SEED
                     ": \"%.100s\" is no number of 1 to %d", given,
                     NUMBER_MAX);
            return -1;
        }

        seed = (uint64_t) number;
    }

    copy = strdup(wanted);
    rc = (copy != NULL) ? 0 : -1;

    for (word = (rc == 0) ? strtok_r(copy, ",", &save) : NULL;
         word != NULL && rc == 0; word = strtok_r(NULL, ",", &save))
    {
        rc = wish_read(word, wishes);
    }

    free(copy);
    wr_debug_is_armed = (rc == 0);

    if (rc == 0) {
        wr_log_warn(NULL, WR_DEBUG_KILL " is set: lanes kill themselves at "
                    "%s, seed %" PRIu64, wanted, seed);
    }

    return rc;
}


/* "after_take:3" or "after_take:1/50" */

static int
wish_read(char *text, struct wish *all)
{
    int    step;
    char  *colon;

    colon = strchr(text, ':');

    if (colon == NULL) {
        snprintf(error_text, ERROR_SIZE, WR_DEBUG_KILL ": \"%.100s\" is not "
                 "STEP:COUNT or STEP:1/CHANCE", text);
        return -1;
    }

    *colon++ = '\0';
    step = step_find(text);

    if (step == -1) {
        return refuse_step(text);
    }

    if ((strncmp(colon, "1/", 2) == 0)
        ? number_read(colon + 2, &all[step].chance) == 0
        : number_read(colon, &all[step].count) == 0)
    {
        return 0;
    }

    snprintf(error_text, ERROR_SIZE, WR_DEBUG_KILL ": \"%.100s\" of %s is "
             "neither a count nor 1/CHANCE, of 1 to %d", colon, text,
             NUMBER_MAX);

    return -1;
}


static int
number_read(const char *text, long *number_r)
{
    char  *end;
    long   number;

    errno = 0;
    number = strtol(text, &end, 10);

    if (errno != 0 || end == text || *end != '\0' || number < 1
        || number > NUMBER_MAX)
    {
        return -1;
    }

    *number_r = number;

    return 0;
}


static int
step_find(const char *name)
{
    int  i;

    for (i = 0; i <= WR_DEBUG_STEP_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }

    return -1;
}


static int
refuse_step(const char *name)
{
    int     i;
    size_t  len;

    len = (size_t) snprintf(error_text, ERROR_SIZE, WR_DEBUG_KILL
                            ": there is no step \"%.100s\"; there are:", name);

    for (i = 0; i <= WR_DEBUG_STEP_COUNT && len < ERROR_SIZE; i++) {
        len += (size_t) snprintf(error_text + len, ERROR_SIZE - len, " %s",
                                 names[i]);
    }

    return -1;
}


void
wr_debug_start(int lane, unsigned life)
{
    /* lives that are neighbours shall have nothing in common */

    seed = (seed << 32) ^ ((uint64_t) lane << 24) ^ life;
    (void) next_random();
}


void
wr_debug_reached(enum wr_debug_step step)
{
    bool  is_own, is_any;

    /* both count on, whatever the other says */

    is_own = is_fulfilled(&wishes[step]);
    is_any = is_fulfilled(&wishes[WR_DEBUG_STEP_COUNT]);

    if (!is_own && !is_any) {
        return;
    }

    wr_log_warn(NULL, "debug: killed at %s", names[step]);
    kill(getpid(), SIGKILL);

    for ( ;; ) {
        pause();
    }
}


static bool
is_fulfilled(struct wish *wish)
{
    wish->reached++;

    return wish->reached == wish->count
           || (wish->chance != 0
               && next_random() % (uint64_t) wish->chance == 0);
}


/* splitmix64 */

static uint64_t
next_random(void)
{
    uint64_t  z;

    seed += UINT64_C(0x9E3779B97F4A7C15);
    z = seed;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);

    return z ^ (z >> 31);
}
