/*
 * Copyright (C) the Warren authors
 *
 * The counts of all lanes as text, for those who watch.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "service.h"
#include "stats_private.h"
#include "version.h"


#define LABEL_SIZE  512

#define load(counter)  atomic_load_explicit(counter, memory_order_relaxed)


/* a text that grows */

struct page {
    FILE                   *out;
    const struct wr_stats  *stats;
    char                    service[LABEL_SIZE];    /* service="…" */
    bool                    is_openmetrics;
};


/* a histogram that each handler has */

struct family {
    const char     *name;
    const char     *help;
    const int64_t  *bounds;
    size_t          offset;     /* in struct wr_stats_handler */
};


static void counters_write(const struct page *page);
static void gauges_write(const struct page *page);
static void retries_write(const struct page *page);
static void outcomes_write(const struct page *page);
static void lane_histograms_write(const struct page *page);
static void handler_histograms_write(const struct page *page,
    const struct family *family);
static const struct wr_stats_histogram *histogram_of(
    const struct wr_stats_slot *slot, size_t handler, size_t offset);
static void histogram_add(uint64_t totals[WR_STATS_BUCKETS + 1],
    const struct wr_stats_histogram *histogram);
static void histogram_write(const struct page *page, const char *name,
    const char *labels, const uint64_t totals[WR_STATS_BUCKETS + 1],
    const int64_t *bounds, bool is_seconds);
static void head_write(const struct page *page, const char *name,
    const char *type, const char *unit, const char *help);
static void handler_labels(const struct page *page, size_t handler,
    char labels_r[LABEL_SIZE]);
static void label_put(char *labels, const char *name, const char *value);


static const char *const  outcome_names[] = {
    "done", "refused", "retry", "uncertain"
};

static const char *const  kind_names[] = {
    [WR_CALL] = "call", [WR_COMMAND] = "command", [WR_EVENT] = "event",
    [WR_CHANNEL] = "channel"
};

static const struct family  families[] = {
    { "warren_message_wait_seconds",
      "Time that a message was in its queue, at its first try",
      wr_stats_wait_bounds_us, offsetof(struct wr_stats_handler, wait) },
    { "warren_message_handling_seconds",
      "Time from a message's take to its settling",
      wr_stats_duration_bounds_us,
      offsetof(struct wr_stats_handler, handling) },
    { "warren_handler_seconds",
      "Time that a message spent in its handler's functions",
      wr_stats_duration_bounds_us,
      offsetof(struct wr_stats_handler, handler) },
};


char *
wr_stats_text(const struct wr_stats *stats, const char *service,
    size_t *len_r)
{
    return wr_stats_text_as(stats, service, true, len_r);
}


char *
wr_stats_text_as(const struct wr_stats *stats, const char *service,
    bool is_openmetrics, size_t *len_r)
{
    char         *text;
    size_t        i, len;
    struct page   page;

    page.out = open_memstream(&text, &len);

    if (page.out == NULL) {
        wr_memory_out(0);
    }

    page.stats = stats;
    page.is_openmetrics = is_openmetrics;
    page.service[0] = '\0';
    label_put(page.service, "service", service);

    counters_write(&page);
    gauges_write(&page);
    retries_write(&page);
    outcomes_write(&page);

    for (i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        handler_histograms_write(&page, &families[i]);
    }

    lane_histograms_write(&page);

    fputs("# EOF\n", page.out);

    if (fclose(page.out) != 0) {
        wr_memory_out(len);
    }

    if (len_r != NULL) {
        *len_r = len;
    }

    return text;
}


static void
counters_write(const struct page *page)
{
    int       i, lane;
    uint64_t  sum;

    static const struct {
        const char  *name;
        const char  *help;
    } counters[] = {
#define X(name, help)  { "warren_" #name, help },
        WR_STATS_COUNTERS(X)
#undef X
    };

    for (i = 0; i < WR_STAT_COUNT; i++) {
        sum = 0;

        for (lane = 0; lane < page->stats->lanes; lane++) {
            sum += load(&wr_stats_slot(page->stats, lane)->counters[i]);
        }

        head_write(page, counters[i].name, "counter", NULL, counters[i].help);
        fprintf(page->out, "%s_total{%s} %" PRIu64 "\n", counters[i].name,
                page->service, sum);
    }

    head_write(page, "warren_lane_restarts", "counter", NULL,
               "Times a lane was started again");
    fprintf(page->out, "warren_lane_restarts_total{%s} %" PRIu64 "\n",
            page->service, page->stats->restarts);
}


