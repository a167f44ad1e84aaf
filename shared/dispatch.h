/*
 * Copyright (C) the Warren authors
 *
 * From outcomes to deeds: the one table that says what is committed, replied
 * and settled.
 */

#ifndef WARREN_DISPATCH_H
#define WARREN_DISPATCH_H


#include "request.h"
#include "service.h"


/* The runtime's own outcome beside the handlers': the message failed for good,
   and not by the domain's word. */
#define WR_BROKEN  ((enum wr_outcome) (WR_UNCERTAIN + 1))


enum wr_commit {
    WR_COMMIT_ALL = 0,
    WR_COMMIT_INBOX,        /* the inbox row with the reply, nothing else */
    WR_COMMIT_NOTHING
};

enum wr_settlement {
    WR_SETTLE_ACK = 0,
    WR_SETTLE_RUNG,         /* to a rung, then ack */
    WR_SETTLE_DEAD          /* into dead_letter, then ack */
};

struct wr_rule {
    enum wr_commit      commit;
    bool                is_replied;     /* a handler's reply, or the error's */
    enum wire_error     error;          /* if the handler made no reply */
    enum wr_settlement  settlement;
};


/* The rule for an outcome of a kind of message; never NULL. */
const struct wr_rule *wr_dispatch_rule(enum wr_outcome outcome,
    enum wr_kind kind);

/* "done", "refused" … for logs */
const char *wr_dispatch_name(enum wr_outcome outcome);


#endif /* WARREN_DISPATCH_H */
