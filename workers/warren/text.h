/*
 * Copyright (C) the Warren authors
 *
 * Texts of a program that runs once and ends: without memory it ends at once.
 */

#ifndef WARREN_TEXT_H
#define WARREN_TEXT_H


#include <stdarg.h>
#include <stddef.h>


/* The longest error text, with its zero; longer ones are cut. */
#define TEXT_ERROR_MAX  1024


/* printf into memory that the caller frees.  Never NULL. */
char *text_printf(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* The same, of arguments that the caller has. */
char *text_vprintf(const char *format, va_list args)
    __attribute__((format(printf, 1, 0)));

/* Makes control characters, which would steer a terminal, "?"; those in kept
   stay. */
void text_clean(char *text, const char *kept);

/*
 * printf into the one buffer of error texts; good until the next call, so an
 * error is told or handed on at once.  Earlier results may be arguments.
 * Control characters, which servers may send, become blanks.
 */
const char *text_error(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* malloc(), zeroed, never NULL. */
void *text_alloc(size_t size_bytes);

/* Makes *memory larger, keeping what is in it; never NULL. */
void *text_grow(void *memory, size_t size_bytes);

/* Writes "warren: " and the text on standard error, a line.  Returns 1, the
   exit status of what could not be done. */
int text_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));


#endif /* WARREN_TEXT_H */
