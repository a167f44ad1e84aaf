/*
 * Copyright (C) the Warren authors
 *
 * Webhooks go to the public internet, and nowhere else.
 */

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "notifications_address.h"
#include "tap.h"


static bool is_public(const char *text);


static const char *const  special[] = {
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1",
    "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8",
    "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "fc00::1", "fdff::1",
    "fe80::1", "fec0::1", "ff02::1", "2001::1", "2001:10::1", "2001:20::1",
    "2001:1ff::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "5f00::1",
    "4000::1"
};

static const char *const  ordinary[] = {
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255",
    "100.128.0.1", "126.0.0.1", "128.0.0.1", "169.253.0.1", "172.15.0.1",
    "172.32.0.1", "192.0.1.1", "192.167.0.1", "192.169.0.1", "198.17.0.1",
    "198.20.0.1", "223.255.255.255",
    "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111",
    "2a00:1450::1", "3ffe::1"
};


int
main(void)
{
    size_t           i;
    struct sockaddr  address;

    for (i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        ok(!is_public(special[i]), "%s is not public", special[i]);
    }

    for (i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
        ok(is_public(ordinary[i]), "%s is", ordinary[i]);
    }

    memset(&address, 0, sizeof(address));
    address.sa_family = AF_UNIX;
    ok(!notifications_address_is_public(&address),
       "another family is not public");

    return done();
}


static bool
is_public(const char *text)
{
    struct sockaddr_in       in;
    struct sockaddr_in6      in6;
    struct sockaddr_storage  storage;

    memset(&in, 0, sizeof(in));
    memset(&in6, 0, sizeof(in6));
    memset(&storage, 0, sizeof(storage));

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        in.sin_family = AF_INET;
        memcpy(&storage, &in, sizeof(in));

    } else {
        ok(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1,
           "%s is an address", text);
        in6.sin6_family = AF_INET6;
        memcpy(&storage, &in6, sizeof(in6));
    }

    return notifications_address_is_public((struct sockaddr *) &storage);
}
