/*
 * Copyright (C) the Warren authors
 *
 * What texts must be made of, to be an id, a category or something to look
 * for.
 */

#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "catalog_text.h"


#define CAPITALS  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define SMALL     "abcdefghijklmnopqrstuvwxyz"
#define DIGITS    "0123456789"

/* of CATALOG_CENTS_MAX */
#define CENTS_DIGITS  16


bool
catalog_text_is_id(const char *text)
{
    return text[strspn(text, CAPITALS SMALL DIGITS "._-")] == '\0';
}


bool
catalog_text_is_category(const char *text)
{
    return text[strspn(text, SMALL DIGITS "-")] == '\0';
}


bool
catalog_text_is_currency(const char *text)
{
    return text[strspn(text, CAPITALS)] == '\0';
}


/* What is written as JSON has U+FFFD for bytes that are not. */

bool
catalog_text_is_utf8(struct wr_arena *arena, const char *text)
{
    size_t                  len;
    const char             *json, *error;
    const struct wr_json   *value;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(arena);
    wr_json_put_text(writer, NULL, text);
    json = wr_json_writer_text(writer, &len);
    value = wr_json_parse(arena, json, len, &error);

    return value != NULL
           && strcmp(wr_json_text(value, NULL, 0, len, NULL), text) == 0;
}


bool
catalog_text_cents(const char *text, int64_t *cents_r)
{
    size_t  len;

    len = strlen(text);

    if (len == 0 || len > CENTS_DIGITS || text[strspn(text, DIGITS)] != '\0') {
        return false;
    }

    *cents_r = strtoll(text, NULL, 10);

    return *cents_r <= CATALOG_CENTS_MAX;
}
