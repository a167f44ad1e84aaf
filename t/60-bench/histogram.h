/*
 * Copyright (C) the Warren authors
 *
 * How long things took: counts by duration, from which percentiles are read.
 */

#ifndef WARREN_BENCH_HISTOGRAM_H
#define WARREN_BENCH_HISTOGRAM_H


#include <stdint.h>


/*
 * The buckets are those of Gil Tene's HdrHistogram (hdrhistogram.org): each
 * power of two is divided into equal parts, so that the width of a bucket is
 * at most a 128th of what is in it.  Beyond the maximum (18 minutes) a duration
 * counts as the maximum.
 */

#define HISTOGRAM_PART_BITS  7
#define HISTOGRAM_PARTS      (1 << HISTOGRAM_PART_BITS)
#define HISTOGRAM_MAX_BITS   40
#define HISTOGRAM_MAX_NS     (((uint64_t) 1 << HISTOGRAM_MAX_BITS) - 1)
#define HISTOGRAM_BUCKETS                                                     \
    ((HISTOGRAM_MAX_BITS - HISTOGRAM_PART_BITS + 1) * HISTOGRAM_PARTS)


/* Zeroed is empty. */
struct histogram {
    uint64_t  count;
    uint64_t  max_ns;                   /* exact */
    double    sum_ns;
    uint64_t  buckets[HISTOGRAM_BUCKETS];
};


/* Adds a duration.  Cheap: no branch but the bound, one count. */
void
histogram_add(struct histogram *histogram, uint64_t ns);

/*
 * The duration that the share (0 to 1) of all is not above, in nanoseconds: the
 * middle of its bucket, less than 0.4 % off, and never above the maximum.  0 of
 * an empty histogram.
 */
uint64_t
histogram_percentile(const struct histogram *histogram, double share);


#endif /* WARREN_BENCH_HISTOGRAM_H */
