/*
 * Copyright (C) the Warren authors
 *
 * Which queues a lane consumes.
 */

#ifndef WARREN_LANE_QUEUES_H
#define WARREN_LANE_QUEUES_H


#include <stdbool.h>
#include <stddef.h>


struct wr_arena;
struct wr_broker_config;
struct wr_service;
struct wr_settings;


/* How many queues divide the service's events in order: 0 without any. */
int wr_lane_queues_ordered(const struct wr_service *service);

/*
 * Fills in the queues of config, of which service and lane are set, by the
 * setting "queues".  Names are in the arena.
 */
void wr_lane_queues(const struct wr_service *service,
    const struct wr_settings *settings, struct wr_arena *arena,
    struct wr_broker_config *config);

/*
 * Whether "queues" names kinds of queues and channels that the service has;
 * otherwise the first other word is copied to word_r, cut to its size.
 */
bool wr_lane_queues_check(const struct wr_service *service, const char *queues,
    char *word_r, size_t size);


#endif /* WARREN_LANE_QUEUES_H */
