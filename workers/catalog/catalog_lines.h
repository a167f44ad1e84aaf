/*
 * Copyright (C) the Warren authors
 *
 * Lines of an order: products, and how many pieces of each.
 */

#ifndef CATALOG_LINES_H
#define CATALOG_LINES_H


#include <stddef.h>
#include <stdint.h>

#include "catalog.h"


struct catalog_line {
    const char           *product_id;
    int64_t               quantity;
    size_t                place;        /* where it stands in the text */
};

struct catalog_lines {
    size_t                count;
    struct catalog_line   items[CATALOG_LINES_MAX];

    /* as PostgreSQL reads arrays: {"a","b"} and {1,2}; of
       catalog_lines_arrays() */
    const char           *product_ids;
    const char           *quantities;
};


/* Reads the array of this name, which has 1 to CATALOG_LINES_MAX lines, in
   their order; what is wrong is added to errors.  Texts live as long as
   body. */
void catalog_lines_read(const struct wr_json *body, const char *member,
    struct catalog_lines *lines, struct wr_json_errors *errors);

/* Sorts them by product, and makes one line of all of a product. */
void catalog_lines_merge(struct catalog_lines *lines);

/* Writes the arrays, once nothing was wrong. */
void catalog_lines_arrays(struct wr_arena *arena, struct catalog_lines *lines);


#endif /* CATALOG_LINES_H */
