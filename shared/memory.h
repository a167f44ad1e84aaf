/*
 * Copyright (C) the Warren authors
 *
 * Memory that cannot fail: out of memory ends the process.
 */

#ifndef WARREN_MEMORY_H
#define WARREN_MEMORY_H


#include <stddef.h>


/* As calloc(), and as realloc(), whose new part is not zeroed.  Never NULL;
   what they give is given back with free(). */
void *wr_memory_alloc(size_t n, size_t size_bytes);
void *wr_memory_grow(void *memory, size_t size_bytes);

/* Ends the process with a line in the log. */
_Noreturn void wr_memory_out(size_t size_bytes);


#endif /* WARREN_MEMORY_H */
