/*
 * Copyright (C) the Warren authors
 *
 * What lanes count: in their own slots, from processes of their own, and as
 * text.
 */

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "service.h"
#include "stats_private.h"
#include "tap.h"


static void test_unattached(void);
static void test_counting(void);
static void test_histograms(void);
static void test_states(void);
static void test_outbox(void);
static void test_retries(void);
static void test_dead(void);
static void test_life(void);
static void test_format(void);
static bool has_line(const char *line);


static const struct wr_handler  handlers[] = {
    { .kind = WR_CALL, .type = "create" },
    { .kind = WR_EVENT, .type = "order.\"placed\"\\" },
    WR_HANDLERS_END
};


static struct wr_stats  *stats;

static const struct wr_stats_times  times = { 1, 1, 1 };


int
main(void)
{
    stats = wr_stats_new(3, handlers);

    test_unattached();
    test_counting();
    test_histograms();
    test_states();
    test_outbox();
    test_retries();
    test_dead();
    test_life();
    test_format();

    wr_stats_free(&stats);
    ok(stats == NULL, "stats that were freed are NULL");
    wr_stats_add(WR_STAT_batches, 1);
    wr_stats_free(&stats);
    ok(true, "and whoever still counts does no harm");

    return done();
}


static void
test_unattached(void)
{
    wr_stats_add(WR_STAT_messages_received, 5);
    wr_stats_handled(&handlers[0], WR_DONE, &times);
    wr_stats_committed(1, 1);
    wr_stats_outbox(7, 1);
    wr_stats_state(WR_LANE_READY);

    ok(has_line("warren_messages_received_total{service=\"s\"} 0"),
       "who is not attached counts nothing");
    ok(has_line("warren_lanes{service=\"s\",state=\"none\"} 3"),
       "and lanes that never ran have no state");
}


static void
test_counting(void)
{
    int    lane, status;
    pid_t  pid;

    for (lane = 0; lane < 3; lane++) {
        pid = fork();

        if (pid == 0) {
            wr_stats_attach(stats, lane);
            wr_stats_add(WR_STAT_messages_received, (uint64_t) lane + 1);
            wr_stats_handled(&handlers[0], WR_DONE, &times);
            wr_stats_handled(&handlers[1], WR_RETRY, &times);
            wr_stats_handled(NULL, WR_UNCERTAIN, &times);
            wr_stats_handled(&handlers[0], (enum wr_outcome) 99, &times);
            wr_stats_outbox(10, 0);
            _exit(0);
        }

        waitpid(pid, &status, 0);
    }

    ok(has_line("warren_messages_received_total{service=\"s\"} 6"),
       "what lanes count in their processes is summed up");
    ok(has_line("warren_outbox_depth{service=\"s\"} 30"), "gauges too");
    ok(has_line("warren_messages_handled_total{service=\"s\",kind=\"call\","
                "handler=\"create\",outcome=\"done\"} 3"),
       "handlers have counts by outcome");
    ok(has_line("warren_messages_handled_total{service=\"s\",kind=\"event\","
                "handler=\"order.\\\"placed\\\"\\\\\",outcome=\"retry\"} 3"),
       "labels are escaped");
    ok(has_line("warren_messages_handled_total{service=\"s\","
                "kind=\"unknown\",handler=\"\",outcome=\"uncertain\"} 3"),
       "what has no handler is counted as that");
    ok(has_line("warren_messages_handled_total{service=\"s\",kind=\"call\","
                "handler=\"create\",outcome=\"refused\"} 0"),
       "an outcome that is none is not another one's");
}


static void
test_histograms(void)
{
    wr_stats_attach(stats, 1);

    wr_stats_committed(1, -5);
    wr_stats_committed(32, 100);
    wr_stats_committed(33, 101);
    wr_stats_committed(100000, 60000000);

#define B  "warren_commit_seconds_bucket{service=\"s\",le="

    ok(has_line(B "\"0.0001\"} 2"), "a bound is within its bucket");
    ok(has_line(B "\"0.00025\"} 3"), "buckets are cumulative");
    ok(has_line(B "\"10\"} 3") && has_line(B "\"+Inf\"} 4"),
       "what is beyond the last bound is in +Inf");
    ok(has_line("warren_commit_seconds_count{service=\"s\"} 4"),
       "which is the count");
    ok(has_line("warren_commit_seconds_sum{service=\"s\"} 60.000201"),
       "a negative time counts as none");
    ok(has_line("warren_batch_messages_bucket{service=\"s\",le=\"32\"} 2"),
       "batches have a histogram");
    ok(has_line("warren_batch_messages_sum{service=\"s\"} 100066"),
       "and a sum");
    ok(has_line("warren_batches_total{service=\"s\"} 4"), "and a count");
#undef B
}


static void
test_states(void)
{
    wr_stats_state(WR_LANE_READY);

    is_int(wr_stats_lane_state(stats, 1), WR_LANE_READY, "a lane has a state");
    is_int(wr_stats_lane_state(stats, 0), WR_LANE_NONE, "of its own");
    is_str(wr_lane_state_name(WR_LANE_NONE), "none", "states have names");
    is_str(wr_lane_state_name(WR_LANE_DRAINING), "draining", "to the last");
    is_str(wr_lane_state_name((enum wr_lane_state) 99), "unknown",
           "and no state is unknown");
    ok(has_line("warren_lanes{service=\"s\",state=\"ready\"} 1"),
       "lanes are counted by state");
}


