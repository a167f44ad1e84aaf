/*
 * Copyright (C) the Warren authors
 *
 * What lanes are working on: a part of shared memory for each.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "work.h"


/* A lane's own; of a dead one the supervisor writes how it ended. */

struct part {
    _Alignas(64) atomic_size_t  count;      /* items that stand there whole */
    atomic_bool                 is_struck;
    atomic_uint_fast64_t        done;
    bool                        is_left;    /* by an earlier life */
    bool                        is_blamed;
    char                        end[WR_WORK_END_SIZE];
    struct wr_work_item         items[];
};

struct wr_work {
    size_t  batch;
    size_t  part_size;
    size_t  size;
    char   *parts;                          /* shared */
};


static struct part *part_of(const struct wr_work *work, int lane);
static void copy(char *text_r, const char *text);


/* this process's own */

static struct part  *own;
static size_t        own_max;


struct wr_work *
wr_work_new(int lanes, int batch)
{
    void            *parts;
    size_t           line;
    struct wr_work  *work;

    work = wr_memory_alloc(1, sizeof(struct wr_work));
    work->batch = (size_t) batch;
    line = _Alignof(struct part);
    work->part_size = sizeof(struct part)
                      + work->batch * sizeof(struct wr_work_item);
    work->part_size = (work->part_size + line - 1) / line * line;
    work->size = (size_t) lanes * work->part_size;

    /* pages that no batch was large enough for are never touched */

    parts = mmap(NULL, work->size, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (parts == MAP_FAILED) {
        wr_memory_out(work->size);
    }

    work->parts = parts;

    return work;
}


void
wr_work_free(struct wr_work **work)
{
    if (*work == NULL) {
        return;
    }

    own = NULL;
    munmap((*work)->parts, (*work)->size);
    free(*work);
    *work = NULL;
}


void
wr_work_attach(struct wr_work *work, int lane)
{
    own = part_of(work, lane);
    own_max = work->batch;
}


void
wr_work_add(const char *id, const char *home)
{
    size_t  n;

    if (own == NULL) {
        return;
    }

    n = atomic_load_explicit(&own->count, memory_order_relaxed);

    if (n < own_max) {
        copy(own->items[n].id, id);
        copy(own->items[n].home, home);
        atomic_store_explicit(&own->count, n + 1, memory_order_release);
    }
}


void
wr_work_strike(void)
{
    if (own != NULL) {
        atomic_store_explicit(&own->is_struck, true, memory_order_release);
    }
}


void
wr_work_clear(void)
{
    if (own != NULL) {
        atomic_store_explicit(&own->count, 0, memory_order_release);
        atomic_store_explicit(&own->is_struck, false, memory_order_release);
        own->is_left = false;
    }
}


void
wr_work_done(void)
{
    if (own != NULL) {
        atomic_store_explicit(&own->done,
                              atomic_load_explicit(&own->done,
                                                   memory_order_relaxed)
                              + 1, memory_order_relaxed);
    }
}


/* A lane that broke its memory may have left anything. */

bool
wr_work_left(struct wr_work_left *left_r)
{
    size_t  i, n;

    n = (own != NULL) ? atomic_load_explicit(&own->count, memory_order_acquire)
                      : 0;

    if (n == 0 || !own->is_left) {
        return false;
    }

    n = (n < own_max) ? n : own_max;

    for (i = 0; i < n; i++) {
        own->items[i].id[WR_WORK_TEXT_SIZE - 1] = '\0';
        own->items[i].home[WR_WORK_TEXT_SIZE - 1] = '\0';
    }

    memset(left_r, 0, sizeof(*left_r));
    left_r->count = n;
    left_r->items = own->items;
    left_r->is_struck = n == 1 && atomic_load_explicit(&own->is_struck,
                                                       memory_order_acquire);
    left_r->is_blamed = own->is_blamed;
    memcpy(left_r->end, own->end, WR_WORK_END_SIZE - 1);

    return true;
}


void
wr_work_started(struct wr_work *work, int lane)
{
    atomic_store_explicit(&part_of(work, lane)->done, 0, memory_order_relaxed);
}


void
wr_work_ended(struct wr_work *work, int lane, const char *how, bool is_blamed)
{
    struct part  *part;

    part = part_of(work, lane);

    if (part->is_left
        || atomic_load_explicit(&part->count, memory_order_acquire) == 0)
    {
        return;
    }

    part->is_left = true;
    part->is_blamed = is_blamed;
    snprintf(part->end, sizeof(part->end), "%s", how);
}


uint64_t
wr_work_count(const struct wr_work *work, int lane)
{
    return atomic_load_explicit(&part_of(work, lane)->done,
                                memory_order_relaxed);
}


static struct part *
part_of(const struct wr_work *work, int lane)
{
    return (struct part *) (void *)
           (work->parts + (size_t) lane * work->part_size);
}


static void
copy(char *text_r, const char *text)
{
    size_t  len;

    len = strnlen(text, WR_WORK_TEXT_SIZE - 1);
    memcpy(text_r, text, len);
    text_r[len] = '\0';
}
