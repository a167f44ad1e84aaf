/*
 * Copyright (C) the Warren authors
 *
 * What a worker says of itself over HTTP.
 */

#ifndef WARREN_STATUS_WORKER_H
#define WARREN_STATUS_WORKER_H


#include <jansson.h>


/* A worker that takes longer for an answer is not answering. */
#define STATUS_WORKER_TIMEOUT_SEC  10

/* Answers beyond are refused: a page of metrics has some ten thousand bytes. */
#define STATUS_WORKER_ANSWER_MAX   4194304


/*
 * Asks /ready and /metrics of a worker at http://127.0.0.1:PORT.  Returns an
 * object that the caller releases, or NULL and the reason:
 *
 *   url, service, ready, lanes [{lane, state}], outbox_depth and
 *   outbox_age_seconds, which are null if the worker does not tell.
 */
json_t *status_worker_ask(const char *url, const char **error_r);


#endif /* WARREN_STATUS_WORKER_H */
