/*
 * Copyright (C) the Warren authors
 *
 * The wire contract: the names, limits and spellings that gateway and workers
 * share.  Only constants and pure functions on the caller's memory stand here,
 * so that the nginx module can include it and link nothing.
 */

#ifndef WARREN_WIRE_H
#define WARREN_WIRE_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>


/* objects on the broker; shared/README.md has the whole table */

#define WIRE_EXCHANGE_RPC             "rpc"
#define WIRE_EXCHANGE_REPLIES         "replies"
#define WIRE_EXCHANGE_COMMANDS        "commands"
#define WIRE_EXCHANGE_EVENTS          "events"
#define WIRE_EXCHANGE_UNROUTED        "events.unrouted"
#define WIRE_EXCHANGE_NOTIFICATIONS   "notifications"
#define WIRE_EXCHANGE_AGAIN           "again"
#define WIRE_EXCHANGE_PARK            "park"
#define WIRE_EXCHANGE_LIMITS          "limits"
#define WIRE_EXCHANGE_DROPPED         "dropped"
#define WIRE_EXCHANGE_RETRY_PREFIX    "retry."
#define WIRE_EXCHANGE_ORDERED_PREFIX  "ordered."

/* a queue's name is one of these and the service's name */

#define WIRE_QUEUE_RPC_PREFIX         "rpc."
#define WIRE_QUEUE_COMMANDS_PREFIX    "commands."
#define WIRE_QUEUE_EVENTS_PREFIX      "events."
#define WIRE_QUEUE_AGAIN_PREFIX       "again."
#define WIRE_QUEUE_PARK_PREFIX        "park."
#define WIRE_QUEUE_RETRY_PREFIX       "retry."
#define WIRE_QUEUE_CHANNEL_PREFIX     "channel."
#define WIRE_QUEUE_UNROUTED           "events.unrouted"

#define WIRE_RPC_MAX_LENGTH           100000
#define WIRE_RPC_MAX_LENGTH_BYTES     67108864
#define WIRE_RPC_TTL_MS               60000
#define WIRE_RPC_POLICY_MAX_LENGTH    4096
#define WIRE_REPLY_QUEUE_MAX_LENGTH   100000
#define WIRE_STREAM_QUEUE_MAX_LENGTH  10000
#define WIRE_RETRY_MAX_LENGTH         100000
#define WIRE_UNROUTED_MAX_LENGTH      1000
#define WIRE_DELIVERY_LIMIT           1000

/* a service's queues of events in order are "events.S.1" to "events.S.N" */

#define WIRE_ORDERED_QUEUES           4
#define WIRE_ORDERED_QUEUES_MAX       16

/* channels that a service may serve */

#define WIRE_CHANNELS_MAX             16

/* AMQP properties */

#define WIRE_CONTENT_JSON             "application/json"
#define WIRE_CONTENT_PROBLEM          "application/problem+json"
#define WIRE_CONTENT_CLOUDEVENT       "application/cloudevents+json"

#define WIRE_DELIVERY_TRANSIENT       1
#define WIRE_DELIVERY_PERSISTENT      2

/* headers of calls, commands and events */

#define WIRE_HEADER_DEADLINE          "x-deadline"
#define WIRE_HEADER_TRACEPARENT       "traceparent"
#define WIRE_HEADER_TRACESTATE        "tracestate"
#define WIRE_HEADER_SUB               "x-sub"
#define WIRE_HEADER_SCOPE             "x-scope"
#define WIRE_HEADER_ARG_PREFIX        "x-arg-"
#define WIRE_HEADER_REQUEST_PREFIX    "x-http-"
#define WIRE_HEADER_REQUEST_ID        "x-request-id"
#define WIRE_HEADER_ATTEMPT           "x-attempt"
#define WIRE_HEADER_ERROR             "x-error"
#define WIRE_HEADER_HOME              "x-home"
#define WIRE_HEADER_ORIGIN            "x-origin"
#define WIRE_HEADER_HISTORY           "x-history"

/* of an event: its subject, by which queues of events in order are chosen */

#define WIRE_HEADER_SUBJECT           "x-subject"

/* set to "1" when message_id was made from a client's Idempotency-Key */

#define WIRE_HEADER_KEYED             "x-keyed"

/* headers of replies */

#define WIRE_HEADER_STATUS            "status"
#define WIRE_HEADER_HTTP_PREFIX       "http-"

/* 16 bits of slot and 48 random bits, in lower case hex digits */

#define WIRE_CORRELATION_LEN          16

#define WIRE_STATUS_MIN               200
#define WIRE_STATUS_MAX               599

/* a word of a routing key made by wire_key_word(); longer ones are refused */

#define WIRE_KEY_WORD_MAX             200

/* an X-Request-Id of a client that is longer is replaced by a new one */

#define WIRE_REQUEST_ID_MAX           64

/*
 * Headers of HTTP that travel in a message: longer names are refused when the
 * gateway's configuration is read, requests with longer values with "invalid".
 */

