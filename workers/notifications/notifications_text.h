/*
 * Copyright (C) the Warren authors
 *
 * The templates that come with the program.
 */

#ifndef NOTIFICATIONS_TEXT_H
#define NOTIFICATIONS_TEXT_H


#include "notifications_template.h"


struct notifications_text_reason {
    const char  *reason;        /* NULL: any other */
    const char  *language;
    const char  *text;
};


/* Ends with a kind of NULL. */
extern const struct notifications_template  notifications_text[];

/* Ends with a reason of NULL in NOTIFICATIONS_LANGUAGE. */
extern const struct notifications_text_reason  notifications_text_reasons[];


#endif /* NOTIFICATIONS_TEXT_H */
