/*
 * Copyright (C) the Warren authors
 *
 * The files of a new worker: which template makes which.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "new_expand.h"
#include "new_files.h"
#include "new_plan.h"
#include "text.h"


/* A template is shorter, or it is none. */
#define TEMPLATE_SIZE_MAX  65536

/* for each file: one, or one an item of a kind */
#define ONCE  -1


struct file {
    const char     *template;       /* in the folder of templates */
    const char     *path;           /* a template, too */
    int             kind;           /* ONCE, or an item's */
};


struct text {
    char           *path;
    char           *text;
};


static const char *const  folders[] = {
    "sql", "sql/deploy", "sql/revert", "sql/verify", NULL
};

static const struct file  files[] = {
    { "main.c",             "main.c",                     ONCE },
    { "service.h",          "@name@.h",                   ONCE },
    { "service.c",          "@name@_service.c",           ONCE },
    { "entry.c",            "@name@_entry.c",             ONCE },
    { "store.h",            "@name@_store.h",             ONCE },
    { "store.c",            "@name@_store.c",             ONCE },
    { "write.c",            "@name@_@id@.c",              NEW_WRITE },
    { "get.c",              "@name@_@id@.c",              NEW_GET },
    { "list.c",             "@name@_@id@.c",              NEW_LIST },
    { "event.c",            "@name@_@id@.c",              NEW_EVENT },
    { "test.c",             "test_@name@.c",              ONCE },
    { "makefile",           "Makefile",                   ONCE },
    { "worker.conf",        "@name@.conf",                ONCE },
    { "locations.conf",     "@name@_locations.conf",      ONCE },
    { "README.md",          "README.md",                  ONCE },
    { "gitignore",          ".gitignore",                 ONCE },
    { "sqitch.conf",        "sql/sqitch.conf",            ONCE },
    { "sqitch.plan",        "sql/sqitch.plan",            ONCE },
    { "deploy_runtime.sql", "sql/deploy/0001_runtime.sql", ONCE },
    { "revert_runtime.sql", "sql/revert/0001_runtime.sql", ONCE },
    { "verify_runtime.sql", "sql/verify/0001_runtime.sql", ONCE },
    { "deploy.sql",         "sql/deploy/0002_@name@.sql",  ONCE },
    { "revert.sql",         "sql/revert/0002_@name@.sql",  ONCE },
    { "verify.sql",         "sql/verify/0002_@name@.sql",  ONCE },
};

#define FILES  (sizeof(files) / sizeof(files[0]))


static int expand_all(const struct new_plan *plan, struct text *texts,
    size_t *count_r, const char **error_r);
static int expand_file(const struct new_plan *plan, const struct file *file,
    const struct new_item *item, const char *template, struct text *text,
    const char **error_r);
static char *read_template(const char *path, const char **error_r);
static int make_folders(const struct new_plan *plan, const char **error_r);
static int write_file(const struct new_plan *plan, const struct text *text,
    const char **error_r);


int
new_files_write(const struct new_plan *plan, const char **error_r)
{
    int           rc;
    size_t        i, count;
    struct text  *texts;

    texts = text_alloc((FILES + NEW_ITEMS_MAX) * sizeof(struct text));
    count = 0;
    rc = expand_all(plan, texts, &count, error_r);

    if (rc == 0) {
        rc = make_folders(plan, error_r);
    }

    for (i = 0; i < count; i++) {
        if (rc == 0) {
            rc = write_file(plan, &texts[i], error_r);
        }

        free(texts[i].path);
        free(texts[i].text);
    }

    free(texts);

    return rc;
}


static int
expand_all(const struct new_plan *plan, struct text *texts, size_t *count_r,
    const char **error_r)
{
    int                     rc;
    char                   *path, *template;
    size_t                  i, j;
    const struct file      *file;
    const struct new_item  *item;

    rc = 0;

    for (i = 0; i < FILES && rc == 0; i++) {
        file = &files[i];
        path = text_printf("%s/%s.in", plan->templates, file->template);
        template = read_template(path, error_r);
        free(path);

        if (template == NULL) {
            return -1;
        }

        if (file->kind == ONCE) {
            rc = expand_file(plan, file, NULL, template, &texts[(*count_r)++],
                             error_r);
        }

        for (j = 0; j < plan->count && rc == 0; j++) {
            item = &plan->items[j];

            if ((int) item->kind == file->kind) {
                rc = expand_file(plan, file, item, template,
                                 &texts[(*count_r)++], error_r);
            }
        }

        free(template);
    }

    return rc;
}


static int
expand_file(const struct new_plan *plan, const struct file *file,
    const struct new_item *item, const char *template, struct text *text,
    const char **error_r)
{
    const char  *error;

    text->path = new_expand(file->path, plan, item, &error);
    text->text = new_expand(template, plan, item, &error);

    if (text->path == NULL || text->text == NULL) {
        *error_r = text_error("%s/%s.in: %s", plan->templates, file->template,
                              error);
        return -1;
    }

    return 0;
}


static char *
read_template(const char *path, const char **error_r)
{
    char    *text;
    FILE    *file;
    size_t   len;

    file = fopen(path, "r");

    if (file == NULL) {
        *error_r = text_error("%s: %s; --templates tells where they are",
                              path, strerror(errno));
        return NULL;
    }

    text = text_alloc(TEMPLATE_SIZE_MAX + 1);
    len = fread(text, 1, TEMPLATE_SIZE_MAX, file);

    if (ferror(file) || len == TEMPLATE_SIZE_MAX
        || memchr(text, '\0', len) != NULL)
    {
        *error_r = text_error("%s: it cannot be read, or is no template",
                              path);
        free(text);
        text = NULL;
    }

    fclose(file);

    return text;
}


static int
make_folders(const struct new_plan *plan, const char **error_r)
{
    int     rc;
    char   *path;
    size_t  i;

    if (mkdir(plan->directory, 0777) == -1) {
        *error_r = text_error("%s: %s", plan->directory,
                              errno == EEXIST ? "is there already"
                                              : strerror(errno));
        return -1;
    }

    for (i = 0; folders[i] != NULL; i++) {
        path = text_printf("%s/%s", plan->directory, folders[i]);
        rc = mkdir(path, 0777);

        if (rc == -1) {
            *error_r = text_error("%s: %s", path, strerror(errno));
        }

        free(path);

        if (rc == -1) {
            return -1;
        }
    }

    return 0;
}


static int
write_file(const struct new_plan *plan, const struct text *text,
    const char **error_r)
{
    bool   is_good;
    char  *path;
    FILE  *file;

    path = text_printf("%s/%s", plan->directory, text->path);
    file = fopen(path, "wx");
    is_good = file != NULL && fputs(text->text, file) != EOF;

    if (file != NULL && fclose(file) != 0) {
        is_good = false;
    }

    if (!is_good) {
        *error_r = text_error("%s: %s", path, strerror(errno));
    }

    free(path);

    return is_good ? 0 : -1;
}
