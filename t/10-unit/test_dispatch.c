/*
 * Copyright (C) the Warren authors
 *
 * The table of outcomes, and the classes of the database's failures.
 */

#include "db.h"
#include "dispatch.h"
#include "tap.h"


static void calls(void);
static void others(void);
static void classes(void);


int
main(void)
{
    calls();
    others();
    classes();

    return done();
}


static void
calls(void)
{
    int                     i;
    const struct wr_rule   *rule;

    for (i = WR_DONE; i <= (int) WR_BROKEN; i++) {
        rule = wr_dispatch_rule((enum wr_outcome) i, WR_CALL);
        ok(rule->is_replied && rule->settlement == WR_SETTLE_ACK,
           "a call that is %s is answered and never waits on a rung",
           wr_dispatch_name((enum wr_outcome) i));
    }

    is_int(wr_dispatch_rule(WR_REFUSED, WR_CALL)->commit, WR_COMMIT_INBOX,
           "of a refused call the refusal alone is committed");
    is_int(wr_dispatch_rule(WR_RETRY, WR_CALL)->error,
           WIRE_ERROR_UNAVAILABLE, "retry says that nothing has happened");
    is_int(wr_dispatch_rule(WR_UNCERTAIN, WR_CALL)->error,
           WIRE_ERROR_INTERRUPTED, "uncertain says that it may have");
}


static void
others(void)
{
    is_int(wr_dispatch_rule(WR_DONE, WR_EVENT)->settlement, WR_SETTLE_ACK,
           "an event that is done is acknowledged");
    is_int(wr_dispatch_rule(WR_REFUSED, WR_COMMAND)->settlement,
           WR_SETTLE_DEAD, "a refused command is dead");
    is_int(wr_dispatch_rule(WR_REFUSED, WR_COMMAND)->commit,
           WR_COMMIT_NOTHING, "and may be sent again");
    is_int(wr_dispatch_rule(WR_RETRY, WR_EVENT)->settlement, WR_SETTLE_RUNG,
           "an event to be retried waits on a rung");
    is_int(wr_dispatch_rule((enum wr_outcome) 77, WR_EVENT)->settlement,
           WR_SETTLE_DEAD, "an outcome that is none is a failure for good");
}


static void
classes(void)
{
    is_int(wr_db_class("40P01"), WR_DB_RETRYABLE, "a deadlock may go well");
    is_int(wr_db_class("57014"), WR_DB_RETRYABLE, "so may a timeout");
    is_int(wr_db_class("53300"), WR_DB_RETRYABLE, "and a shortage");
    is_int(wr_db_class("23505"), WR_DB_PERMANENT, "a doubled key does not");
    is_int(wr_db_class("22P02"), WR_DB_PERMANENT, "nor does a bad text");
}
