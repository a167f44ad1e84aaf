/*
 * Copyright (C) the Warren authors
 *
 * The use cases of notifications, and what a notification is.
 */

#ifndef NOTIFICATIONS_H
#define NOTIFICATIONS_H


#include "clock.h"
#include "warren.h"


struct notification {
    char         id[WR_UUID_SIZE];
    char         created_at[WR_CLOCK_TEXT_SIZE];
    const char  *user_id;
    const char  *event_id;      /* one event tells a person one thing */
    const char  *kind;          /* the event's type */
    const char  *title;
    const char  *body;
    const char  *data;          /* a JSON object, for programs */
};


/* user.registered: greets the person. */
enum wr_outcome notifications_on_user_registered(struct wr_request *req);

/* order.placed: tells the person that the order was placed. */
enum wr_outcome notifications_on_order_placed(struct wr_request *req);

/* list_notifications: a page of what a person should see, the newest first;
   "limit" and "cursor". */
enum wr_outcome notifications_list_gather(struct wr_request *req);
void notifications_list_load(struct wr_request *req);
enum wr_outcome notifications_list(struct wr_request *req);


#endif /* NOTIFICATIONS_H */
