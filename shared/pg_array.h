/*
 * Copyright (C) the Warren authors
 *
 * PostgreSQL's array literals: how many rows travel in one parameter.
 *
 *     struct wr_pg_array  ids = { .arena = wr_request_arena(req) };
 *
 *     wr_pg_array_add(&ids, "a");
 *     wr_pg_array_add(&ids, "b");
 *
 *     wr_tx_query(tx, "select … where id = any ($1::text[])",
 *                 WR_PARAMS(wr_pg_array_text(&ids)));
 */

#ifndef WARREN_PG_ARRAY_H
#define WARREN_PG_ARRAY_H


#include <stddef.h>


struct wr_arena;


/* Begun with zeroed memory and an arena, which owns the text. */

struct wr_pg_array {
    struct wr_arena  *arena;
    char             *text;
    size_t            len;
    size_t            size;
};


/* Adds an element; NULL is null. */
void wr_pg_array_add(struct wr_pg_array *array, const char *element);

/* The literal, terminated; nothing may be added afterwards. */
const char *wr_pg_array_text(struct wr_pg_array *array);


#endif /* WARREN_PG_ARRAY_H */
