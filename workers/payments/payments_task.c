/*
 * Copyright (C) the Warren authors
 *
 * A job of the provider's as a command of the service's own: what was written
 * down before it, in the transaction that sends the command, and whether it
 * must be asked about first.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "payments.h"
#include "payments_store.h"


/* the pause after the first failure, twice as long after each further one */
#define PAUSE_MS       1000
#define PAUSES_MAX     6
#define ATTEMPTS_MAX   1000000


static void begin(struct wr_request *req, struct payments_task *task);
static void tell(struct wr_request *req, const struct payments_task *task);


struct payments_task *
payments_task_read(struct wr_request *req, enum payments_what what)
{
    const struct wr_json   *body;
    struct wr_json_errors  *errors;
    struct payments_task   *task;

    body = wr_request_json(req);
    errors = wr_request_errors(req);
    task = wr_arena_alloc(wr_request_arena(req), sizeof(*task));
    task->id = wr_json_text(body, "id", 1, WR_UUID_SIZE, errors);
    task->attempt = wr_json_int(body, "attempt", 0, ATTEMPTS_MAX, errors);
    task->is_last = wr_json_bool(body, "is_last", errors);
    task->job.what = what;
    task->job.order_id = wr_json_text(body, "order_id", 1, WR_UUID_SIZE,
                                      errors);
    task->job.amount_cents = wr_json_int(body, "amount_cents", 0,
                                         PAYMENTS_CENTS_MAX, errors);
    task->job.currency = wr_json_text(body, "currency", 3, 3, errors);

    if (what == PAYMENTS_CHARGE) {
        task->job.method = wr_json_text(body, "payment_method", 1,
                                        PAYMENTS_METHOD_MAX, errors);

    } else {
        task->job.charge = wr_json_text(body, "charge", 0,
                                        PAYMENTS_REFERENCE_SIZE, errors);
    }

    if (errors->count == 0 && !wr_id_is_uuid(task->id)) {
        wr_json_error_add(errors, body, "id", "must be a UUID");
    }

    if (errors->count == 0 && !wr_id_is_uuid(task->job.order_id)) {
        wr_json_error_add(errors, body, "order_id", "must be a UUID");
    }

    /* who comes after somebody else asks what became of it */

    task->is_question = task->attempt != 0 || task->is_last
                        || wr_json_bool(body, "is_question", errors)
                        || wr_request_is_repeated(req);
    snprintf(task->key, sizeof(task->key), "%s-%.36s",
             (what == PAYMENTS_CHARGE) ? "capture" : "refund", task->id);
    task->job.key = task->key;

    return task;
}


/*
 * A question that nobody has answered leaves it uncertain, whatever the reason;
 * only who has never heard of the job is told to do it.
 */

bool
payments_task_waits(struct wr_request *req)
{
    struct payments_task         *task;
    const struct payments_state  *state;

    task = wr_request_get(req);
    state = wr_request_state(req);

    /* nothing costs nothing */

    if (task->job.amount_cents == 0) {
        task->result.outcome = PAYMENTS_SUCCEEDED;
        return false;
    }

    if (!task->is_begun) {
        begin(req, task);
    }

    if (!state->provider->look(state->data, task->ticket, &task->result)) {
        return true;
    }

    tell(req, task);

    if (!task->is_question) {
        return false;
    }

    if (task->result.outcome == PAYMENTS_FAILED) {
        task->result.outcome = PAYMENTS_UNCERTAIN;
    }

    if (task->result.outcome == PAYMENTS_UNKNOWN && !task->is_last) {
        task->is_question = false;
        begin(req, task);
        return true;
    }

    return false;
}


static void
begin(struct wr_request *req, struct payments_task *task)
{
    const struct payments_state  *state;

    state = wr_request_state(req);
    task->ticket = state->provider->begin(state->data, &task->job,
                                          task->is_question);
    task->is_begun = true;
}


static void
tell(struct wr_request *req, const struct payments_task *task)
{
    static const char *const  words[] = {
        "done", "declined", "pending", "not known", "failed", "uncertain"
    };

    const struct payments_state  *state;

    state = wr_request_state(req);

    if (task->result.outcome == PAYMENTS_FAILED
        || task->result.outcome == PAYMENTS_UNCERTAIN)
    {
        wr_log_warn(wr_request_log(req), "%s: %s is %s: %s",
                    state->provider->name, task->key,
                    words[task->result.outcome], task->result.reason);
        return;
    }

    wr_log_debug(wr_request_log(req), "%s: %s is %s%s",
                 state->provider->name, task->key,
                 words[task->result.outcome],
                 task->is_question ? ", it was asked" : "");
}


const char *
payments_task_pause(struct wr_request *req, int64_t attempts)
{
    attempts = (attempts < PAUSES_MAX) ? attempts : PAUSES_MAX;

    return wr_arena_printf(wr_request_arena(req), "%d milliseconds",
                           PAUSE_MS << attempts);
}


void
payments_task_send(struct wr_request *req, enum payments_what what,
    struct wr_rows *rows, int row)
{
    bool                          is_last;
    size_t                        len;
    int64_t                       attempts;
    const char                   *json, *text;
    struct wr_json_writer        *writer;
    const struct payments_state  *state;

    state = wr_request_state(req);
    attempts = wr_rows_int(rows, row, PAYMENTS_STORE_TASK_ATTEMPTS);
    text = wr_rows_text(rows, row, PAYMENTS_STORE_TASK_IS_CANCELLED);
    is_last = what == PAYMENTS_CHARGE
              && ((text != NULL && text[0] == 't')
                  || attempts >= state->attempts
                  || strcmp(wr_rows_text(rows, row,
                                         PAYMENTS_STORE_TASK_STATE),
                            "capturing") != 0);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id",
                     wr_rows_text(rows, row, PAYMENTS_STORE_TASK_ID));
    wr_json_put_text(writer, "order_id",
                     wr_rows_text(rows, row, PAYMENTS_STORE_TASK_ORDER_ID));
    wr_json_put_int(writer, "amount_cents",
                    wr_rows_int(rows, row, PAYMENTS_STORE_TASK_AMOUNT));
    wr_json_put_text(writer, "currency",
                     wr_rows_text(rows, row, PAYMENTS_STORE_TASK_CURRENCY));
    wr_json_put_text(writer,
                     (what == PAYMENTS_CHARGE) ? "payment_method" : "charge",
                     wr_rows_text(rows, row, PAYMENTS_STORE_TASK_SUBJECT));
    wr_json_put_int(writer, "attempt", attempts);
    text = wr_rows_text(rows, row, PAYMENTS_STORE_TASK_IS_RESUMED);
    wr_json_put_bool(writer, "is_question", text != NULL && text[0] == 't');
    wr_json_put_bool(writer, "is_last", is_last);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_command(req, PAYMENTS_NAME,
               (what == PAYMENTS_CHARGE) ? PAYMENTS_CAPTURE : PAYMENTS_RETURN,
               json, len);
}
