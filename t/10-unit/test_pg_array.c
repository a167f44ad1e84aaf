/*
 * Copyright (C) the Warren authors
 *
 * Array literals: what is written is what PostgreSQL reads.
 */

#include "arena.h"
#include "pg_array.h"
#include "tap.h"


static void empty(struct wr_arena *arena);
static void quoted(struct wr_arena *arena);
static void grown(struct wr_arena *arena);


int
main(void)
{
    struct wr_arena  *arena;

    arena = wr_arena_new();
    empty(arena);
    quoted(arena);
    grown(arena);
    wr_arena_free(&arena);

    return done();
}


static void
empty(struct wr_arena *arena)
{
    struct wr_pg_array  array = { .arena = arena };

    is_str(wr_pg_array_text(&array), "{}", "no element is an empty array");
}


static void
quoted(struct wr_arena *arena)
{
    struct wr_pg_array  array = { .arena = arena };

    wr_pg_array_add(&array, "a\"b\\c");
    wr_pg_array_add(&array, NULL);
    wr_pg_array_add(&array, "NULL");
    wr_pg_array_add(&array, "");
    wr_pg_array_add(&array, "{x,y}");

    is_str(wr_pg_array_text(&array),
           "{\"a\\\"b\\\\c\",NULL,\"NULL\",\"\",\"{x,y}\"}",
           "quotes and backslashes are escaped, null is not a text");
}


static void
grown(struct wr_arena *arena)
{
    int                  i;
    size_t               n;
    const char          *p;
    struct wr_pg_array   array = { .arena = arena };

    for (i = 0; i < 5000; i++) {
        wr_pg_array_add(&array, "0123456789");
    }

    for (p = wr_pg_array_text(&array), n = 0; *p != '\0'; p++) {
        n += (*p == ',');
    }

    is_int(n, 4999, "an array grows with its elements");
    is_int(strlen(wr_pg_array_text(&array)) > 65000, 1, "and is whole");
}
