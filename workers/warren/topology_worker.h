/*
 * Copyright (C) the Warren authors
 *
 * What workers say of themselves.
 */

#ifndef WARREN_TOPOLOGY_WORKER_H
#define WARREN_TOPOLOGY_WORKER_H


#include <jansson.h>


/* A worker prints less, or it is not a worker. */
#define TOPOLOGY_WORKER_SIZE_MAX  65536


/*
 * Runs "PROGRAM --topology", or reads the file that it once printed, and
 * appends what is there to services.  Waits for the program.  Returns 0, or -1
 * and the reason.
 */
int topology_worker_run(json_t *services, const char *program,
    const char **error_r);
int topology_worker_load(json_t *services, const char *path,
    const char **error_r);


#endif /* WARREN_TOPOLOGY_WORKER_H */
