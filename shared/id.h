/*
 * Copyright (C) the Warren authors
 *
 * Identifiers.
 */

#ifndef WARREN_ID_H
#define WARREN_ID_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


/* of a UUID as text, with the terminating zero */
#define WR_UUID_SIZE  37


/*
 * A new UUID of version 7 (RFC 9562): its order is the order of time, and
 * within a process it is strict.
 */
void wr_id_uuid7(char uuid_r[WR_UUID_SIZE]);

/* The time of a UUID of version 7 in milliseconds since the epoch; -1 if it is
   none. */
int64_t wr_id_uuid7_ms(const char *uuid);

/* Whether text is a UUID in its canonical form, in either case. */
bool wr_id_is_uuid(const char *text);

/* n random bytes as 2n lower case hex digits and a zero. */
void wr_id_random_hex(char *hex_r, size_t n);


#endif /* WARREN_ID_H */
