/*
 * Copyright (C) the Warren authors
 *
 * UTF-8, as RFC 3629 has it.
 */

#ifndef WARREN_UTF8_H
#define WARREN_UTF8_H


#include <stddef.h>


/* what stands for bytes that are not UTF-8: U+FFFD */

#define WR_UTF8_REPLACEMENT      "\xEF\xBF\xBD"
#define WR_UTF8_REPLACEMENT_LEN  3


/*
 * The length of the character that text begins with, 1 to 4, or 0 if it begins
 * with none: a byte that cannot begin one, one cut short by len, an overlong
 * form, a surrogate, or beyond U+10FFFF.
 */
static inline size_t
wr_utf8_len(const char *text, size_t len)
{
    size_t               i, n;
    unsigned char        low, high;
    const unsigned char  *p;

    if (len == 0) {
        return 0;
    }

    p = (const unsigned char *) text;

    if (p[0] < 0x80) {
        return 1;
    }

    /* the second byte's range rules out what the first one's does not */

    low = 0x80;
    high = 0xBF;

    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        n = 2;

    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        n = 3;
        low = (p[0] == 0xE0) ? 0xA0 : 0x80;
        high = (p[0] == 0xED) ? 0x9F : 0xBF;

    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        n = 4;
        low = (p[0] == 0xF0) ? 0x90 : 0x80;
        high = (p[0] == 0xF4) ? 0x8F : 0xBF;

    } else {
        return 0;
    }

    if (n > len || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xBF) {
            return 0;
        }
    }

    return n;
}


#endif /* WARREN_UTF8_H */
