/*
 * Copyright (C) the Warren authors
 *
 * Products as JSON: read from a request, written from rows.
 */

#ifndef CATALOG_JSON_H
#define CATALOG_JSON_H


#include <stdbool.h>


struct catalog_product;
struct wr_json;
struct wr_json_errors;
struct wr_json_writer;
struct wr_rows;


/* Reads all but the id; what is wrong is added to errors.  Texts live as long
   as body. */
void catalog_json_read(const struct wr_json *body,
    struct catalog_product *product, struct wr_json_errors *errors);

/* Writes the product of a row of catalog_store_page(), or (is_whole) of
   catalog_store_by_id(). */
void catalog_json_write(struct wr_json_writer *writer, struct wr_rows *rows,
    int row, bool is_whole);


#endif /* CATALOG_JSON_H */
