/*
 * Copyright (C) the Warren authors
 *
 * Card numbers.
 */

#include <ctype.h>
#include <string.h>

#include "payments_card.h"


#define DIGITS_MIN  12
#define DIGITS_MAX  19

/* Digits of one run that are looked at; a run that is longer goes on as
   another. */
#define RUN_MAX     64

#define UUID_LEN    36


/* digits with at most two separators between them */

struct run {
    size_t         count;
    unsigned char  digits[RUN_MAX];
    bool           is_first[RUN_MAX];   /* of a group */
    size_t         end;                 /* behind the last digit */
};


static bool find(const char *text, size_t len, size_t *begin_r,
    size_t *end_r);
static size_t skip_uuid(const char *text, size_t len);
static void read_run(const char *text, size_t len, size_t begin,
    struct run *run_r);
static size_t read_mark(const char *text, size_t len, int *digit_r);
static bool has_number(const struct run *run);
static bool is_right(const unsigned char *digits, size_t count);


bool
payments_card_is_in(const char *text, size_t len)
{
    size_t  begin, end;

    begin = 0;

    return find(text, len, &begin, &end);
}


void
payments_card_scrub(char *text, size_t len)
{
    size_t  begin, end;

    for (begin = 0; find(text, len, &begin, &end); begin = end) {
        memset(text + begin, 'X', end - begin);
    }
}


/* The next one at *begin_r or behind. */

static bool
find(const char *text, size_t len, size_t *begin_r, size_t *end_r)
{
    int         digit;
    size_t      i, n;
    struct run  run;

    for (i = *begin_r; i < len; i += n) {
        n = skip_uuid(text + i, len - i);

        if (n != 0) {
            continue;
        }

        n = read_mark(text + i, len - i, &digit);

        if (n == 0 || digit < 0) {
            n = 1;
            continue;
        }

        read_run(text, len, i, &run);

        if (has_number(&run)) {
            *begin_r = i;
            *end_r = run.end;
            return true;
        }

        n = run.end - i;
    }

    return false;
}


/* The length of a UUID that stands here, or 0. */

static size_t
skip_uuid(const char *text, size_t len)
{
    size_t  i;

    if (len < UUID_LEN) {
        return 0;
    }

    for (i = 0; i < UUID_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-') {
                return 0;
            }

        } else if (!isxdigit((unsigned char) text[i])) {
            return 0;
        }
    }

    /* the digits of a number may begin as one */

    return (len > UUID_LEN && (isalnum((unsigned char) text[UUID_LEN])
                               || text[UUID_LEN] == '-')) ? 0 : UUID_LEN;
}


static void
read_run(const char *text, size_t len, size_t begin, struct run *run_r)
{
    int     digit, separators;
    size_t  i, n;

    run_r->count = 0;
    run_r->end = begin;
    separators = 1;

    for (i = begin; i < len && run_r->count < RUN_MAX; i += n) {
        n = read_mark(text + i, len - i, &digit);

        if (n == 0 || (digit < 0 && ++separators > 2)) {
            return;
        }

        if (digit >= 0) {
            run_r->is_first[run_r->count] = (separators != 0);
            run_r->digits[run_r->count++] = (unsigned char) digit;
            run_r->end = i + n;
            separators = 0;
        }
    }
}


/* The length of a digit or (-1) separator, plain or as \u00XX; 0: neither. */

static size_t
read_mark(const char *text, size_t len, int *digit_r)
{
    char    c;
    size_t  n;

    c = text[0];
    n = 1;

    if (len >= 6 && memcmp(text, "\\u00", 4) == 0
        && (text[4] == '2' || text[4] == '3'))
    {
        c = text[5];
        n = 6;

        if (text[4] == '2') {
            c = (c == '0') ? ' ' : (c == 'd' || c == 'D') ? '-'
                : (c == 'e' || c == 'E') ? '.' : 'x';
        }
    }

    if (c >= '0' && c <= '9') {
        *digit_r = c - '0';
        return n;
    }

    *digit_r = -1;

    return (c == ' ' || c == '-' || c == '.') ? n : 0;
}


/* Beginning with a group and ending with one. */

static bool
has_number(const struct run *run)
{
    size_t  i, n;

    for (i = 0; i + DIGITS_MIN <= run->count; i++) {
        for (n = DIGITS_MIN; n <= DIGITS_MAX && i + n <= run->count; n++) {
            if (run->is_first[i]
                && (i + n == run->count || run->is_first[i + n])
                && is_right(run->digits + i, n))
            {
                return true;
            }
        }
    }

    return false;
}


static bool
is_right(const unsigned char *digits, size_t count)
{
    size_t    i;
    unsigned  digit, sum, all;

    for (i = 0, sum = 0, all = 0; i < count; i++) {
        digit = digits[count - 1 - i];
        all += digit;
        digit = (i % 2 == 0) ? digit : 2 * digit;
        sum += (digit > 9) ? digit - 9 : digit;
    }

    /* zeros are right, and nobody's */

    return all != 0 && sum % 10 == 0;
}
