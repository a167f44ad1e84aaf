/*
 * Copyright (C) the Warren authors
 *
 * Identifiers.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "clock.h"
#include "id.h"
#include "log.h"


/* of RFC 9562, 6.2, method 1: the 12 bits behind the time count */

#define SEQUENCE_MAX    0x0FFF

/* A millisecond's first one has this bit 0, so that there is room to count. */
#define SEQUENCE_GUARD  0x0800

#define UUID_BYTES      16

/* A call of the kernel for so much, not for each id. */
#define STORE_BYTES     1024


/* A process that is forked finds it zeroed, and so empty. */

struct store {
    size_t         left;
    unsigned char  bytes[STORE_BYTES];
};


static void random_bytes(void *bytes, size_t n);
static struct store *own_store(void);
static void kernel_bytes(void *bytes, size_t n);
static void hex_write(char *hex, const unsigned char *bytes, size_t n);


void
wr_id_uuid7(char uuid_r[WR_UUID_SIZE])
{
    static int64_t   last_ms;
    static unsigned  sequence;

    int            i;
    int64_t        now_ms;
    unsigned char  uuid[UUID_BYTES];

    random_bytes(uuid, sizeof(uuid));

    now_ms = wr_clock_wall_ms();

    if (now_ms > last_ms) {
        last_ms = now_ms;
        sequence = (uuid[6] << 8 | uuid[7]) & SEQUENCE_MAX & ~SEQUENCE_GUARD;

    } else if (++sequence > SEQUENCE_MAX) {

        /* more than two thousand in a millisecond, or a clock that was set
           back: borrow from the next one */

        last_ms++;
        sequence = 0;
    }

    for (i = 0; i < 6; i++) {
        uuid[i] = (unsigned char) (last_ms >> (40 - 8 * i));
    }

    uuid[6] = (unsigned char) (0x70 | sequence >> 8);
    uuid[7] = (unsigned char) sequence;
    uuid[8] = (unsigned char) (0x80 | (uuid[8] & 0x3F));

    hex_write(uuid_r, uuid, 4);
    hex_write(uuid_r + 9, uuid + 4, 2);
    hex_write(uuid_r + 14, uuid + 6, 2);
    hex_write(uuid_r + 19, uuid + 8, 2);
    hex_write(uuid_r + 24, uuid + 10, 6);

    uuid_r[8] = uuid_r[13] = uuid_r[18] = uuid_r[23] = '-';
    uuid_r[WR_UUID_SIZE - 1] = '\0';
}


int64_t
wr_id_uuid7_ms(const char *uuid)
{
    char  digits[13];

    if (!wr_id_is_uuid(uuid) || uuid[14] != '7') {
        return -1;
    }

    memcpy(digits, uuid, 8);
    memcpy(digits + 8, uuid + 9, 4);
    digits[12] = '\0';

    return strtoll(digits, NULL, 16);
}


bool
wr_id_is_uuid(const char *text)
{
    int   i;
    char  ch;

    if (text == NULL) {
        return false;
    }

    for (i = 0; i < WR_UUID_SIZE - 1; i++) {
        ch = text[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (ch != '-') {
                return false;
            }

            continue;
        }

        if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f')
              || (ch >= 'A' && ch <= 'F')))
        {
            return false;
        }
    }

    return text[i] == '\0';
}


void
wr_id_random_hex(char *hex_r, size_t n)
{
    size_t         part;
    unsigned char  bytes[64];

    for ( /* void */ ; n != 0; n -= part, hex_r += 2 * part) {
        part = (n < sizeof(bytes)) ? n : sizeof(bytes);

        random_bytes(bytes, part);
        hex_write(hex_r, bytes, part);
    }

    *hex_r = '\0';
}


/* What was given out is forgotten here. */

static void
random_bytes(void *bytes, size_t n)
{
    struct store  *store;

    store = own_store();

    if (store == NULL || n > STORE_BYTES) {
        kernel_bytes(bytes, n);
        return;
    }

    if (store->left < n) {
        kernel_bytes(store->bytes, STORE_BYTES);
        store->left = STORE_BYTES;
    }

    store->left -= n;
    memcpy(bytes, store->bytes + store->left, n);
    memset(store->bytes + store->left, 0, n);
}


/* NULL: a kernel that could not keep it from a process that is forked */

static struct store *
own_store(void)
{
    static bool           is_tried;
    static struct store  *store;

    void  *pages;

    if (is_tried) {
        return store;
    }

    is_tried = true;
    pages = mmap(NULL, sizeof(struct store), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages != MAP_FAILED
        && madvise(pages, sizeof(struct store), MADV_WIPEONFORK) == 0)
    {
        store = pages;
    }

    return store;
}


static void
kernel_bytes(void *bytes, size_t n)
{
    ssize_t         got;
    unsigned char  *p;

    for (p = bytes; n != 0; p += got, n -= (size_t) got) {
        got = getrandom(p, n, 0);

        if (got < 0 && errno == EINTR) {
            got = 0;
            continue;
        }

        if (got < 0) {
            wr_log_error(NULL, "no random bytes from the kernel: %m");
            abort();
        }
    }
}


static void
hex_write(char *hex, const unsigned char *bytes, size_t n)
{
    static const char  digits[] = "0123456789abcdef";

    size_t  i;

    for (i = 0; i < n; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
}
