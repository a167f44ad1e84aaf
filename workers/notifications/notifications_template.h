/*
 * Copyright (C) the Warren authors
 *
 * Templates: what is said of an event on a channel, in a language.
 */

#ifndef NOTIFICATIONS_TEMPLATE_H
#define NOTIFICATIONS_TEMPLATE_H


#include <stdint.h>


struct wr_arena;


/* What is said in any language that has no template of its own. */
#define NOTIFICATIONS_LANGUAGE  "en"


struct notifications_template {
    const char  *kind;
    const char  *channel;
    const char  *language;
    const char  *title;         /* one line */
    const char  *body;
};

/* What takes the place of {{name}}; a value of NULL is "". */
struct notifications_value {
    const char  *name;          /* NULL ends a list */
    const char  *value;
};


/* The template of a kind; if there is none in the language, that in
   NOTIFICATIONS_LANGUAGE.  NULL: nothing is said of it on this channel. */
const struct notifications_template *notifications_template_find(
    const char *kind, const char *channel, const char *language);

/* The text with its placeholders filled in, by the arena.  A value is one line,
   whatever it has: control characters become blanks. */
const char *notifications_template_render(struct wr_arena *arena,
    const char *text, const struct notifications_value *values);

/* An amount as a person writes it: "123.05 EUR", or "123,05 EUR". */
const char *notifications_template_money(struct wr_arena *arena,
    const char *language, int64_t cents, const char *currency);

/* A reason's word as a text: "out_of_stock". */
const char *notifications_template_reason(const char *language,
    const char *reason);


#endif /* NOTIFICATIONS_TEMPLATE_H */
