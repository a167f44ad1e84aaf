/*
 * Copyright (C) the Warren authors
 *
 * An e-mail as it goes over the wire (RFC 5322, MIME).
 */

#include <string.h>
#include <time.h>

#include "arena.h"
#include "notifications_mail.h"


/* Bytes of one encoded word: 60 characters of base64, 72 with its ends; the
   first one stands behind "Subject: ". */
#define WORD_BYTES   45
#define FIRST_BYTES  39

/* A subject of ASCII that is longer is encoded, so that it is folded. */
#define PLAIN_MAX    60

/* Characters of a line of quoted-printable, but for the "=" at its end. */
#define LINE_MAX     75

/* longest encoding of a byte: a soft line break before "=XX" */
#define QUOTED_SIZE  6


static const char *date(struct wr_arena *arena, int64_t ms);
static const char *subject(struct wr_arena *arena, const char *text);
static char *put_word(char *p, const unsigned char *bytes, size_t len);
static size_t word_len(const char *text, size_t len, size_t max);
static const char *quoted(struct wr_arena *arena, const char *text);


bool
notifications_mail_is_address(const char *text)
{
    const char  *p, *at;

    at = strchr(text, '@');

    if (at == NULL || at == text || at[1] == '\0'
        || strchr(at + 1, '@') != NULL || text[0] == '-')
    {
        return false;
    }

    for (p = text; *p != '\0'; p++) {
        if ((unsigned char) *p <= ' ' || (unsigned char) *p >= 0x7f
            || strchr("<>()[]\\,;:\"", *p) != NULL)
        {
            return false;
        }
    }

    return true;
}


const char *
notifications_mail_text(struct wr_arena *arena,
    const struct notifications_mail *mail, size_t *len_r)
{
    const char  *text;

    text = wr_arena_printf(arena,
                           "Date: %s\r\n"
                           "From: <%s>\r\n"
                           "To: <%s>\r\n"
                           "Subject: %s\r\n"
                           "Message-ID: <%s%s>\r\n"
                           "Auto-Submitted: auto-generated\r\n"
                           "MIME-Version: 1.0\r\n"
                           "Content-Type: text/plain; charset=utf-8\r\n"
                           "Content-Language: %s\r\n"
                           "Content-Transfer-Encoding: quoted-printable\r\n"
                           "\r\n"
                           "%s\r\n",
                           date(arena, mail->date_ms), mail->from, mail->to,
                           subject(arena, mail->subject), mail->id,
                           strchr(mail->from, '@'), mail->language,
                           quoted(arena, mail->text));
    *len_r = strlen(text);

    return text;
}


/* Names of days and months are English, whatever the locale. */

static const char *
date(struct wr_arena *arena, int64_t ms)
{
    static const char  days[7][4] = {
        "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
    };
    static const char  months[12][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
        "Nov", "Dec"
    };

    time_t     sec;
    struct tm  tm;

    sec = (time_t) (ms / 1000);
    gmtime_r(&sec, &tm);

    return wr_arena_printf(arena, "%s, %02d %s %d %02d:%02d:%02d +0000",
                           days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                           tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                           tm.tm_sec);
}


/* As it is, or in encoded words (RFC 2047), none of which splits a
   character. */

static const char *
subject(struct wr_arena *arena, const char *text)
{
    char    *line, *words, *p;
    bool     is_plain;
    size_t   i, n, len, max;

    len = strlen(text);
    line = wr_arena_copy(arena, text, len);
    is_plain = len <= PLAIN_MAX && strstr(text, "=?") == NULL;

    for (i = 0; i < len; i++) {
        if ((unsigned char) line[i] < ' ' || line[i] == 0x7f) {
            line[i] = ' ';
        }

        is_plain = is_plain && (unsigned char) line[i] < 0x80;
    }

    if (is_plain) {
        return line;
    }

    /* words of less than three bytes there are none */

    words = wr_arena_alloc(arena, len * 8 + 96);
    p = words;
    max = FIRST_BYTES;

    for (i = 0; i < len; i += n) {
        n = word_len(line + i, len - i, max);
        max = WORD_BYTES;
        p = stpcpy(p, (i == 0) ? "=?utf-8?B?" : "\r\n =?utf-8?B?");
        p = put_word(p, (const unsigned char *) line + i, n);
        p = stpcpy(p, "?=");
    }

    return words;
}


static size_t
word_len(const char *text, size_t len, size_t max)
{
    size_t  n;

    if (len <= max) {
        return len;
    }

    n = max;

    while (n > 1 && ((unsigned char) text[n] & 0xc0) == 0x80) {
        n--;
    }

    return n;
}


static char *
put_word(char *p, const unsigned char *bytes, size_t len)
{
    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "0123456789+/";

    size_t    i;
    unsigned  bits;

    for (i = 0; i < len; i += 3) {
        bits = (unsigned) bytes[i] << 16;
        bits |= (i + 1 < len) ? (unsigned) bytes[i + 1] << 8 : 0;
        bits |= (i + 2 < len) ? bytes[i + 2] : 0;

        *p++ = digits[bits >> 18];
        *p++ = digits[bits >> 12 & 63];
        *p++ = (i + 1 < len) ? digits[bits >> 6 & 63] : '=';
        *p++ = (i + 2 < len) ? digits[bits & 63] : '=';
    }

    return p;
}


static const char *
quoted(struct wr_arena *arena, const char *text)
{
    static const char  hex[] = "0123456789ABCDEF";

    char           *encoded, *p;
    size_t          column, need;
    unsigned char   c;

    encoded = wr_arena_alloc(arena, strlen(text) * QUOTED_SIZE + 1);
    p = encoded;
    column = 0;

    for ( ; *text != '\0'; text++) {
        c = (unsigned char) *text;

        if (c == '\n') {
            p = stpcpy(p, "\r\n");
            column = 0;
            continue;
        }

        /* a blank at the end of a line would be lost */

        need = (c < ' ' || c >= 0x7f || c == '='
                || (c == ' ' && (text[1] == '\n' || text[1] == '\0')))
               ? 3 : 1;

        if (column + need > LINE_MAX) {
            p = stpcpy(p, "=\r\n");
            column = 0;
        }

        if (need == 1) {
            *p++ = (char) c;

        } else {
            *p++ = '=';
            *p++ = hex[c >> 4];
            *p++ = hex[c & 15];
        }

        column += need;
    }

    return encoded;
}
