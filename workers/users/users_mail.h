/*
 * Copyright (C) the Warren authors
 *
 * Letters to people: a command of the service to itself, so that who asks for
 * one cannot tell from answer or time what it led to.
 */

#ifndef USERS_MAIL_H
#define USERS_MAIL_H


struct wr_request;


/* what a letter is about */
enum users_mail {
    /* to a new address: please open this link; or, if it has an account of
       another id: you have one already */
    USERS_MAIL_REGISTERED = 0,

    /* please open this link */
    USERS_MAIL_VERIFY,

    /* by this link you choose another password */
    USERS_MAIL_RESET,

    /* the password was changed */
    USERS_MAIL_CHANGED,

    /* somebody wants to change the address */
    USERS_MAIL_MOVING
};


/* id or email may be NULL where the other says who it is: to reset there is an
   address alone, to tell of a change an id, and to verify an id, with an
   address if it is not the account's. */
void users_mail_send(struct wr_request *req, enum users_mail what,
    const char *id, const char *email);


#endif /* USERS_MAIL_H */