static void
gauges_write(const struct page *page)
{
    int      lane, state, lanes[WR_LANE_DRAINING + 1] = { 0 };
    int64_t  depth, age_ms;

    depth = 0;
    age_ms = wr_stats_outbox_age_ms(page->stats);

    for (lane = 0; lane < page->stats->lanes; lane++) {
        state = (int) wr_stats_lane_state(page->stats, lane);

        if (state >= 0 && state <= WR_LANE_DRAINING) {
            lanes[state]++;
        }

        depth += load(&wr_stats_slot(page->stats, lane)->outbox_depth);
    }

    head_write(page, "warren_lanes", "gauge", NULL,
               "Lanes by what they are doing");

    for (state = 0; state <= WR_LANE_DRAINING; state++) {
        fprintf(page->out, "warren_lanes{%s,state=\"%s\"} %d\n",
                page->service, wr_lane_state_name((enum wr_lane_state) state),
                lanes[state]);
    }

    head_write(page, "warren_outbox_depth", "gauge", NULL,
               "Outbox rows that wait for the broker's confirm");
    fprintf(page->out, "warren_outbox_depth{%s} %" PRId64 "\n",
            page->service, depth);

    head_write(page, "warren_outbox_age_seconds", "gauge", "seconds",
               "How long the oldest outbox row waits to be sent");
    fprintf(page->out, "warren_outbox_age_seconds{%s} %" PRId64 ".%03d\n",
            page->service, age_ms / 1000, (int) (age_ms % 1000));

    head_write(page, "warren_build_info", "gauge", NULL,
               "Always 1; its labels tell the version");
    fprintf(page->out, "warren_build_info{%s,version=\"%s\"} 1\n",
            page->service, WR_VERSION);

    head_write(page, "warren_start_time_seconds", "gauge", "seconds",
               "When the supervisor started, since the epoch");
    fprintf(page->out, "warren_start_time_seconds{%s} %" PRId64 ".%03d\n",
            page->service, page->stats->started_ms / 1000,
            (int) (page->stats->started_ms % 1000));
}


static void
retries_write(const struct page *page)
{
    int       lane;
    uint64_t  sum;
    unsigned  rung;

    head_write(page, "warren_retries", "counter", NULL,
               "Messages sent to a rung, by rung");

    for (rung = 0; rung < WIRE_RUNGS; rung++) {
        sum = 0;

        for (lane = 0; lane < page->stats->lanes; lane++) {
            sum += load(&wr_stats_slot(page->stats, lane)->retries[rung]);
        }

        fprintf(page->out, "warren_retries_total{%s,rung=\"%s\"} %" PRIu64
                "\n", page->service, wire_rung(rung)->name, sum);
    }
}


static void
outcomes_write(const struct page *page)
{
    int       lane, outcome;
    char      labels[LABEL_SIZE];
    size_t    i;
    uint64_t  sum;

    head_write(page, "warren_messages_handled", "counter", NULL,
               "Messages done with, by handler and outcome");

    for (i = 0; i <= page->stats->handlers_count; i++) {
        handler_labels(page, i, labels);

        for (outcome = 0; outcome < WR_STATS_OUTCOMES; outcome++) {
            sum = 0;

            for (lane = 0; lane < page->stats->lanes; lane++) {
                sum += load(&wr_stats_slot(page->stats, lane)
                                 ->handlers[i].outcomes[outcome]);
            }

            fprintf(page->out, "warren_messages_handled_total{%s,"
                    "outcome=\"%s\"} %" PRIu64 "\n", labels,
                    outcome_names[outcome], sum);
        }
    }
}


static void
handler_histograms_write(const struct page *page, const struct family *family)
{
    int       lane;
    char      labels[LABEL_SIZE];
    size_t    i;
    uint64_t  totals[WR_STATS_BUCKETS + 1];

    head_write(page, family->name, "histogram", "seconds", family->help);

    for (i = 0; i <= page->stats->handlers_count; i++) {
        memset(totals, 0, sizeof(totals));
        handler_labels(page, i, labels);

        for (lane = 0; lane < page->stats->lanes; lane++) {
            histogram_add(totals,
                          histogram_of(wr_stats_slot(page->stats, lane), i,
                                       family->offset));
        }

        histogram_write(page, family->name, labels, totals, family->bounds,
                        true);
    }
}


static const struct wr_stats_histogram *
histogram_of(const struct wr_stats_slot *slot, size_t handler, size_t offset)
{
    return (const struct wr_stats_histogram *) (const void *)
           ((const char *) &slot->handlers[handler] + offset);
}


