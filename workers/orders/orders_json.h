/*
 * Copyright (C) the Warren authors
 *
 * Orders as JSON: read from a request, written into replies and events.
 */

#ifndef ORDERS_JSON_H
#define ORDERS_JSON_H


#include <stdbool.h>
#include <stddef.h>


struct order;
struct wr_arena;
struct wr_json;
struct wr_json_errors;


/* Reads how it is paid, what is wanted, and in which currency, if that is said;
   what is wrong is added to errors.  What else stands there, as a price, is not
   looked at.  Texts live as long as body. */
void orders_json_read(const struct wr_json *body, struct order *order,
    struct wr_json_errors *errors);

/* The order as a person sees it, or (is_event) as listeners do. */
const char *orders_json_write(struct wr_arena *arena,
    const struct order *order, bool is_event, size_t *len_r);


#endif /* ORDERS_JSON_H */
