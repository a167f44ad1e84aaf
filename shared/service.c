/*
 * Copyright (C) the Warren authors
 *
 * All of a worker's main(): options, configuration, and then the supervisor.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "json.h"
#include "key_private.h"
#include "lane.h"
#include "lane_queues.h"
#include "log_private.h"
#include "memory.h"
#include "service.h"
#include "settings_private.h"
#include "supervisor.h"
#include "timer.h"
#include "version.h"
#include "wire.h"


#define EXIT_USAGE  2

#define NAME_CHARACTERS                                                       \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

#ifdef __clang__
#define COMPILER    __VERSION__
#else
#define COMPILER    "gcc " __VERSION__
#endif

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED   ", with sanitizers"
#else
#define SANITIZED   ""
#endif


/* what main() is to do */

enum task {
    TASK_RUN = 0,
    TASK_CHECK_CONFIG,
    TASK_DUMP_CONFIG,
    TASK_TOPOLOGY,
    TASK_VERSION,
    TASK_HELP
};


struct program {
    const struct wr_service    *service;
    const char                 *name;           /* argv[0] */
    enum task                   task;
    const char                **options;        /* of -o; NULL ends it */
    const struct wr_setting    *tables[3];
    struct wr_settings_source   source;
    struct wr_settings         *settings;
};


static int options_read(struct program *program, int argc, char **argv);
static int service_check(const struct program *program);
static int handler_check(const struct program *program,
    const struct wr_handler *handler);
static int channels_check(const struct program *program);
static int task_run(struct program *program);
static int configured_run(struct program *program);
static int supervise(struct program *program);
static struct wr_settings *settings_read(void *data);
static int lane_run(void *data, int lane);
static void topology_print(const struct wr_service *service);
static void types_put(struct wr_json_writer *writer, const char *name,
    const struct wr_service *service, enum wr_kind kind, bool in_order);
static void words_put(struct wr_json_writer *writer, const char *name,
    const char *const *words);
static void version_print(const struct wr_service *service);
static void help_print(const struct program *program);


enum {
    OPTION_CHECK_CONFIG = 256,
    OPTION_DUMP_CONFIG,
    OPTION_TOPOLOGY,
    OPTION_VERSION
};


static const struct option  long_options[] = {
    { "config",       required_argument, NULL, 'c' },
    { "option",       required_argument, NULL, 'o' },
    { "check-config", no_argument,       NULL, OPTION_CHECK_CONFIG },
    { "dump-config",  no_argument,       NULL, OPTION_DUMP_CONFIG },
    { "topology",     no_argument,       NULL, OPTION_TOPOLOGY },
    { "version",      no_argument,       NULL, OPTION_VERSION },
    { "help",         no_argument,       NULL, 'h' },
    { NULL, 0, NULL, 0 }
};


int
wr_service_run(const struct wr_service *service, int argc, char **argv)
{
    int             rc;
    struct program  program;

    memset(&program, 0, sizeof(program));
    program.service = service;
    program.name = (argc > 0) ? argv[0] : service->name;
    program.options = wr_memory_alloc((size_t) argc + 1, sizeof(char *));

    program.tables[0] = wr_settings_runtime;
    program.tables[1] = service->settings;

    program.source.tables = program.tables;
    program.source.environment = (const char *const *) environ;
    program.source.options = program.options;

    if (service_check(&program) != 0 || options_read(&program, argc, argv) != 0)
    {
        rc = EXIT_USAGE;

    } else {
        rc = task_run(&program);
    }

    free(program.options);

    return rc;
}


static int
options_read(struct program *program, int argc, char **argv)
{
    int     option;
    size_t  n;

    n = 0;
    optind = 1;

    for ( ;; ) {
        option = getopt_long(argc, argv, "c:o:h", long_options, NULL);

        switch (option) {

        case -1:
            if (optind == argc) {
                return 0;
            }

            fprintf(stderr, "%s: \"%s\" is no option, try --help\n",
                    program->name, argv[optind]);
            return -1;

        case 'c':
            program->source.file = optarg;
            break;

        case 'o':
            program->options[n++] = optarg;
            break;

        case OPTION_CHECK_CONFIG:
            program->task = TASK_CHECK_CONFIG;
            break;

        case OPTION_DUMP_CONFIG:
            program->task = TASK_DUMP_CONFIG;
            break;

        case OPTION_TOPOLOGY:
            program->task = TASK_TOPOLOGY;
            break;

        case OPTION_VERSION:
            program->task = TASK_VERSION;
            break;

        case 'h':
            program->task = TASK_HELP;
            break;

        default:
            /* getopt_long() has said which */
            fprintf(stderr, "try %s --help\n", program->name);
            return -1;
        }
    }
}


