/*
 * Copyright (C) the Warren authors
 *
 * What a new worker is to have.
 */

#ifndef WARREN_NEW_PLAN_H
#define WARREN_NEW_PLAN_H


#include <stddef.h>


/* Names become names of files, functions, tables and queues. */
#define NEW_NAME_MAX   32

/* Methods and events of a new worker; more are refused. */
#define NEW_ITEMS_MAX  64


enum new_kind {
    NEW_WRITE = 0,          /* a method that changes something */
    NEW_GET,                /* a method "get_…" */
    NEW_LIST,               /* a method "list_…" */
    NEW_EVENT               /* an event of another service */
};


struct new_item {
    enum new_kind       kind;
    char               *type;           /* as messages have it */
    char               *id;             /* as C has it: order_placed */
};


/* Zeroed memory is an empty plan. */

struct new_plan {
    char               *name;
    char               *entity;         /* first word of its events */
    char               *directory;
    char               *templates;
    struct new_item     items[NEW_ITEMS_MAX];
    size_t              count;
};


/* Each takes a word into the plan, which it copies.  Returns 0, or -1 and the
   reason. */
int new_plan_name(struct new_plan *plan, const char *word,
    const char **error_r);
int new_plan_entity(struct new_plan *plan, const char *word,
    const char **error_r);
int new_plan_method(struct new_plan *plan, const char *word,
    const char **error_r);
int new_plan_event(struct new_plan *plan, const char *word,
    const char **error_r);

/* How many items are of methods (is_event 0) or events (1). */
size_t new_plan_count(const struct new_plan *plan, int is_event);

/* Gives what was not told its default: methods, entity, directory. */
void new_plan_complete(struct new_plan *plan);

/* Sets a text of a plan to a copy of word, unseen. */
void new_plan_set(char **text, const char *word);

/* Forgets all items but the first count. */
void new_plan_trim(struct new_plan *plan, size_t count);

/* Frees what the plan owns. */
void new_plan_free(struct new_plan *plan);


#endif /* WARREN_NEW_PLAN_H */
