/*
 * Copyright (C) the Warren authors
 *
 * Percentiles that a histogram tells, against those of the values themselves.
 */

#include "histogram.h"
#include "tap.h"

#include <stdlib.h>


#define VALUES  20000


static void test_empty(void);
static void test_small(void);
static void test_error(void);
static void test_beyond(void);
static void test_percentiles(void);
static int compare(const void *a, const void *b);


int
main(void)
{
    test_empty();
    test_small();
    test_error();
    test_beyond();
    test_percentiles();

    return done();
}


static void
test_empty(void)
{
    static const struct histogram  histogram;

    is_int(histogram_percentile(&histogram, 0.5), 0, "nothing took no time");
}


static void
test_small(void)
{
    static struct histogram  histogram;

    histogram_add(&histogram, 1);
    histogram_add(&histogram, 2);
    histogram_add(&histogram, 3);
    histogram_add(&histogram, 200);

    is_int(histogram_percentile(&histogram, 0), 1, "the least one is exact");
    is_int(histogram_percentile(&histogram, 0.5), 2, "a half is not above 2");
    is_int(histogram_percentile(&histogram, 0.51), 3, "a bit more needs 3");
    is_int(histogram_percentile(&histogram, 1), 200, "all are not above 200");
    is_int(histogram.max_ns, 200, "the most is told");
    is_int(histogram.count, 4, "all are counted");
}


/* each power of two, around it and in its middle */

static void
test_error(void)
{
    int                i, wrong;
    double             error;
    uint64_t           got, value;
    unsigned           bit;
    struct histogram  *histogram;

    wrong = 0;

    for (bit = 1; bit < HISTOGRAM_MAX_BITS; bit++) {
        for (i = -1; i <= 2; i++) {
            value = ((uint64_t) 1 << bit) + (uint64_t) (i == 2 ? 1ll << bit >> 1
                                                              : i);
            histogram = calloc(1, sizeof(struct histogram));
            histogram_add(histogram, value);
            histogram->max_ns = HISTOGRAM_MAX_NS;
            got = histogram_percentile(histogram, 0.5);
            error = ((double) got - (double) value) / (double) value;

            if (error > 0.004 || error < -0.004) {
                diag("%" PRIu64 " was told as %" PRIu64, value, got);
                wrong++;
            }

            free(histogram);
        }
    }

    is_int(wrong, 0, "no value is told with more than 0.4 %% of error");
}


static void
test_beyond(void)
{
    static struct histogram  histogram;

    histogram_add(&histogram, UINT64_MAX);
    is_int(histogram.max_ns, HISTOGRAM_MAX_NS,
           "what is beyond the maximum counts as the maximum");
    ok(histogram_percentile(&histogram, 0.5)
       > HISTOGRAM_MAX_NS - HISTOGRAM_MAX_NS / 250, "and is in its bucket");
}


static void
test_percentiles(void)
{
    static struct histogram  histogram;
    static uint64_t          values[VALUES];

    int       i, wrong;
    double    exact, got, share;
    uint64_t  seed;

    seed = 42;

    for (i = 0; i < VALUES; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        values[i] = 1 + (seed >> (24 + seed % 32));
        histogram_add(&histogram, values[i]);
    }

    qsort(values, VALUES, sizeof(values[0]), compare);
    wrong = 0;

    for (i = 1; i <= 1000; i++) {
        share = i / 1000.0;
        exact = (double) values[i * (VALUES / 1000) - 1];
        exact = exact > (double) HISTOGRAM_MAX_NS ? (double) HISTOGRAM_MAX_NS
                                                  : exact;
        got = (double) histogram_percentile(&histogram, share);

        if (got < exact * 0.992 || got > exact * 1.008) {
            diag("%.3f of all: %.0f for %.0f", share, got, exact);
            wrong++;
        }
    }

    is_int(wrong, 0, "percentiles are those of the values, within 0.8 %%");
}


static int
compare(const void *a, const void *b)
{
    const uint64_t  *left = a, *right = b;

    return *left < *right ? -1 : *left > *right;
}
