/*
 * Copyright (C) the Warren authors
 *
 * What became of a message so far: when it was sent first, and each failure.
 *
 * It travels with the message, in a header, over the rungs and from a dead
 * letter back to its service; while an event in order is tried again where it
 * stands, its lane keeps it.  A message that acts leaves nothing behind.
 */

#ifndef WARREN_HISTORY_H
#define WARREN_HISTORY_H


struct wr_request;


/* Failures kept; beyond, the first one and the last of them are. */
#define WR_HISTORY_MAX  32

/* Bytes of a reason that are kept. */
#define WR_HISTORY_REASON_MAX  200


struct wr_history {
    const char  *first_at;      /* in UTC, with milliseconds */
    const char  *failures;      /* a JSON array: [{at, attempt, reason}, …] */
};


/*
 * The history with this failure.  What the message brings counts if it was the
 * service itself who sent it; another sender may say what it likes.  The texts
 * live as long as the message.
 */
void wr_history_read(struct wr_request *req, struct wr_history *history_r);

/* As the header's text.  A retry that counts as no attempt is no failure. */
const char *wr_history_header(struct wr_request *req);


#endif /* WARREN_HISTORY_H */
