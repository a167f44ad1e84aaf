/*
 * Copyright (C) the Warren authors
 *
 * From outcomes to deeds.
 *
 * A call never waits on a rung: its caller has a deadline.  What was refused
 * or has failed for good is never tried again by itself.
 */

#include "dispatch.h"


static const struct {
    const char      *name;
    struct wr_rule   call;
    struct wr_rule   other;     /* commands and events */
} rules[] = {
    [WR_DONE] = { "done",
        { WR_COMMIT_ALL,     true,  WIRE_ERROR_INTERNAL,    WR_SETTLE_ACK },
        { WR_COMMIT_ALL,     false, WIRE_ERROR_INTERNAL,    WR_SETTLE_ACK } },
    [WR_REFUSED] = { "refused",
        { WR_COMMIT_INBOX,   true,  WIRE_ERROR_INVALID,     WR_SETTLE_ACK },
        { WR_COMMIT_NOTHING, false, WIRE_ERROR_INVALID,     WR_SETTLE_DEAD } },
    [WR_RETRY] = { "retry",
        { WR_COMMIT_NOTHING, true,  WIRE_ERROR_UNAVAILABLE, WR_SETTLE_ACK },
        { WR_COMMIT_NOTHING, false, WIRE_ERROR_UNAVAILABLE, WR_SETTLE_RUNG } },
    [WR_UNCERTAIN] = { "uncertain",
        { WR_COMMIT_NOTHING, true,  WIRE_ERROR_INTERRUPTED, WR_SETTLE_ACK },
        { WR_COMMIT_NOTHING, false, WIRE_ERROR_INTERRUPTED, WR_SETTLE_RUNG } },
    [WR_BROKEN] = { "broken",
        { WR_COMMIT_NOTHING, true,  WIRE_ERROR_INTERNAL,    WR_SETTLE_ACK },
        { WR_COMMIT_NOTHING, false, WIRE_ERROR_INTERNAL,    WR_SETTLE_DEAD } }
};


const struct wr_rule *
wr_dispatch_rule(enum wr_outcome outcome, enum wr_kind kind)
{
    /* a handler may return anything */

    if ((unsigned) outcome > WR_BROKEN) {
        outcome = WR_BROKEN;
    }

    return (kind == WR_CALL) ? &rules[outcome].call : &rules[outcome].other;
}


const char *
wr_dispatch_name(enum wr_outcome outcome)
{
    return rules[(unsigned) outcome > WR_BROKEN ? WR_BROKEN : outcome].name;
}
