/*
 * Copyright (C) the Warren authors
 *
 * Tells a person something, on each channel where they want it.
 */

#ifndef NOTIFICATIONS_SEND_H
#define NOTIFICATIONS_SEND_H


struct notification;
struct notifications_recipient;
struct notifications_value;
struct wr_request;


/* Fills in id, time, event and kind from the event at hand; all else is 0. */
void notifications_send_begin(struct wr_request *req,
    struct notification *notification);

/* Fills in title and body by the templates, and sends it.  The values outlive
   the call alone. */
void notifications_send(struct wr_request *req,
    struct notification *notification,
    const struct notifications_recipient *recipient,
    const struct notifications_value *values);


#endif /* NOTIFICATIONS_SEND_H */
