/*
 * Copyright (C) the Warren authors
 *
 * Time.
 */

#ifndef WARREN_CLOCK_H
#define WARREN_CLOCK_H


#include <stdint.h>


/* CLOCK_MONOTONIC: for timers and durations. */
int64_t wr_clock_ms(void);
int64_t wr_clock_us(void);

/* CLOCK_REALTIME since the epoch: for deadlines on the wire and timestamps. */
int64_t wr_clock_wall_ms(void);

/* Writes a wall time as RFC 3339 in UTC: 2026-11-23T12:00:00.000Z. */
#define WR_CLOCK_TEXT_SIZE  32
void wr_clock_text(int64_t wall_ms, char text_r[WR_CLOCK_TEXT_SIZE]);


#endif /* WARREN_CLOCK_H */
