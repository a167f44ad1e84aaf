/*
 * Copyright (C) the Warren authors
 *
 * What each lane is working on, in memory that it shares with its supervisor:
 * when it has died, its next life reads there what may have killed it.
 *
 * Writing it down is a copy of two short texts; no lock, no system call.
 */

#ifndef WARREN_WORK_H
#define WARREN_WORK_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct wr_work;


/* AMQP's short strings; a longer text is cut. */
#define WR_WORK_TEXT_SIZE  256

/* How a life ended, in words, is cut to this. */
#define WR_WORK_END_SIZE   64


struct wr_work_item {
    char                        id[WR_WORK_TEXT_SIZE];      /* of a message */
    char                        home[WR_WORK_TEXT_SIZE];    /* its queue */
};


/* what a life left behind when it died */

struct wr_work_left {
    size_t                      count;
    const struct wr_work_item  *items;
    bool                        is_struck;  /* counted in advance */
    bool                        is_blamed;  /* it died of what it did */
    char                        end[WR_WORK_END_SIZE];
};


/* Memory for the lanes of one worker, of up to batch messages each; made
   before the first fork.  Never NULL: without memory the process ends. */
struct wr_work *wr_work_new(int lanes, int batch);
void wr_work_free(struct wr_work **work);

/* Makes a lane's part this process's own; the calls of a lane below go there.
   Without one they do nothing. */
void wr_work_attach(struct wr_work *work, int lane);

/* The lane works on this message, too. */
void wr_work_add(const char *id, const char *home);

/* Its one message was counted in advance, in case it kills the lane. */
void wr_work_strike(void);

/* The lane works on none of them any more; forgets what was left, too. */
void wr_work_clear(void);

/* A message was done with for good: it acted, or was set aside. */
void wr_work_done(void);

/* What the last life left; returns false if that is nothing.  Lives until
   wr_work_clear(). */
bool wr_work_left(struct wr_work_left *left_r);

/*
 * For the supervisor: a lane starts; it has ended, how, and whether that may
 * be the fault of what it did.  What an earlier life left and nobody has read
 * stays as it is.
 */
void wr_work_started(struct wr_work *work, int lane);
void wr_work_ended(struct wr_work *work, int lane, const char *how,
    bool is_blamed);

/* How many messages a lane has done with in this life. */
uint64_t wr_work_count(const struct wr_work *work, int lane);


#endif /* WARREN_WORK_H */
