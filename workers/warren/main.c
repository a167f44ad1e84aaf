/*
 * Copyright (C) the Warren authors
 *
 * warren: the operator's program.
 */

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "dead_command.h"
#include "jwks.h"
#include "keys_command.h"
#include "new.h"
#include "status_command.h"
#include "token.h"
#include "topology_command.h"


#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION  "unknown"
#endif


struct command {
    const char  *word;
    const char  *second;        /* NULL: the command is one word */
    int        (*run)(int argc, char **argv);
    const char  *help;
};


static const struct command  commands[] = {
    { "topology", "apply", topology_command_apply,
      "make the broker's objects, bindings, policies, users and rights" },
    { "topology", "plan", topology_command_plan,
      "tell what apply would make" },
    { "topology", "check", topology_command_check,
      "tell by the exit status whether apply would make anything" },
    { "topology", "show", topology_command_show,
      "print as JSON what would be made" },
    { "status", NULL, status_command,
      "tell how queues and workers are" },
    { "dead", "list", dead_command_list,
      "tell the dead letters of a service" },
    { "dead", "show", dead_command_show,
      "tell one with headers, body and history" },
    { "dead", "retry", dead_command_retry,
      "send them again" },
    { "dead", "drop", dead_command_drop,
      "delete them" },
    { "new", NULL, new_command,
      "write a worker of your own" },
    { "token", NULL, token_command,
      "sign an access token" },
    { "jwks", NULL, jwks_command,
      "print the public half of a key as a JSON Web Key Set" },
    { "keys", "rotate", keys_command_rotate,
      "make a key that signs once gateways know it" },
    { "keys", "list", keys_command_list,
      "tell the keys of a service" },
    { "keys", "prune", keys_command_prune,
      "delete those whose tokens have ended" },
};

#define COMMANDS  (sizeof(commands) / sizeof(commands[0]))


static int help(FILE *file, int status);


int
main(int argc, char **argv)
{
    int                    words;
    size_t                 i;
    const struct command  *command;

    if (argc == 2
        && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
    {
        return help(stdout, 0);
    }

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("warren " PACKAGE_VERSION);
        return 0;
    }

    curl_global_init(CURL_GLOBAL_DEFAULT);

    for (i = 0; i < COMMANDS; i++) {
        command = &commands[i];
        words = command->second == NULL ? 1 : 2;

        if (argc > words && strcmp(argv[1], command->word) == 0
            && (words == 1 || strcmp(argv[2], command->second) == 0))
        {
            return command->run(argc - words, argv + words);
        }
    }

    return help(stderr, 2);
}


static int
help(FILE *file, int status)
{
    size_t                 i;
    const struct command  *command;

    fputs("usage: warren COMMAND [OPTION]...\n\n", file);

    for (i = 0; i < COMMANDS; i++) {
        command = &commands[i];
        fprintf(file, "  warren %s %-*s %s\n", command->word,
                (int) (16 - strlen(command->word)),
                command->second == NULL ? "" : command->second,
                command->help);
    }

    fputs("\nwarren COMMAND --help tells the options.\n", file);

    return status;
}
