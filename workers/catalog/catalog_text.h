/*
 * Copyright (C) the Warren authors
 *
 * What texts must be made of, to be an id, a category or something to look
 * for.
 */

#ifndef CATALOG_TEXT_H
#define CATALOG_TEXT_H


#include <stdbool.h>
#include <stdint.h>


struct wr_arena;


#define CATALOG_TEXT_ID        "must be of letters, digits, \".\", \"_\", \"-\""
#define CATALOG_TEXT_CATEGORY  "must be of small letters, digits, \"-\""
#define CATALOG_TEXT_CURRENCY  "must be three capital letters (ISO 4217)"


/* Whether the text is of these characters alone; none of them asks for a quote
   or an escape anywhere.  Lengths are the caller's. */
bool catalog_text_is_id(const char *text);
bool catalog_text_is_category(const char *text);
bool catalog_text_is_currency(const char *text);

/* Whether it is UTF-8, which PostgreSQL insists on. */
bool catalog_text_is_utf8(struct wr_arena *arena, const char *text);

/* Reads an amount of cents, in decimal. */
bool catalog_text_cents(const char *text, int64_t *cents_r);


#endif /* CATALOG_TEXT_H */
