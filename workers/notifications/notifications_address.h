/*
 * Copyright (C) the Warren authors
 *
 * Addresses that a stranger may make this machine speak to.
 */

#ifndef NOTIFICATIONS_ADDRESS_H
#define NOTIFICATIONS_ADDRESS_H


#include <stdbool.h>


struct sockaddr;


/*
 * Whether it is an address of the public internet, of one host.  Addresses of
 * private networks, of this host, of links, groups, documentation and tests are
 * not, and neither are those of IPv6 that stand for one of IPv4.
 */
bool notifications_address_is_public(const struct sockaddr *address);


#endif /* NOTIFICATIONS_ADDRESS_H */
