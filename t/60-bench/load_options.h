/*
 * Copyright (C) the Warren authors
 *
 * What a load is made of: where to, which requests, how many and how fast.
 */

#ifndef WARREN_BENCH_LOAD_OPTIONS_H
#define WARREN_BENCH_LOAD_OPTIONS_H


#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "figures.h"


#define LOAD_CONNECTIONS_MAX  20000


struct load_options {
    struct addrinfo  *address;          /* the first one is connected to */

    /*
     * A request is head, or with tokens head, one of them and tail; the body
     * is in the last part.
     */
    struct iovec      head;
    struct iovec      tail;
    struct iovec     *tokens;           /* NULL: none */
    size_t            tokens_count;
    bool              is_head;          /* the method is HEAD */

    unsigned          connections;
    double            rate;             /* requests a second; 0: closed loop */
    uint64_t          seconds_ns;
    uint64_t          warmup_ns;
    uint64_t          timeout_ns;
    uint64_t          drain_ns;

    /* none is expected: all are */
    bool              is_expected[FIGURES_STATUSES];
};


/* Reads the command line; ends the program with status 2 where it is wrong. */
void
load_options_read(struct load_options *options, int argc, char **argv);

void
load_options_free(struct load_options *options);


#endif /* WARREN_BENCH_LOAD_OPTIONS_H */
