/*
 * Copyright (C) the Warren authors
 *
 * Groups of kinds and the channels: what a person can choose between.
 */

#include <stddef.h>
#include <string.h>

#include "notifications.h"
#include "notifications_group.h"


#define ACCOUNT   "account"
#define ORDERS    "orders"
#define PAYMENTS  "payments"


const char *const  notifications_groups[] = {
    ACCOUNT, ORDERS, PAYMENTS, NULL
};

const char *const  notifications_channels[] = {
    NOTIFICATIONS_INAPP, NOTIFICATIONS_EMAIL, NOTIFICATIONS_WEBHOOK, NULL
};


const char *
notifications_group_of(const char *kind)
{
    if (strncmp(kind, "order.", 6) == 0 || strncmp(kind, "stock.", 6) == 0) {
        return ORDERS;
    }

    return strncmp(kind, "payment.", 8) == 0 ? PAYMENTS : ACCOUNT;
}


bool
notifications_group_has(const char *words, const char *word)
{
    size_t       len;
    const char  *p;

    len = strlen(word);

    for (p = words; p != NULL && *p != '\0'; p += strspn(p, " ")) {
        if (strncmp(p, word, len) == 0 && (p[len] == ' ' || p[len] == '\0')) {
            return true;
        }

        p += strcspn(p, " ");
    }

    return false;
}
