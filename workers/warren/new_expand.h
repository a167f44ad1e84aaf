/*
 * Copyright (C) the Warren authors
 *
 * Templates: words between "at" signs, and lines that are there for each
 * method or event.
 */

#ifndef WARREN_NEW_EXPAND_H
#define WARREN_NEW_EXPAND_H


struct new_item;
struct new_plan;


/*
 * Replaces @name@, @NAME@, @entity@, and, of an item, @type@, @id@ and @ID@.
 * Lines between "@@each KIND" and "@@end" are there once for each item of that
 * kind: write, get, list, method, event; between "@@if KIND" and "@@end", once
 * if there is one.  They do not nest.  item is NULL outside of an item's own
 * file.  The caller frees the text.  Returns NULL and the reason.
 */
char *new_expand(const char *text, const struct new_plan *plan,
    const struct new_item *item, const char **error_r);


#endif /* WARREN_NEW_EXPAND_H */
