/*
 * Copyright (C) the Warren authors
 *
 * Makes a broker have a topology.
 */

#ifndef WARREN_TOPOLOGY_APPLY_H
#define WARREN_TOPOLOGY_APPLY_H


#include <jansson.h>


struct management;


enum topology_mode {
    TOPOLOGY_MAKE,
    TOPOLOGY_PLAN,          /* tell what would be made, and make nothing */
    TOPOLOGY_CHECK          /* nor tell it */
};

/* Exit status of a plan or check: there is something to make. */
#define TOPOLOGY_CHANGES  3


/*
 * Makes what is missing in vhost, and the vhost; tells each thing it makes on
 * standard output.  accounts is an object of user names and passwords: these
 * users are made, or given this password.  All else of a user but his rights in
 * this vhost is let be.
 *
 * Looks at everything before it makes anything.  An object that is there with
 * other arguments is told with both values, and then nothing is made.  Nothing
 * is ever deleted.  A policy that is there is an operator's.
 *
 * Returns the exit status, 0, 1 or TOPOLOGY_CHANGES; what is wrong was told on
 * standard error.
 */
int topology_apply(struct management *management, const char *vhost,
    const json_t *topology, const json_t *accounts, enum topology_mode mode);


#endif /* WARREN_TOPOLOGY_APPLY_H */
