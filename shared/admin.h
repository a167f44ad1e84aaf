/*
 * Copyright (C) the Warren authors
 *
 * The worker's HTTP: /live, /ready and /metrics.  It runs inside the
 * supervisor's loop and starts no thread, since that process forks.
 */

#ifndef WARREN_ADMIN_H
#define WARREN_ADMIN_H


#include <stddef.h>


struct wr_admin;
struct wr_stats;


/* of "address:port" in text, with brackets around an IPv6 address */

#define WR_ADMIN_ADDRESS_SIZE  128


/*
 * Listens.  listen is "address:port"; port 0 takes a free one.  service and
 * stats are kept.  Returns NULL if it cannot, with the reason in error_r.
 */
struct wr_admin *wr_admin_start(const char *listen, const char *service,
    const struct wr_stats *stats, char *error_r, size_t error_size);
void wr_admin_stop(struct wr_admin **admin);

/* Where it listens, with the port that was chosen. */
const char *wr_admin_address(const struct wr_admin *admin);

/* The descriptor to poll for reading; how long to wait at most, -1: for ever;
   and what to call after either.  It does not block. */
int wr_admin_fd(const struct wr_admin *admin);
int wr_admin_timeout_ms(const struct wr_admin *admin);
void wr_admin_run(struct wr_admin *admin);


#endif /* WARREN_ADMIN_H */
