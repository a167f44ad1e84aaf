/*
 * Copyright (C) the Warren authors
 *
 * Tables for people: columns as wide as what is in them.
 */

#ifndef WARREN_TABLE_H
#define WARREN_TABLE_H


#include <stdio.h>


struct table;


/* Columns of one table; more are a mistake of ours. */
#define TABLE_COLUMNS_MAX  16


/* The headings follow, NULL ends them.  One that begins with ">" has its column
   at the right, as numbers want it. */
struct table *table_new(const char *heading, ...) __attribute__((sentinel));

/* Frees and sets to NULL; NULL is let be. */
void table_free(struct table **table);

/* Adds a cell, a row's cells one after the other.  Control characters, which
   whoever sent a message may have put there, become "?". */
void table_add(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes it; nothing if it has no rows. */
void table_print(const struct table *table, FILE *file);


#endif /* WARREN_TABLE_H */
