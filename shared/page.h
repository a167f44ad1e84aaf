/*
 * Copyright (C) the Warren authors
 *
 * Pages: the arguments "limit" and "cursor", and the cursor of the next page.
 *
 * The query is "where owner = $1 and id < $2 order by id desc limit $3", with
 * page.before and page.count; the first page begins before the highest id.  If
 * more than page.limit rows come, the last of them is not shown, and the one
 * above it gives the next cursor:
 *
 *     if (!wr_page_read(req, &list->page, &detail)) {
 *         return wr_refuse(req, WIRE_ERROR_INVALID, detail);
 *     }
 *
 *     if (wr_rows_count(rows) > list->page.limit) {
 *         next = wr_page_cursor(wr_request_arena(req),
 *                               wr_rows_text(rows, list->page.limit - 1, ID));
 *     }
 */

#ifndef WARREN_PAGE_H
#define WARREN_PAGE_H


#include <stdbool.h>

#include "id.h"


struct wr_arena;
struct wr_request;


/* Rows of a page that asks for no number. */
#define WR_PAGE_LIMIT      20

/* A page that asks for more is refused. */
#define WR_PAGE_LIMIT_MAX  100


struct wr_page {
    int          limit;
    const char  *count;                 /* limit and one, to see what follows */
    char         before[WR_UUID_SIZE];  /* show ids below this one */
};


/*
 * Reads the arguments "limit" and "cursor" of a request for a list of rows with
 * UUIDs of version 7, the newest first.  page->count lives as long as the
 * message.  Returns false if one is not what it should be, with a detail for
 * the client.
 */
bool wr_page_read(struct wr_request *req, struct wr_page *page,
    const char **detail_r);

/* The cursor of what comes after the row with this id, a UUID: opaque to the
   client, owned by the arena. */
const char *wr_page_cursor(struct wr_arena *arena, const char *id);


#endif /* WARREN_PAGE_H */
