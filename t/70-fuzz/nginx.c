/*
 * Copyright (C) the Warren authors
 *
 * As much of nginx as the sources under test call.  A pool here is a list of
 * pieces with their own ends: nginx's would hide who writes past one.
 */

#include <stdlib.h>

#include "nginx.h"


/* beyond it a text of ngx_sprintf() here is a mistake */
#define FUZZ_TEXT_MAX  64


struct fuzz_piece {
    struct fuzz_piece  *next;
    u_char             *bytes;
};


/* the first member is what sources see; they look at none of its fields */

struct fuzz_pool {
    ngx_pool_t           pool;
    struct fuzz_piece   *pieces;
    ngx_pool_cleanup_t  *cleanups;
};


static volatile u_char  fuzz_sink;


ngx_pool_t *
fuzz_pool_create(void)
{
    struct fuzz_pool  *pool;

    pool = calloc(1, sizeof(struct fuzz_pool));

    if (pool == NULL) {
        abort();
    }

    return &pool->pool;
}


void
fuzz_pool_destroy(ngx_pool_t *of)
{
    struct fuzz_pool    *pool = (struct fuzz_pool *) of;
    struct fuzz_piece   *piece, *next;
    ngx_pool_cleanup_t  *cln;

    for (cln = pool->cleanups; cln; cln = cln->next) {
        cln->handler(cln->data);
    }

    for (piece = pool->pieces; piece; piece = next) {
        next = piece->next;
        free(piece->bytes);
        free(piece);
    }

    free(pool);
}


void
fuzz_touch(const void *bytes, size_t len)
{
    size_t         i;
    const u_char  *p = bytes;

    for (i = 0; i < len; i++) {
        fuzz_sink ^= p[i];
    }
}


void *
ngx_palloc(ngx_pool_t *of, size_t size)
{
    struct fuzz_pool   *pool = (struct fuzz_pool *) of;
    struct fuzz_piece  *piece;

    piece = malloc(sizeof(struct fuzz_piece));

    if (piece == NULL) {
        abort();
    }

    piece->bytes = malloc(size ? size : 1);

    if (piece->bytes == NULL) {
        abort();
    }

    piece->next = pool->pieces;
    pool->pieces = piece;

    return piece->bytes;
}


void *
ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    return ngx_palloc(pool, size);
}


void *
ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    return memset(ngx_palloc(pool, size), 0, size);
}


ngx_pool_cleanup_t *
ngx_pool_cleanup_add(ngx_pool_t *of, size_t size)
{
    struct fuzz_pool    *pool = (struct fuzz_pool *) of;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pcalloc(of, sizeof(ngx_pool_cleanup_t));
    cln->data = size ? ngx_palloc(of, size) : NULL;
    cln->next = pool->cleanups;
    pool->cleanups = cln;

    return cln;
}


ngx_array_t *
ngx_array_create(ngx_pool_t *pool, ngx_uint_t n, size_t size)
{
    ngx_array_t  *array;

    array = ngx_palloc(pool, sizeof(ngx_array_t));

    return ngx_array_init(array, pool, n, size) == NGX_OK ? array : NULL;
}


void *
ngx_array_push(ngx_array_t *array)
{
    void  *bytes;

    if (array->nelts == array->nalloc) {
        bytes = ngx_palloc(array->pool, 2 * array->nalloc * array->size);
        memcpy(bytes, array->elts, array->nelts * array->size);

        array->elts = bytes;
        array->nalloc *= 2;
    }

    return (u_char *) array->elts + array->size * array->nelts++;
}


/* the one conversion that is used: a number, "%L" */

u_char * ngx_cdecl
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    int      len;
    char     text[FUZZ_TEXT_MAX];
    va_list  args;

    if (strcmp(fmt, "%L") != 0) {
        abort();
    }

    va_start(args, fmt);
    len = snprintf(text, sizeof(text), "%lld",
                   (long long) va_arg(args, int64_t));
    va_end(args);

    memcpy(buf, text, (size_t) len);

    return buf + len;
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    (void) level;
    (void) log;
    (void) err;
    (void) fmt;
}
