/*
 * Copyright (C) the Warren authors
 *
 * All SQL of notifications.
 */

#ifndef NOTIFICATIONS_STORE_H
#define NOTIFICATIONS_STORE_H


struct notification;
struct wr_rows;
struct wr_tx;


/* Columns of a notification's row. */
enum notifications_store_column {
    NOTIFICATIONS_STORE_ID = 0,
    NOTIFICATIONS_STORE_KIND,
    NOTIFICATIONS_STORE_TITLE,
    NOTIFICATIONS_STORE_BODY,
    NOTIFICATIONS_STORE_DATA,           /* a JSON object */
    NOTIFICATIONS_STORE_CREATED_AT,
    NOTIFICATIONS_STORE_READ_AT         /* may be null */
};


/* Stores a notification, unless its event has told the person already. */
void notifications_store_insert(struct wr_tx *tx,
    const struct notification *notification);

/* At most count notifications of a person that are older than the one before,
   the newest first. */
struct wr_rows *notifications_store_page(struct wr_tx *tx,
    const char *user_id, const char *before, const char *count);


#endif /* NOTIFICATIONS_STORE_H */
