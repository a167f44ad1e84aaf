/*
 * Copyright (C) the Warren authors
 *
 * The channel for webhooks: what is sent there, and how it is posted.
 */

#ifndef NOTIFICATIONS_DELIVER_H
#define NOTIFICATIONS_DELIVER_H


struct notification;
struct notifications_recipient;
struct wr_request;


/* Queues it, if this service posts to webhooks at all and the recipient has
   one. */
void notifications_deliver_queue(struct wr_request *req,
    const struct notification *notification,
    const struct notifications_recipient *recipient);


#endif /* NOTIFICATIONS_DELIVER_H */
