/*
 * Copyright (C) the Warren authors
 *
 * What a load is made of: where to, which requests, how many and how fast.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE                             /* getopt_long() */
#endif

#include "load_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>


/* Text that grows, allocated. */
struct text {
    char    *data;
    size_t   size;
};


/* What the command line says, before requests are made of it. */
struct words {
    const char   *host;
    const char   *port;
    const char   *method;
    const char   *path;
    struct text   body;
    struct text   tokens;
    struct text   headers;
    bool          has_body;
    bool          has_host;
};


static void read_option(struct load_options *options, struct words *words,
    int option);
static void usage(void);
static void resolve(struct load_options *options, const struct words *words);
static void build(struct load_options *options, struct words *words);
static void split_tokens(struct load_options *options, struct text *text);
static void add_header(struct words *words, const char *header);
static void expect(struct load_options *options, const char *list);
static double number(const char *name, const char *value, double min,
    double max);
static uint64_t nanoseconds(const char *name, const char *value, double min);
static void read_file(struct text *text, const char *path);
static void append(struct text *text, const char *data, size_t size);
static void print(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void *allocate(void *old, size_t size);
static void die(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));


static const struct option  long_options[] = {
    { "host",        required_argument, NULL, 'H' },
    { "port",        required_argument, NULL, 'p' },
    { "method",      required_argument, NULL, 'm' },
    { "path",        required_argument, NULL, 'u' },
    { "header",      required_argument, NULL, 'h' },
    { "body",        required_argument, NULL, 'b' },
    { "body-file",   required_argument, NULL, 'f' },
    { "tokens",      required_argument, NULL, 't' },
    { "connections", required_argument, NULL, 'c' },
    { "seconds",     required_argument, NULL, 's' },
    { "warmup",      required_argument, NULL, 'w' },
    { "rate",        required_argument, NULL, 'r' },
    { "expect",      required_argument, NULL, 'e' },
    { "timeout",     required_argument, NULL, 'o' },
    { "drain",       required_argument, NULL, 'd' },
    { "help",        no_argument,       NULL, '?' },
    { NULL,          0,                 NULL, 0 }
};


void
load_options_read(struct load_options *options, int argc, char **argv)
{
    int           option;
    struct words  words = {
        .host = "127.0.0.1", .method = "GET", .path = "/"
    };

    *options = (struct load_options) {
        .connections = 1, .seconds_ns = 1000000000,
        .timeout_ns = 10000000000, .drain_ns = 1000000000
    };

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        read_option(options, &words, option);
    }

    if (optind < argc) {
        die("no argument is taken: \"%s\"", argv[optind]);
    }

    if (words.port == NULL) {
        die("--port is missing");
    }

    resolve(options, &words);
    build(options, &words);
}


static void
read_option(struct load_options *options, struct words *words, int option)
{
    switch (option) {
    case 'H':
        words->host = optarg;
        break;
    case 'p':
        (void) number("port", optarg, 1, 65535);
        words->port = optarg;
        break;
    case 'm':
        words->method = optarg;
        break;
    case 'u':
        words->path = optarg;
        break;
    case 'h':
        add_header(words, optarg);
        break;
    case 'b':
        append(&words->body, optarg, strlen(optarg));
        words->has_body = true;
        break;
    case 'f':
        read_file(&words->body, optarg);
        words->has_body = true;
        break;
    case 't':
        read_file(&words->tokens, optarg);
        break;
    case 'c':
        options->connections = (unsigned) number("connections", optarg, 1,
                                                 LOAD_CONNECTIONS_MAX);
        break;
    case 's':
        options->seconds_ns = nanoseconds("seconds", optarg, 0.001);
        break;
    case 'w':
        options->warmup_ns = nanoseconds("warmup", optarg, 0);
        break;
    case 'r':
        options->rate = number("rate", optarg, 0, 1e7);
        break;
    case 'e':
        expect(options, optarg);
        break;
    case 'o':
        options->timeout_ns = nanoseconds("timeout", optarg, 0.001);
        break;
    case 'd':
        options->drain_ns = nanoseconds("drain", optarg, 0);
        break;
    default:
        usage();
    }
}


static void
usage(void)
{
    fputs("usage: load --port N [--host NAME] [--method GET] [--path /]\n"
          "            [--header 'NAME: VALUE']... [--body TEXT]"
          " [--body-file FILE]\n"
          "            [--tokens FILE] [--connections 1] [--seconds 1]"
          " [--warmup 0]\n"
          "            [--rate REQUESTS_A_SECOND] [--expect STATUS,...]\n"
          "            [--timeout 10] [--drain 1]\n", stderr);
    exit(2);
}


static void
resolve(struct load_options *options, const struct words *words)
{
    int              code;
    struct addrinfo  hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM
    };

    code = getaddrinfo(words->host, words->port, &hints, &options->address);
    if (code != 0) {
        die("%s:%s: %s", words->host, words->port, gai_strerror(code));
    }
}


