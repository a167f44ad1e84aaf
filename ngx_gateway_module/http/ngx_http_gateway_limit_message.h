/*
 * Copyright (C) the Warren authors
 *
 * What gateways tell one another of their limits: the amounts that keys of a
 * zone have spent since the last message.  Pure functions on bytes.
 *
 *     2  "WL"
 *     1  version, 1
 *     1  length of the zone's name, 1 to 64
 *    16  the node that says it
 *     n  the zone's name
 *     2  number of entries, at least 1
 *        entries: 32 SHA-256 of the key, 8 microseconds
 *
 * Numbers have their most significant byte first.  An amount is time: units
 * at the interval of the rate that they were spent at.
 */

#ifndef _NGX_HTTP_GATEWAY_LIMIT_MESSAGE_H_INCLUDED_
#define _NGX_HTTP_GATEWAY_LIMIT_MESSAGE_H_INCLUDED_


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>


#define NGX_HTTP_GATEWAY_LIMIT_MESSAGE_VERSION  1

#define NGX_HTTP_GATEWAY_LIMIT_MESSAGE_HEAD     20
#define NGX_HTTP_GATEWAY_LIMIT_MESSAGE_NODE     16
#define NGX_HTTP_GATEWAY_LIMIT_MESSAGE_NAME     64
#define NGX_HTTP_GATEWAY_LIMIT_MESSAGE_KEY      32
#define NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRY    40

/* of a message; there are several if more has changed */

#define NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRIES  1024

/* a longer message is refused */

#define NGX_HTTP_GATEWAY_LIMIT_MESSAGE_MAX                                    \
    (NGX_HTTP_GATEWAY_LIMIT_MESSAGE_HEAD                                      \
     + NGX_HTTP_GATEWAY_LIMIT_MESSAGE_NAME + 2                                \
     + NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRIES                                 \
       * NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRY)


typedef struct {
    unsigned char         key[NGX_HTTP_GATEWAY_LIMIT_MESSAGE_KEY];
    uint64_t              amount;                   /* us */
} ngx_http_gateway_limit_amount_t;


/* of a message that was read; all of it lies in its bytes */

typedef struct {
    const unsigned char  *node;
    const unsigned char  *name;
    size_t                name_len;
    const unsigned char  *entries;
    unsigned              nentries;
} ngx_http_gateway_limit_message_t;


/*
 * Writes a message of 1 to …_ENTRIES amounts to p, which has room for …_MAX
 * bytes; name_len is at most …_NAME.  Returns its length.
 */

static inline size_t
ngx_http_gateway_limit_message_write(unsigned char *p,
    const unsigned char *node, const void *name, size_t name_len,
    const ngx_http_gateway_limit_amount_t *amounts, unsigned n)
{
    unsigned        i, b;
    unsigned char  *start;

    start = p;

    *p++ = 'W';
    *p++ = 'L';
    *p++ = NGX_HTTP_GATEWAY_LIMIT_MESSAGE_VERSION;
    *p++ = (unsigned char) name_len;

    memcpy(p, node, NGX_HTTP_GATEWAY_LIMIT_MESSAGE_NODE);
    p += NGX_HTTP_GATEWAY_LIMIT_MESSAGE_NODE;

    memcpy(p, name, name_len);
    p += name_len;

    *p++ = (unsigned char) (n >> 8);
    *p++ = (unsigned char) n;

    for (i = 0; i < n; i++) {
        memcpy(p, amounts[i].key, NGX_HTTP_GATEWAY_LIMIT_MESSAGE_KEY);
        p += NGX_HTTP_GATEWAY_LIMIT_MESSAGE_KEY;

        for (b = 0; b < 8; b++) {
            *p++ = (unsigned char) (amounts[i].amount >> (56 - 8 * b));
        }
    }

    return (size_t) (p - start);
}


/* Whether len bytes are a message, which is then in message_r. */

static inline bool
ngx_http_gateway_limit_message_read(const unsigned char *p, size_t len,
    ngx_http_gateway_limit_message_t *message_r)
{
    size_t  n, name_len;

    if (len < NGX_HTTP_GATEWAY_LIMIT_MESSAGE_HEAD
        || p[0] != 'W' || p[1] != 'L'
        || p[2] != NGX_HTTP_GATEWAY_LIMIT_MESSAGE_VERSION)
    {
        return false;
    }

    name_len = p[3];

    if (name_len == 0 || name_len > NGX_HTTP_GATEWAY_LIMIT_MESSAGE_NAME
        || len < NGX_HTTP_GATEWAY_LIMIT_MESSAGE_HEAD + name_len + 2)
    {
        return false;
    }

    message_r->node = p + 4;
    message_r->name = p + NGX_HTTP_GATEWAY_LIMIT_MESSAGE_HEAD;
    message_r->name_len = name_len;

    p += NGX_HTTP_GATEWAY_LIMIT_MESSAGE_HEAD + name_len;
    len -= NGX_HTTP_GATEWAY_LIMIT_MESSAGE_HEAD + name_len + 2;

    n = (size_t) p[0] << 8 | (size_t) p[1];

    if (n == 0 || n > NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRIES
        || len != n * NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRY)
    {
        return false;
    }

    message_r->entries = p + 2;
    message_r->nentries = (unsigned) n;

    return true;
}


/* The entry i, less than nentries. */

static inline void
ngx_http_gateway_limit_message_entry(
    const ngx_http_gateway_limit_message_t *message, unsigned i,
    ngx_http_gateway_limit_amount_t *amount_r)
{
    unsigned              b;
    const unsigned char  *p;

    p = message->entries + i * NGX_HTTP_GATEWAY_LIMIT_MESSAGE_ENTRY;

    memcpy(amount_r->key, p, NGX_HTTP_GATEWAY_LIMIT_MESSAGE_KEY);
    p += NGX_HTTP_GATEWAY_LIMIT_MESSAGE_KEY;

    amount_r->amount = 0;

    for (b = 0; b < 8; b++) {
        amount_r->amount = amount_r->amount << 8 | p[b];
    }
}


#endif /* _NGX_HTTP_GATEWAY_LIMIT_MESSAGE_H_INCLUDED_ */
