/*
 * Copyright (C) the Warren authors
 *
 * What a lane of notifications makes once.
 */

#ifndef NOTIFICATIONS_INIT_H
#define NOTIFICATIONS_INIT_H


#include <stdint.h>


struct notifications_http;
struct notifications_smtp;
struct wr_settings;


struct notifications_state {
    struct notifications_smtp  *smtp;       /* NULL: no e-mail is sent */
    const char                 *from;       /* of e-mails */
    int64_t                     link_ms;    /* e-mails with a link live on */

    struct notifications_http  *http;       /* NULL: there are no webhooks */
    const char                 *key;        /* their secrets are made of it */
    int64_t                     retry_ms;
    const char                 *disable_after;      /* an interval */
};


/* A wr_service's .init; the state is a struct notifications_state. */
int notifications_init(const struct wr_settings *settings, void **state_r,
    const char **error_r);


#endif /* NOTIFICATIONS_INIT_H */
