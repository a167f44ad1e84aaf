/*
 * Copyright (C) the Warren authors
 *
 * The arena: zeroed, aligned, never the same memory twice, all gone at once.
 */

#include <stdint.h>
#include <stdlib.h>

#include "arena.h"
#include "tap.h"


static void test_alloc(void);
static void test_reset(void);
static void test_copy(void);
static void test_printf(void);


int
main(void)
{
    test_alloc();
    test_reset();
    test_copy();
    test_printf();

    return done();
}


static void
test_alloc(void)
{
    bool              zeroed, aligned, kept;
    size_t            i, j, size;
    unsigned char    *parts[600];
    struct wr_arena  *arena;

    arena = wr_arena_new();
    zeroed = aligned = kept = true;

    for (i = 0; i < 600; i++) {
        size = (i * 37) % 3000;
        parts[i] = wr_arena_alloc(arena, size);
        aligned = aligned && (uintptr_t) parts[i] % _Alignof(max_align_t) == 0;

        for (j = 0; j < size; j++) {
            zeroed = zeroed && parts[i][j] == 0;
        }

        memset(parts[i], (int) (i % 255) + 1, size);
    }

    for (i = 0; i < 600; i++) {
        for (j = 0; j < (i * 37) % 3000; j++) {
            kept = kept && parts[i][j] == i % 255 + 1;
        }
    }

    ok(zeroed, "memory is zeroed");
    ok(aligned, "memory is aligned for any type");
    ok(kept, "no two parts overlap");
    ok(wr_arena_alloc(arena, 0) != wr_arena_alloc(arena, 0),
       "nothing is never at the same place twice");

    parts[0] = wr_arena_alloc(arena, 5000000);
    memset(parts[0], 1, 5000000);
    parts[1] = wr_arena_alloc(arena, 16);
    ok(parts[0] != parts[1] && parts[1][0] == 0,
       "a part larger than any block gets one of its own");

    wr_arena_free(&arena);
    ok(arena == NULL, "an arena that was freed is NULL");
    wr_arena_free(&arena);
    ok(arena == NULL, "freeing it again does nothing");
}


static void
test_reset(void)
{
    int               i, j;
    bool              zeroed;
    unsigned char    *part;
    struct wr_arena  *arena;

    arena = wr_arena_new();
    zeroed = true;

    for (i = 0; i < 50; i++) {
        for (j = 0; j < 100; j++) {
            part = wr_arena_alloc(arena, 999);
            zeroed = zeroed && part[0] == 0 && part[998] == 0;
            memset(part, 0xFF, 999);
        }

        wr_arena_reset(arena);
    }

    ok(zeroed, "memory is zeroed after a reset too");
    wr_arena_free(&arena);
}


static void
test_copy(void)
{
    char             *copy;
    struct wr_arena  *arena;

    arena = wr_arena_new();

    copy = wr_arena_copy(arena, "ab\0cd", 5);
    ok(memcmp(copy, "ab\0cd", 6) == 0, "a copy holds zeros and ends with one");
    is_str(wr_arena_copy(arena, NULL, 0), "", "no bytes of nothing is empty");
    is_str(wr_arena_strdup(arena, "text"), "text", "a text is copied");
    ok(wr_arena_strdup(arena, NULL) == NULL, "a copy of NULL is NULL");

    wr_arena_free(&arena);
}


static void
test_printf(void)
{
    char              wide[9000];
    struct wr_arena  *arena;

    arena = wr_arena_new();

    is_str(wr_arena_printf(arena, "%s-%d", "lane", 7), "lane-7",
           "printf writes into the arena");
    is_str(wr_arena_printf(arena, "%s", ""), "", "an empty text is a text");

    memset(wide, 'w', sizeof(wide));
    wide[sizeof(wide) - 1] = '\0';
    is_str(wr_arena_printf(arena, "%s", wide), wide,
           "a text larger than a block is whole");

    wr_arena_free(&arena);
}
