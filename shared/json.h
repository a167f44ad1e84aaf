/*
 * Copyright (C) the Warren authors
 *
 * JSON, read by typed accessors that collect every error with its JSON pointer
 * (RFC 6901), and written front to back.
 *
 * Reading is strict: RFC 8259, valid UTF-8, no \u0000, no doubled member, at
 * most WR_JSON_DEPTH_MAX levels.
 */

#ifndef WARREN_JSON_H
#define WARREN_JSON_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct wr_arena;
struct wr_json;
struct wr_json_writer;


/* A text nested deeper is refused: nobody sends one in good faith. */
#define WR_JSON_DEPTH_MAX   64

/* Errors kept by a collector; what lies beyond is dropped. */
#define WR_JSON_ERRORS_MAX  32


/* what was wrong with a text, in the order it was found */

struct wr_json_error {
    const char            *pointer;     /* "" is the whole text */
    const char            *detail;
};

struct wr_json_errors {
    struct wr_arena       *arena;       /* owns the texts */
    size_t                 count;
    struct wr_json_error   items[WR_JSON_ERRORS_MAX];
};


/*
 * Parses a text.  The value lives as long as the arena.  Returns NULL and the
 * reason if the text is not JSON as described above.
 */
const struct wr_json *wr_json_parse(struct wr_arena *arena, const char *text,
    size_t len, const char **error_r);

/* An empty value, of which everything has been said: it stands for a text that
   is no JSON, once the caller has told that. */
const struct wr_json *wr_json_empty(void);

/* Adds an error of the caller's own, at a member of value (NULL: value). */
void wr_json_error_add(struct wr_json_errors *errors,
    const struct wr_json *value, const char *member, const char *detail);


/*
 * Members of an object.  Each accessor adds an error when the member is absent
 * or null, of another type, or out of bounds, and then returns "", 0, false or
 * an empty value, so that a handler can read all members first and look at
 * errors->count once.  A value that is not an object has no members, and says
 * so once.  errors may be NULL: errors are then not told.
 *
 * Lengths of strings count bytes.  Integers are those that a double tells from
 * their neighbours, less than 2^53 from zero, however they are written (1e3).
 * A member of NULL is the value itself: an item of an array.
 */
const char *wr_json_text(const struct wr_json *object, const char *member,
    size_t min, size_t max, struct wr_json_errors *errors);
int64_t wr_json_int(const struct wr_json *object, const char *member,
    int64_t min, int64_t max, struct wr_json_errors *errors);
bool wr_json_bool(const struct wr_json *object, const char *member,
    struct wr_json_errors *errors);
const struct wr_json *wr_json_object(const struct wr_json *object,
    const char *member, struct wr_json_errors *errors);
const struct wr_json *wr_json_array(const struct wr_json *object,
    const char *member, size_t min, size_t max,
    struct wr_json_errors *errors);

/* Whether the object has the member, and it is not null. */
bool wr_json_has(const struct wr_json *object, const char *member);

/* The name of a member by its place in the text; NULL beyond the last one, and
   of what is no object. */
const char *wr_json_name(const struct wr_json *object, size_t i);

/* Items of an array; an index beyond the last gives an empty value. */
size_t wr_json_count(const struct wr_json *array);
const struct wr_json *wr_json_item(const struct wr_json *array, size_t i);


/*
 * Begins to write into the arena.  A member's name is NULL inside an array and
 * for the outermost value.  Commas, quotes and escapes are the writer's; bytes
 * that are not UTF-8 become U+FFFD.
 */
struct wr_json_writer *wr_json_writer_new(struct wr_arena *arena);
void wr_json_object_begin(struct wr_json_writer *writer, const char *name);
void wr_json_object_end(struct wr_json_writer *writer);
void wr_json_array_begin(struct wr_json_writer *writer, const char *name);
void wr_json_array_end(struct wr_json_writer *writer);
void wr_json_put_text(struct wr_json_writer *writer, const char *name,
    const char *value);                 /* NULL writes null */
void wr_json_put_text_len(struct wr_json_writer *writer, const char *name,
    const char *value, size_t len);
void wr_json_put_int(struct wr_json_writer *writer, const char *name,
    int64_t value);
void wr_json_put_bool(struct wr_json_writer *writer, const char *name,
    bool value);
void wr_json_put_null(struct wr_json_writer *writer, const char *name);

/* Writes a text that is JSON already, unseen. */
void wr_json_put_raw(struct wr_json_writer *writer, const char *name,
    const char *json, size_t len);

/* The text, terminated, owned by the arena; len_r may be NULL.  What was begun
   must have been ended: a text that is not JSON ends the process. */
const char *wr_json_writer_text(struct wr_json_writer *writer, size_t *len_r);


#endif /* WARREN_JSON_H */
