/*
 * Copyright (C) the Warren authors
 *
 * Addresses that a stranger may make this machine speak to.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "notifications_address.h"


#define IP(a, b, c, d)  ((uint32_t) (a) << 24 | (b) << 16 | (c) << 8 | (d))


/* the registries of addresses for special purposes (RFC 6890 and later) */

struct range4 {
    uint32_t  first;
    unsigned  bits;
};

struct range6 {
    unsigned char  first[4];
    unsigned       bits;            /* at most 32 */
};


static bool is_public4(const struct in_addr *address);
static bool is_public6(const struct in6_addr *address);


static const struct range4  special4[] = {
    { IP(0, 0, 0, 0), 8 },          /* this network */
    { IP(10, 0, 0, 0), 8 },         /* private */
    { IP(100, 64, 0, 0), 10 },      /* carriers */
    { IP(127, 0, 0, 0), 8 },        /* this host */
    { IP(169, 254, 0, 0), 16 },     /* link, and what clouds tell there */
    { IP(172, 16, 0, 0), 12 },      /* private */
    { IP(192, 0, 0, 0), 24 },       /* protocols */
    { IP(192, 0, 2, 0), 24 },       /* documentation */
    { IP(192, 88, 99, 0), 24 },     /* relays of 6to4 */
    { IP(192, 168, 0, 0), 16 },     /* private */
    { IP(198, 18, 0, 0), 15 },      /* benchmarks */
    { IP(198, 51, 100, 0), 24 },    /* documentation */
    { IP(203, 0, 113, 0), 24 },     /* documentation */
    { IP(224, 0, 0, 0), 3 }         /* groups, reserved, broadcast */
};

/* of 2000::/3; nothing outside of it is public */

static const struct range6  special6[] = {
    { { 0x20, 0x01, 0x00, 0x00 }, 23 },     /* protocols, Teredo */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },     /* documentation */
    { { 0x20, 0x02, 0x00, 0x00 }, 16 },     /* 6to4: an address of IPv4 */
    { { 0x3f, 0xff, 0x00, 0x00 }, 20 }      /* documentation */
};


bool
notifications_address_is_public(const struct sockaddr *address)
{
    struct sockaddr_in   in;
    struct sockaddr_in6  in6;

    if (address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof(in));
        return is_public4(&in.sin_addr);
    }

    if (address->sa_family == AF_INET6) {
        memcpy(&in6, address, sizeof(in6));
        return is_public6(&in6.sin6_addr);
    }

    return false;
}


static bool
is_public4(const struct in_addr *address)
{
    size_t    i;
    uint32_t  ip;

    ip = ntohl(address->s_addr);

    for (i = 0; i < sizeof(special4) / sizeof(special4[0]); i++) {
        if ((ip ^ special4[i].first) >> (32 - special4[i].bits) == 0) {
            return false;
        }
    }

    return true;
}


static bool
is_public6(const struct in6_addr *address)
{
    size_t                i;
    uint32_t              ip, first;
    const unsigned char  *b;

    b = address->s6_addr;
    ip = IP(b[0], b[1], b[2], b[3]);

    if (ip >> 29 != 1) {
        return false;
    }

    for (i = 0; i < sizeof(special6) / sizeof(special6[0]); i++) {
        b = special6[i].first;
        first = IP(b[0], b[1], b[2], b[3]);

        if ((ip ^ first) >> (32 - special6[i].bits) == 0) {
            return false;
        }
    }

    return true;
}
