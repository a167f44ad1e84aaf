/*
 * Copyright (C) the Warren authors
 *
 * A tool of tests: a lane that kills itself at a step with a name, as if the
 * machine had chosen that moment.  Not asked for, a step is one untaken branch.
 */

#ifndef WARREN_DEBUG_H
#define WARREN_DEBUG_H


#include <stdbool.h>


/* What is asked for: "after_take:3", "before_commit:1/50,any:1/900". */
#define WR_DEBUG_KILL  "WARREN_DEBUG_KILL"

/* The number that chances are made of; told in the log if it is not set. */
#define WR_DEBUG_SEED  "WARREN_DEBUG_SEED"


/* steps: name, and what has just happened or is about to */

#define WR_DEBUG_STEPS(X)                                                     \
    X(before_consume, "connected, and nothing was asked for yet")             \
    X(after_take, "a batch was taken from what has arrived")                  \
    X(after_ask, "questions to other services were sent")                     \
    X(after_gather, "questions are answered, or were none")                   \
    X(after_inbox, "the inbox has said what is new; a transaction is open")   \
    X(before_commit, "handlers have written, commit is not sent")             \
    X(after_send, "statements were sent, commit among them; no answer read")  \
    X(after_commit, "the commit was answered")                                \
    X(before_reply, "a reply is about to be sent")                            \
    X(after_reply, "replies were sent, their messages are not acknowledged")  \
    X(after_ack, "acknowledgements were sent")                                \
    X(before_publish, "an event or command is about to leave the outbox")     \
    X(after_publish, "events were sent, and are not confirmed")               \
    X(after_confirm, "an event is confirmed, its row is there")               \
    X(before_delete, "confirmed rows are about to be deleted alone")          \
    X(after_sweep, "rows of another life were taken over, not published")     \
    X(before_rung, "messages that failed are about to go to a rung")          \
    X(after_rung, "they are on the rung, and not acknowledged")               \
    X(after_dead, "dead letters are stored, and not acknowledged")            \
    X(after_strike, "a suspect's crash was counted in advance")               \
    X(draining, "told to stop")

enum wr_debug_step {
#define X(name, help)  WR_DEBUG_##name,
    WR_DEBUG_STEPS(X)
#undef X
    WR_DEBUG_STEP_COUNT
};


/* For wr_debug_step() alone. */
extern bool wr_debug_is_armed;


/*
 * Reads what the environment asks for, in the supervisor before the first
 * fork.  Returns 0, or -1 with the reason, which lives until the next call;
 * unknown steps are refused with the list of those there are.
 */
int wr_debug_init(const char **error_r);

/* In a lane: its chances follow from the seed, its number, and how often it
   was started before. */
void wr_debug_start(int lane, unsigned life);

/* Does not return if the lane is to die here. */
void wr_debug_reached(enum wr_debug_step step);


static inline void
wr_debug_step(enum wr_debug_step step)
{
    if (wr_debug_is_armed) {
        wr_debug_reached(step);
    }
}


#endif /* WARREN_DEBUG_H */
