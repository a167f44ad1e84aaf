/*
 * Copyright (C) the Warren authors
 *
 * How the queues of all services are, by the management API.
 */

#ifndef WARREN_STATUS_QUEUE_H
#define WARREN_STATUS_QUEUE_H


#include <jansson.h>


struct management;


/*
 * The queues of vhost that are ours, sorted by service, in an array that the
 * caller releases, or NULL and the reason:
 *
 *   [{name, kind, service, state, ready, unacked, consumers, in_per_sec,
 *     out_per_sec}]
 *
 * kind is what stands before the first dot; service is "" of a queue that no
 * service owns.
 */
json_t *status_queue_ask(struct management *management, const char *vhost,
    const char **error_r);

/* What is wrong with such a queue, in memory that the caller frees, or NULL. */
char *status_queue_problem(const json_t *queue);


#endif /* WARREN_STATUS_QUEUE_H */
