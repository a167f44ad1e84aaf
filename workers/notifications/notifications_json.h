/*
 * Copyright (C) the Warren authors
 *
 * A notification as clients see it, in lists and in streams.
 */

#ifndef NOTIFICATIONS_JSON_H
#define NOTIFICATIONS_JSON_H


#include <stddef.h>


struct notification;
struct wr_arena;
struct wr_json_writer;
struct wr_rows;


/* As an item of an array that is being written. */
void notifications_json_put(struct wr_json_writer *writer,
    const struct notification *notification);

/* The same of a row, as enum notifications_store_column has it. */
void notifications_json_put_row(struct wr_json_writer *writer,
    struct wr_rows *rows, int row);

/* The same by itself. */
const char *notifications_json_text(struct wr_arena *arena,
    const struct notification *notification, size_t *len_r);


#endif /* NOTIFICATIONS_JSON_H */
