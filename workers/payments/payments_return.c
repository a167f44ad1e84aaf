/*
 * Copyright (C) the Warren authors
 *
 * Has the provider pay back, and records what came of it.  It is never given
 * up: somebody waits for the money.
 */

#include <inttypes.h>

#include "payments.h"
#include "payments_store.h"


static void later(struct wr_request *req, const struct payments_task *task);


enum wr_outcome
payments_return_gather(struct wr_request *req)
{
    struct payments_task  *task;

    task = payments_task_read(req, PAYMENTS_REFUND);

    if (wr_request_errors(req)->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, task);

    return WR_DONE;
}


void
payments_return_keys(struct wr_request *req)
{
    struct payments_task  *task;

    task = wr_request_get(req);
    wr_key(req, payments_tables.payments, task->job.order_id);
    wr_key(req, payments_tables.refunds, task->id);
}


enum wr_outcome
payments_return(struct wr_request *req)
{
    struct wr_rows              *rows;
    const struct payments_task  *task;

    task = wr_request_get(req);

    switch (task->result.outcome) {

    case PAYMENTS_SUCCEEDED:
        rows = payments_store_refunded(wr_request_tx(req), task->id,
                                       task->result.reference);

        if (wr_rows_count(rows) != 0) {
            payments_announce(req, "payment.refunded", rows, task->id, NULL);
        }

        return WR_DONE;

    case PAYMENTS_DECLINED:
        rows = payments_store_refund_failed(wr_request_tx(req), task->id,
                                            task->result.reason);

        if (wr_rows_count(rows) != 0) {
            wr_log_error(wr_request_log(req), "the provider does not pay back "
                         "what order %s has paid: %s", task->job.order_id,
                         task->result.reason);
        }

        return WR_DONE;

    default:
        later(req, task);
        return WR_DONE;
    }
}


static void
later(struct wr_request *req, const struct payments_task *task)
{
    payments_store_refund_later(
        wr_request_tx(req), task->id,
        wr_arena_printf(wr_request_arena(req), "%" PRId64, task->attempt),
        task->result.reason, payments_task_pause(req, task->attempt));
}
