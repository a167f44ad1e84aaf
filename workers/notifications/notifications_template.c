/*
 * Copyright (C) the Warren authors
 *
 * Templates: looked up, and filled in.
 */

#include <inttypes.h>
#include <string.h>

#include "arena.h"
#include "notifications_template.h"
#include "notifications_text.h"


#define OPEN   "{{"
#define CLOSE  "}}"


static const struct notifications_template *find(const char *kind,
    const char *channel, const char *language);
static const char *value_of(const struct notifications_value *values,
    const char *name, size_t len);
static char *put_value(char *p, const char *value);


const struct notifications_template *
notifications_template_find(const char *kind, const char *channel,
    const char *language)
{
    const struct notifications_template  *template;

    template = find(kind, channel, language);

    if (template == NULL) {
        template = find(kind, channel, NOTIFICATIONS_LANGUAGE);
    }

    return template;
}


static const struct notifications_template *
find(const char *kind, const char *channel, const char *language)
{
    const struct notifications_template  *t;

    for (t = notifications_text; t->kind != NULL; t++) {
        if (strcmp(t->kind, kind) == 0 && strcmp(t->channel, channel) == 0
            && strcmp(t->language, language) == 0)
        {
            return t;
        }
    }

    return NULL;
}


const char *
notifications_template_render(struct wr_arena *arena, const char *text,
    const struct notifications_value *values)
{
    char        *rendered, *p;
    size_t       size, n;
    const char  *open, *close, *at, *value;

    /* each value as often as there are places at most */

    size = strlen(text) + 1;

    for (at = text; (open = strstr(at, OPEN)) != NULL; at = open + n) {
        n = strlen(OPEN);
        close = strstr(open, CLOSE);

        if (close != NULL) {
            size += strlen(value_of(values, open + n,
                                    (size_t) (close - open) - n));
        }
    }

    rendered = wr_arena_alloc(arena, size);
    p = rendered;

    for (at = text; ; at = close + strlen(CLOSE)) {
        open = strstr(at, OPEN);
        close = (open != NULL) ? strstr(open, CLOSE) : NULL;

        if (close == NULL) {
            strcpy(p, at);
            return rendered;
        }

        memcpy(p, at, (size_t) (open - at));
        p += open - at;
        n = strlen(OPEN);
        value = value_of(values, open + n, (size_t) (close - open) - n);
        p = put_value(p, value);
    }
}


static const char *
value_of(const struct notifications_value *values, const char *name,
    size_t len)
{
    for ( ; values->name != NULL; values++) {
        if (strlen(values->name) == len
            && memcmp(values->name, name, len) == 0)
        {
            return values->value != NULL ? values->value : "";
        }
    }

    return "";
}


static char *
put_value(char *p, const char *value)
{
    for ( ; *value != '\0'; value++) {
        *p++ = ((unsigned char) *value < ' ' || *value == '\x7f') ? ' '
                                                                  : *value;
    }

    return p;
}


const char *
notifications_template_money(struct wr_arena *arena, const char *language,
    int64_t cents, const char *currency)
{
    return wr_arena_printf(arena, "%" PRId64 "%c%02d %s", cents / 100,
                           strcmp(language, "de") == 0 ? ',' : '.',
                           (int) (cents % 100), currency);
}


const char *
notifications_template_reason(const char *language, const char *reason)
{
    const struct notifications_text_reason  *r;

    for (r = notifications_text_reasons; ; r++) {
        if ((r->reason == NULL || strcmp(r->reason, reason) == 0)
            && strcmp(r->language, language) == 0)
        {
            return r->text;
        }

        if (r->reason == NULL
            && strcmp(r->language, NOTIFICATIONS_LANGUAGE) == 0)
        {
            break;
        }
    }

    return strcmp(language, NOTIFICATIONS_LANGUAGE) == 0
           ? r->text
           : notifications_template_reason(NOTIFICATIONS_LANGUAGE, reason);
}
