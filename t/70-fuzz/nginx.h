/*
 * Copyright (C) the Warren authors
 *
 * What fuzz targets use of nginx.c beside nginx's own names.
 */

#ifndef WARREN_FUZZ_NGINX_H
#define WARREN_FUZZ_NGINX_H


#include <ngx_config.h>
#include <ngx_core.h>


/* A pool whose pieces are allocated one by one; never NULL. */
ngx_pool_t *fuzz_pool_create(void);

/* Runs its cleanups and frees all that was taken of it. */
void fuzz_pool_destroy(ngx_pool_t *pool);

/* Reads every byte, so that a sanitizer sees those that are not there. */
void fuzz_touch(const void *bytes, size_t len);


#endif /* WARREN_FUZZ_NGINX_H */