#define WIRE_HTTP_NAME_MAX            64
#define WIRE_HTTP_VALUE_MAX           4096

/*
 * Header tables nested deeper are refused before they are decoded: the decoder
 * recurses.
 */

#define WIRE_TABLE_DEPTH_MAX          8

/* the largest body: the smallest max_message_size of RabbitMQ 3.10 to 4.3 */

#define WIRE_BODY_MAX                 16777216

/* of CloudEvents in structured JSON: "source" is this and the service */

#define WIRE_EVENT_SOURCE_PREFIX      "/warren/"

#define WIRE_PROBLEM_TYPE_PREFIX      "urn:warren:error:"


enum wire_error {
#define WIRE_ERROR(id, name, status, retryable, title)  WIRE_ERROR_##id,
#include "wire_error.def"
#undef WIRE_ERROR
    WIRE_ERROR_COUNT
};


struct wire_error_info {
    const char  *name;
    uint16_t     status;
    bool         is_retryable;
    const char  *title;
};


/*
 * What is known of an error.  The result is static.  Never NULL: a number
 * outside the enum is answered with WIRE_ERROR_INTERNAL.
 */
static inline const struct wire_error_info *
wire_error_info(unsigned error)
{
    static const struct wire_error_info  infos[] = {
#define WIRE_ERROR(id, name, status, retryable, title)                        \
        { name, status, retryable, title },
#include "wire_error.def"
#undef WIRE_ERROR
    };

    return &infos[error < WIRE_ERROR_COUNT ? error : WIRE_ERROR_INTERNAL];
}


/* the fixed delays a failed message waits on; the name ends a queue's name */

struct wire_rung {
    const char  *name;
    uint32_t     ttl_ms;
};

#define WIRE_RUNGS                    8

/*
 * The rung of an attempt: 0 after the first failure, at most WIRE_RUNGS - 1.
 * NULL beyond the last one: the message is then a dead letter.
 */
static inline const struct wire_rung *
wire_rung(unsigned n)
{
    static const struct wire_rung  rungs[WIRE_RUNGS] = {
        { "1s",      1000 },
        { "5s",      5000 },
        { "15s",    15000 },
        { "1m",     60000 },
        { "5m",    300000 },
        { "15m",   900000 },
        { "1h",   3600000 },
        { "6h",  21600000 },
    };

    return n < WIRE_RUNGS ? &rungs[n] : NULL;
}


/*
 * Writes src as one word of a routing or binding key: letters, digits, "-",
 * "_" and "~" stay, every other byte becomes %XX, so that neither a dot nor
 * the wildcards of a topic exchange can be smuggled in.  dst must have room
 * for WIRE_KEY_WORD_MAX bytes and is not terminated.  Returns the length, or
 * 0 if src is empty or its word is longer than WIRE_KEY_WORD_MAX: the caller
 * refuses it.
 */
static inline size_t
wire_key_word(char *dst, const char *src, size_t len)
{
    static const char  hex[] = "0123456789ABCDEF";

    size_t         i, n;
    unsigned char  ch;

    for (i = 0, n = 0; i < len; i++) {
        ch = (unsigned char) src[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9')
            || ch == '-' || ch == '_' || ch == '~')
        {
            if (n + 1 > WIRE_KEY_WORD_MAX) {
                return 0;
            }

            dst[n++] = (char) ch;
            continue;
        }

        if (n + 3 > WIRE_KEY_WORD_MAX) {
            return 0;
        }

        dst[n++] = '%';
        dst[n++] = hex[ch >> 4];
        dst[n++] = hex[ch & 15];
    }

    return n;
}


/*
 * Whether a request id of a client may be taken over: one to
 * WIRE_REQUEST_ID_MAX of letters, digits, ".", "_" and "-".
 */
static inline bool
wire_request_id_is_valid(const char *id, size_t len)
{
    size_t  i;
    char    ch;

    if (len == 0 || len > WIRE_REQUEST_ID_MAX) {
        return false;
    }

    for (i = 0; i < len; i++) {
        ch = id[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9')
              || ch == '.' || ch == '_' || ch == '-'))
        {
            return false;
        }
    }

    return true;
}


/*
 * Whether a traceparent may be taken over (W3C Trace Context, version 00):
 * "00-<32 hex>-<16 hex>-<2 hex>" in lower case, neither id all zeros.
 */
static inline bool
wire_traceparent_is_valid(const char *tp, size_t len)
{
    size_t  i;
    bool    trace, span;
    char    ch;

    if (len != 55 || tp[0] != '0' || tp[1] != '0') {
        return false;
    }

    trace = false;
    span = false;

    for (i = 2; i < len; i++) {
        ch = tp[i];

        if (i == 2 || i == 35 || i == 52) {
            if (ch != '-') {
                return false;
            }

            continue;
        }

        if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f'))) {
            return false;
        }

        if (ch != '0' && i < 35) {
            trace = true;

        } else if (ch != '0' && i < 52) {
            span = true;
        }
    }

    return trace && span;
}


