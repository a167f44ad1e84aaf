/*
 * Copyright (C) the Warren authors
 *
 * Hands e-mails to an SMTP server.
 */

#ifndef NOTIFICATIONS_SMTP_H
#define NOTIFICATIONS_SMTP_H


#include <stddef.h>


struct notifications_smtp;
struct wr_settings;


/* what became of an e-mail */

enum notifications_smtp_result {
    NOTIFICATIONS_SMTP_SENT = 0,    /* the server has it */
    NOTIFICATIONS_SMTP_LATER,       /* later may work; it may have been sent */
    NOTIFICATIONS_SMTP_BOUNCED      /* this one never will */
};


/* By the settings smtp.*.  Nothing is connected yet.  Returns NULL and the
   reason if one of them is wrong. */
struct notifications_smtp *notifications_smtp_new(
    const struct wr_settings *settings, const char **error_r);

/* Frees it, and sets it to NULL. */
void notifications_smtp_free(struct notifications_smtp **smtp);

/*
 * Blocks for smtp.timeout at most.  The connection stays open for the next one.
 * reason_r is what the server or the library says, without an address that was
 * not in it; until the next call.
 */
enum notifications_smtp_result notifications_smtp_send(
    struct notifications_smtp *smtp, const char *from, const char *to,
    const char *text, size_t len, const char **reason_r);


#endif /* NOTIFICATIONS_SMTP_H */
