/*
 * Copyright (C) the Warren authors
 *
 * Pages: the arguments "limit" and "cursor", and the cursor of the next page.
 */

#ifndef ORDERS_PAGE_H
#define ORDERS_PAGE_H


#include <stdbool.h>

#include "id.h"


struct wr_arena;
struct wr_request;


#define ORDERS_PAGE_LIMIT      20
#define ORDERS_PAGE_LIMIT_MAX  100


struct orders_page {
    int          limit;
    const char  *count;                 /* limit and one, to see what follows */
    char         before[WR_UUID_SIZE];  /* show ids below this one */
};


/* Reads the arguments.  Returns false if one is not what it should be, with a
   detail for the client. */
bool orders_page_read(struct wr_request *req, struct orders_page *page,
    const char **detail_r);

/* The cursor of what comes after the row with this id, a UUID. */
const char *orders_page_cursor(struct wr_arena *arena, const char *id);


#endif /* ORDERS_PAGE_H */
