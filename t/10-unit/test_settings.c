/*
 * Copyright (C) the Warren authors
 *
 * Settings: sources and their order, types and their bounds, what is refused
 * and in which words, and what a dump shows.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "settings_private.h"
#include "tap.h"
#include "wire.h"


static void test_order(void);
static void test_values(void);
static void test_bad_values(void);
static void test_file(void);
static void test_unknown(void);
static void test_environment(void);
static void test_secrets(void);
static void test_masked(void);
static void test_dump(void);
static void test_runtime(void);
static void test_keep(void);
static void test_mistakes(void);
static struct wr_settings *load(const char *file, const char *variable,
    const char *option);
static void good_is(const char *key, const char *value, int64_t number);
static void bad_is(const char *option, const char *error);
static const char *file_write(const char *text, size_t len);
static void aborts(const char *key, const char *name);


static const struct wr_setting  table[] = {
    { "text", WR_SETTING_TEXT, "fallback", true, "a text" },
    { "int", WR_SETTING_INT, "1", false, "an integer" },
    { "bool", WR_SETTING_BOOL, "off", false, "a truth" },
    { "some.duration", WR_SETTING_DURATION, "1s", false, "a duration" },
    { "size", WR_SETTING_SIZE, "1k", false, "a size" },
    { "optional", WR_SETTING_INT, "", false, "an integer or nothing" },
    { "secret_file", WR_SETTING_FILE, "", false, "a secret" },
    WR_SETTINGS_END
};

static const struct wr_setting  needed[] = {
    { "needed", WR_SETTING_TEXT, NULL, false, NULL },
    WR_SETTINGS_END
};


static char  path[] = "/tmp/test_settings.XXXXXX";


int
main(void)
{
    close(mkstemp(path));

    test_order();
    test_values();
    test_bad_values();
    test_file();
    test_unknown();
    test_environment();
    test_secrets();
    test_masked();
    test_dump();
    test_runtime();
    test_keep();
    test_mistakes();

    unlink(path);

    return done();
}


static void
test_order(void)
{
    struct wr_settings  *settings;

    settings = load(NULL, NULL, NULL);
    is_str(wr_settings_text(settings, "text"), "fallback", "the fallback");
    wr_settings_free(&settings);
    ok(settings == NULL, "settings that were freed are NULL");

    settings = load("text = from file\n", NULL, NULL);
    is_str(wr_settings_text(settings, "text"), "from file", "then the file");
    wr_settings_free(&settings);

    settings = load("text = from file\n", "WARREN_TEXT=from environment",
                    NULL);
    is_str(wr_settings_text(settings, "text"), "from environment",
           "then the environment");
    wr_settings_free(&settings);

    settings = load("text = from file\n", "WARREN_TEXT=from environment",
                    "text=from = option");
    is_str(wr_settings_text(settings, "text"), "from = option",
           "then options, with what looks like one more");
    wr_settings_free(&settings);

    settings = load("text = \n", NULL, NULL);
    is_str(wr_settings_text(settings, "text"), "", "nothing is a text");
    wr_settings_free(&settings);
}


static void
test_values(void)
{
    good_is("int", "-9223372036854775808", INT64_MIN);
    good_is("int", "9223372036854775807", INT64_MAX);
    good_is("int", "-0", 0);
    good_is("int", "007", 7);
    good_is("bool", "on", 1);
    good_is("bool", "off", 0);
    good_is("some.duration", "0", 0);
    good_is("some.duration", "250ms", 250);
    good_is("some.duration", "15s", 15000);
    good_is("some.duration", "5m", 300000);
    good_is("some.duration", "1h", 3600000);
    good_is("some.duration", "2d", 172800000);
    good_is("size", "0", 0);
    good_is("size", "512", 512);
    good_is("size", "64k", 65536);
    good_is("size", "16m", 16777216);
    good_is("size", "4g", INT64_C(4294967296));
    good_is("optional", "", 0);
    good_is("optional", " 3 ", 3);
}


static void
test_bad_values(void)
{
    bad_is("int=", "-o: int: \"\" is not an integer");
    bad_is("int=1x", "-o: int: \"1x\" is not an integer");
    bad_is("int=0x10", "-o: int: \"0x10\" is not an integer");
    bad_is("int=1.0", "-o: int: \"1.0\" is not an integer");
    bad_is("int=+1", "-o: int: \"+1\" is not an integer");
    bad_is("int=- 1", "-o: int: \"- 1\" is not an integer");
    bad_is("int=9223372036854775808",
           "-o: int: \"9223372036854775808\" is not an integer");
    bad_is("bool=yes", "-o: bool: \"yes\" is not \"on\" or \"off\"");
    bad_is("bool=ON", "-o: bool: \"ON\" is not \"on\" or \"off\"");
    bad_is("some.duration=15", "-o: some.duration: \"15\" is not a duration "
           "such as 250ms, 15s, 5m, 1h or 14d");
    bad_is("some.duration=-1s", "-o: some.duration: \"-1s\" is not a duration "
           "such as 250ms, 15s, 5m, 1h or 14d");
    bad_is("some.duration=1 s", "-o: some.duration: \"1 s\" is not a duration "
           "such as 250ms, 15s, 5m, 1h or 14d");
    bad_is("some.duration=9223372036854775807h", "-o: some.duration: "
           "\"9223372036854775807h\" is not a duration such as 250ms, 15s, 5m, "
           "1h or 14d");
    bad_is("size=1kb", "-o: size: \"1kb\" is not a size such as 64k or 16m");
    bad_is("size=-1k", "-o: size: \"-1k\" is not a size such as 64k or 16m");
    bad_is("size=9000000000g",
           "-o: size: \"9000000000g\" is not a size such as 64k or 16m");
    bad_is("int", "-o int: not \"key=value\"");
    bad_is("=1", "-o: unknown key \"\"");
}


static void
test_file(void)
{
    size_t               n;
    char                *wide, want[128];
    struct wr_settings  *settings;

    settings = load("\n # comment\r\n\ttext\t=\t a # b = c \t\r\nint=5", NULL,
                    NULL);
    ok(wr_settings_error(settings, 0) == NULL, "blanks, comments, CR are fine");
    is_str(wr_settings_text(settings, "text"), "a # b = c",
           "a value is what is between the blanks");
    is_int(wr_settings_int(settings, "int"), 5, "the last line needs no end");
    wr_settings_free(&settings);

    settings = load("text=a\nnoise\nint=1\ntext=b\n", NULL, NULL);
    snprintf(want, sizeof(want), "%s:2: not \"key = value\": noise", path);
    is_str(wr_settings_error(settings, 0), want, "a line without \"=\"");
    snprintf(want, sizeof(want),
             "%s:4: text: stands twice, first at %s:1", path, path);
    is_str(wr_settings_error(settings, 1), want, "a key that stands twice");
    ok(wr_settings_error(settings, 2) == NULL, "and no more");
    wr_settings_free(&settings);

    for (n = WR_SETTINGS_LINE_MAX - 10; n < WR_SETTINGS_LINE_MAX + 10; n += 19)
    {
        wide = malloc(n + 1);
        memset(wide, 'x', n);
        memcpy(wide, "text=", 5);
        wide[n] = '\0';
        settings = load(wide, NULL, NULL);
        is_int(wr_settings_error(settings, 0) != NULL,
               n > WR_SETTINGS_LINE_MAX, "a line of %zu bytes", n);
        wr_settings_free(&settings);
        free(wide);
    }
}


static void
test_unknown(void)
{
    bad_is("txt=1", "-o: unknown key \"txt\", did you mean \"text\"?");
    bad_is("some.durations=1s",
           "-o: unknown key \"some.durations\", did you mean "
           "\"some.duration\"?");
    bad_is("Text=1", "-o: unknown key \"Text\", did you mean \"text\"?");
    bad_is("zzzzzzzzzz=1", "-o: unknown key \"zzzzzzzzzz\"");
    bad_is("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           "aaaaaaaaaaaaaaaaaaaaaa=1",
           "-o: unknown key \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"");
}


static void
test_environment(void)
{
    struct wr_settings  *settings;

    settings = load(NULL, "WARREN_SOME_DURATION=2s", NULL);
    is_int(wr_settings_ms(settings, "some.duration"), 2000,
           "dots become underscores");
    wr_settings_free(&settings);

    settings = load(NULL, "WARREN_INT=x", NULL);
    is_str(wr_settings_error(settings, 0),
           "WARREN_INT: int: \"x\" is not an integer",
           "a bad value is told by the variable's name");
    wr_settings_free(&settings);

    settings = load(NULL, "WARREN_SOME_DURATOIN=2s", NULL);
    is_str(wr_settings_error(settings, 0), "WARREN_SOME_DURATOIN: unknown "
           "variable, did you mean WARREN_SOME_DURATION?",
           "a slip of the pen is refused");
    wr_settings_free(&settings);

    settings = load(NULL, "WARREN_REDIS_PORT=6379", NULL);
    ok(wr_settings_error(settings, 0) == NULL,
       "a variable that is somebody else's is not ours");
    wr_settings_free(&settings);

    settings = load(NULL, "WARREN_TEXT", NULL);
    ok(wr_settings_error(settings, 0) == NULL, "nor is one without a value");
    wr_settings_free(&settings);
}


static void
test_secrets(void)
{
    int                  mode;
    char                 option[64], want[256], wide[WR_SETTINGS_LINE_MAX + 1];
    struct wr_settings  *settings;

    snprintf(option, sizeof(option), "secret_file=%s", path);

    for (mode = 0; mode < 8; mode++) {
        file_write("first line\r\nsecond", 18);
        chmod(path, (mode_t) (0640 | mode));
        settings = load(NULL, NULL, option);

        snprintf(want, sizeof(want), "-o: secret_file: \"%s\" is open to "
                 "everybody (mode %04o); mend it: chmod o-rwx '%s'", path,
                 0640 | mode, path);
        is_str(wr_settings_error(settings, 0), mode == 0 ? NULL : want,
               "mode %04o", 0640 | mode);

        if (mode == 0) {
            is_str(wr_settings_secret(settings, "secret_file"), "first line",
                   "the first line is the secret");
            is_str(wr_settings_text(settings, "secret_file"), path,
                   "and the file's name the text");
        }

        wr_settings_free(&settings);
    }

    chmod(path, 0600);
    file_write("", 0);
    settings = load(NULL, NULL, option);
    ok(wr_settings_error(settings, 0) != NULL, "an empty file is refused");
    wr_settings_free(&settings);

    memset(wide, 'x', sizeof(wide));
    file_write(wide, sizeof(wide));
    settings = load(NULL, NULL, option);
    ok(wr_settings_error(settings, 0) != NULL, "too long a line is refused");
    wr_settings_free(&settings);

    bad_is("secret_file=/nonexistent", "-o: secret_file: \"/nonexistent\" "
           "cannot be opened: No such file or directory");
    bad_is("secret_file=/tmp", "-o: secret_file: \"/tmp\" is not a file");

    settings = load(NULL, NULL, NULL);
    is_str(wr_settings_secret(settings, "secret_file"), "",
           "an optional secret that was not given is empty");
    wr_settings_free(&settings);
}


static void
test_masked(void)
{
    size_t            i;
    struct wr_arena  *arena;

    static const char  *samples[][2] = {
        { "", "" },
        { "plain", "plain" },
        { "amqp://u:p@h:1/v", "amqp://u:***@h:1/v" },
        { "amqp://u@h:1/v", "amqp://u@h:1/v" },
        { "amqp://h:1/v", "amqp://h:1/v" },
        { "amqp://u:p@h amqp://u:p:@@h2", "amqp://u:***@h amqp://u:***@h2" },
        { "amqp://u:@h", "amqp://u:***@h" },
        { "://:@", "://:***@" },
        { "postgresql://u@h/d?password=p&a=b",
          "postgresql://u@h/d?password=***&a=b" },
        { "host=h password=p user=u", "host=h password=*** user=u" },
        { "password='p q' user=u", "password=*** user=u" },
        { "password='p q", "password=*** q" },
        { "sslpassword=p", "sslpassword=***" },
        { "PASSWORD=", "PASSWORD=***" },
    };

    arena = wr_arena_new();

    for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        is_str(wr_settings_masked(arena, samples[i][0]), samples[i][1],
               "masked: %s", samples[i][0]);
    }

    wr_arena_free(&arena);
}


static void
test_dump(void)
{
    FILE                *out;
    char                *text;
    size_t               len;
    struct wr_settings  *settings;

    settings = load(NULL, "WARREN_INT=3", "text=amqp://u:hidden@h");
    out = open_memstream(&text, &len);
    wr_settings_dump(settings, out);
    fclose(out);

    ok(strstr(text, "# a text (from: -o; reloadable)\n"
                    "text = amqp://u:***@h\n") != NULL,
       "help, origin, reloadability, key and masked value");
    ok(strstr(text, "# an integer (from: WARREN_INT)\nint = 3\n") != NULL,
       "a variable is an origin");
    ok(strstr(text, "(from: default)\nsize = 1k\n") != NULL, "so is default");
    ok(strstr(text, "hidden") == NULL, "no password is shown");

    free(text);
    wr_settings_free(&settings);
}


static void
test_runtime(void)
{
    struct wr_settings               *settings;
    const struct wr_setting *const    tables[] = { wr_settings_runtime, NULL };
    const char *const                 good[] = {
        "broker.url=x", "database.url=y", NULL
    };
    const char *const                 bad[] = {
        "broker.url=x", "database.url=y", "lanes=0", "batch=100000",
        "log.format=xml", "http.listen=8080", "broker.heartbeat=10ms", NULL
    };
    struct wr_settings_source         source = { .tables = tables };

    source.options = good;
    settings = wr_settings_load(&source);
    wr_settings_runtime_check(settings);
    ok(wr_settings_error(settings, 0) == NULL, "fallbacks are in bounds");
    is_int(wr_settings_ms(settings, "broker.heartbeat"), 15000, "heartbeat");
    is_str(wr_settings_text(settings, "trusted_users"), "gateway", "trusted");
    wr_settings_free(&settings);

    source.options = bad;
    settings = wr_settings_load(&source);
    wr_settings_runtime_check(settings);
    is_str(wr_settings_error(settings, 0), "-o: broker.heartbeat: 10ms is not "
           "within 1000 and 600000 ms", "bounds are told");
    is_int(settings->errors_count, 5, "each of five is told");
    wr_settings_free(&settings);

    source.options = NULL;
    settings = wr_settings_load(&source);
    is_str(wr_settings_error(settings, 0), "broker.url is required: give it in "
           "the file, as WARREN_BROKER_URL, or with -o",
           "what is required is told");
    wr_settings_free(&settings);
}


/* Who forgot a message while it waits on its rungs would let it act again. */