static void
lane_histograms_write(const struct page *page)
{
    int       lane;
    uint64_t  batch[WR_STATS_BUCKETS + 1], commit[WR_STATS_BUCKETS + 1];

    memset(batch, 0, sizeof(batch));
    memset(commit, 0, sizeof(commit));

    for (lane = 0; lane < page->stats->lanes; lane++) {
        histogram_add(batch, &wr_stats_slot(page->stats, lane)->batch);
        histogram_add(commit, &wr_stats_slot(page->stats, lane)->commit);
    }

    head_write(page, "warren_batch_messages", "histogram", "messages",
               "Messages committed together");
    histogram_write(page, "warren_batch_messages", page->service, batch,
                    wr_stats_batch_bounds, false);

    head_write(page, "warren_commit_seconds", "histogram", "seconds",
               "Time that commits took");
    histogram_write(page, "warren_commit_seconds", page->service, commit,
                    wr_stats_duration_bounds_us, true);
}


/* The last of the totals is the sum. */
static void
histogram_add(uint64_t totals[WR_STATS_BUCKETS + 1],
    const struct wr_stats_histogram *histogram)
{
    int  i;

    for (i = 0; i < WR_STATS_BUCKETS; i++) {
        totals[i] += load(&histogram->buckets[i]);
    }

    totals[WR_STATS_BUCKETS] += load(&histogram->sum);
}


/* The count is the sum of what was just read, so that they never disagree. */
static void
histogram_write(const struct page *page, const char *name, const char *labels,
    const uint64_t totals[WR_STATS_BUCKETS + 1], const int64_t *bounds,
    bool is_seconds)
{
    int       i;
    uint64_t  below;

    below = 0;

    for (i = 0; i < WR_STATS_BUCKETS - 1; i++) {
        below += totals[i];

        if (is_seconds) {
            fprintf(page->out, "%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name,
                    labels, (double) bounds[i] / 1e6,
                    below);

        } else {
            fprintf(page->out, "%s_bucket{%s,le=\"%" PRId64 "\"} %" PRIu64
                    "\n", name, labels, bounds[i], below);
        }
    }

    below += totals[WR_STATS_BUCKETS - 1];

    fprintf(page->out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels,
            below);
    fprintf(page->out, "%s_count{%s} %" PRIu64 "\n", name, labels, below);

    if (is_seconds) {
        fprintf(page->out, "%s_sum{%s} %" PRIu64 ".%06" PRIu64 "\n", name,
                labels, totals[WR_STATS_BUCKETS] / 1000000,
                totals[WR_STATS_BUCKETS] % 1000000);

    } else {
        fprintf(page->out, "%s_sum{%s} %" PRIu64 "\n", name, labels,
                totals[WR_STATS_BUCKETS]);
    }
}


static void
head_write(const struct page *page, const char *name, const char *type,
    const char *unit, const char *help)
{
    const char  *suffix;

    suffix = (!page->is_openmetrics && strcmp(type, "counter") == 0)
             ? "_total" : "";

    fprintf(page->out, "# TYPE %s%s %s\n", name, suffix, type);

    if (page->is_openmetrics && unit != NULL) {
        fprintf(page->out, "# UNIT %s %s\n", name, unit);
    }

    fprintf(page->out, "# HELP %s%s %s\n", name, suffix, help);
}


static void
handler_labels(const struct page *page, size_t handler,
    char labels_r[LABEL_SIZE])
{
    const struct wr_handler  *handlers;

    handlers = page->stats->handlers;
    strcpy(labels_r, page->service);

    if (handler == page->stats->handlers_count) {
        label_put(labels_r, "kind", "unknown");
        label_put(labels_r, "handler", "");
        return;
    }

    label_put(labels_r, "kind", kind_names[handlers[handler].kind]);
    label_put(labels_r, "handler", handlers[handler].type);
}


/* A value that has no room is cut. */
static void
label_put(char *labels, const char *name, const char *value)
{
    size_t  len;

    len = strlen(labels);
    len += (size_t) snprintf(labels + len, LABEL_SIZE - len, "%s%s=\"",
                             len != 0 ? "," : "", name);

    for ( /* void */ ; *value != '\0' && len < LABEL_SIZE - 40; value++) {

        if (*value == '"' || *value == '\\') {
            labels[len++] = '\\';
        }

        labels[len++] = (*value == '\n') ? ' ' : *value;
    }

    strcpy(labels + len, "\"");
}
