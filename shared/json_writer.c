/*
 * Copyright (C) the Warren authors
 *
 * JSON, written front to back into an arena.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "json.h"
#include "log.h"
#include "utf8.h"


#define TEXT_FIRST  512


struct wr_json_writer {
    struct wr_arena  *arena;
    char             *text;
    size_t            len;
    size_t            size;
    int               depth;

    /* a value stands before the next one on the same level */
    bool              needs_comma;
};


static void value_begin(struct wr_json_writer *writer, const char *name);
static void level_begin(struct wr_json_writer *writer, const char *name,
    const char *bracket);
static void level_end(struct wr_json_writer *writer, const char *bracket);
static void put_string(struct wr_json_writer *writer, const char *text,
    size_t len);
static void put_escape(struct wr_json_writer *writer, unsigned char ch);
static void put(struct wr_json_writer *writer, const char *text, size_t len);


struct wr_json_writer *
wr_json_writer_new(struct wr_arena *arena)
{
    struct wr_json_writer  *writer;

    writer = wr_arena_alloc(arena, sizeof(struct wr_json_writer));
    writer->arena = arena;

    return writer;
}


void
wr_json_object_begin(struct wr_json_writer *writer, const char *name)
{
    level_begin(writer, name, "{");
}


void
wr_json_object_end(struct wr_json_writer *writer)
{
    level_end(writer, "}");
}


void
wr_json_array_begin(struct wr_json_writer *writer, const char *name)
{
    level_begin(writer, name, "[");
}


void
wr_json_array_end(struct wr_json_writer *writer)
{
    level_end(writer, "]");
}


void
wr_json_put_text(struct wr_json_writer *writer, const char *name,
    const char *value)
{
    if (value == NULL) {
        wr_json_put_null(writer, name);
        return;
    }

    wr_json_put_text_len(writer, name, value, strlen(value));
}


void
wr_json_put_text_len(struct wr_json_writer *writer, const char *name,
    const char *value, size_t len)
{
    value_begin(writer, name);
    put_string(writer, len != 0 ? value : "", len);
}


void
wr_json_put_int(struct wr_json_writer *writer, const char *name, int64_t value)
{
    int   len;
    char  text[24];

    len = snprintf(text, sizeof(text), "%" PRId64, value);

    wr_json_put_raw(writer, name, text, (size_t) len);
}


void
wr_json_put_bool(struct wr_json_writer *writer, const char *name, bool value)
{
    if (value) {
        wr_json_put_raw(writer, name, "true", 4);

    } else {
        wr_json_put_raw(writer, name, "false", 5);
    }
}


void
wr_json_put_null(struct wr_json_writer *writer, const char *name)
{
    wr_json_put_raw(writer, name, "null", 4);
}


void
wr_json_put_raw(struct wr_json_writer *writer, const char *name,
    const char *json, size_t len)
{
    value_begin(writer, name);
    put(writer, json, len);
}


const char *
wr_json_writer_text(struct wr_json_writer *writer, size_t *len_r)
{
    if (writer->depth != 0) {
        wr_log_error(NULL, "a JSON text was taken with %d levels open",
                     writer->depth);
        abort();
    }

    put(writer, "", 1);
    writer->len--;

    if (len_r != NULL) {
        *len_r = writer->len;
    }

    return writer->text;
}


static void
value_begin(struct wr_json_writer *writer, const char *name)
{
    if (writer->needs_comma) {
        put(writer, ",", 1);
    }

    if (name != NULL) {
        put_string(writer, name, strlen(name));
        put(writer, ":", 1);
    }

    writer->needs_comma = true;
}


static void
level_begin(struct wr_json_writer *writer, const char *name,
    const char *bracket)
{
    value_begin(writer, name);
    put(writer, bracket, 1);

    writer->needs_comma = false;
    writer->depth++;
}


static void
level_end(struct wr_json_writer *writer, const char *bracket)
{
    put(writer, bracket, 1);

    writer->needs_comma = true;
    writer->depth--;
}


static void
put_string(struct wr_json_writer *writer, const char *text, size_t len)
{
    size_t         i, n, plain;
    unsigned char  ch;

    put(writer, "\"", 1);
    plain = 0;

    for (i = 0; i < len; i += n) {
        ch = (unsigned char) text[i];
        n = wr_utf8_len(text + i, len - i);

        if (n != 0 && ch >= ' ' && ch != '"' && ch != '\\' && ch != 0x7F) {
            continue;
        }

        put(writer, text + plain, i - plain);

        if (n == 0) {
            put(writer, WR_UTF8_REPLACEMENT, WR_UTF8_REPLACEMENT_LEN);
            n = 1;

        } else {
            put_escape(writer, ch);
        }

        plain = i + n;
    }

    put(writer, text + plain, len - plain);
    put(writer, "\"", 1);
}


static void
put_escape(struct wr_json_writer *writer, unsigned char ch)
{
    int          len;
    char         text[8];
    const char  *p;

    static const char  plain[] = "\"\\\b\f\n\r\t";
    static const char  letters[] = "\"\\bfnrt";

    p = (ch != '\0') ? strchr(plain, ch) : NULL;

    if (p != NULL) {
        text[0] = '\\';
        text[1] = letters[p - plain];
        put(writer, text, 2);
        return;
    }

    len = snprintf(text, sizeof(text), "\\u%04x", ch);
    put(writer, text, (size_t) len);
}


/* What is outgrown stays in the arena: all of it is less than the text. */
static void
put(struct wr_json_writer *writer, const char *text, size_t len)
{
    char    *grown;
    size_t   size;

    if (len > writer->size - writer->len) {
        size = (writer->size != 0) ? writer->size : TEXT_FIRST;

        while (len > size - writer->len) {
            size *= 2;
        }

        grown = wr_arena_alloc(writer->arena, size);

        if (writer->len != 0) {
            memcpy(grown, writer->text, writer->len);
        }

        writer->text = grown;
        writer->size = size;
    }

    if (len != 0) {
        memcpy(writer->text + writer->len, text, len);
        writer->len += len;
    }
}
