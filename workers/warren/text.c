/*
 * Copyright (C) the Warren authors
 *
 * Texts of a program that runs once and ends: without memory it ends at once.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"


char *
text_printf(const char *format, ...)
{
    char     *text;
    va_list   args;

    va_start(args, format);
    text = text_vprintf(format, args);
    va_end(args);

    return text;
}


char *
text_vprintf(const char *format, va_list args)
{
    int       len;
    char     *text;
    va_list   again;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, again);
    va_end(again);

    if (len < 0) {
        len = 0;
    }

    text = text_alloc((size_t) len + 1);
    vsnprintf(text, (size_t) len + 1, format, args);

    return text;
}


void
text_clean(char *text, const char *kept)
{
    unsigned char  *p;

    for (p = (unsigned char *) text; *p != '\0'; p++) {

        /* U+0080 to U+009F are controls, too */

        if ((*p < ' ' || *p == 0x7f) && strchr(kept, *p) == NULL) {
            *p = '?';

        } else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) {
            *p++ = '?';
            *p = '?';
        }
    }
}


const char *
text_error(const char *format, ...)
{
    static char  error[TEXT_ERROR_MAX];

    char    text[TEXT_ERROR_MAX];
    size_t  i;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    for (i = 0; text[i] != '\0'; i++) {
        if ((unsigned char) text[i] < ' ') {
            text[i] = ' ';
        }
    }

    memcpy(error, text, i + 1);

    return error;
}


void *
text_alloc(size_t size_bytes)
{
    void  *memory;

    memory = text_grow(NULL, size_bytes);
    memset(memory, 0, size_bytes);

    return memory;
}


void *
text_grow(void *memory, size_t size_bytes)
{
    memory = realloc(memory, size_bytes);

    if (memory == NULL) {
        fputs("warren: out of memory\n", stderr);
        exit(1);
    }

    return memory;
}


int
text_fail(const char *format, ...)
{
    char     *text;
    va_list   args;

    va_start(args, format);
    text = text_vprintf(format, args);
    va_end(args);

    fprintf(stderr, "warren: %s\n", text);
    free(text);

    return 1;
}
