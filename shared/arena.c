/*
 * Copyright (C) the Warren authors
 *
 * Memory with one lifetime.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "memory.h"


/* The first block; each further one is twice as large, up to the largest. */
#define BLOCK_MIN   (size_t) 4096
#define BLOCK_MAX   (size_t) 65536

/* What is larger than this part of a block gets a block of its own. */
#define BLOCK_PART  4

#define ALIGNMENT   _Alignof(max_align_t)


struct block {
    struct block  *next;
    size_t         size;        /* of data */
    size_t         used;
    max_align_t    data[];
};


struct wr_arena {
    struct block  *blocks;      /* the first is the one that is being filled */
};


static struct block *block_new(size_t size);
static void blocks_free(struct block *block);


struct wr_arena *
wr_arena_new(void)
{
    struct wr_arena  *arena;

    arena = wr_memory_alloc(1, sizeof(struct wr_arena));
    arena->blocks = block_new(BLOCK_MIN - sizeof(struct block));

    return arena;
}


void
wr_arena_free(struct wr_arena **arena)
{
    if (*arena == NULL) {
        return;
    }

    blocks_free((*arena)->blocks);
    free(*arena);
    *arena = NULL;
}


void
wr_arena_reset(struct wr_arena *arena)
{
    blocks_free(arena->blocks->next);
    arena->blocks->next = NULL;
    arena->blocks->used = 0;
}


void *
wr_arena_alloc(struct wr_arena *arena, size_t size_bytes)
{
    void          *memory;
    size_t         size;
    struct block  *block, *own;

    if (size_bytes > SIZE_MAX / 2) {
        wr_memory_out(size_bytes);
    }

    /* not even nothing is allocated twice at the same place */

    size = (size_bytes + (size_bytes == 0) + ALIGNMENT - 1)
           / ALIGNMENT * ALIGNMENT;

    block = arena->blocks;

    if (size > block->size - block->used) {

        if (size > block->size / BLOCK_PART) {
            own = block_new(size);
            own->used = size;
            own->next = block->next;
            block->next = own;

            return memset(own->data, 0, size);
        }

        block = block_new(block->size < BLOCK_MAX ? block->size * 2
                                                  : block->size);
        block->next = arena->blocks;
        arena->blocks = block;
    }

    memory = (char *) block->data + block->used;
    block->used += size;

    return memset(memory, 0, size);
}


char *
wr_arena_copy(struct wr_arena *arena, const char *text, size_t len)
{
    char  *copy;

    if (len == SIZE_MAX) {
        wr_memory_out(len);
    }

    copy = wr_arena_alloc(arena, len + 1);

    if (len != 0) {
        memcpy(copy, text, len);
    }

    return copy;
}


char *
wr_arena_strdup(struct wr_arena *arena, const char *text)
{
    return text != NULL ? wr_arena_copy(arena, text, strlen(text)) : NULL;
}


char *
wr_arena_printf(struct wr_arena *arena, const char *format, ...)
{
    char     *text;
    va_list   args;

    va_start(args, format);
    text = wr_arena_vprintf(arena, format, args);
    va_end(args);

    return text;
}


char *
wr_arena_vprintf(struct wr_arena *arena, const char *format, va_list args)
{
    int       len;
    char     *text;
    va_list   again;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);

    if (len < 0) {
        /* a text of 2 GB: nothing that memory could be had for */
        wr_memory_out(SIZE_MAX);
    }

    text = wr_arena_alloc(arena, (size_t) len + 1);
    vsnprintf(text, (size_t) len + 1, format, again);
    va_end(again);

    return text;
}


static struct block *
block_new(size_t size)
{
    struct block  *block;

    block = malloc(sizeof(struct block) + size);

    if (block == NULL) {
        wr_memory_out(size);
    }

    block->next = NULL;
    block->size = size;
    block->used = 0;

    return block;
}


static void
blocks_free(struct block *block)
{
    struct block  *next;

    for ( /* void */ ; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
}