/* All requests are the same but for the token, so they are written once. */
static void
build(struct load_options *options, struct words *words)
{
    struct text  head = { NULL, 0 }, tail = { NULL, 0 }, *last;

    options->is_head = strcmp(words->method, "HEAD") == 0;
    last = &head;

    print(&head, "%s %s HTTP/1.1\r\n", words->method, words->path);

    if (!words->has_host) {
        print(&head, "Host: %s:%s\r\n", words->host, words->port);
    }

    append(&head, words->headers.data, words->headers.size);

    if (words->has_body) {
        print(&head, "Content-Length: %zu\r\n", words->body.size);
    }

    if (words->tokens.data != NULL) {
        split_tokens(options, &words->tokens);
        print(&head, "Authorization: Bearer ");
        print(&tail, "\r\n");
        last = &tail;
    }

    append(last, "\r\n", 2);
    append(last, words->body.data, words->body.size);

    options->head = (struct iovec) { head.data, head.size };
    options->tail = (struct iovec) { tail.data, tail.size };

    free(words->headers.data);
    free(words->body.data);
}


/* The text stays: the tokens lie in it, the first one at its begin. */
static void
split_tokens(struct load_options *options, struct text *text)
{
    char    *p, *end, *line_end;
    size_t   room;

    room = 0;
    end = text->data + text->size;

    for (p = text->data; p < end; p = line_end + 1) {
        line_end = memchr(p, '\n', (size_t) (end - p));
        line_end = line_end == NULL ? end : line_end;

        if (line_end == p) {
            die("a token of the file is empty");
        }

        if (options->tokens_count == room) {
            room = room == 0 ? 64 : room * 2;
            options->tokens = allocate(options->tokens,
                                       room * sizeof(struct iovec));
        }

        options->tokens[options->tokens_count++] =
            (struct iovec) { p, (size_t) (line_end - p) };
    }

    if (options->tokens_count == 0) {
        die("the file of tokens is empty");
    }
}


static void
add_header(struct words *words, const char *header)
{
    if (strchr(header, ':') == NULL || strpbrk(header, "\r\n") != NULL) {
        die("--header is \"NAME: VALUE\": \"%s\"", header);
    }

    if (strncasecmp(header, "host:", 5) == 0) {
        words->has_host = true;
    }

    print(&words->headers, "%s\r\n", header);
}


static void
expect(struct load_options *options, const char *list)
{
    char           *end;
    unsigned long   status;

    do {
        status = strtoul(list, &end, 10);

        if (end == list || (*end != ',' && *end != '\0') || status < 100
            || status >= FIGURES_STATUSES)
        {
            die("--expect is a list of statuses: \"%s\"", list);
        }

        options->is_expected[status] = true;
        list = end + 1;

    } while (*end == ',');
}


static double
number(const char *name, const char *value, double min, double max)
{
    char    *end;
    double   got;

    got = strtod(value, &end);

    if (end == value || *end != '\0' || !(got >= min && got <= max)) {
        die("--%s is a number from %g to %g: \"%s\"", name, min, max, value);
    }

    return got;
}


static uint64_t
nanoseconds(const char *name, const char *value, double min)
{
    return (uint64_t) (number(name, value, min, 86400) * 1e9);
}


static void
read_file(struct text *text, const char *path)
{
    FILE    *file;
    char     buffer[65536];
    size_t   size;

    file = fopen(path, "rb");
    if (file == NULL) {
        die("%s: %s", path, strerror(errno));
    }

    /* not NULL, even of an empty file */
    append(text, "", 0);

    while ((size = fread(buffer, 1, sizeof(buffer), file)) > 0) {
        append(text, buffer, size);
    }

    if (ferror(file)) {
        die("%s: %s", path, strerror(errno));
    }

    fclose(file);
}


/* A power of two is had at each time, so that a large file is not copied again
 * and again. */
static void
append(struct text *text, const char *data, size_t size)
{
    size_t  room;

    for (room = 64; room < text->size + size + 1; room *= 2) { /* void */ }

    text->data = allocate(text->data, room);

    if (size > 0) {
        memcpy(text->data + text->size, data, size);
    }

    text->size += size;
}


static void
print(struct text *text, const char *format, ...)
{
    int      size;
    char    *line;
    va_list  args;

    va_start(args, format);
    size = vasprintf(&line, format, args);
    va_end(args);

    if (size == -1) {
        die("out of memory");
    }

    append(text, line, (size_t) size);
    free(line);
}


static void *
allocate(void *old, size_t size)
{
    void  *new;

    new = realloc(old, size);
    if (new == NULL) {
        die("out of memory");
    }

    return new;
}


void
load_options_free(struct load_options *options)
{
    if (options->tokens != NULL) {
        free(options->tokens[0].iov_base);
    }

    free(options->tokens);
    free(options->head.iov_base);
    free(options->tail.iov_base);
    freeaddrinfo(options->address);
}


static void
die(const char *format, ...)
{
    va_list  args;

    fputs("load: ", stderr);

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);

    fputc('\n', stderr);
    exit(2);
}
