/*
 * Copyright (C) the Warren authors
 *
 * JSON's inside.
 */

#ifndef WARREN_JSON_PRIVATE_H
#define WARREN_JSON_PRIVATE_H


#include <stddef.h>


struct wr_arena;


/* A number of more characters is refused: no double needs them. */
#define WR_JSON_NUMBER_MAX  63


/*
 * Whether a text is JSON as json.h has it, but for what only a tree can show
 * (doubled members, numbers beyond a double).  It neither recurses nor builds
 * anything.  Returns 0, or -1 and the reason with its place.
 */
int wr_json_scan(struct wr_arena *arena, const char *text, size_t len,
    const char **error_r);


#endif /* WARREN_JSON_PRIVATE_H */
