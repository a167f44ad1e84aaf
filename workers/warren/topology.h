/*
 * Copyright (C) the Warren authors
 *
 * What must be on the broker: objects, bindings, policies and rights, from one
 * table and from what the workers say of themselves.
 */

#ifndef WARREN_TOPOLOGY_H
#define WARREN_TOPOLOGY_H


#include <jansson.h>


/* the broker user of the gateway */
#define TOPOLOGY_GATEWAY  "gateway"

/* the exchange type of a plugin that nodes come with, not enabled */
#define TOPOLOGY_HASH     "x-consistent-hash"


/*
 * Checks what a worker printed with --topology: an object with "service", and
 * the arrays "entities", "events", "ordered" and "channels", which may be
 * absent; with events in "ordered", "ordered_queues" is how many queues divide
 * them.
 * Returns 0, or -1 and the reason.
 */
int topology_check_service(const json_t *service, const char **error_r);

/* Whether a checked service serves a channel that another one of services
   serves: each would get a part of its messages.  Returns 0, or -1 and the
   reason. */
int topology_check_channels(const json_t *services, const json_t *service,
    const char **error_r);

/*
 * The whole topology of these services, an array of such objects.  The caller
 * releases it.
 *
 *   exchanges  [{name, type, arguments}]
 *   queues     [{name, arguments}]
 *   bindings   [{source, destination, destination_type, routing_key}]
 *   policies   [{name, pattern, apply-to, definition}]
 *   rights     [{user, configure, write, read, topics}], topics being
 *              [{exchange, write, read}]
 */
json_t *topology_expand(const json_t *services);


#endif /* WARREN_TOPOLOGY_H */