static void
test_outbox(void)
{
    int64_t  now_ms;

    is_int(wr_stats_outbox_age_ms(stats), 0, "an empty outbox has no age");

    now_ms = wr_clock_wall_ms();
    wr_stats_outbox(1, now_ms - 5000);
    ok(wr_stats_outbox_age_ms(stats) >= 5000
       && wr_stats_outbox_age_ms(stats) < 60000,
       "its age is that of its oldest row");
    wr_stats_outbox_left(now_ms - 100000);
    ok(wr_stats_outbox_age_ms(stats) >= 100000,
       "also of one that no lane holds");
    wr_stats_outbox(0, 0);
    wr_stats_outbox_left(0);
    is_int(wr_stats_outbox_age_ms(stats), 0, "until all are gone");

    wr_stats_outbox(0, now_ms + 60000);
    is_int(wr_stats_outbox_age_ms(stats), 0,
           "a clock that was set back makes no age below 0");
    wr_stats_outbox(0, 0);
}


static void
test_retries(void)
{
    static const struct wr_stats_times  unknown = { -1, 1, 1 };

    wr_stats_retried(0);
    wr_stats_retried(0);
    wr_stats_retried(99);

    ok(has_line("warren_retries_total{service=\"s\",rung=\"1s\"} 2"),
       "retries are counted by rung");
    ok(has_line("warren_retries_total{service=\"s\",rung=\"6h\"} 1"),
       "what is beyond the last rung counts as on it");
    ok(has_line("warren_retries_total{service=\"s\",rung=\"5s\"} 0"),
       "a rung without any has its line");

#define COUNT  "warren_message_wait_seconds_count{service=\"s\","             \
               "kind=\"call\",handler=\"create\"} "

    ok(has_line(COUNT "6"), "a wait is counted");
    wr_stats_handled(&handlers[0], WR_DONE, &unknown);
    ok(has_line(COUNT "6"), "but not one that is not known");
#undef COUNT
}


static void
test_dead(void)
{
    wr_stats_lane_reset(stats, 1, WR_LANE_NONE);
    wr_stats_restarted(stats);

    is_int(wr_stats_lane_state(stats, 1), WR_LANE_NONE,
           "a dead lane has no state");
    ok(has_line("warren_batches_total{service=\"s\"} 4"),
       "what it counted stays");
    ok(has_line("warren_outbox_depth{service=\"s\"} 20"),
       "what waited in it does not");
    ok(has_line("warren_lane_restarts_total{service=\"s\"} 1"),
       "restarts are counted");
}


static void
test_life(void)
{
    int                   i;
    char                  text[2 * WR_STATS_ERROR_SIZE];
    uint64_t              before;
    struct wr_stats_lane  told;

    wr_stats_attach(stats, 2);
    before = wr_stats_lane_alive(stats, 2);
    wr_stats_alive();
    wr_stats_alive();
    is_int(wr_stats_lane_alive(stats, 2), before + 2,
           "signs of life are counted");
    wr_stats_lane_reset(stats, 2, WR_LANE_STARTING);
    is_int(wr_stats_lane_alive(stats, 2), before + 2,
           "and go on with the next life");

    wr_stats_lane(stats, 2, &told);
    is_str(told.error, "", "a lane begins without an error");

    for (i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "error %d", i);
        wr_stats_error(text);
        wr_stats_lane(stats, 2, &told);
        is_str(told.error, text, "the last error is kept");
    }

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    wr_stats_error(text);
    wr_stats_lane(stats, 2, &told);
    is_int(strlen(told.error), WR_STATS_ERROR_SIZE - 1,
           "a long one is cut");

    before = told.messages;
    wr_stats_handled(&handlers[0], WR_DONE, &times);
    wr_stats_handled(&handlers[1], WR_RETRY, &times);
    wr_stats_handled(NULL, WR_REFUSED, &times);
    wr_stats_outbox(9, 0);
    wr_stats_lane(stats, 2, &told);
    is_int(told.messages, before + 3, "messages of any outcome are handled");
    is_int(told.outbox_depth, 9, "and the outbox has its depth");
    wr_stats_outbox(0, 0);
}


static void
test_format(void)
{
    char    *open, *plain;
    size_t   open_len, plain_len;

    open = wr_stats_text(stats, "s", &open_len);
    plain = wr_stats_text_as(stats, "s", false, &plain_len);

    is_int(open_len, strlen(open), "the length is told");
    ok(strcmp(open + open_len - 7, "\n# EOF\n") == 0, "it ends with EOF");
    ok(strstr(open, "# TYPE warren_batches counter\n") != NULL,
       "OpenMetrics names a counter without its suffix");
    ok(strstr(plain, "# TYPE warren_batches_total counter\n") != NULL,
       "the older form with it");
    ok(strstr(open, "# UNIT warren_commit_seconds seconds\n") != NULL,
       "OpenMetrics has units");
    ok(strstr(plain, "# UNIT") == NULL, "the older form has none");

    free(open);
    free(plain);

    open = wr_stats_text(stats, "a\"b\\c\nd", NULL);
    ok(strstr(open, "{service=\"a\\\"b\\\\c d\"}") != NULL,
       "a service's name is escaped");
    free(open);
}


static bool
has_line(const char *line)
{
    bool   has;
    char  *text, *found;

    text = wr_stats_text(stats, "s", NULL);
    found = strstr(text, line);
    has = found != NULL && found != text && found[-1] == '\n'
          && found[strlen(line)] == '\n';
    free(text);

    return has;
}
