/*
 * Copyright (C) the Warren authors
 *
 * warren new: a worker outside of this tree, from flags or five questions.
 */

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "new.h"
#include "new_files.h"
#include "new_plan.h"
#include "text.h"


#ifndef WARREN_TEMPLATES
#define WARREN_TEMPLATES  "/usr/local/share/warren/template"
#endif

/* A longer answer is cut, and then refused as a name. */
#define ANSWER_SIZE  1024


static const char  usage[] =
    "usage: warren new NAME [OPTION]...\n"
    "\n"
    "Writes a worker of your own: sources, test, migrations, configuration.\n"
    "\n"
    "  --method METHOD    a call it answers; repeat it.  Those called get or\n"
    "                     list, or get_X or list_X, only read.  Default: add,\n"
    "                     get, list\n"
    "  --event EVENT      an event of another service that it handles, as\n"
    "                     order.placed; repeat it\n"
    "  --entity WORD      what its own events are about.  Default: NAME\n"
    "  --directory DIR    where to write; must not be there.  Default: NAME\n"
    "  --templates DIR    default: $WARREN_TEMPLATES, or what was installed\n"
    "\n"
    "On a terminal what is not told is asked for.\n";

static const struct option  options[] = {
    { "method",    required_argument, NULL, 'm' },
    { "event",     required_argument, NULL, 'e' },
    { "entity",    required_argument, NULL, 'n' },
    { "directory", required_argument, NULL, 'd' },
    { "templates", required_argument, NULL, 't' },
    { "help",      no_argument,       NULL, 'h' },
    { NULL,        0,                 NULL, 0 }
};


typedef int (*taker)(struct new_plan *plan, const char *word,
    const char **error_r);


static int write_worker(struct new_plan *plan);
static int read_options(struct new_plan *plan, int argc, char **argv);
static int take_option(struct new_plan *plan, int option,
    const char **error_r);
static void ask_all(struct new_plan *plan);
static void ask(struct new_plan *plan, const char *question, taker take,
    bool is_needed);
static int take_words(struct new_plan *plan, char *answer, taker take);
static int take_directory(struct new_plan *plan, const char *word,
    const char **error_r);
static void tell(const struct new_plan *plan);


int
new_command(int argc, char **argv)
{
    int               rc;
    const char       *templates;
    struct new_plan   plan;

    memset(&plan, 0, sizeof(plan));
    templates = getenv("WARREN_TEMPLATES");
    new_plan_set(&plan.templates, templates != NULL ? templates
                                                    : WARREN_TEMPLATES);

    rc = read_options(&plan, argc, argv);

    if (rc == 0) {
        rc = write_worker(&plan);

    } else {
        rc = (rc == 1) ? 0 : 2;
    }

    new_plan_free(&plan);

    return rc;
}


/* Returns the exit status. */

static int
write_worker(struct new_plan *plan)
{
    const char  *error;

    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        ask_all(plan);
    }

    if (plan->name == NULL) {
        fputs(usage, stderr);
        return 2;
    }

    new_plan_complete(plan);

    if (new_files_write(plan, &error) == -1) {
        return text_fail("%s", error);
    }

    tell(plan);

    return 0;
}


/* Returns 0, 1 after help, -1 after bad usage. */

static int
read_options(struct new_plan *plan, int argc, char **argv)
{
    int          option;
    const char  *error;

    optind = 1;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {

        if (option == 'h') {
            fputs(usage, stdout);
            return 1;
        }

        if (option == '?') {
            fputs(usage, stderr);
            return -1;
        }

        if (take_option(plan, option, &error) == -1) {
            text_fail("%s", error);
            return -1;
        }
    }

    if (argc - optind > 1) {
        fputs(usage, stderr);
        return -1;
    }

    if (optind < argc && new_plan_name(plan, argv[optind], &error) == -1) {
        text_fail("%s", error);
        return -1;
    }

    return 0;
}


static int
take_option(struct new_plan *plan, int option, const char **error_r)
{
    switch (option) {

    case 'm':
        return new_plan_method(plan, optarg, error_r);

    case 'e':
        return new_plan_event(plan, optarg, error_r);

    case 'n':
        return new_plan_entity(plan, optarg, error_r);

    case 'd':
        return take_directory(plan, optarg, error_r);

    default:
        new_plan_set(&plan->templates, optarg);
        return 0;
    }
}


static void
ask_all(struct new_plan *plan)
{
    if (plan->name == NULL) {
        ask(plan, "What is the service called?", new_plan_name, true);
    }

    if (plan->name == NULL) {
        return;
    }

    if (new_plan_count(plan, 0) == 0) {
        ask(plan, "Which calls does it answer? [add get list]",
            new_plan_method, false);
    }

    if (new_plan_count(plan, 1) == 0) {
        ask(plan, "Which events of others does it handle? [none]",
            new_plan_event, false);
    }

    if (plan->entity == NULL) {
        ask(plan, "What are its own events about, in a word? [its name]",
            new_plan_entity, false);
    }

    if (plan->directory == NULL) {
        ask(plan, "Into which new folder shall it be written? [its name]",
            take_directory, false);
    }
}


/* Asks again after a wrong answer; an end of the input is an empty one. */

static void
ask(struct new_plan *plan, const char *question, taker take, bool is_needed)
{
    size_t  len;
    char    answer[ANSWER_SIZE];

    for ( ;; ) {
        printf("%s ", question);
        fflush(stdout);

        if (fgets(answer, sizeof(answer), stdin) == NULL) {
            putchar('\n');
            return;
        }

        len = strspn(answer, " \t\n");

        if (answer[len] == '\0') {
            if (is_needed) {
                continue;
            }

            return;
        }

        if (take_words(plan, answer, take) == 0) {
            return;
        }
    }
}


static int
take_words(struct new_plan *plan, char *answer, taker take)
{
    char        *word, *rest;
    size_t       count;
    const char  *error;

    count = plan->count;

    for (word = strtok_r(answer, " \t\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\n", &rest))
    {
        if (take(plan, word, &error) == -1) {
            text_fail("%s", error);
            new_plan_trim(plan, count);
            return -1;
        }
    }

    return 0;
}


static int
take_directory(struct new_plan *plan, const char *word, const char **error_r)
{
    if (word[0] == '\0') {
        *error_r = "the directory has no name";
        return -1;
    }

    new_plan_set(&plan->directory, word);

    return 0;
}


static void
tell(const struct new_plan *plan)
{
    printf("%s is in %s; its README.md tells what is there.\n"
           "\n"
           "    cd %s\n"
           "    make check\n", plan->name, plan->directory, plan->directory);
}