/* Mistakes in main.c's tables, told at the first start. */
static int
service_check(const struct program *program)
{
    char                      error[WR_KEYS_ERROR_SIZE];
    const char               *name;
    const struct wr_handler  *handler;

    name = program->service->name;

    if (name == NULL || name[0] == '\0'
        || name[strspn(name, NAME_CHARACTERS)] != '\0')
    {
        fprintf(stderr, "%s: the service's name is not of letters, digits, "
                "\"-\" and \"_\"\n", program->name);
        return -1;
    }

    for (handler = program->service->handlers; handler->type != NULL;
         handler++)
    {
        if (handler_check(program, handler) != 0) {
            return -1;
        }
    }

    if (wr_keys_verify(program->service, error) != 0) {
        fprintf(stderr, "%s: %s\n", program->name, error);
        return -1;
    }

    if (program->service->ordered_queues < 0
        || program->service->ordered_queues > WIRE_ORDERED_QUEUES_MAX)
    {
        fprintf(stderr, "%s: .ordered_queues is not within 0 and %d\n",
                program->name, WIRE_ORDERED_QUEUES_MAX);
        return -1;
    }

    return channels_check(program);
}


static int
handler_check(const struct program *program, const struct wr_handler *handler)
{
    const struct wr_handler  *other;

    if (handler->apply == NULL) {
        fprintf(stderr, "%s: handler \"%s\" has no .apply\n", program->name,
                handler->type);
        return -1;
    }

    if (handler->read_only && handler->kind != WR_CALL) {
        fprintf(stderr, "%s: handler \"%s\" is read-only and no call\n",
                program->name, handler->type);
        return -1;
    }

    if (handler->is_secret
        && (handler->kind != WR_CALL || handler->read_only))
    {
        fprintf(stderr, "%s: handler \"%s\" is secret and no call that "
                "writes\n", program->name, handler->type);
        return -1;
    }

    if (handler->in_order && handler->kind != WR_EVENT) {
        fprintf(stderr, "%s: handler \"%s\" is in order and of no event\n",
                program->name, handler->type);
        return -1;
    }

    if (handler->every_ms != 0
        && (handler->kind != WR_COMMAND || handler->every_ms < WR_TIMER_MIN_MS
            || handler->every_ms > WR_TIMER_MAX_MS))
    {
        fprintf(stderr, "%s: handler \"%s\" has an .every_ms and is no "
                "command, or that is not within %d and %d\n", program->name,
                handler->type, WR_TIMER_MIN_MS, WR_TIMER_MAX_MS);
        return -1;
    }

    for (other = program->service->handlers; other != handler; other++) {
        if (other->kind == handler->kind
            && strcmp(other->type, handler->type) == 0)
        {
            fprintf(stderr, "%s: handler \"%s\" stands twice\n", program->name,
                    handler->type);
            return -1;
        }
    }

    return 0;
}


static int
channels_check(const struct program *program)
{
    int                       n;
    const struct wr_handler  *handler;

    n = 0;

    for (handler = program->service->handlers; handler->type != NULL;
         handler++)
    {
        if (handler->kind != WR_CHANNEL) {
            continue;
        }

        if (handler->type[0] == '\0'
            || handler->type[strspn(handler->type, NAME_CHARACTERS)] != '\0')
        {
            fprintf(stderr, "%s: channel \"%s\" is not of letters, digits, "
                    "\"-\" and \"_\"\n", program->name, handler->type);
            return -1;
        }

        if (++n > WIRE_CHANNELS_MAX) {
            fprintf(stderr, "%s: more than %d channels\n", program->name,
                    WIRE_CHANNELS_MAX);
            return -1;
        }
    }

    return 0;
}


static int
task_run(struct program *program)
{
    switch (program->task) {

    case TASK_TOPOLOGY:
        topology_print(program->service);
        break;

    case TASK_VERSION:
        version_print(program->service);
        break;

    case TASK_HELP:
        help_print(program);
        break;

    default:
        return configured_run(program);
    }

    return fflush(stdout) == 0 ? 0 : 1;
}


static int
configured_run(struct program *program)
{
    int          rc;
    size_t       i;
    const char  *error;

    program->settings = settings_read(program);
    rc = 0;

    for (i = 0; (error = wr_settings_error(program->settings, i)) != NULL; i++)
    {
        fprintf(stderr, "%s: %s\n", program->name, error);
        rc = EXIT_USAGE;
    }

    if (program->task == TASK_DUMP_CONFIG) {
        wr_settings_dump(program->settings, stdout);

    } else if (program->task == TASK_CHECK_CONFIG && rc == 0) {
        printf("%s: the configuration is good\n", program->name);

    } else if (program->task == TASK_RUN && rc == 0) {
        rc = supervise(program);
    }

    if (fflush(stdout) != 0 && rc == 0) {
        rc = 1;
    }

    wr_settings_free(&program->settings);

    return rc;
}


