/*
 * Copyright (C) the Warren authors
 *
 * All SQL of notifications.
 */

#ifndef NOTIFICATIONS_STORE_H
#define NOTIFICATIONS_STORE_H


struct notification;
struct notifications_recipient;
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

/* Columns of a webhook's row. */
enum notifications_store_webhook_column {
    NOTIFICATIONS_STORE_WEBHOOK_URL = 0,
    NOTIFICATIONS_STORE_WEBHOOK_CREATED,
    NOTIFICATIONS_STORE_WEBHOOK_FAILING,        /* since; may be null */
    NOTIFICATIONS_STORE_WEBHOOK_DISABLED        /* when; may be null */
};

/* The same as deliveries see it. */
enum notifications_store_delivery_column {
    NOTIFICATIONS_STORE_DELIVERY_FAILING = 0,   /* whether it fails */
    NOTIFICATIONS_STORE_DELIVERY_LONG           /* and has for long */
};


/* Stores a notification, unless its event has told the person already. */
void notifications_store_insert(struct wr_tx *tx,
    const struct notification *notification);

/* At most count notifications of a person that are older than the one before,
   the newest first. */
struct wr_rows *notifications_store_page(struct wr_tx *tx,
    const char *user_id, const char *before, const char *count);

/* At most count that are younger than the one after, the oldest first. */
struct wr_rows *notifications_store_since(struct wr_tx *tx,
    const char *user_id, const char *after, const char *count);

/* The person has read it; no row is affected if it is not there, or not
   theirs. */
struct wr_rows *notifications_store_read(struct wr_tx *tx,
    const char *user_id, const char *id);

/* Keeps what is known of a person, unless something younger is known. */
void notifications_store_recipient(struct wr_tx *tx,
    const struct notifications_recipient *recipient, const char *version);

/* What is known of a person who is to be told a kind, for
   notifications_store_recipient_read(): of who is not known the language is
   NOTIFICATIONS_LANGUAGE. */
struct wr_rows *notifications_store_find(struct wr_tx *tx,
    const char *user_id, const char *kind);
void notifications_store_recipient_read(struct wr_rows *rows,
    const char *user_id, struct notifications_recipient *recipient_r);

/* Notes that an e-mail to this address never will arrive. */
void notifications_store_bounce(struct wr_tx *tx, const char *email,
    const char *reason);

/* What a person does not want, as one row: words "group.channel" with blanks
   between, or null. */
struct wr_rows *notifications_store_mutes(struct wr_tx *tx,
    const char *user_id);

/* They want everything; and everything but this. */
void notifications_store_unmute(struct wr_tx *tx, const char *user_id);
void notifications_store_mute(struct wr_tx *tx, const char *user_id,
    const char *group, const char *channel);

/* A person's webhook; makes or replaces it; deletes it: no row is affected if
   there is none. */
struct wr_rows *notifications_store_webhook(struct wr_tx *tx,
    const char *user_id);
void notifications_store_webhook_put(struct wr_tx *tx, const char *user_id,
    const char *url, const char *salt, const char *created_at);
struct wr_rows *notifications_store_webhook_delete(struct wr_tx *tx,
    const char *user_id);

/* No row if it is disabled, or was replaced: then the salt is another. */
struct wr_rows *notifications_store_delivery(struct wr_tx *tx,
    const char *user_id, const char *salt, const char *disable_after);

/* It works; it fails, and has since then at least; it is disabled, unless it is
   already: then no row is affected. */
void notifications_store_webhook_works(struct wr_tx *tx, const char *user_id,
    const char *salt);
void notifications_store_webhook_fails(struct wr_tx *tx, const char *user_id,
    const char *salt, const char *since);
struct wr_rows *notifications_store_webhook_disable(struct wr_tx *tx,
    const char *user_id, const char *salt);


#endif /* NOTIFICATIONS_STORE_H */
