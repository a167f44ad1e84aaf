/*
 * Copyright (C) the Warren authors
 *
 * Memory that cannot fail.
 */

#include <stdlib.h>

#include "log.h"
#include "memory.h"


void *
wr_memory_alloc(size_t n, size_t size_bytes)
{
    void  *memory;

    memory = calloc(n != 0 ? n : 1, size_bytes != 0 ? size_bytes : 1);

    if (memory == NULL) {
        wr_memory_out(size_bytes);
    }

    return memory;
}


void *
wr_memory_grow(void *memory, size_t size_bytes)
{
    void  *grown;

    grown = realloc(memory, size_bytes != 0 ? size_bytes : 1);

    if (grown == NULL) {
        wr_memory_out(size_bytes);
    }

    return grown;
}


_Noreturn void
wr_memory_out(size_t size_bytes)
{
    wr_log_error(NULL, "out of memory: %zu bytes were asked for", size_bytes);
    abort();
}
