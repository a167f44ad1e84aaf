/*
 * Copyright (C) the Warren authors
 *
 * Users of the broker and their passwords.
 */

#ifndef WARREN_TOPOLOGY_ACCOUNT_H
#define WARREN_TOPOLOGY_ACCOUNT_H


struct management;


/*
 * Makes a user, or gives one this password; tags are let be.  The password
 * does not leave this process: the broker is sent its salted hash.  Returns 1
 * if something was changed, 0 if all was so already, -1 and the reason.
 */
int topology_account_apply(struct management *management, const char *name,
    const char *password, const char **error_r);


#endif /* WARREN_TOPOLOGY_ACCOUNT_H */
