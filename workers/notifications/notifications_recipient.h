/*
 * Copyright (C) the Warren authors
 *
 * A person, as notifications knows them.
 */

#ifndef NOTIFICATIONS_RECIPIENT_H
#define NOTIFICATIONS_RECIPIENT_H


#include <stdbool.h>


struct notifications_recipient {
    const char  *user_id;
    const char  *email;         /* NULL: not known */
    const char  *name;          /* NULL: not known */
    const char  *language;
    bool         is_verified;   /* the address is the person's */
    bool         has_bounced;   /* nothing got there of late */
    const char  *unwanted;      /* channels of this kind, blanks between */
    const char  *url;           /* of the webhook; NULL: there is none */
    const char  *salt;          /* of its secret */
};


#endif /* NOTIFICATIONS_RECIPIENT_H */
