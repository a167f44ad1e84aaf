/*
 * Copyright (C) the Warren authors
 *
 * Dead letters on standard output, for people and for programs.
 */

#ifndef WARREN_DEAD_PRINT_H
#define WARREN_DEAD_PRINT_H


#include <stdbool.h>

#include <jansson.h>


/* Letters are objects as dead_store.h has them. */

/* Some of so many letters, a line each. */
void dead_print_list(const json_t *letters, json_int_t count, bool is_json);

/* A letter with headers, body and history. */
void dead_print_letter(const json_t *letter, bool is_json);

/* What was done: deed is "retried" or "dropped".  A letter with "refused" was
   let be for that reason. */
void dead_print_deeds(const json_t *letters, const char *deed, bool is_dry,
    bool is_json);

/* That nothing matched, and nothing was done. */
void dead_print_nothing(const char *deed, bool is_dry, bool is_json);


#endif /* WARREN_DEAD_PRINT_H */
