/*
 * Copyright (C) the Warren authors
 *
 * How long things took: counts by duration, from which percentiles are read.
 */

#include "histogram.h"


static unsigned bucket_of(uint64_t ns);
static uint64_t middle_of(unsigned bucket);


void
histogram_add(struct histogram *histogram, uint64_t ns)
{
    if (ns > HISTOGRAM_MAX_NS) {
        ns = HISTOGRAM_MAX_NS;
    }

    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }

    histogram->count++;
    histogram->sum_ns += (double) ns;
    histogram->buckets[bucket_of(ns)]++;
}


uint64_t
histogram_percentile(const struct histogram *histogram, double share)
{
    double    exact;
    uint64_t  ns, rank, seen;
    unsigned  i;

    if (histogram->count == 0) {
        return 0;
    }

    /*
     * The smallest rank that is at least the share of all, from 1 on.  What the
     * product is off must not make it the next one.
     */
    exact = share * (double) histogram->count * (1 - 1e-12);
    rank = (uint64_t) exact;

    if ((double) rank < exact || rank == 0) {
        rank++;
    }

    seen = 0;

    for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];

        if (seen >= rank) {
            ns = middle_of(i);
            return ns < histogram->max_ns ? ns : histogram->max_ns;
        }
    }

    return histogram->max_ns;
}


/*
 * Below 2 * PARTS a bucket is a nanosecond.  Above, a duration is shifted until
 * PARTS <= it < 2 * PARTS, and each shift has PARTS buckets.
 */
static unsigned
bucket_of(uint64_t ns)
{
    unsigned  shift;

    if (ns < 2 * HISTOGRAM_PARTS) {
        return (unsigned) ns;
    }

    shift = 63 - (unsigned) __builtin_clzll(ns) - HISTOGRAM_PART_BITS;

    return shift * HISTOGRAM_PARTS + (unsigned) (ns >> shift);
}


static uint64_t
middle_of(unsigned bucket)
{
    unsigned  shift;

    if (bucket < 2 * HISTOGRAM_PARTS) {
        return bucket;
    }

    shift = bucket / HISTOGRAM_PARTS - 1;

    return ((uint64_t) (bucket - shift * HISTOGRAM_PARTS) << shift)
           + ((uint64_t) 1 << (shift - 1));
}