static void
test_keep(void)
{
    int64_t                           ladder_ms;
    unsigned                          i;
    struct wr_settings               *settings;
    const struct wr_setting *const    tables[] = { wr_settings_runtime, NULL };
    const char *const                 least[] = {
        "broker.url=x", "database.url=y", "inbox.keep=8h", "outbox.keep=8h",
        NULL
    };
    const char *const                 less[] = {
        "broker.url=x", "database.url=y", "inbox.keep=479m",
        "outbox.keep=91d", NULL
    };
    struct wr_settings_source         source = { .tables = tables };

    for (i = 0, ladder_ms = 0; i < WIRE_RUNGS; i++) {
        ladder_ms += wire_rung(i)->ttl_ms;
    }

    source.options = least;
    settings = wr_settings_load(&source);
    wr_settings_runtime_check(settings);
    ok(wr_settings_error(settings, 0) == NULL, "eight hours may be kept");
    ok(wr_settings_ms(settings, "inbox.keep") > ladder_ms,
       "which is longer than all rungs");
    wr_settings_free(&settings);

    source.options = less;
    settings = wr_settings_load(&source);
    wr_settings_runtime_check(settings);
    is_int(settings->errors_count, 2, "no less, and not for ever");
    is_str(wr_settings_error(settings, 0), "-o: inbox.keep: 479m is not within "
           "28800000 and 7776000000 ms", "as is told");
    wr_settings_free(&settings);
}