static int
supervise(struct program *program)
{
    int                   format, level;
    struct wr_supervised  supervised;

    format = wr_log_format_of(wr_settings_text(program->settings,
                                               "log.format"));
    level = wr_log_level_of(wr_settings_text(program->settings, "log.level"));

    wr_log_setup((enum wr_log_format) format, (enum wr_log_level) level,
                 program->service->name);

    memset(&supervised, 0, sizeof(supervised));
    supervised.name = program->service->name;
    supervised.handlers = program->service->handlers;
    supervised.settings = program->settings;
    supervised.settings_read = settings_read;
    supervised.lane_run = lane_run;
    supervised.data = program;

    return wr_supervisor_run(&supervised);
}


static struct wr_settings *
settings_read(void *data)
{
    char                 word[100];
    struct program      *program;
    struct wr_settings  *settings;

    program = data;
    settings = wr_settings_load(&program->source);
    wr_settings_runtime_check(settings);

    if (settings->errors_count == 0
        && !wr_lane_queues_check(program->service,
                                 wr_settings_text(settings, "queues"), word,
                                 sizeof(word)))
    {
        wr_settings_refuse(settings, "queues", "\"%s\" is not rpc, commands, "
                           "events, or channel.NAME with a channel of the "
                           "service", word);
    }

    return settings;
}


static int
lane_run(void *data, int lane)
{
    struct program  *program;

    program = data;

    return wr_lane_run(program->service, program->settings, lane);
}


/* What "warren topology apply" needs to know of this service. */
static void
topology_print(const struct wr_service *service)
{
    struct wr_arena        *arena;
    struct wr_json_writer  *writer;

    arena = wr_arena_new();
    writer = wr_json_writer_new(arena);

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "service", service->name);
    words_put(writer, "entities", service->entities);
    types_put(writer, "events", service, WR_EVENT, false);
    words_put(writer, "asks", service->asks);
    types_put(writer, "channels", service, WR_CHANNEL, false);
    types_put(writer, "ordered", service, WR_EVENT, true);
    wr_json_put_int(writer, "ordered_queues",
                    wr_lane_queues_ordered(service));
    wr_json_object_end(writer);

    puts(wr_json_writer_text(writer, NULL));
    wr_arena_free(&arena);
}


/* The types of handlers of a kind. */

static void
types_put(struct wr_json_writer *writer, const char *name,
    const struct wr_service *service, enum wr_kind kind, bool in_order)
{
    const struct wr_handler  *handler;

    wr_json_array_begin(writer, name);

    for (handler = service->handlers; handler->type != NULL; handler++) {
        if (handler->kind == kind && handler->in_order == in_order) {
            wr_json_put_text(writer, NULL, handler->type);
        }
    }

    wr_json_array_end(writer);
}


static void
words_put(struct wr_json_writer *writer, const char *name,
    const char *const *words)
{
    wr_json_array_begin(writer, name);

    for ( /* void */ ; words != NULL && *words != NULL; words++) {
        wr_json_put_text(writer, NULL, *words);
    }

    wr_json_array_end(writer);
}


static void
version_print(const struct wr_service *service)
{
    char  libpq[WR_VERSION_SIZE];

    wr_db_library_version(libpq);

    printf("warren-%s %s\n", service->name, WR_VERSION);
    printf("rabbitmq-c %s, libpq %s, cJSON %s, libmicrohttpd %s\n",
           wr_broker_library_version(), libpq, wr_json_library_version(),
           wr_admin_library_version());
    printf("built with " COMPILER SANITIZED "\n");
}


static void
help_print(const struct program *program)
{
    int                       i;
    const struct wr_setting  *setting;

    printf("usage: %s [-c FILE] [-o KEY=VALUE]...\n\n"
           "  -c, --config FILE       read settings from FILE\n"
           "  -o, --option KEY=VALUE  set one, over file and environment\n"
           "      --check-config      say whether the settings are good\n"
           "      --dump-config       print them with their origins\n"
           "      --topology          print what it needs of the broker\n"
           "      --version           print versions\n"
           "  -h, --help              print this\n\n"
           "Settings, also read from the environment as WARREN_<KEY>:\n\n",
           program->name);

    for (i = 0; program->tables[i] != NULL; i++) {
        for (setting = program->tables[i]; setting->key != NULL; setting++) {
            printf("  %s\n      %s", setting->key,
                   setting->help != NULL ? setting->help : "");

            if (setting->fallback == NULL) {
                puts(" (required)");

            } else if (setting->fallback[0] != '\0') {
                printf(" (default: %s)\n", setting->fallback);

            } else {
                putchar('\n');
            }
        }
    }
}
