/*
 * Copyright (C) the Warren authors
 *
 * Has the provider take the money of an order, and records what came of it.
 *
 * That the capture has begun is committed before the provider hears of it, and
 * the provider hears of it before a transaction is open.  Whoever finds it
 * begun and not ended asks first.
 */

#include <inttypes.h>
#include <string.h>

#include "payments.h"
#include "payments_store.h"


static enum wr_outcome captured(struct wr_request *req,
    const struct payments_task *task);
static enum wr_outcome declined(struct wr_request *req,
    const struct payments_task *task, const char *reason, const char *look);
static enum wr_outcome not_yet(struct wr_request *req,
    const struct payments_task *task);
static enum wr_outcome given_up(struct wr_request *req,
    const struct payments_task *task);
static const char *attempt(struct wr_request *req,
    const struct payments_task *task);


enum wr_outcome
payments_capture_gather(struct wr_request *req)
{
    struct payments_task  *task;

    task = payments_task_read(req, PAYMENTS_CHARGE);

    if (wr_request_errors(req)->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, task);

    return WR_DONE;
}


void
payments_capture_keys(struct wr_request *req)
{
    struct payments_task  *task;

    task = wr_request_get(req);
    wr_key(req, payments_tables.payments, task->job.order_id);
}


enum wr_outcome
payments_capture(struct wr_request *req)
{
    const struct payments_task   *task;
    const struct payments_state  *state;

    task = wr_request_get(req);
    state = wr_request_state(req);

    switch (task->result.outcome) {

    case PAYMENTS_SUCCEEDED:
        return captured(req, task);

    case PAYMENTS_DECLINED:
        return declined(req, task, task->result.reason, NULL);

    /* nothing was taken, and nothing is on its way */

    case PAYMENTS_UNKNOWN:
        return given_up(req, task);

    case PAYMENTS_FAILED:
        if (task->attempt + 1 >= state->attempts) {
            return given_up(req, task);
        }

        return not_yet(req, task);

    default:
        return not_yet(req, task);
    }
}


static enum wr_outcome
captured(struct wr_request *req, const struct payments_task *task)
{
    const char      *text;
    struct wr_rows  *rows;

    rows = payments_store_captured(wr_request_tx(req), task->id,
                                   task->result.reference);

    if (wr_rows_count(rows) == 0) {
        return WR_DONE;
    }

    payments_announce(req, "payment.captured", rows, NULL, NULL);
    text = wr_rows_text(rows, 0, PAYMENTS_STORE_FACT_IS_CANCELLED);

    if (text != NULL && text[0] == 't') {
        payments_refund_rest(req, task->job.order_id);
    }

    return WR_DONE;
}


static enum wr_outcome
declined(struct wr_request *req, const struct payments_task *task,
    const char *reason, const char *look)
{
    struct wr_rows  *rows;

    rows = payments_store_declined(wr_request_tx(req), task->id, reason, look);

    if (wr_rows_count(rows) != 0) {
        payments_announce(req, "payment.declined", rows, NULL, reason);
        return WR_DONE;
    }

    payments_store_looked(wr_request_tx(req), task->id, attempt(req, task));

    return WR_DONE;
}


/*
 * What was cancelled meanwhile ends without a word.  A provider that has never
 * heard of it may still get what it was told, and take the money late: it is
 * asked once more, after a while.
 */

static enum wr_outcome
given_up(struct wr_request *req, const struct payments_task *task)
{
    struct wr_rows               *rows;
    const struct payments_state  *state;

    state = wr_request_state(req);
    rows = payments_store_dropped(wr_request_tx(req), task->id, state->look);

    if (wr_rows_count(rows) != 0) {
        return WR_DONE;
    }

    return declined(req, task, "error", state->look);
}


static enum wr_outcome
not_yet(struct wr_request *req, const struct payments_task *task)
{
    payments_store_capture_later(wr_request_tx(req), task->id,
                                 attempt(req, task), task->result.reason,
                                 payments_task_pause(req, task->attempt));

    return WR_DONE;
}


static const char *
attempt(struct wr_request *req, const struct payments_task *task)
{
    return wr_arena_printf(wr_request_arena(req), "%" PRId64, task->attempt);
}
