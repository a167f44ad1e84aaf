/*
 * Copyright (C) the Warren authors
 *
 * Attempts to guess a password: each pair of account and client's address is
 * counted by itself, so that nobody is locked out by others.
 */

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "users.h"
#include "users_store.h"
#include "users_throttle.h"


/* of an address of IPv6 that counts, in bytes */
#define NETWORK_SIZE  8

/* in hexadecimal, with the terminating zero */
#define ADDRESS_SIZE  33


static bool read_address(const char *text, struct in6_addr *address_r);
static const char *lower(struct wr_request *req, const char *text);
static enum wr_outcome refuse(struct wr_request *req, int64_t seconds);


void
users_throttle_set(struct users_throttle *throttle, struct wr_request *req,
    const char *account)
{
    char              hex[ADDRESS_SIZE];
    size_t            i, len;
    const char       *text;
    struct in6_addr   address;

    text = wr_request_arg(req, "ip");
    throttle->is_on = (text != NULL && read_address(text, &address));

    if (!throttle->is_on) {
        return;
    }

    len = IN6_IS_ADDR_V4MAPPED(&address) ? sizeof(address) : NETWORK_SIZE;

    for (i = 0; i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", address.s6_addr[i]);
    }

    /* it has no blank, so that no other pair makes the same text */

    users_secret_digest(wr_arena_printf(wr_request_arena(req), "%s %s", hex,
                                        lower(req, account)),
                        throttle->key);
}


void
users_throttle_keys(struct users_throttle *throttle, struct wr_request *req)
{
    if (throttle->is_on) {
        wr_key(req, users_tables.login_failures, throttle->key);
    }
}


void
users_throttle_load(struct users_throttle *throttle, struct wr_request *req)
{
    if (throttle->is_on) {
        throttle->wait = users_store_wait(wr_request_tx(req), throttle->key);
    }
}


bool
users_throttle_begin(struct users_throttle *throttle, struct wr_request *req,
    enum wr_outcome *outcome_r)
{
    struct wr_rows      *rows;
    struct users_state  *state;

    if (!throttle->is_on) {
        return true;
    }

    if (wr_rows_count(throttle->wait) != 0) {
        *outcome_r = refuse(req, wr_rows_int(throttle->wait, 0, 0));
        return false;
    }

    /* others may have come in the same moment */

    state = wr_request_state(req);
    rows = users_store_attempt(wr_request_tx(req), throttle->key,
                               state->failures, state->times.delay,
                               state->times.delay_max);

    if (wr_rows_count(rows) == 0) {
        *outcome_r = refuse(req, 1);
        return false;
    }

    return true;
}


void
users_throttle_forgive(struct users_throttle *throttle,
    struct wr_request *req)
{
    if (throttle->is_on) {
        users_store_forgive(wr_request_tx(req), throttle->key);
    }
}


/* IPv4 as IPv6 has it: ::ffff:1.2.3.4. */

static bool
read_address(const char *text, struct in6_addr *address_r)
{
    struct in_addr  v4;

    if (inet_pton(AF_INET, text, &v4) == 1) {
        memset(address_r, 0, sizeof(*address_r));
        memset(&address_r->s6_addr[10], 0xff, 2);
        memcpy(&address_r->s6_addr[12], &v4, sizeof(v4));

        return true;
    }

    return inet_pton(AF_INET6, text, address_r) == 1;
}


/* As PostgreSQL compares addresses, which are ASCII. */

static const char *
lower(struct wr_request *req, const char *text)
{
    char  *copy, *p;

    copy = wr_arena_strdup(wr_request_arena(req), text);

    for (p = copy; *p != '\0'; p++) {
        *p = (char) tolower((unsigned char) *p);
    }

    return copy;
}


static enum wr_outcome
refuse(struct wr_request *req, int64_t seconds)
{
    enum wr_outcome  outcome;

    outcome = wr_refuse_kept(req, WIRE_ERROR_RATE_LIMITED,
                             "too many wrong passwords; try again later");
    wr_reply_header(req, "retry-after",
                    wr_arena_printf(wr_request_arena(req), "%" PRId64,
                                    seconds > 0 ? seconds : 1));
    wr_reply_header(req, "cache-control", "no-store");

    return outcome;
}
