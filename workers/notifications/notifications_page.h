/*
 * Copyright (C) the Warren authors
 *
 * Pages: the arguments "limit" and "cursor", and the cursor of the next page.
 */

#ifndef NOTIFICATIONS_PAGE_H
#define NOTIFICATIONS_PAGE_H


#include <stdbool.h>

#include "id.h"


struct wr_arena;
struct wr_request;


#define NOTIFICATIONS_PAGE_LIMIT      20
#define NOTIFICATIONS_PAGE_LIMIT_MAX  100


struct notifications_page {
    int          limit;
    const char  *count;                 /* limit and one, to see what follows */
    char         before[WR_UUID_SIZE];  /* show ids below this one */
};


/* Reads the arguments.  Returns false if one is not what it should be, with a
   detail for the client. */
bool notifications_page_read(struct wr_request *req,
    struct notifications_page *page, const char **detail_r);

/* The cursor of what comes after the row with this id, a UUID. */
const char *notifications_page_cursor(struct wr_arena *arena, const char *id);


#endif /* NOTIFICATIONS_PAGE_H */
