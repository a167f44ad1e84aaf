/*
 * Copyright (C) the Warren authors
 *
 * Pages: the arguments "limit" and "cursor", and the cursor of the next page.
 */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "page.h"
#include "request.h"


/* a cursor is an id's 16 bytes in base64url (RFC 4648), which leaves the last
   character with four bits that are zero */

#define ID_SIZE      16
#define CURSOR_SIZE  22


static const char  alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


static bool read_limit(const char *text, int *limit_r);
static bool read_cursor(const char *text, char id_r[WR_UUID_SIZE]);


bool
wr_page_read(struct wr_request *req, struct wr_page *page,
    const char **detail_r)
{
    const char  *limit, *cursor;

    limit = wr_request_arg(req, "limit");
    cursor = wr_request_arg(req, "cursor");

    page->limit = WR_PAGE_LIMIT;

    if (limit != NULL && !read_limit(limit, &page->limit)) {
        *detail_r = "limit must be from 1 to 100";
        return false;
    }

    /* no id is as high */
    memcpy(page->before, "ffffffff-ffff-ffff-ffff-ffffffffffff",
           WR_UUID_SIZE);

    if (cursor != NULL && !read_cursor(cursor, page->before)) {
        *detail_r = "cursor must be the next_cursor of a page";
        return false;
    }

    page->count = wr_arena_printf(wr_request_arena(req), "%d",
                                  page->limit + 1);

    return true;
}


const char *
wr_page_cursor(struct wr_arena *arena, const char *id)
{
    char      *cursor, digit[3];
    size_t     n;
    unsigned   bits, kept;

    cursor = wr_arena_alloc(arena, CURSOR_SIZE + 1);
    digit[2] = '\0';
    bits = 0;
    kept = 0;
    n = 0;

    while (*id != '\0') {

        if (*id == '-') {
            id++;
            continue;
        }

        digit[0] = id[0];
        digit[1] = id[1];
        id += 2;

        bits = bits << 8 | (unsigned) strtoul(digit, NULL, 16);

        for (kept += 8; kept >= 6; kept -= 6) {
            cursor[n++] = alphabet[bits >> (kept - 6) & 63];
        }
    }

    cursor[n] = alphabet[bits << (6 - kept) & 63];

    return cursor;
}


static bool
read_limit(const char *text, int *limit_r)
{
    size_t  len;

    len = strlen(text);

    if (len == 0 || len > 3 || text[strspn(text, "0123456789")] != '\0') {
        return false;
    }

    *limit_r = atoi(text);

    return *limit_r >= 1 && *limit_r <= WR_PAGE_LIMIT_MAX;
}


static bool
read_cursor(const char *text, char id_r[WR_UUID_SIZE])
{
    static const char  hex[] = "0123456789abcdef";

    size_t       i, n, bytes;
    unsigned     bits, kept;
    const char  *p;

    if (strlen(text) != CURSOR_SIZE) {
        return false;
    }

    bits = 0;
    kept = 0;
    bytes = 0;
    n = 0;

    for (i = 0; i < CURSOR_SIZE; i++) {
        p = strchr(alphabet, text[i]);

        if (p == NULL) {
            return false;
        }

        bits = bits << 6 | (unsigned) (p - alphabet);
        kept += 6;

        if (kept < 8) {
            continue;
        }

        kept -= 8;

        if (bytes == 4 || bytes == 6 || bytes == 8 || bytes == 10) {
            id_r[n++] = '-';
        }

        id_r[n++] = hex[bits >> (kept + 4) & 15];
        id_r[n++] = hex[bits >> kept & 15];
        bytes++;
    }

    id_r[n] = '\0';

    return (bits & 15) == 0;
}
