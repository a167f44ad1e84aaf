/*
 * Copyright (C) the Warren authors
 *
 * Templates: words between "at" signs, and lines that are there for each
 * method or event.
 */

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "new_expand.h"
#include "new_plan.h"
#include "text.h"


/* The longest word between "at" signs. */
#define WORD_MAX  16

#define EACH      "@@each "
#define IF        "@@if "
#define END       "@@end\n"


struct output {
    const struct new_plan  *plan;
    char                   *text;
    size_t                  len;
    size_t                  size;
};


static const char *put_block(struct output *out, const char *text,
    const char **error_r);
static void put_text(struct output *out, const char *text, size_t len,
    const struct new_item *item);
static const char *value(const char *word, size_t len,
    const struct new_plan *plan, const struct new_item *item,
    bool *is_upper_r);
static bool is_of(const struct new_item *item, const char *kind, size_t len);
static void put(struct output *out, const char *data, size_t len);
static void put_upper(struct output *out, const char *text);


char *
new_expand(const char *text, const struct new_plan *plan,
    const struct new_item *item, const char **error_r)
{
    size_t         len;
    struct output  out;

    memset(&out, 0, sizeof(out));
    out.plan = plan;
    put(&out, "", 0);

    while (*text != '\0') {
        len = strcspn(text, "\n");
        len += (text[len] == '\n');

        if (strncmp(text, "@@", 2) != 0) {
            put_text(&out, text, len, item);
            text += len;
            continue;
        }

        text = put_block(&out, text, error_r);

        if (text == NULL) {
            free(out.text);
            return NULL;
        }
    }

    return out.text;
}


/* Returns what follows it. */

static const char *
put_block(struct output *out, const char *text, const char **error_r)
{
    bool                    is_each;
    size_t                  i, kind_len;
    const char             *kind, *body, *end;
    const struct new_item  *item;

    is_each = strncmp(text, EACH, strlen(EACH)) == 0;

    if (!is_each && strncmp(text, IF, strlen(IF)) != 0) {
        *error_r = text_error("\"%.*s\" is no line of a template",
                              (int) strcspn(text, "\n"), text);
        return NULL;
    }

    kind = text + strlen(is_each ? EACH : IF);
    kind_len = strcspn(kind, "\n");
    body = kind + kind_len + (kind[kind_len] == '\n');
    end = strstr(body, END);

    if (end == NULL) {
        *error_r = text_error("\"%.*s\" has no end", (int) strcspn(text, "\n"),
                              text);
        return NULL;
    }

    for (i = 0; i < out->plan->count; i++) {
        item = &out->plan->items[i];

        if (!is_of(item, kind, kind_len)) {
            continue;
        }

        put_text(out, body, (size_t) (end - body), item);

        if (!is_each) {
            break;
        }
    }

    return end + strlen(END);
}


/* What is no word of ours stays: an address has "at" signs, too. */

static void
put_text(struct output *out, const char *text, size_t len,
    const struct new_item *item)
{
    bool         is_upper;
    size_t       n;
    const char  *p, *end, *known;

    end = text + len;

    for (p = text; p < end; p += n) {
        n = strcspn(p, "@");
        n = (n < (size_t) (end - p)) ? n : (size_t) (end - p);

        if (n != 0) {
            put(out, p, n);
            continue;
        }

        n = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        known = (p + 1 + n < end && p[1 + n] == '@')
                ? value(p + 1, n, out->plan, item, &is_upper) : NULL;

        if (known == NULL) {
            n = 1;
            put(out, p, n);
            continue;
        }

        n += 2;

        if (is_upper) {
            put_upper(out, known);

        } else {
            put(out, known, strlen(known));
        }
    }
}


static const char *
value(const char *word, size_t len, const struct new_plan *plan,
    const struct new_item *item, bool *is_upper_r)
{
    size_t  i;
    char    lower[WORD_MAX];

    if (len == 0 || len >= sizeof(lower)) {
        return NULL;
    }

    for (i = 0; i < len; i++) {
        lower[i] = (char) tolower((unsigned char) word[i]);
    }

    lower[len] = '\0';
    *is_upper_r = isupper((unsigned char) word[0]) != 0;

    if (strcmp(lower, "name") == 0) {
        return plan->name;
    }

    if (strcmp(lower, "entity") == 0) {
        return plan->entity;
    }

    if (item != NULL && strcmp(lower, "type") == 0) {
        return item->type;
    }

    if (item != NULL && strcmp(lower, "id") == 0) {
        return item->id;
    }

    return NULL;
}


static bool
is_of(const struct new_item *item, const char *kind, size_t len)
{
    static const char *const  names[] = {
        [NEW_WRITE] = "write",
        [NEW_GET] = "get",
        [NEW_LIST] = "list",
        [NEW_EVENT] = "event"
    };

    if (len == strlen("method") && memcmp(kind, "method", len) == 0) {
        return item->kind != NEW_EVENT;
    }

    return strlen(names[item->kind]) == len
           && memcmp(kind, names[item->kind], len) == 0;
}


static void
put(struct output *out, const char *data, size_t len)
{
    if (out->len + len + 1 > out->size) {
        out->size = 2 * (out->len + len + 1);
        out->text = text_grow(out->text, out->size);
    }

    memcpy(out->text + out->len, data, len);
    out->len += len;
    out->text[out->len] = '\0';
}


static void
put_upper(struct output *out, const char *text)
{
    char  c;

    for ( /* void */ ; *text != '\0'; text++) {
        c = (char) toupper((unsigned char) *text);
        put(out, &c, 1);
    }
}
