/*
 * Copyright (C) the Warren authors
 *
 * PostgreSQL's array literals.
 */

#include <string.h>

#include "arena.h"
#include "pg_array.h"


static void reserve(struct wr_pg_array *array, size_t n);


void
wr_pg_array_add(struct wr_pg_array *array, const char *element)
{
    char        *p;
    const char  *s;

    /* at worst each byte is escaped, and a comma and quotes come on top */

    reserve(array, (element != NULL) ? strlen(element) * 2 + 4 : 8);
    p = array->text + array->len;
    *p++ = (array->len == 0) ? '{' : ',';

    if (element == NULL) {
        memcpy(p, "NULL", 4);
        array->len = (size_t) (p + 4 - array->text);
        return;
    }

    *p++ = '"';

    for (s = element; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\') {
            *p++ = '\\';
        }

        *p++ = *s;
    }

    *p++ = '"';
    array->len = (size_t) (p - array->text);
}


const char *
wr_pg_array_text(struct wr_pg_array *array)
{
    if (array->len == 0) {
        return "{}";
    }

    reserve(array, 2);
    array->text[array->len++] = '}';
    array->text[array->len] = '\0';

    return array->text;
}


static void
reserve(struct wr_pg_array *array, size_t n)
{
    char    *text;
    size_t   size;

    if (array->len + n <= array->size) {
        return;
    }

    size = (array->size + n) * 2;
    text = wr_arena_alloc(array->arena, size);

    if (array->len != 0) {
        memcpy(text, array->text, array->len);
    }

    array->text = text;
    array->size = size;
}
