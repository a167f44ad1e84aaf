/*
 * Copyright (C) the Warren authors
 *
 * What a new worker is to have: names that are good as names of files,
 * functions, tables and queues.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "new_plan.h"
#include "text.h"


#define LETTERS  "abcdefghijklmnopqrstuvwxyz"
#define DIGITS   "0123456789"


static int check_word(const char *what, const char *word,
    const char **error_r);
static int add(struct new_plan *plan, enum new_kind kind, const char *type,
    char *id, const char **error_r);
static bool begins(const char *word, const char *prefix);


/* users and roles of broker and database, headers and files that are there */

static const char *const  reserved_names[] = {
    "admin", "again", "commands", "events", "gateway", "guest", "main",
    "park", "postgres", "public", "replies", "retry", "rpc", "sqitch", "test",
    "warren", "wr", NULL
};

/* files beside those of the methods */

static const char *const  reserved_methods[] = {
    "entry", "service", "store", NULL
};


int
new_plan_name(struct new_plan *plan, const char *word, const char **error_r)
{
    size_t  i;

    if (check_word("name", word, error_r) == -1) {
        return -1;
    }

    for (i = 0; reserved_names[i] != NULL; i++) {
        if (strcmp(word, reserved_names[i]) == 0) {
            *error_r = text_error("the name \"%s\" is taken", word);
            return -1;
        }
    }

    if (begins(word, "wr_") || begins(word, "pg_")) {
        *error_r = text_error("the name \"%s\" begins with \"%.3s\", as names "
                              "of %s do", word, word,
                              word[0] == 'w' ? "the library" : "PostgreSQL");
        return -1;
    }

    new_plan_set(&plan->name, word);

    return 0;
}


int
new_plan_entity(struct new_plan *plan, const char *word,
    const char **error_r)
{
    if (check_word("entity", word, error_r) == -1) {
        return -1;
    }

    new_plan_set(&plan->entity, word);

    return 0;
}


int
new_plan_method(struct new_plan *plan, const char *word,
    const char **error_r)
{
    size_t         i;
    enum new_kind  kind;

    if (check_word("method", word, error_r) == -1) {
        return -1;
    }

    for (i = 0; reserved_methods[i] != NULL; i++) {
        if (strcmp(word, reserved_methods[i]) == 0) {
            *error_r = text_error("the method \"%s\" would have the file of "
                                  "another part", word);
            return -1;
        }
    }

    kind = NEW_WRITE;

    if (strcmp(word, "get") == 0 || begins(word, "get_")) {
        kind = NEW_GET;

    } else if (strcmp(word, "list") == 0 || begins(word, "list_")) {
        kind = NEW_LIST;
    }

    return add(plan, kind, word, text_printf("%s", word), error_r);
}


int
new_plan_event(struct new_plan *plan, const char *word, const char **error_r)
{
    char        *id, *fact;
    const char  *ignored;

    id = text_printf("on_%s", word);
    fact = strchr(id, '.');

    if (fact != NULL) {
        *fact = '\0';
    }

    if (fact == NULL || check_word("event", id + 3, &ignored) == -1
        || check_word("event", fact + 1, &ignored) == -1)
    {
        *error_r = text_error("the event \"%.100s\" is not like order.placed: "
                              "two words of small letters, digits and \"_\"",
                              word);
        free(id);
        return -1;
    }

    *fact = '_';

    return add(plan, NEW_EVENT, word, id, error_r);
}


static int
check_word(const char *what, const char *word, const char **error_r)
{
    size_t  len;

    len = strlen(word);

    if (len == 0 || len > NEW_NAME_MAX || strchr(LETTERS, word[0]) == NULL
        || strspn(word, LETTERS DIGITS "_") != len)
    {
        *error_r = text_error("the %s \"%.100s\" is not of 1 to %d small "
                              "letters, digits and \"_\", a letter first",
                              what, word, NEW_NAME_MAX);
        return -1;
    }

    return 0;
}


/* id is the plan's, or freed here. */

static int
add(struct new_plan *plan, enum new_kind kind, const char *type, char *id,
    const char **error_r)
{
    size_t            i;
    struct new_item  *item;

    for (i = 0; i < plan->count; i++) {
        if (strcmp(plan->items[i].id, id) == 0) {
            *error_r = text_error("\"%s\" stands twice, or another would have "
                                  "the same file", type);
            free(id);
            return -1;
        }
    }

    if (plan->count == NEW_ITEMS_MAX) {
        *error_r = text_error("more than %d methods and events",
                              NEW_ITEMS_MAX);
        free(id);
        return -1;
    }

    item = &plan->items[plan->count++];
    item->kind = kind;
    item->type = text_printf("%s", type);
    item->id = id;

    return 0;
}


static bool
begins(const char *word, const char *prefix)
{
    return strncmp(word, prefix, strlen(prefix)) == 0;
}


size_t
new_plan_count(const struct new_plan *plan, int is_event)
{
    size_t  i, count;

    for (i = 0, count = 0; i < plan->count; i++) {
        count += ((plan->items[i].kind == NEW_EVENT) == (is_event != 0));
    }

    return count;
}


void
new_plan_complete(struct new_plan *plan)
{
    const char  *ignored;

    /* without any method nobody could see that it works */

    if (new_plan_count(plan, 0) == 0) {
        (void) new_plan_method(plan, "add", &ignored);
        (void) new_plan_method(plan, "get", &ignored);
        (void) new_plan_method(plan, "list", &ignored);
    }

    if (plan->entity == NULL) {
        new_plan_set(&plan->entity, plan->name);
    }

    if (plan->directory == NULL) {
        new_plan_set(&plan->directory, plan->name);
    }
}


void
new_plan_set(char **text, const char *word)
{
    free(*text);
    *text = text_printf("%s", word);
}


void
new_plan_trim(struct new_plan *plan, size_t count)
{
    while (plan->count > count) {
        plan->count--;
        free(plan->items[plan->count].type);
        free(plan->items[plan->count].id);
    }
}


void
new_plan_free(struct new_plan *plan)
{
    new_plan_trim(plan, 0);
    free(plan->name);
    free(plan->entity);
    free(plan->directory);
    free(plan->templates);
}
