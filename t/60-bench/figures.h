/*
 * Copyright (C) the Warren authors
 *
 * What a load generator has to tell, as one line of JSON.
 */

#ifndef WARREN_BENCH_FIGURES_H
#define WARREN_BENCH_FIGURES_H


#include <stdint.h>

#include "histogram.h"


#define FIGURES_STATUSES  600


struct figures_errors {
    uint64_t  connect;          /* connections that were not made */
    uint64_t  read;             /* ended or malformed within an answer */
    uint64_t  write;
    uint64_t  timeout;
    uint64_t  status;           /* answered, but not as expected */
    uint64_t  unfinished;       /* due, and neither answered nor failed */
};


/* Zeroed is empty. */
struct figures {
    double                 seconds;             /* that were measured */
    struct histogram       expected;            /* answers as expected */
    struct histogram       others;              /* other answers */
    uint64_t               statuses[FIGURES_STATUSES];
    struct figures_errors  errors;
    uint64_t               bytes_in, bytes_out;
    uint64_t               connects;            /* connections made */
    double                 cpu_seconds;         /* the generator's own */
};


/* Counts an answer: its status, whether it was expected, what it took. */
void
figures_add(struct figures *figures, int status, int is_expected, uint64_t ns);

/*
 * Prints the line to standard output.  requests and rate are of the expected
 * answers alone, as are the latencies beside them; "others" has the same of the
 * other answers.  A latency of no answers is null.  -1 if it is not written.
 */
int
figures_print(const struct figures *figures);


/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t
figures_now(void);

/* Seconds of processor time that this process has used. */
double
figures_cpu(void);


#endif /* WARREN_BENCH_FIGURES_H */
