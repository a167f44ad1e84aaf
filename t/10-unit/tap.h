/*
 * Copyright (C) the Warren authors
 *
 * A C test that prints TAP (Test Anything Protocol): plan() or not, then
 * ok(), is_str(), is_int(), and at the end "return done();" from main().
 */

#ifndef WARREN_TAP_H
#define WARREN_TAP_H


#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>


static int  tap_planned;        /* 0: the plan is told by done() */
static int  tap_run;
static int  tap_failed;


/* A condition and a sentence of behaviour.  Gives back whether it held. */
#define ok(cond, ...)                                                         \
    tap_ok((cond) ? true : false, __FILE__, __LINE__, __VA_ARGS__)

/* Two texts, each of which may be NULL. */
#define is_str(got, want, ...)                                                \
    tap_is_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)

/* Two integers that fit into 64 bits with a sign. */
#define is_int(got, want, ...)                                                \
    tap_is_int((int64_t) (got), (int64_t) (want), __FILE__, __LINE__,         \
               __VA_ARGS__)


/* Says beforehand how many tests there will be; others are then a failure. */
static inline void
plan(int n)
{
    setvbuf(stdout, NULL, _IOLBF, 0);

    tap_planned = n;
    printf("1..%d\n", n);
}


/* A remark, a line of its own. */
__attribute__((format(printf, 1, 2)))
static inline void
diag(const char *format, ...)
{
    va_list  args;

    fflush(stdout);
    fputs("# ", stderr);

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);

    fputc('\n', stderr);
}


/* Ends the test file with a good result: what it needs is not here. */
__attribute__((format(printf, 1, 2)))
static inline int
skip_all(const char *format, ...)
{
    va_list  args;

    fputs("1..0 # SKIP ", stdout);

    va_start(args, format);
    vprintf(format, args);
    va_end(args);

    putchar('\n');

    return 0;
}


static inline bool
tap_vok(bool cond, const char *file, int line, const char *format,
    va_list args)
{
    char    name[1024];
    size_t  i;

    vsnprintf(name, sizeof(name), format, args);

    /* "#" would begin a directive, and a test is a line */

    for (i = 0; name[i] != '\0'; i++) {
        if (name[i] == '#' || (unsigned char) name[i] < ' ') {
            name[i] = '.';
        }
    }

    tap_run++;
    printf("%sok %d - %s\n", cond ? "" : "not ", tap_run, name);
    fflush(stdout);

    if (!cond) {
        tap_failed++;
        diag("  failed: %s, %s line %d", name, file, line);
    }

    return cond;
}


__attribute__((format(printf, 4, 5)))
static inline bool
tap_ok(bool cond, const char *file, int line, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    tap_vok(cond, file, line, format, args);
    va_end(args);

    return cond;
}


__attribute__((format(printf, 5, 6)))
static inline bool
tap_is_str(const char *got, const char *want, const char *file, int line,
    const char *format, ...)
{
    bool     same;
    va_list  args;

    same = got == want
           || (got != NULL && want != NULL && strcmp(got, want) == 0);

    va_start(args, format);
    tap_vok(same, file, line, format, args);
    va_end(args);

    if (!same) {
        diag("    got: %s%s%s", got ? "\"" : "", got ? got : "NULL",
             got ? "\"" : "");
        diag("   want: %s%s%s", want ? "\"" : "", want ? want : "NULL",
             want ? "\"" : "");
    }

    return same;
}


__attribute__((format(printf, 5, 6)))
static inline bool
tap_is_int(int64_t got, int64_t want, const char *file, int line,
    const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    tap_vok(got == want, file, line, format, args);
    va_end(args);

    if (got != want) {
        diag("    got: %" PRId64, got);
        diag("   want: %" PRId64, want);
    }

    return got == want;
}


/* The exit status of main(); writes the plan if nobody has. */
static inline int
done(void)
{
    if (tap_planned == 0) {
        printf("1..%d\n", tap_run);

    } else if (tap_planned != tap_run) {
        diag("%d tests were planned, %d run", tap_planned, tap_run);
        return 1;
    }

    fflush(stdout);

    return tap_failed == 0 ? 0 : 1;
}


#endif /* WARREN_TAP_H */
