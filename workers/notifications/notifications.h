/*
 * Copyright (C) the Warren authors
 *
 * The use cases of notifications, and what a notification is.
 */

#ifndef NOTIFICATIONS_H
#define NOTIFICATIONS_H


#include "clock.h"
#include "warren.h"


#define NOTIFICATIONS_INAPP         "inapp"
#define NOTIFICATIONS_EMAIL         "email"
#define NOTIFICATIONS_WEBHOOK       "webhook"

/* a kind that no event has */
#define NOTIFICATIONS_WEBHOOK_DISABLED  "webhook.disabled"

/* bounds of what other services announce */
#define NOTIFICATIONS_NAME_MAX      200     /* bytes, as in users */
#define NOTIFICATIONS_EMAIL_MAX     254
#define NOTIFICATIONS_LANGUAGE_MAX  8
#define NOTIFICATIONS_REASON_MAX    64
#define NOTIFICATIONS_KIND_MAX      64
#define NOTIFICATIONS_LINK_MAX      1024
#define NOTIFICATIONS_URL_MAX       2000
#define NOTIFICATIONS_SALT_MAX      64
#define NOTIFICATIONS_CENTS_MAX     9007199254740991


struct notification {
    char         id[WR_UUID_SIZE];
    char         created_at[WR_CLOCK_TEXT_SIZE];
    const char  *user_id;
    const char  *event_id;      /* one event tells a person one thing */
    const char  *kind;          /* the event's type */
    const char  *title;
    const char  *body;
    const char  *data;          /* a JSON object, for programs */
    const char  *read_at;       /* NULL: not yet */
};


struct notifications_tables {
    const struct wr_key_table  *recipients;
};

extern const struct notifications_tables  notifications_tables;


/* user.registered, user.updated: keeps where and how a person is reached,
   whichever order they come in; the first greets the person, too. */
enum wr_outcome notifications_recipient_gather(struct wr_request *req);
void notifications_recipient_keys(struct wr_request *req);
enum wr_outcome notifications_recipient_on_registered(struct wr_request *req);
enum wr_outcome notifications_recipient_on_updated(struct wr_request *req);

/* What happened to an order or its payment: tells the person, in their
   language. */
enum wr_outcome notifications_event_gather(struct wr_request *req);
void notifications_event_load(struct wr_request *req);
enum wr_outcome notifications_event(struct wr_request *req);

/* list_notifications: a page of what a person should see, the newest first;
   "limit" and "cursor". */
enum wr_outcome notifications_list_gather(struct wr_request *req);
void notifications_list_load(struct wr_request *req);
enum wr_outcome notifications_list(struct wr_request *req);

/* list_since: what came after the one that "since" names, the oldest first. */
enum wr_outcome notifications_since_gather(struct wr_request *req);
void notifications_since_load(struct wr_request *req);
enum wr_outcome notifications_since(struct wr_request *req);

/* mark_read: the person has seen the one that "id" names. */
enum wr_outcome notifications_read_gather(struct wr_request *req);
enum wr_outcome notifications_read(struct wr_request *req);

/* send_message: sends a person an e-mail about their account. */
enum wr_outcome notifications_message_gather(struct wr_request *req);
enum wr_outcome notifications_message(struct wr_request *req);

/* The channel for e-mail: hands messages to the SMTP server. */
enum wr_outcome notifications_email_gather(struct wr_request *req);
enum wr_outcome notifications_email(struct wr_request *req);

/* get_preferences, set_preferences: what a person wants to be told, on which
   channel. */
enum wr_outcome notifications_preference_gather(struct wr_request *req);
void notifications_preference_load(struct wr_request *req);
enum wr_outcome notifications_preference(struct wr_request *req);
enum wr_outcome notifications_preference_put_gather(struct wr_request *req);
enum wr_outcome notifications_preference_put(struct wr_request *req);

/* get_webhook, put_webhook, delete_webhook: where it is posted to. */
enum wr_outcome notifications_webhook_gather(struct wr_request *req);
void notifications_webhook_load(struct wr_request *req);
enum wr_outcome notifications_webhook(struct wr_request *req);
enum wr_outcome notifications_webhook_put_gather(struct wr_request *req);
enum wr_outcome notifications_webhook_put(struct wr_request *req);
enum wr_outcome notifications_webhook_delete(struct wr_request *req);

/* The channel for webhooks: posts messages to their receivers. */
enum wr_outcome notifications_deliver_gather(struct wr_request *req);
void notifications_deliver_load(struct wr_request *req);
enum wr_outcome notifications_deliver(struct wr_request *req);


#endif /* NOTIFICATIONS_H */