/*
 * Whether a header of HTTP can travel under this name: one to
 * WIRE_HTTP_NAME_MAX of lower case letters, digits and "-", neither first nor
 * last.
 */
static inline bool
wire_http_name_is_valid(const char *name, size_t len)
{
    size_t  i;

    if (len == 0 || len > WIRE_HTTP_NAME_MAX
        || name[0] == '-' || name[len - 1] == '-')
    {
        return false;
    }

    for (i = 0; i < len; i++) {
        if (!((name[i] >= 'a' && name[i] <= 'z')
              || (name[i] >= '0' && name[i] <= '9') || name[i] == '-'))
        {
            return false;
        }
    }

    return true;
}


/*
 * Whether a gateway's configuration may let a worker set this HTTP response
 * header with "http-<name>"; name is in lower case.  Those of framing, of the
 * connection, of other servers' orders and of the gateway itself never pass.
 */
static inline bool
wire_reply_header_may_pass(const char *name, size_t len)
{
    static const char  *own[] = {
        "connection", "content-length", "content-type", "date", "keep-alive",
        "server", "te", "trailer", "transfer-encoding", "upgrade",
        "x-request-id"
    };
    static const char  *prefixes[] = {
        "access-control-", "proxy-", "ratelimit", "x-accel-"
    };

    size_t  i, n;

    for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strlen(own[i]) == len && memcmp(own[i], name, len) == 0) {
            return false;
        }
    }

    for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        n = strlen(prefixes[i]);

        if (len >= n && memcmp(prefixes[i], name, n) == 0) {
            return false;
        }
    }

    return wire_http_name_is_valid(name, len);
}


/*
 * Whether a worker may set this HTTP response header with "http-<name>" without
 * a word of the gateway's configuration; name is in lower case.
 */
static inline bool
wire_reply_header_is_allowed(const char *name, size_t len)
{
    static const char  *names[] = {
        "location", "etag", "cache-control", "retry-after", "link"
    };

    size_t  i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
            return true;
        }
    }

    return false;
}


/* A number of four bytes, the most significant first. */
static inline size_t
wire_u32(const unsigned char *p)
{
    return (size_t) p[0] << 24 | (size_t) p[1] << 16
           | (size_t) p[2] << 8 | (size_t) p[3];
}


/*
 * The bytes of a field's value beside its kind, in RabbitMQ's dialect of AMQP
 * 0-9-1; -1 for kinds that begin with their length, -2 for unknown ones.
 */
static inline int
wire_field_size(unsigned char kind)
{
    switch (kind) {

    case 'V':
        return 0;

    case 't': case 'b': case 'B':
        return 1;

    case 's': case 'u':
        return 2;

    case 'I': case 'i': case 'f':
        return 4;

    case 'D':
        return 5;

    case 'l': case 'L': case 'd': case 'T':
        return 8;

    case 'S': case 'x': case 'F': case 'A':
        return -1;

    default:
        return -2;
    }
}


/*
 * Flat scan of an encoded AMQP field table (RabbitMQ's dialect), before any
 * decoder sees it: whether every length fits, every kind is known, and tables
 * and arrays are nested no deeper than WIRE_TABLE_DEPTH_MAX.  It neither
 * recurses nor allocates.  table begins with the table's own 32-bit length;
 * what follows the table within len is not looked at.
 */
static inline bool
wire_table_is_sane(const void *table, size_t len)
{
    const unsigned char  *p, *end, *ends[WIRE_TABLE_DEPTH_MAX];
    int                   size;
    bool                  arrays[WIRE_TABLE_DEPTH_MAX];
    size_t                n;
    unsigned              depth;
    unsigned char         kind;

    p = table;

    if (len < 4 || wire_u32(p) > len - 4) {
        return false;
    }

    ends[0] = p + 4 + wire_u32(p);
    arrays[0] = false;
    depth = 1;
    p += 4;

    for ( ;; ) {

        while (p == ends[depth - 1]) {
            if (--depth == 0) {
                return true;
            }
        }

        end = ends[depth - 1];

        /* items of an array have no name; a name is followed by a kind */

        n = arrays[depth - 1] ? 0 : (size_t) *p + 1;

        if ((size_t) (end - p) <= n) {
            return false;
        }

        p += n;
        kind = *p++;
        size = wire_field_size(kind);

        if (size >= 0) {
            n = (size_t) size;

        } else if (size == -1 && end - p >= 4) {
            n = wire_u32(p);
            p += 4;

        } else {
            return false;
        }

        if (n > (size_t) (end - p)) {
            return false;
        }

        if (kind != 'F' && kind != 'A') {
            p += n;
            continue;
        }

        if (depth == WIRE_TABLE_DEPTH_MAX) {
            return false;
        }

        ends[depth] = p + n;
        arrays[depth++] = (kind == 'A');
    }
}


#endif /* WARREN_WIRE_H */
