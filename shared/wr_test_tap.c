/*
 * Copyright (C) the Warren authors
 *
 * What a test says: TAP, the Test Anything Protocol.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wr_test_private.h"


/* The name of a test; a longer one is cut. */
#define NAME_SIZE  512


static bool tell(bool condition, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void tell_text(const char *what, const char *text);


static int  run;
static int  failed;


bool
wr_test_ok(bool condition, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    tell(condition, format, args);
    va_end(args);

    return condition;
}


bool
wr_test_is_int(int64_t got, int64_t want, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    tell(got == want, format, args);
    va_end(args);

    if (got != want) {
        wr_test_diag("    got: %" PRId64, got);
        wr_test_diag("   want: %" PRId64, want);
    }

    return got == want;
}


bool
wr_test_is_text(const char *got, const char *want, const char *format, ...)
{
    bool     is_same;
    va_list  args;

    is_same = got == want
              || (got != NULL && want != NULL && strcmp(got, want) == 0);

    va_start(args, format);
    tell(is_same, format, args);
    va_end(args);

    if (!is_same) {
        tell_text("    got", got);
        tell_text("   want", want);
    }

    return is_same;
}


/* "#" would begin a directive, and a test is a line. */

static bool
tell(bool condition, const char *format, va_list args)
{
    char  *p, name[NAME_SIZE];

    vsnprintf(name, sizeof(name), format, args);

    for (p = name; *p != '\0'; p++) {
        if (*p == '#' || (unsigned char) *p < ' ') {
            *p = '.';
        }
    }

    run++;
    printf("%sok %d - %s\n", condition ? "" : "not ", run, name);
    fflush(stdout);

    if (!condition) {
        failed++;
        wr_test_diag("  failed: %s", name);
    }

    return condition;
}


static void
tell_text(const char *what, const char *text)
{
    if (text == NULL) {
        wr_test_diag("%s: NULL", what);
        return;
    }

    wr_test_diag("%s: \"%s\"", what, text);
}


void
wr_test_diag(const char *format, ...)
{
    va_list  args;

    fflush(stdout);
    fputs("# ", stderr);

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);

    fputc('\n', stderr);
}


int
wr_test_end(void)
{
    printf("1..%d\n", run);

    if (run == 0) {
        wr_test_diag("nothing was tested");
    }

    return (fflush(stdout) == 0 && failed == 0 && run != 0) ? 0 : 1;
}


void
wr_test_bail(const char *format, ...)
{
    va_list  args;

    fputs("Bail out!  ", stdout);

    va_start(args, format);
    vprintf(format, args);
    va_end(args);

    putchar('\n');
    fflush(stdout);
    exit(1);
}
