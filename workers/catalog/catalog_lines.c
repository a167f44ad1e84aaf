/*
 * Copyright (C) the Warren authors
 *
 * Lines of an order: products, and how many pieces of each.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_lines.h"
#include "catalog_text.h"


static int compare(const void *one, const void *two);


void
catalog_lines_read(const struct wr_json *body, const char *member,
    struct catalog_lines *lines, struct wr_json_errors *errors)
{
    size_t                 i;
    const struct wr_json  *array, *item;
    struct catalog_line   *line;

    array = wr_json_array(body, member, 1, CATALOG_LINES_MAX, errors);
    lines->count = wr_json_count(array);

    /* was told by the accessor */
    if (lines->count > CATALOG_LINES_MAX) {
        lines->count = 0;
    }

    for (i = 0; i < lines->count; i++) {
        item = wr_json_item(array, i);
        line = &lines->items[i];

        line->place = i;
        line->product_id = wr_json_text(item, "product_id", 1, CATALOG_ID_MAX,
                                        errors);
        line->quantity = wr_json_int(item, "quantity", 1,
                                     CATALOG_QUANTITY_MAX, errors);

        if (!catalog_text_is_id(line->product_id)) {
            wr_json_error_add(errors, item, "product_id", CATALOG_TEXT_ID);
        }
    }
}


void
catalog_lines_merge(struct catalog_lines *lines)
{
    size_t                i, n;
    struct catalog_line  *items;

    items = lines->items;
    qsort(items, lines->count, sizeof(*items), compare);

    for (i = 1, n = 0; i < lines->count; i++) {
        if (compare(&items[i], &items[n]) == 0) {
            items[n].quantity += items[i].quantity;

        } else {
            items[++n] = items[i];
        }
    }

    lines->count = (lines->count == 0) ? 0 : n + 1;
}


static int
compare(const void *one, const void *two)
{
    const struct catalog_line  *a, *b;

    a = one;
    b = two;

    return strcmp(a->product_id, b->product_id);
}


void
catalog_lines_arrays(struct wr_arena *arena, struct catalog_lines *lines)
{
    size_t                      i;
    struct wr_pg_array          ids = { .arena = arena };
    struct wr_pg_array          quantities = { .arena = arena };
    const struct catalog_line  *line;

    for (i = 0; i < lines->count; i++) {
        line = &lines->items[i];

        wr_pg_array_add(&ids, line->product_id);
        wr_pg_array_add(&quantities,
                        wr_arena_printf(arena, "%" PRId64, line->quantity));
    }

    lines->product_ids = wr_pg_array_text(&ids);
    lines->quantities = wr_pg_array_text(&quantities);
}
