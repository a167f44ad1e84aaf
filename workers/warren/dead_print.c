/*
 * Copyright (C) the Warren authors
 *
 * Dead letters on standard output, for people and for programs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dead_print.h"
#include "table.h"
#include "text.h"


/* "2026-11-23T14:00:00": people need no microseconds */
#define TIME_LEN      19


static void print_text(const char *label, const json_t *object,
    const char *name);
static void print_history(const json_t *letter);
static void print_body(const json_t *letter);
static json_t *pick(const json_t *letter);
static const char *member(const json_t *object, const char *name);
static json_int_t number(const json_t *object, const char *name);


void
dead_print_list(const json_t *letters, json_int_t count, bool is_json)
{
    size_t         i;
    json_t        *letter, *list, *whole;
    struct table  *table;

    if (is_json) {
        list = json_array();

        json_array_foreach(letters, i, letter) {
            json_array_append_new(list, pick(letter));
        }

        whole = json_pack("{s:I, s:o}", "count", count, "letters", list);
        json_dumpf(whole, stdout, JSON_INDENT(2));
        puts("");
        json_decref(whole);
        return;
    }

    table = table_new(">ID", "DIED (UTC)", "QUEUE", "TYPE", ">ATTEMPTS",
                      "REASON", NULL);

    json_array_foreach(letters, i, letter) {
        table_add(table, "%" JSON_INTEGER_FORMAT, number(letter, "id"));
        table_add(table, "%.*s", TIME_LEN, member(letter, "last_at"));
        table_add(table, "%s", member(letter, "home"));
        table_add(table, "%s", member(letter, "type"));
        table_add(table, "%" JSON_INTEGER_FORMAT, number(letter, "attempts"));
        table_add(table, "%s", member(letter, "reason"));
    }

    table_print(table, stdout);
    table_free(&table);

    if (count == 0) {
        puts("no dead letters");

    } else if ((json_int_t) json_array_size(letters) < count) {
        printf("%zu of %" JSON_INTEGER_FORMAT "; --limit shows more\n",
               json_array_size(letters), count);
    }
}


/* What a list tells: no headers, no history. */

static json_t *
pick(const json_t *letter)
{
    json_t  *copy;

    copy = json_copy((json_t *) letter);
    json_object_del(copy, "headers");
    json_object_del(copy, "history");

    return copy;
}


void
dead_print_letter(const json_t *letter, bool is_json)
{
    char        *text;
    json_t      *value;
    const char  *name;

    if (is_json) {
        json_dumpf(letter, stdout, JSON_INDENT(2));
        puts("");
        return;
    }

    printf("letter        %" JSON_INTEGER_FORMAT "\n", number(letter, "id"));
    print_text("message", letter, "message_id");
    print_text("type", letter, "type");
    print_text("content type", letter, "content_type");
    print_text("queue", letter, "home");
    print_text("sender", letter, "sender");
    print_text("reason", letter, "reason");
    printf("attempts      %" JSON_INTEGER_FORMAT "\n",
           number(letter, "attempts"));
    printf("crashes       %" JSON_INTEGER_FORMAT "\n",
           number(letter, "crashes"));
    print_text("first sent", letter, "first_at");
    print_text("died", letter, "last_at");

    print_history(letter);
    puts("headers");

    json_object_foreach(json_object_get(letter, "headers"), name, value) {
        text = json_is_string(value)
               ? text_printf("  %s: %s", name, json_string_value(value))
               : text_printf("  %s: %" JSON_INTEGER_FORMAT, name,
                             json_integer_value(value));
        text_clean(text, "");
        puts(text);
        free(text);
    }

    print_body(letter);
}


/* Reasons are cut where the lane cut them. */

static void
print_history(const json_t *letter)
{
    char    *text;
    size_t   i;
    json_t  *failure;

    puts("history");

    json_array_foreach(json_object_get(letter, "history"), i, failure) {
        text = text_printf("  %s  attempt %" JSON_INTEGER_FORMAT ": %s",
                           member(failure, "at"), number(failure, "attempt"),
                           member(failure, "reason"));
        text_clean(text, "");
        puts(text);
        free(text);
    }
}


static void
print_text(const char *label, const json_t *object, const char *name)
{
    char  *text;

    text = text_printf("%-13s %s", label, member(object, name));
    text_clean(text, "");
    puts(text);
    free(text);
}


/* JSON is indented; what is no text is told in hexadecimal digits. */

static void
print_body(const json_t *letter)
{
    char        *text;
    json_t      *json;
    const char  *body;

    body = json_string_value(json_object_get(letter, "body"));

    if (body == NULL) {
        printf("body, which is no text\n%s\n", member(letter, "body_hex"));
        return;
    }

    json = json_loads(body, JSON_DECODE_ANY, NULL);
    text = json == NULL ? NULL
                        : json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
    json_decref(json);

    if (text == NULL) {
        text = text_printf("%s", body);
    }

    text_clean(text, "\n\t");
    printf("body\n%s\n", text);
    free(text);
}


void
dead_print_deeds(const json_t *letters, const char *deed, bool is_dry,
    bool is_json)
{
    char        *text;
    size_t       i, done;
    json_t      *letter, *list, *refused, *whole;

    list = json_array();
    refused = json_array();

    json_array_foreach(letters, i, letter) {
        json_array_append_new(json_object_get(letter, "refused") != NULL
                                  ? refused : list, pick(letter));
    }

    done = json_array_size(list);
    whole = json_pack("{s:b, s:o, s:o}", "dry_run", (int) is_dry, deed, list,
                      "refused", refused);

    if (is_json) {
        json_dumpf(whole, stdout, JSON_INDENT(2));
        puts("");
        json_decref(whole);
        return;
    }

    json_array_foreach(list, i, letter) {
        text = text_printf("%s%s %" JSON_INTEGER_FORMAT " (%s of %s)",
                           is_dry ? "would be " : "", deed,
                           number(letter, "id"), member(letter, "type"),
                           member(letter, "home"));
        text_clean(text, "");
        puts(text);
        free(text);
    }

    printf("%zu %s%s\n", done, is_dry ? "would be " : "", deed);
    json_decref(whole);
}


void
dead_print_nothing(const char *deed, bool is_dry, bool is_json)
{
    json_t  *none;

    if (!is_json) {
        puts("no letter matches");
        return;
    }

    none = json_array();
    dead_print_deeds(none, deed, is_dry, true);
    json_decref(none);
}


/* "" if it is no text. */

static const char *
member(const json_t *object, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}


static json_int_t
number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}
