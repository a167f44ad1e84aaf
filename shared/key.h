/*
 * Copyright (C) the Warren authors
 *
 * The rows that a message will change, told beforehand: the runtime locks those
 * of a whole batch at once and in one order, so that lanes which change the
 * same rows wait for one another and never for each other.
 *
 *     static const struct wr_key_table  stock = { "stock", "id", "text" };
 *
 *     { WR_COMMAND, "reserve", .keys = reserve_keys, .locks = { &stock },
 *                              .apply = reserve },
 *
 *     static void
 *     reserve_keys(struct wr_request *req)
 *     {
 *         wr_key(req, &stock, wr_json_text(wr_request_json(req), "id", 1, 99,
 *                                          NULL));
 *     }
 */

#ifndef WARREN_KEY_H
#define WARREN_KEY_H


#include <stdbool.h>


struct wr_request;


/* Tables of one handler; more do not compile. */
#define WR_KEY_TABLES_MAX  4


/* A table whose rows are locked.  Names are as PostgreSQL keeps them: in lower
   case, unless they were made with quotes. */

struct wr_key_table {
    const char            *name;        /* "stock" or "shop.stock" */
    const char            *column;      /* a row's key, unique by itself */

    /* the column's: text, uuid, bigint, integer or smallint */
    const char            *type;

    /* rows will be deleted, or get another key: "for update", which waits for
       references to them, too, instead of "for no key update" */
    bool                   is_removed;
};


/*
 * Declares a row, from .keys alone; the table is one of the handler's .locks.
 * The value is copied.  NULL, and what is no value of the column's type, is no
 * row's key: it locks nothing, and .apply is to refuse it.  The same goes for a
 * key that no row has.  The rows are locked before .load.
 */
void wr_key(struct wr_request *req, const struct wr_key_table *table,
    const char *value);


#endif /* WARREN_KEY_H */
