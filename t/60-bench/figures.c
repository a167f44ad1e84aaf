/*
 * Copyright (C) the Warren authors
 *
 * What a load generator has to tell, as one line of JSON.
 */

#include "figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>


static void print_latencies(const struct histogram *histogram, double seconds);
static void print_latency(const char *name, const struct histogram *histogram,
    uint64_t ns);
static void print_statuses(const struct figures *figures);
static void print_errors(const struct figures_errors *errors);


void
figures_add(struct figures *figures, int status, int is_expected, uint64_t ns)
{
    figures->statuses[status]++;

    if (is_expected) {
        histogram_add(&figures->expected, ns);
        return;
    }

    figures->errors.status++;
    histogram_add(&figures->others, ns);
}


int
figures_print(const struct figures *figures)
{
    printf("{\"seconds\":%.6f,", figures->seconds);
    print_latencies(&figures->expected, figures->seconds);
    printf(",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
           ",\"connects\":%" PRIu64 ",\"cpu_seconds\":%.3f",
           figures->bytes_in, figures->bytes_out, figures->connects,
           figures->cpu_seconds);
    print_statuses(figures);
    print_errors(&figures->errors);
    printf(",\"others\":{");
    print_latencies(&figures->others, figures->seconds);
    printf("}}\n");

    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : -1;
}


static void
print_latencies(const struct histogram *histogram, double seconds)
{
    printf("\"requests\":%" PRIu64 ",\"rate\":%.3f", histogram->count,
           seconds > 0 ? (double) histogram->count / seconds : 0.0);

    print_latency("p50_us", histogram, histogram_percentile(histogram, 0.5));
    print_latency("p99_us", histogram, histogram_percentile(histogram, 0.99));
    print_latency("p999_us", histogram,
                  histogram_percentile(histogram, 0.999));
    print_latency("max_us", histogram, histogram->max_ns);
    print_latency("mean_us", histogram, histogram->count == 0 ? 0
                  : (uint64_t) (histogram->sum_ns
                                / (double) histogram->count));
}


static void
print_latency(const char *name, const struct histogram *histogram, uint64_t ns)
{
    if (histogram->count == 0) {
        printf(",\"%s\":null", name);

    } else {
        printf(",\"%s\":%.1f", name, (double) ns / 1000);
    }
}


static void
print_statuses(const struct figures *figures)
{
    const char  *comma;
    int          i;

    printf(",\"statuses\":{");

    comma = "";

    for (i = 0; i < FIGURES_STATUSES; i++) {
        if (figures->statuses[i] != 0) {
            printf("%s\"%d\":%" PRIu64, comma, i, figures->statuses[i]);
            comma = ",";
        }
    }

    printf("}");
}


static void
print_errors(const struct figures_errors *errors)
{
    printf(",\"errors\":{\"connect\":%" PRIu64 ",\"read\":%" PRIu64
           ",\"write\":%" PRIu64 ",\"timeout\":%" PRIu64
           ",\"status\":%" PRIu64 ",\"unfinished\":%" PRIu64 "}",
           errors->connect, errors->read, errors->write, errors->timeout,
           errors->status, errors->unfinished);
}


uint64_t
figures_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}


double
figures_cpu(void)
{
    struct rusage  usage;

    getrusage(RUSAGE_SELF, &usage);

    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
           + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
