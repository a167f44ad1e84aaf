/*
 * Copyright (C) the Warren authors
 *
 * An e-mail as it goes over the wire (RFC 5322, MIME).
 */

#ifndef NOTIFICATIONS_MAIL_H
#define NOTIFICATIONS_MAIL_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct wr_arena;


struct notifications_mail {
    const char  *id;            /* the same each time that it is sent */
    const char  *from;          /* addresses, without a name */
    const char  *to;
    const char  *language;
    const char  *subject;       /* UTF-8; control characters become blanks */
    const char  *text;          /* UTF-8, lines end with \n */
    int64_t      date_ms;       /* wall time */
};


/* Whether the text is an address that can be written into a header and a
   command as it is: of ASCII, with one "@" and something on either side of
   it. */
bool notifications_mail_is_address(const char *text);

/* Owned by the arena. */
const char *notifications_mail_text(struct wr_arena *arena,
    const struct notifications_mail *mail, size_t *len_r);


#endif /* NOTIFICATIONS_MAIL_H */