static void
test_mistakes(void)
{
    aborts("nothing", "a key that the program does not have");
    aborts("text", "a text asked for as a number");
}


static struct wr_settings *
load(const char *file, const char *variable, const char *option)
{
    const char *const               environment[] = {
        "PATH=/bin", variable, NULL
    };
    const char *const               options[] = {
        "needed=x", option, NULL
    };
    const struct wr_setting *const  tables[] = { table, needed, NULL };
    struct wr_settings_source       source = {
        .tables = tables,
        .file = (file != NULL) ? file_write(file, strlen(file)) : NULL,
        .environment = environment, .options = options
    };

    return wr_settings_load(&source);
}


static void
good_is(const char *key, const char *value, int64_t number)
{
    char                 option[128];
    size_t               i;
    struct wr_settings  *settings;

    snprintf(option, sizeof(option), "%s=%s", key, value);
    settings = load(NULL, NULL, option);

    if (!ok(wr_settings_error(settings, 0) == NULL, "%s is good", option)) {
        diag("%s", wr_settings_error(settings, 0));
    }

    for (i = 0; strcmp(settings->entries[i].setting->key, key) != 0; i++) {
        /* void */
    }

    is_int(settings->entries[i].number, number, "%s is %" PRId64, option,
           number);
    wr_settings_free(&settings);
}


static void
bad_is(const char *option, const char *error)
{
    struct wr_settings  *settings;

    settings = load(NULL, NULL, option);
    is_str(wr_settings_error(settings, 0), error, "refused: %.40s", option);
    ok(wr_settings_error(settings, 1) == NULL, "and nothing else is");
    wr_settings_free(&settings);
}


static const char *
file_write(const char *text, size_t len)
{
    FILE  *out;

    out = fopen(path, "w");
    fwrite(text, 1, len, out);
    fclose(out);

    return path;
}


static void
aborts(const char *key, const char *name)
{
    int                  status;
    pid_t                pid;
    struct wr_settings  *settings;

    settings = load(NULL, NULL, NULL);
    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        wr_settings_int(settings, key);
        _exit(0);
    }

    waitpid(pid, &status, 0);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
       "%s ends the program", name);
    wr_settings_free(&settings);
}
