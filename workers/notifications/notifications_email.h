/*
 * Copyright (C) the Warren authors
 *
 * The channel for e-mail: what is sent there, and how it is sent on.
 */

#ifndef NOTIFICATIONS_EMAIL_H
#define NOTIFICATIONS_EMAIL_H


#include <stdbool.h>


struct notifications_recipient;
struct notifications_value;
struct wr_request;


/* an e-mail on its way to the channel */

struct notifications_email {
    const char                            *id;      /* of the notification */
    const char                            *kind;
    const struct notifications_recipient  *to;
    const struct notifications_value      *values;
};


/* Queues it, if this service sends e-mail at all and the kind has a template
   for it.  Returns whether it did. */
bool notifications_email_queue(struct wr_request *req,
    const struct notifications_email *email);


#endif /* NOTIFICATIONS_EMAIL_H */
