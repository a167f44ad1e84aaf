/*
 * Copyright (C) the Warren authors
 *
 * A worker whose events count up, each key for itself, so that a test sees
 * whether they came in order; and one of channels, and of a flood.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdint.h>
#include <time.h>

#include "warren.h"


static enum wr_outcome ping(struct wr_request *req);
static enum wr_outcome notify(struct wr_request *req);
static enum wr_outcome on_step(struct wr_request *req);
static enum wr_outcome on_flood(struct wr_request *req);
static enum wr_outcome write_mail(struct wr_request *req);
static void pause_ms(int64_t ms);
static int64_t now_ms(void);


static const struct wr_handler  handlers[] = {
    { WR_CALL,    "ping",        .apply = ping, .read_only = true },
    { WR_CALL,    "notify",      .apply = notify },
    { WR_EVENT,   "echo.step",   .apply = on_step, .in_order = true },
    { WR_EVENT,   "echo.flood",  .apply = on_flood },
    { WR_CHANNEL, "email",       .apply = write_mail },
    { WR_CHANNEL, "sms",         .apply = write_mail },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "echo", NULL };

static const struct wr_service  service = {
    .name = "echo", .schema_min = "0002_echo", .handlers = handlers,
    .entities = entities, .ordered_queues = 3
};


int
main(int argc, char **argv)
{
    return wr_service_run(&service, argc, argv);
}


static enum wr_outcome
ping(struct wr_request *req)
{
    wr_reply(req, 200, "{}", 2);

    return WR_DONE;
}


/* By mail and otherwise, the person that the argument "user" names. */
static enum wr_outcome
notify(struct wr_request *req)
{
    const char  *user;

    user = wr_request_arg(req, "user");

    if (!wr_notify(req, "email", user != NULL ? user : "", "hello", "{}", 2)
        || !wr_notify(req, "pigeon", user, "hello", "{}", 2))
    {
        return wr_refuse(req, WIRE_ERROR_INVALID, "no such user");
    }

    return WR_DONE;
}


/*
 * {"n": …}: the next of its key, or the key is wrong from now on.  With
 * "until", a time, it fails before that, after "writes" or not; "fails" says
 * that the database does; "refuse" is refused.
 */
static enum wr_outcome
on_step(struct wr_request *req)
{
    int64_t                until_ms;
    const char            *n;
    const struct wr_json  *json;

    json = wr_request_json(req);
    n = wr_json_text(json, "n", 0, 20, NULL);
    until_ms = wr_json_int(json, "until", INT64_MIN, INT64_MAX, NULL);

    if (wr_json_bool(json, "refuse", NULL)) {
        return wr_refuse(req, WIRE_ERROR_CONFLICT, "it was told to refuse");
    }

    if (now_ms() < until_ms && wr_json_bool(json, "fails", NULL)) {
        wr_tx_exec(wr_request_tx(req),
                   "do $$ begin raise sqlstate '40001'; end $$", WR_NO_PARAMS);

        return WR_DONE;
    }

    if (now_ms() < until_ms && !wr_json_bool(json, "writes", NULL)) {
        return WR_RETRY;
    }

    wr_tx_exec(wr_request_tx(req),
               "insert into step (key, n, wrong)"
               " values ($1, $2::int, ($2::int <> 1)::int) "
               "on conflict (key) do update set n = excluded.n,"
               " wrong = step.wrong + (excluded.n <> step.n + 1)::int",
               WR_PARAMS(wr_request_subject(req), n));

    return (now_ms() < until_ms) ? WR_RETRY : WR_DONE;
}


/* Takes the lane's time. */
static enum wr_outcome
on_flood(struct wr_request *req)
{
    pause_ms(wr_json_int(wr_request_json(req), "ms", 0, 1000, NULL));

    return WR_DONE;
}


static enum wr_outcome
write_mail(struct wr_request *req)
{
    if (wr_json_bool(wr_request_json(req), "retry", NULL)) {
        return WR_RETRY;
    }

    wr_tx_exec(wr_request_tx(req),
               "insert into mail (id, type) values ($1, $2)",
               WR_PARAMS(wr_request_id(req), wr_request_type(req)));

    return WR_DONE;
}


static void
pause_ms(int64_t ms)
{
    struct timespec  time;

    /* the shortest sleep is 50 us and more: of a flood, most of its time */

    if (ms == 0) {
        return;
    }

    time.tv_sec = ms / 1000;
    time.tv_nsec = ms % 1000 * 1000000;
    (void) nanosleep(&time, NULL);
}


static int64_t
now_ms(void)
{
    struct timespec  time;

    (void) clock_gettime(CLOCK_REALTIME, &time);

    return (int64_t) time.tv_sec * 1000 + time.tv_nsec / 1000000;
}
