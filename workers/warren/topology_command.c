/*
 * Copyright (C) the Warren authors
 *
 * warren topology: options, and the workers that are asked.
 */

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "management.h"
#include "secret.h"
#include "text.h"
#include "topology.h"
#include "topology_apply.h"
#include "topology_command.h"
#include "topology_worker.h"


struct options {
    const char  *url;
    const char  *password_file;
    const char  *ca_file;
    const char  *vhost;
    json_t      *accounts;      /* user: password */
    json_t      *services;

    enum topology_mode  mode;
};


static const char  usage[] =
    "usage: warren topology apply|plan|check --url URL "
    "--password-file FILE\n"
    "           [--ca FILE] [--vhost NAME] [--user NAME=SECRETFILE]...\n"
    "           [--worker PROGRAM]... [--from FILE.json]...\n"
    "       warren topology show [--worker PROGRAM]... "
    "[--from FILE.json]...\n"
    "\n"
    "  --url URL                management API: http://admin@127.0.0.1:15672\n"
    "  --password-file FILE     its first line is that user's password\n"
    "  --ca FILE                who signs the certificate of https, as PEM\n"
    "  --vhost NAME             default: warren\n"
    "  --user NAME=SECRETFILE   make this user, or give him this password\n"
    "  --worker PROGRAM         ask PROGRAM --topology\n"
    "  --from FILE.json         read what a worker printed\n"
    "\n"
    "plan tells what apply would make, and check only whether; exit status:\n"
    "0 nothing, 3 something, 1 what is there must not be so\n";

static const struct option  options[] = {
    { "url",           required_argument, NULL, 'u' },
    { "password-file", required_argument, NULL, 'p' },
    { "ca",            required_argument, NULL, 'c' },
    { "vhost",         required_argument, NULL, 'v' },
    { "user",          required_argument, NULL, 'a' },
    { "worker",        required_argument, NULL, 'w' },
    { "from",          required_argument, NULL, 'f' },
    { "help",          no_argument,       NULL, 'h' },
    { NULL,            0,                 NULL, 0 }
};


static int run(int argc, char **argv, enum topology_mode mode,
    int (*command)(struct options *));
static int apply(struct options *o);
static int show(struct options *o);
static int parse(struct options *o, int argc, char **argv);
static int parse_option(struct options *o, int option, const char **error_r);
static int add_account(struct options *o, const char *text,
    const char **error_r);
static bool is_known(const struct options *o, const char *user);


int
topology_command_apply(int argc, char **argv)
{
    return run(argc, argv, TOPOLOGY_MAKE, apply);
}


int
topology_command_plan(int argc, char **argv)
{
    return run(argc, argv, TOPOLOGY_PLAN, apply);
}


int
topology_command_check(int argc, char **argv)
{
    return run(argc, argv, TOPOLOGY_CHECK, apply);
}


int
topology_command_show(int argc, char **argv)
{
    return run(argc, argv, TOPOLOGY_CHECK, show);
}


static int
run(int argc, char **argv, enum topology_mode mode,
    int (*command)(struct options *))
{
    int             rc;
    struct options  o;

    memset(&o, 0, sizeof(o));
    o.mode = mode;
    o.vhost = "warren";
    o.accounts = json_object();
    o.services = json_array();

    rc = parse(&o, argc, argv);

    if (rc == 0) {
        rc = command(&o);

    } else if (rc == -1) {
        rc = 0;
    }

    json_decref(o.accounts);
    json_decref(o.services);

    return rc;
}


static int
apply(struct options *o)
{
    int                 rc;
    char               *password;
    json_t             *topology, *unused;
    const char         *error, *name;
    struct management  *management;

    if (o->url == NULL || o->password_file == NULL) {
        fputs("warren: --url and --password-file are needed\n", stderr);
        return 2;
    }

    json_object_foreach(o->accounts, name, unused) {
        if (!is_known(o, name)) {
            text_fail("user %s is neither \"" TOPOLOGY_GATEWAY "\" nor a "
                      "service; name its worker with --worker", name);
            return 2;
        }
    }

    rc = 1;
    management = NULL;
    password = secret_line(o->password_file, &error);

    if (password != NULL) {
        management = management_open(o->url, password, o->ca_file, &error);
    }

    if (management == NULL) {
        text_fail("%s", error);

    } else {
        topology = topology_expand(o->services);
        rc = topology_apply(management, o->vhost, topology, o->accounts,
                            o->mode);
        json_decref(topology);
    }

    management_close(&management);
    secret_free(&password);

    return rc;
}


static int
show(struct options *o)
{
    int      rc;
    json_t  *topology;

    topology = topology_expand(o->services);
    rc = json_dumpf(topology, stdout, JSON_INDENT(2));
    json_decref(topology);

    if (rc == -1 || puts("") == EOF || fflush(stdout) == EOF) {
        return text_fail("standard output could not be written");
    }

    return 0;
}


/* 0, 2 for bad usage, 1 for a file or worker that does not do, -1: the usage
   was asked for, and that is all. */

static int
parse(struct options *o, int argc, char **argv)
{
    int          option, rc;
    const char  *error;

    optind = 1;

    for ( ;; ) {
        option = getopt_long(argc, argv, "h", options, NULL);

        if (option == -1) {
            break;
        }

        if (option == 'h') {
            fputs(usage, stdout);
            return -1;
        }

        if (option == '?') {
            fputs(usage, stderr);
            return 2;
        }

        rc = parse_option(o, option, &error);

        if (rc == -1) {
            return text_fail("%s", error);
        }
    }

    if (optind != argc) {
        fputs(usage, stderr);
        return 2;
    }

    return 0;
}


static int
parse_option(struct options *o, int option, const char **error_r)
{
    switch (option) {

    case 'u':
        o->url = optarg;
        return 0;

    case 'p':
        o->password_file = optarg;
        return 0;

    case 'c':
        o->ca_file = optarg;
        return 0;

    case 'v':
        o->vhost = optarg;
        return 0;

    case 'a':
        return add_account(o, optarg, error_r);

    case 'w':
        return topology_worker_run(o->services, optarg, error_r);

    default:
        return topology_worker_load(o->services, optarg, error_r);
    }
}


static int
add_account(struct options *o, const char *text, const char **error_r)
{
    char        *name, *password;
    const char  *file;

    file = strchr(text, '=');

    if (file == NULL || file == text) {
        *error_r = "--user wants NAME=SECRETFILE";
        return -1;
    }

    password = secret_line(file + 1, error_r);

    if (password == NULL) {
        return -1;
    }

    name = text_printf("%.*s", (int) (file - text), text);

    if (json_object_set_new(o->accounts, name, json_string(password)) == -1) {
        *error_r = text_error("%s: neither user name nor password may be "
                              "anything but UTF-8", file + 1);
        secret_free(&password);
    }

    free(name);

    if (password == NULL) {
        return -1;
    }

    secret_free(&password);

    return 0;
}


/* Whether the topology has rights for the user. */

static bool
is_known(const struct options *o, const char *user)
{
    size_t       i;
    json_t      *service;
    const char  *name;

    if (strcmp(user, TOPOLOGY_GATEWAY) == 0) {
        return true;
    }

    json_array_foreach(o->services, i, service) {
        name = json_string_value(json_object_get(service, "service"));

        if (strcmp(name, user) == 0) {
            return true;
        }
    }

    return false;
}
