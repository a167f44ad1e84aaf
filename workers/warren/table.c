/*
 * Copyright (C) the Warren authors
 *
 * Tables for people: columns as wide as what is in them.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "text.h"


struct table {
    size_t   columns;
    size_t   widths[TABLE_COLUMNS_MAX];     /* characters */
    bool     is_right[TABLE_COLUMNS_MAX];

    char   **cells;                         /* the headings first */
    size_t   count;
};


static void add(struct table *table, char *text);
static size_t width_of(const char *text);


struct table *
table_new(const char *heading, ...)
{
    bool           is_right;
    char          *titles[TABLE_COLUMNS_MAX];
    size_t         i;
    va_list        headings;
    struct table  *table;

    table = text_alloc(sizeof(*table));
    va_start(headings, heading);

    for ( ; heading != NULL && table->columns < TABLE_COLUMNS_MAX;
         heading = va_arg(headings, const char *))
    {
        is_right = heading[0] == '>';
        table->is_right[table->columns] = is_right;
        titles[table->columns++] = text_printf("%s", heading + is_right);
    }

    va_end(headings);

    for (i = 0; i < table->columns; i++) {
        add(table, titles[i]);
    }

    return table;
}


void
table_free(struct table **table)
{
    size_t  i;

    if (*table == NULL) {
        return;
    }

    for (i = 0; i < (*table)->count; i++) {
        free((*table)->cells[i]);
    }

    free((*table)->cells);
    free(*table);
    *table = NULL;
}


void
table_add(struct table *table, const char *format, ...)
{
    char     *text;
    va_list   args;

    va_start(args, format);
    text = text_vprintf(format, args);
    va_end(args);

    add(table, text);
}


/* Takes the text over. */

static void
add(struct table *table, char *text)
{
    size_t  column, width;

    text_clean(text, "");
    column = table->count % table->columns;
    width = width_of(text);

    if (width > table->widths[column]) {
        table->widths[column] = width;
    }

    table->cells = text_grow(table->cells,
                             (table->count + 1) * sizeof(char *));
    table->cells[table->count++] = text;
}


void
table_print(const struct table *table, FILE *file)
{
    size_t       i, column, pad;
    const char  *text;

    if (table->count <= table->columns) {
        return;
    }

    for (i = 0; i < table->count; i++) {
        text = table->cells[i];
        column = i % table->columns;
        pad = table->widths[column] - width_of(text);

        if (table->is_right[column]) {
            fprintf(file, "%*s%s", (int) pad, "", text);

        } else if (column + 1 != table->columns) {
            fprintf(file, "%s%*s", text, (int) pad, "");

        } else {
            fputs(text, file);
        }

        fputs(column + 1 == table->columns ? "\n" : "  ", file);
    }
}


/* Characters of UTF-8. */

static size_t
width_of(const char *text)
{
    size_t  n;

    for (n = 0; *text != '\0'; text++) {
        n += ((unsigned char) *text & 0xc0) != 0x80;
    }

    return n;
}
