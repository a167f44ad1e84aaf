/*
 * Copyright (C) the Warren authors
 *
 * Memory with one lifetime: much is allocated, all of it is freed at once.
 * Each message has an arena of its own, freed after its ack.
 */

#ifndef WARREN_ARENA_H
#define WARREN_ARENA_H


#include <stdarg.h>
#include <stddef.h>


struct wr_arena;


/*
 * An empty arena.  None of these functions returns NULL: out of memory ends
 * the process with a line in the log, and the broker delivers its messages
 * again.
 */
struct wr_arena *wr_arena_new(void);

/* Frees the arena and all that was allocated from it, and sets it to NULL. */
void wr_arena_free(struct wr_arena **arena);

/* Frees all that was allocated; keeps a block for what comes next. */
void wr_arena_reset(struct wr_arena *arena);

/* Zeroed memory, aligned for any type. */
void *wr_arena_alloc(struct wr_arena *arena, size_t size_bytes);

/* A terminated copy of len bytes; text may hold zeros and may be NULL if len
   is 0. */
char *wr_arena_copy(struct wr_arena *arena, const char *text, size_t len);

/* A copy of a terminated string; NULL gives NULL. */
char *wr_arena_strdup(struct wr_arena *arena, const char *text);

/* printf into the arena. */
char *wr_arena_printf(struct wr_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *wr_arena_vprintf(struct wr_arena *arena, const char *format,
    va_list args) __attribute__((format(printf, 2, 0)));


#endif /* WARREN_ARENA_H */
